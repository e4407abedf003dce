"""A row with the rows that belong to it, in one statement: a reader sees both as they were at one moment.

PostgreSQL gives each statement of a block that only reads a view of its own, so a cart read in two statements could
show lines that its total does not count yet.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Table
from sqlalchemy.engine import Dialect

from storage import scoped
from storage.statement import Statement, row_class
from storage.types import JsonText, Kind, Processor, UtcDateTime

NAME = "children"


def with_children(
    table: Table,
    parent: Sequence[ColumnElement[Any]],
    children: Sequence[ColumnElement[Any]],
    condition: ColumnElement[bool],
    order: str,
    *,
    only: ColumnElement[bool] | None = None,
) -> Statement:
    """Return a statement for one row of a table by its ``id``, with a list of rows in the column ``children``.

    ``condition`` says which rows those are, in parameters of the statement; they are sorted by their column ``order``.
    With ``only``, a row that does not meet it is as good as none.
    """
    meant = scoped.by_id(table) if only is None else sa.and_(scoped.by_id(table), only)

    def core(dialect: str) -> sa.Select[Any]:
        each = sa.func.json_array(*children) if dialect == "sqlite" else sa.func.json_build_array(*children)
        every = sa.func.json_group_array(each) if dialect == "sqlite" else sa.func.json_agg(each)
        found = scoped.select(every).where(condition).scalar_subquery()
        nested = sa.type_coerce(found, Children(tuple(children), order)).label(NAME)
        return scoped.select(*parent, nested).where(meant)

    return Statement(core)


class Children(Kind):
    """Rows as a JSON array of arrays."""

    def __init__(self, columns: tuple[ColumnElement[Any], ...], order: str) -> None:
        self.columns = columns
        self.order = order

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002  the signature is SQLAlchemy's
        """Return what makes rows of the array."""
        names = [column.key or "" for column in self.columns]
        made = row_class(names)
        readers = [(index, _reader(column, dialect)) for index, column in enumerate(self.columns)]
        needed = [(index, read) for index, read in readers if read is not None]
        place = names.index(self.order)

        def rows(text: str | None) -> list[Any]:
            found = orjson.loads(text) if text else []
            found.sort(key=lambda row: row[place])
            for row in found:
                for index, read in needed:
                    row[index] = read(row[index])
            return [made(row) for row in found]

        return rows


def _reader(column: ColumnElement[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what turns JSON's value into the column's, or None where it is that already."""
    kind = column.type
    if dialect.name == "sqlite" or isinstance(kind, JsonText):
        return kind.dialect_impl(dialect).result_processor(dialect, None)
    return _moment if isinstance(kind, UtcDateTime) else None


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
