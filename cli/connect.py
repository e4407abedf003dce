"""``penstock connect``: give an application a connection to a provider of payments, taxes or shipping rates."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from bootstrap import House, build
from cli import show
from cli.schema import assert_current
from cli.trouble import Trouble
from cli.workspace import find_workspace
from penstock.account import MIDDLE
from penstock.caller import Scope
from penstock.ids import new_id
from penstock.settings import load
from penstock.tenant import Connection
from plugins.registry import UnusableConnection
from storage.provision import every_workspace

app = show.command()

Json = dict[str, Any]


@app.command()
def connect(
    connector: Annotated[str, typer.Argument(help="A connector's name, as `penstock doctor` lists it.")],
    *,
    setting: Annotated[list[str] | None, typer.Option(help="One of its settings, as name=value. Repeat it.")] = None,
    workspace: Annotated[str | None, typer.Option(help="Workspace id; not needed while there is one only.")] = None,
    environment: Annotated[str, typer.Option(help="Slug of the environment.")] = "sandbox",
    first: Annotated[bool, typer.Option(help="Ask it before the connections that are there.")] = False,
) -> None:
    """Connect an application's environment to a payment provider, a tax engine or a source of shipping rates.

    Payments go to an application's connections in their order. Settings are kept in the database, sealed under a key
    of their tenant's. A value that is JSON (true, 5) is taken as such, everything else as text.
    """
    with build(load()) as house:
        assert_current(house)
        tenant = find_workspace(every_workspace(house.database), workspace)
        made = _connection(house, tenant, connector, environment, _settings(setting or []))
        with house.work(made.scope) as uow:
            there = uow.connections.list_active(made.kind)
            uow.connections.add(_placed(made, [each.position for each in there], first=first))
    show.console().print(f"Connected {made.display_name} to {environment}: {made.id}")


def _connection(house: House, tenant: Json, connector: str, slug: str, settings: Json) -> Connection:
    cls = house.accounts.get(connector)
    if cls is None:
        raise Trouble(
            f"no plugin offers a connector named {connector!r}; there is: {', '.join(house.accounts.names())}"
        )
    place = next((row for row in tenant["environments"] if row["slug"] == slug and not row["archived_at"]), None)
    if place is None:
        known = ", ".join(row["slug"] for row in tenant["environments"])
        raise Trouble(f"there is no environment {slug!r}; there is: {known}")
    made = Connection(
        id=new_id(),
        scope=Scope(tenant["id"], place["id"], tenant["applications"][0]["id"]),
        connector=connector,
        kind=cls.kind,
        display_name=cls.display_name,
        settings=settings,
        environment="production" if place["is_production"] else "sandbox",
        is_active=True,
        position=0,
        created_at=house.clock.now(),
    )
    try:
        house.accounts.build(made)
    except UnusableConnection as exc:
        raise Trouble(str(exc)) from None
    return made


def _placed(made: Connection, positions: Sequence[int], *, first: bool) -> Connection:
    if not positions:
        return replace(made, position=MIDDLE)
    return replace(made, position=min(positions) - 1 if first else max(positions) + 1)


def _settings(pairs: Sequence[str]) -> Json:
    found: Json = {}
    for pair in pairs:
        name, given, value = pair.partition("=")
        if not name or not given:
            raise Trouble(f"{pair.partition('=')[0]!r} is no setting: write --setting name=value")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
