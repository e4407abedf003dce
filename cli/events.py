"""``penstock events``."""

from typing import Annotated

import httpx
import typer

from cli import show
from cli.forward import Forwarder, line
from cli.remote import HERE, Api, Key, remote, unreachable
from cli.trouble import Trouble

app = show.command("Look at events, and send one again.")

EventId = Annotated[str, typer.Argument(help="The event's id: evt_…", metavar="EVENT")]


@app.command("list")
def listed(
    *,
    after: Annotated[int, typer.Option(help="Begin behind this streamSequence.", min=0)] = 0,
    object_id: Annotated[str | None, typer.Option("--object", help="Only events of this object's id.")] = None,
    limit: Annotated[int, typer.Option(help="How many at the most.", min=1, max=200)] = 50,
    api: Api = HERE,
    key: Key = None,
) -> None:
    """List events, the oldest first, a line each."""
    out = show.console()
    with remote(api, key) as server:
        try:
            page = server.get("/events", afterSequence=after, objectId=object_id, limit=limit)
        except httpx.HTTPError as exc:
            raise unreachable(api, exc) from None
    for event in page["data"]:
        out.print(line(event, None))
    if page["meta"]["hasMore"]:
        out.print(f"There are more: --after {page['meta']['lastSequence']}")


@app.command("show")
def shown(event_id: EventId, *, api: Api = HERE, key: Key = None) -> None:
    """Show one event as it is posted."""
    with remote(api, key) as server:
        try:
            show.console().print(show.pretty(server.get(f"/events/{event_id}")))
        except httpx.HTTPError as exc:
            raise unreachable(api, exc) from None


@app.command()
def resend(
    event_id: EventId,
    *,
    endpoint: Annotated[str | None, typer.Option(help="The id of the one endpoint that is told.")] = None,
    forward: Annotated[str | None, typer.Option(help="Post it from here to this address instead.")] = None,
    secret: Annotated[str | None, typer.Option(help="The whsec_… to sign with; only with --forward.")] = None,
    api: Api = HERE,
    key: Key = None,
) -> None:
    """Send an event again, under its own id and with the same bytes.

    To every active endpoint that listens to its type, to one endpoint, or from this machine to an address on it.
    Needs events:read, and webhook_deliveries:write unless --forward is given.
    """
    if forward and not secret:
        raise Trouble("which secret does your server know? Give the one of `penstock listen` as --secret whsec_…")
    try:
        with remote(api, key) as server:
            event = server.get(f"/events/{event_id}")
            if not forward:
                body = {"endpointId": endpoint} if endpoint else {}
                _queued(server.post(f"/events/{event_id}/resend", body)["deliveries"])
                return
    except httpx.HTTPError as exc:
        raise unreachable(api, exc) from None
    forwarder = Forwarder(forward, secret)
    done = forwarder.post(event)
    forwarder.close()
    show.console().print(line(event, done))
    if not done.is_taken:
        raise typer.Exit(1)


def _queued(deliveries: list[dict[str, str]]) -> None:
    out = show.console()
    if not deliveries:
        out.print("No active endpoint listens to events of this type; --endpoint names one that is to get it anyway.")
        raise typer.Exit(1)
    for each in deliveries:
        out.print(f"[green]✓[/] on its way to endpoint {each['endpointId']}, delivery {each['id']}")
