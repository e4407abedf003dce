"""Lists by keyset: a page begins behind the last row of the page before, so new rows shift nothing."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Column, ColumnElement, Table

from penstock.errors import InvalidCursor
from penstock.ports import Page
from storage import scoped
from storage.cursors import Cursors, Place
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.types import JsonFragment, JsonText, RawMoment, UtcDateTime, Whole, WireMoment, moment

ESCAPE: Final = "\\"
Record = Callable[[Any], Mapping[str, Any]]


def nothing(cursor: str | None, limit: int) -> Page:
    """Return the only page of a list that is known to be empty; it never gave a cursor."""
    if cursor is not None:
        raise InvalidCursor
    return Page([], limit)


def pattern(text: str) -> str:
    """Return the LIKE pattern that finds a text anywhere, taken as it is and without regard to case."""
    for special in (ESCAPE, "%", "_"):
        text = text.replace(special, ESCAPE + special)
    return f"%{text.lower()}%"


def wired(column: Column[Any] | ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column as the wire has it: JSON as an `orjson.Fragment`, a moment as RFC 3339 text."""
    if isinstance(column.type, JsonText):
        return sa.type_coerce(column, JsonFragment()).label(column.key)
    if isinstance(column.type, UtcDateTime):
        return sa.type_coerce(column, WireMoment()).label(column.key)
    return column


class Listing:
    """One kind of list, by age, with filters that add up. Each mixture of filters is compiled once.

    The columns hold ``id``; the rows are in the order of ``by``, of those that ``only`` lets in. A filter's condition
    has one parameter, named like the filter.
    """

    def __init__(
        self,
        table: Table,
        columns: Sequence[Column[Any] | ColumnElement[Any]],
        conditions: Mapping[str, ColumnElement[bool]],
        record: Record,
        *,
        by: str = "created_at",
        only: ColumnElement[bool] | None = None,
    ) -> None:
        self._table = table
        self._by = table.c[by]
        self._only = () if only is None else (only,)
        self._columns = [*map(wired, columns), sa.type_coerce(self._by, RawMoment()).label("listed_at")]
        self._conditions = conditions
        self._record = record
        self._statement = cache(self._write)

    def page(
        self,
        connection: ScopedConnection,
        cursors: Cursors,
        filters: Mapping[str, Any],
        *,
        cursor: str | None,
        limit: int,
        is_ascending: bool = False,
    ) -> Page:
        """Return a page of at most ``limit`` records, newest first unless it is ascending. Raises `InvalidCursor`."""
        name = f"{self._table.name} ascending" if is_ascending else self._table.name
        place = None if cursor is None else cursors.read(cursor, connection.scope, name, filters)
        values: dict[str, Any] = {**filters, "limit": limit + 1}
        if place is not None:
            values |= {"after_created_at": place.created_at, "after_id": place.id}
        statement = self._statement(frozenset(filters), is_first=place is None, is_ascending=is_ascending)
        rows = connection.rows(statement, values)
        records = [self._record(row) for row in rows[:limit]]
        if len(rows) <= limit:
            return Page(records, limit)
        last = rows[limit - 1]
        place = Place(moment(last.listed_at), last.id)
        return Page(records, limit, cursors.write(place, connection.scope, name, filters))

    def _write(self, filters: frozenset[str], *, is_first: bool, is_ascending: bool = False) -> Statement:
        table = self._table
        core = scoped.select(*self._columns).where(*self._only, *(self._conditions[name] for name in sorted(filters)))
        if not is_first:
            after = sa.tuple_(value(self._by, "after_created_at"), value(table.c.id, "after_id"))
            here = sa.tuple_(self._by, table.c.id)
            core = core.where(here > after if is_ascending else here < after)
        order = (self._by, table.c.id)
        core = core.order_by(*(order if is_ascending else (each.desc() for each in order)))
        return Statement(core.limit(sa.bindparam("limit", type_=Whole())))
