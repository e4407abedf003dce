"""Create a connection to a provider, or change one: the settings are checked before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from penstock.account import Accounts, merged, operators_faults, place_after
from penstock.account_errors import ConnectorUnavailable
from penstock.caller import Caller
from penstock.checks import require
from penstock.connector import EnvironmentKind, Provider
from penstock.errors import Fault, NotFound, ServiceUnavailable
from penstock.ids import new_id
from penstock.ports import Work
from penstock.tenant import Connection

MOST_TRIES: Final = 3
MOST_CONNECTIONS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a caller says of a new connection, and what of it may be left out."""

    connector: str
    settings: Mapping[str, Any]
    display_name: str | None = None
    position: int | None = None
    is_active: bool = True


def connect_account(work: Work, accounts: Accounts, caller: Caller, account: Account) -> Connection:
    """Write a new connection and return it. It comes last in the application's order unless it says where.

    Raises `ConnectorUnavailable`, and `ValidationError` with pointers into ``/settings``.
    """
    environment: EnvironmentKind = "production" if caller.is_production else "sandbox"
    cls = _connector(accounts, account.connector, environment)
    require(operators_faults(cls.settings_schema, account.settings))
    with work(read=True) as uow:
        made = Connection(
            id=new_id(),
            scope=uow.scope,
            connector=account.connector,
            kind=cls.kind,
            settings=account.settings,
            environment=environment,
            is_active=account.is_active,
            display_name=account.display_name or cls.display_name,
            position=0,
            created_at=uow.now,
        )
    require(accounts.faults(made))
    with work() as uow:
        there = [each.position for each in uow.connections.list_all()]
        if len(there) >= MOST_CONNECTIONS:
            require([Fault("", "too_many", f"an application has {MOST_CONNECTIONS} connections at the most")])
        position = place_after(there) if account.position is None else account.position
        made = replace(made, position=position, created_at=uow.now)
        uow.connections.add(made)
    return made


def change_account(work: Work, accounts: Accounts, connection_id: str, change: Mapping[str, Any]) -> Connection:
    """Change a connection and return it. ``settings`` in the change are merged in: null removes one.

    Raises `NotFound`, `ConnectorUnavailable` where its plugin is gone, and `ValidationError`.
    """
    for _ in range(MOST_TRIES):
        with work(read=True) as uow:
            before = uow.connections.get_kept(connection_id)
        if before is None:
            raise NotFound("There is no connection with this id.")
        after = _changed(accounts, before, change)
        with work() as uow:
            if uow.connections.get_for_update(connection_id) == before:
                after = replace(after, updated_at=uow.now)
                uow.connections.save(after)
                return after
    raise ServiceUnavailable("Others are changing this connection.", headers={"Retry-After": "1"})


def _changed(accounts: Accounts, before: Connection, change: Mapping[str, Any]) -> Connection:
    fields = {name: value for name, value in change.items() if name != "settings"}
    after = replace(before, **fields)
    if "settings" in change:
        cls = _connector(accounts, before.connector, before.environment)
        require(operators_faults(cls.settings_schema, change["settings"]))
        after = replace(after, settings=merged(before.settings, change["settings"]), is_readable=True)
        require(accounts.faults(after))
    return after


def _connector(accounts: Accounts, name: str, environment: EnvironmentKind) -> type[Provider]:
    cls = accounts.get(name)
    if cls is not None and environment in cls.environments:
        return cls
    offered = [(each, accounts.get(each)) for each in accounts.names()]
    available = [each for each, known in offered if known is not None and environment in known.environments]
    reason = "unknown" if cls is None else "wrong_environment"
    raise ConnectorUnavailable(details={"connector": name, "reason": reason, "available": available})
