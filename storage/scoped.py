"""The one layer through which statements on tenant tables are made: each is bound to workspace, environment, application.

The one rule: nothing here can be called without the scope, and nobody else writes such statements (tests/house holds
it). The unit of work fills in the three values, so a repository can neither forget nor choose them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import BindParameter, Column, ColumnElement, FromClause, Table
from sqlalchemy.dialects import postgresql, sqlite

from penstock.caller import Scope
from storage.columns import SCOPE_COLUMNS
from storage.database import Connection
from storage.statement import Statement, Values
from storage.types import EPOCH, UuidText

_NAMES = dict(zip(SCOPE_COLUMNS, ("scope_workspace", "scope_environment", "scope_application"), strict=True))

LONG_AGO: Final = EPOCH
"""Stands for the present where nobody needs to know it: whatever is due then is due."""


def value(column: Column[Any], name: str | None = None) -> BindParameter[Any]:
    """Return a parameter of a column's type, under the column's name or another."""
    return sa.bindparam(name or column.name, type_=column.type)


def own(table: FromClause) -> ColumnElement[bool]:
    """Return the condition that a row of a tenant table belongs to the scope."""
    return sa.and_(*(table.c[name] == _scope_value(name) for name in SCOPE_COLUMNS))


def select(*columns: Column[Any] | ColumnElement[Any]) -> sa.Select[Any]:
    """Return a select over tenant tables, bound to the scope in each of them."""
    core = sa.select(*columns)
    tables = [each for each in core.get_final_froms() if isinstance(each, Table)]
    return core.where(*(own(each) for each in tables if each.info.get("is_tenant")))


def update(table: Table, names: Sequence[str]) -> sa.Update:
    """Return an update that sets the named columns; the caller says which rows of the scope."""
    return sa.update(table).where(own(table)).values({name: value(table.c[name]) for name in names})


def delete(table: Table) -> sa.Delete:
    """Return a delete; the caller says which rows of the scope."""
    return sa.delete(table).where(own(table))


def insert(table: Table) -> sa.Insert:
    """Return an insert of a whole row into the scope."""
    return sa.insert(table).values(_whole_row(table))


def upsert(table: Table, keys: Sequence[str], names: Sequence[str]) -> Statement:
    """Return a statement that inserts a row, or sets the named columns of the one that has its keys in this scope.

    With no names it leaves the row that is there as it is.
    """

    def core(dialect: str) -> sa.Insert:
        made = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
        made = made.values(_whole_row(table))
        if not names:
            return made.on_conflict_do_nothing(index_elements=keys)
        new = {name: made.excluded[name] for name in names}
        return made.on_conflict_do_update(index_elements=keys, set_=new, where=own(table))

    return Statement(core)


def by_id(table: Table) -> ColumnElement[bool]:
    """Return the condition that a row has the id given as ``id``."""
    return table.c.id == value(table.c.id)


def _whole_row(table: Table) -> dict[str, BindParameter[Any]]:
    return {each.name: _scope_value(each.name) if each.name in _NAMES else value(each) for each in table.columns}


def _scope_value(name: str) -> BindParameter[Any]:
    return sa.bindparam(_NAMES[name], type_=UuidText())


class ScopedConnection:
    """An open block's connection, for one scope: fills in the three values and passes the rest on.

    ``has_news`` says that the block wrote something that the jobs are waiting for; ``machine_now`` is the present moment
    by the machine's clock, which only an environment with a test clock tells from its own.
    """

    __slots__ = ("_connection", "_scope", "has_news", "machine_now", "scope")

    def __init__(self, connection: Connection, scope: Scope, machine_now: datetime = LONG_AGO) -> None:
        self.scope = scope
        self.machine_now = machine_now
        self.has_news = False
        self._connection = connection
        self._scope = {
            "scope_workspace": scope.workspace_id,
            "scope_environment": scope.environment_id,
            "scope_application": scope.application_id,
        }

    def row(self, statement: Statement, values: Values) -> Any:
        """Return the first row, or None."""
        return self._connection.row(statement, {**self._scope, **values})

    def rows(self, statement: Statement, values: Values) -> list[Any]:
        """Return all rows."""
        return self._connection.rows(statement, {**self._scope, **values})

    def run(self, statement: Statement, values: Values) -> int:
        """Write, and return how many rows it touched."""
        return self._connection.run(statement, {**self._scope, **values})

    def put(self, statement: Statement, *values: Values) -> None:
        """Write once for each set of values, at the latest when the block ends; what fails may fail only then."""
        self._connection.put(statement, *({**self._scope, **each} for each in values))

    def batch(self, asked: Sequence[tuple[Statement, Values]]) -> list[list[Any]]:
        """Return all rows of each of several statements, run one after the other, in one trip to the server."""
        return self._connection.batch([(statement, {**self._scope, **values}) for statement, values in asked])
