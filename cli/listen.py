"""``penstock listen``."""

import threading
from collections.abc import Mapping
from typing import Annotated, Any, Final

import httpx
import typer

from cli import show
from cli.forward import Forwarder, line
from cli.remote import HERE, Api, Key, Remote, remote, unreachable
from cli.trouble import Trouble
from penstock import catalogue

POLL_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 15.0

app = show.command()


@app.command()
def listen(
    *,
    forward: Annotated[
        str | None, typer.Option(help="Post each event to this address, as a delivery would be.")
    ] = None,
    types: Annotated[str | None, typer.Option(help="Only these types, with commas between them.")] = None,
    since: Annotated[
        int | None, typer.Option(help="Begin behind this streamSequence; now, if left out.", min=0)
    ] = None,
    secret: Annotated[str | None, typer.Option(help="Sign with this whsec_…; a new one is made if left out.")] = None,
    count: Annotated[int | None, typer.Option(help="End after so many events.", min=1)] = None,
    api: Api = HERE,
    key: Key = None,
) -> None:
    """Show the events of an environment as they happen, and post them to a server on your machine.

    Needs no endpoint and no address that the server could reach: it asks the server, with a key that has events:read.
    What your server refuses is shown and not tried again; `penstock events resend` does that.
    """
    wanted = _wanted(types)
    forwarder = Forwarder(forward, secret) if forward else None
    out = show.console()
    with remote(api, key) as server:
        try:
            after = server.latest() if since is None else since
        except httpx.HTTPError as exc:
            raise unreachable(api, exc) from None
        if forwarder is not None and secret is None:
            out.print(f"Your signing secret here is [bold]{forwarder.secret}[/]")
        out.print(f"Listening behind #{after}. Ctrl-C ends it.")
        try:
            _follow(server, after, wanted, forwarder, count)
        except KeyboardInterrupt:
            raise typer.Exit(0) from None
        finally:
            if forwarder is not None:
                forwarder.close()


def _follow(
    server: Remote, after: int, wanted: frozenset[str] | None, forwarder: Forwarder | None, count: int | None
) -> None:
    out, left, pause, rest = show.console(), count, POLL_SECONDS, threading.Event()
    while True:
        try:
            for event in server.events(after):
                after = event["streamSequence"]
                if wanted is not None and event["type"] not in wanted:
                    continue
                out.print(_told(event, forwarder))
                left = None if left is None else left - 1
                if left == 0:
                    return
            pause = POLL_SECONDS
        except httpx.HTTPError as exc:
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
            out.print(f"[yellow]the server does not answer ({type(exc).__name__}); asking again in {pause:g} s[/]")
        rest.wait(pause)


def _told(event: Mapping[str, Any], forwarder: Forwarder | None) -> str:
    return line(event, forwarder.post(event) if forwarder is not None else None)


def _wanted(types: str | None) -> frozenset[str] | None:
    if types is None:
        return None
    named = frozenset(part.strip() for part in types.split(",") if part.strip())
    unknown = named - set(catalogue.events())
    if unknown:
        raise Trouble(f"there is no event type {', '.join(sorted(unknown))}; the page /docs/events has all of them")
    return named
