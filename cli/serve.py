"""``penstock serve``."""

import os
import signal
import socket
from contextlib import closing
from typing import Annotated

import typer

from bootstrap import build
from cli import show
from cli.application import configure_logs
from cli.schema import make_current
from cli.trouble import Trouble
from handlers.server import serve as run
from penstock.settings import PREFIX, Settings, load

FACTORY = "cli.application:create"

app = show.command()


@app.command()
def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 for any that is free.", show_default="8000")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes.", show_default="1")] = None,
) -> None:
    """Run the API, the hosted checkout and the docs.

    Without PENSTOCK_REDIS_URL the jobs run in the server's own process; with it, run `penstock worker` beside it.
    On SQLite the tables are brought up to date first; on PostgreSQL run `penstock migrate` yourself.
    """
    settings = load(host=host, port=port, workers=workers)
    # A port that the system chooses is chosen here, so that what is printed and what links say is where it listens.
    settings = load(host=host, port=assert_free(settings.host, settings.port), workers=workers)
    with build(settings, may_make_secret=True) as house:
        make_current(house)
    configure_logs(settings)
    out = show.console(is_error=True)
    out.print(f"Penstock starts on http://{settings.host}:{settings.port}  (docs: {settings.public_url}/docs)")
    _hand_down(settings)
    # Uvicorn ends calmly and raises the signal once more: being told to stop is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    run(FACTORY, host=settings.host, port=settings.port, workers=settings.workers)


def _leave(*_: object) -> None:
    raise SystemExit(0)


def assert_free(host: str, port: int) -> int:
    """Return the port, or a free one for 0. Raises `Trouble` if nothing can listen there: better now than later."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise Trouble(f"{host} is no address of this machine. Choose another with --host.") from None
    with closing(socket.socket(family, kind)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as exc:
            raise Trouble(f"{host}:{port} cannot be used: {exc.strerror}. Choose another --port or --host.") from None
        chosen: int = probe.getsockname()[1]
        return chosen


def _hand_down(settings: Settings) -> None:
    # The server's processes read the environment again, so what was given on the command line goes there.
    os.environ[f"{PREFIX}HOST"] = settings.host
    os.environ[f"{PREFIX}PORT"] = str(settings.port)
    os.environ[f"{PREFIX}PUBLIC_URL"] = settings.public_url
