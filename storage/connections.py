"""Configured accounts at providers, in rows. Their settings stand there sealed; settings that hold nothing are ``{}``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import structlog

from penstock.caller import Scope
from penstock.connector import ProviderKind
from penstock.tenant import Connection
from penstock.vault import Unopenable
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import connections, payment_attempts
from storage.vault import Vault

_OWN = [each.name for each in connections.columns if each.name not in {*SCOPE_COLUMNS, "deleted_at"}]
_CHANGING: Final = ("settings", "is_active", "display_name", "position", "updated_at")

_select = scoped.select(*(connections.c[name] for name in _OWN))
_in_order = _select.where(connections.c.deleted_at.is_(None)).order_by(connections.c.position, connections.c.id)
_LIST_ACTIVE = Statement(
    _in_order.where(connections.c.is_active.is_(True), connections.c.kind == value(connections.c.kind))
)
_LIST = Statement(_in_order)
_GET = Statement(_select.where(scoped.by_id(connections)))
_KEPT = _select.where(scoped.by_id(connections), connections.c.deleted_at.is_(None))
_GET_KEPT = Statement(_KEPT)
_LOCK = Statement(_KEPT.with_for_update())
_ADD = Statement(scoped.insert(connections))
_SAVE = Statement(scoped.update(connections, _CHANGING).where(scoped.by_id(connections)))
_REMOVE = Statement(scoped.update(connections, ["is_active", "deleted_at"]).where(scoped.by_id(connections)))
_ATTEMPT = Statement(
    scoped.select(payment_attempts.c.id)
    .where(payment_attempts.c.connection_id == value(payment_attempts.c.connection_id))
    .limit(1)
)

_log = structlog.get_logger(__name__)


class ConnectionRows:
    """The connections of one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime, vault: Vault) -> None:
        self._connection = connection
        self._now = now
        self._vault = vault

    def list_active(self, kind: ProviderKind = "payment") -> Sequence[Connection]:
        """Return the active connections of one kind in the application's order."""
        return [self._from_row(row) for row in self._connection.rows(_LIST_ACTIVE, {"kind": kind})]

    def list_all(self) -> Sequence[Connection]:
        """Return every connection that is not deleted, in the application's order."""
        return [self._from_row(row) for row in self._connection.rows(_LIST, {})]

    def get(self, connection_id: str) -> Connection | None:
        """Return a connection, active or not. A deleted one is there as long as its row is: a payment may need it."""
        return self._one(_GET, connection_id)

    def get_kept(self, connection_id: str) -> Connection | None:
        """Return a connection that is not deleted, active or not."""
        return self._one(_GET_KEPT, connection_id)

    def get_for_update(self, connection_id: str) -> Connection | None:
        """Lock and return a connection that is not deleted."""
        return self._one(_LOCK, connection_id)

    def add(self, connection: Connection) -> None:
        """Write a new connection."""
        self._connection.put(_ADD, {**self._to_row(connection), "deleted_at": None})

    def save(self, connection: Connection) -> None:
        """Write what may change of a connection."""
        row = self._to_row(connection)
        self._connection.put(_SAVE, {"id": connection.id, **{name: row[name] for name in _CHANGING}})

    def is_used(self, connection_id: str) -> bool:
        """Tell whether a payment was ever tried there."""
        return self._connection.row(_ATTEMPT, {"connection_id": connection_id}) is not None

    def remove(self, connection_id: str) -> None:
        """Mark a connection as deleted. `storage.rotation` purges its row when no payment can need it any more."""
        self._connection.put(_REMOVE, {"id": connection_id, "is_active": False, "deleted_at": self._now})

    def _one(self, statement: Statement, connection_id: str) -> Connection | None:
        row = self._connection.row(statement, {"id": connection_id})
        return None if row is None else self._from_row(row)

    def _to_row(self, connection: Connection) -> dict[str, Any]:
        row = {name: getattr(connection, name) for name in _OWN}
        row["settings"] = sealed_settings(self._vault, self._connection, self._now, connection.id, connection.settings)
        return row

    def _from_row(self, row: Any) -> Connection:
        values = {name: getattr(row, name) for name in _OWN}
        values["settings"], is_readable = self._opened(row.id, row.settings)
        return Connection(scope=self._connection.scope, is_readable=is_readable, **values)

    def _opened(self, row_id: str, kept: Any) -> tuple[Mapping[str, Any], bool]:
        if kept == {}:
            return {}, True
        try:
            # Settings that are not sealed are no text, and open as little as a damaged one.
            return self._vault.open(self._connection, place_of(row_id), str(kept)), True
        except Unopenable as exc:
            _log.error("connection_settings_unopenable", object_id=row_id, reason=str(exc))
            return {}, False


def place_of(row_id: str) -> tuple[str, str, str]:
    """Return where a connection's settings stand, as the vault binds them."""
    return connections.name, row_id, "settings"


def sealed_settings(
    vault: Vault, connection: ScopedConnection, now: datetime, row_id: str, settings: Mapping[str, Any]
) -> Any:
    """Return a connection's settings as its column has them."""
    return vault.seal(connection, now, place_of(row_id), dict(settings)) if settings else {}


def scope_of(row: Any) -> Scope:
    """Return whose a row is."""
    return Scope(row.workspace_id, row.environment_id, row.application_id)
