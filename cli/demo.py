"""``penstock demo``."""

import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console

from bootstrap import House, build
from cli import show
from cli.application import Application, configure_logs
from cli.guide import Guide, Misstep
from cli.schema import make_current
from cli.serve import assert_free
from cli.trouble import Trouble
from handlers.server import server as http_server
from penstock.clock import monotonic_seconds
from penstock.money import Money
from penstock.settings import Settings, bare
from storage.provision import provision

DEFAULT_PORT = 8000
HOST = "127.0.0.1"
START_SECONDS = 20

app = show.command()


@app.command()
def demo(
    *,
    leave: Annotated[bool, typer.Option("--exit", help="Stop after the order; exit 0 only if all went well.")] = False,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; a free one if 8000 is taken.", show_default=False)
    ] = None,
) -> None:
    """Walk through a whole checkout over real HTTP, from an empty cart to a paid order, and keep serving.

    Everything is in a temporary folder that goes away at the end: nothing of yours is read or changed. Each answer is
    held against the API's own OpenAPI document.
    """
    out = show.console()
    with tempfile.TemporaryDirectory(prefix="penstock-demo-") as folder:
        settings = _settings(Path(folder), port)
        out.print(f"[bold]Penstock[/] sets up a shop in {folder} and serves it on {settings.public_url} …")
        with _serving(settings) as house, httpx.Client(base_url=settings.public_url, trust_env=False) as client:
            made = provision(
                house.database, name="Demo shop", now=house.clock.now(), pepper=house.keyring.key("api-keys")
            )
            guide = Guide(client, out, made.secret_key, made.application_id)
            _walk(guide, out)
            if not leave:
                _close(out, guide, settings)
                _wait()
                out.print("\nGone, with everything that it kept.")


def _settings(folder: Path, port: int | None) -> Settings:
    if port is not None:
        assert_free(HOST, port)
    chosen = port or _free_port()
    return bare(state_dir=folder, host=HOST, port=chosen, log_level="error", validate_responses="raise", threads=8)


def _free_port() -> int:
    for wanted in (DEFAULT_PORT, 0):
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, wanted))
            chosen: int = probe.getsockname()[1]
            return chosen
    raise Trouble("there is no free port on this machine")


@contextmanager
def _serving(settings: Settings) -> Iterator[House]:
    configure_logs(settings)
    house = build(settings, may_make_secret=True)
    make_current(house)
    running = http_server(Application(house), host=settings.host, port=settings.port)
    thread = threading.Thread(target=running.run, name="penstock-demo-server", daemon=True)
    thread.start()
    try:
        _await_start(running, thread)
        yield house
    finally:
        running.should_exit = True
        thread.join(START_SECONDS)


def _await_start(running: Any, thread: threading.Thread) -> None:
    until = monotonic_seconds() + START_SECONDS
    while not running.started:
        if not thread.is_alive() or monotonic_seconds() > until:
            raise Trouble("the server did not start; `penstock doctor` may say why")
        thread.join(0.02)


def _walk(guide: Guide, out: Console) -> None:
    began = monotonic_seconds()
    try:
        guide.walk()
    except (Misstep, httpx.HTTPError) as exc:
        out.print(f"\n[red]✗ It did not go as the spec says:[/] {exc}")
        raise typer.Exit(1) from None
    order = guide.order
    paid = Money(order["total"], order["currency"])
    out.print()
    out.print(
        f"[green]✓[/] [bold]Order {order['orderNumber']} is paid: {paid.major()} {paid.currency}.[/] "
        f"{guide.count} requests in {monotonic_seconds() - began:.1f} s, every answer as the spec says."
    )


def _close(out: Console, guide: Guide, settings: Settings) -> None:
    home = settings.public_url
    rows = {
        "Pay one yourself": guide.open_another()["hostedUrl"],
        "API reference": f"{home}/docs",
        "Every error": f"{home}/docs/errors",
        "The order": f"curl -H 'X-API-Key: {guide.key.text}' {home}/api/v1/orders/{guide.order['id']}",
        "Your own server": "penstock init && penstock serve",
    }
    out.print("\n[bold]Where to look next[/]\n")
    for name, place in rows.items():
        out.print(f"  [cyan]{name:17}[/] {place}")
    out.print("\nStill serving. Ctrl-C ends it.")


def _wait() -> None:
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    told.wait()
