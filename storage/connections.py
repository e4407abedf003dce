"""Configured accounts at providers, in rows."""

from collections.abc import Sequence
from typing import Any

from penstock.caller import Scope
from penstock.tenant import Connection
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import connections

_OWN = [each.name for each in connections.columns if each.name not in SCOPE_COLUMNS]

_select = scoped.select(*(connections.c[name] for name in _OWN))
_LIST = Statement(_select.where(connections.c.is_active.is_(True)).order_by(connections.c.position, connections.c.id))
_GET = Statement(_select.where(scoped.by_id(connections)))
_ADD = Statement(scoped.insert(connections))


class ConnectionRows:
    """The connections of one scope."""

    def __init__(self, connection: ScopedConnection) -> None:
        self._connection = connection

    def list_active(self) -> Sequence[Connection]:
        """Return the active connections in the application's order."""
        return [_from_row(row, self._connection.scope) for row in self._connection.rows(_LIST, {})]

    def get(self, connection_id: str) -> Connection | None:
        """Return a connection, active or not."""
        row = self._connection.row(_GET, {"id": connection_id})
        return None if row is None else _from_row(row, self._connection.scope)

    def add(self, connection: Connection) -> None:
        """Write a new connection."""
        self._connection.run(_ADD, connection_to_row(connection))


def connection_to_row(connection: Connection) -> dict[str, Any]:
    """Return a connection's columns, without those of its scope."""
    return {name: getattr(connection, name) for name in _OWN}


def _from_row(row: Any, scope: Scope) -> Connection:
    return Connection(scope=scope, **{name: getattr(row, name) for name in _OWN})
