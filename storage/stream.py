"""The events of one scope, in the order in which they were handed on.

The one rule: numbers are given under the lock of the stream's row, held to the commit. So whoever has read up to a
number has read all there will ever be up to it, which numbers given at the insert could not promise.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.caller import Scope
from penstock.event_message import envelope, event_name, row_name
from storage import scoped
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import event_streams, events
from storage.types import UuidList, Whole

_events = scoped.select(*events.columns)
_is_numbered = events.c.stream_sequence > sa.bindparam("after", type_=Whole())
_PAGE = Statement(
    _events.where(_is_numbered).order_by(events.c.stream_sequence).limit(sa.bindparam("limit", type_=Whole()))
)
_PAGE_OF = Statement(
    _events.where(_is_numbered, events.c.object_id == value(events.c.object_id))
    .order_by(events.c.stream_sequence)
    .limit(sa.bindparam("limit", type_=Whole()))
)
_GET = Statement(_events.where(scoped.by_id(events), events.c.stream_sequence.is_not(None)))
_LAST = Statement(scoped.select(event_streams.c.last))
_OPEN = scoped.upsert(event_streams, ["workspace_id", "environment_id", "application_id"], [])
_RESERVE = Statement(
    scoped.update(event_streams, ["last"])
    .values(last=event_streams.c.last + sa.bindparam("count", type_=Whole()))
    .returning(event_streams.c.last)
)


def _number(dialect: str) -> sa.Update:
    """Number events in the order of a list of their ids, from ``first`` on.

    PostgreSQL gets no list to join: without statistics, as in a young database, it reads the list once for each event.
    """
    ids, first = sa.bindparam("ids", type_=UuidList()), sa.bindparam("first", type_=Whole())
    marked = scoped.update(events, ["dispatched_at"])
    if dialect == "sqlite":
        listed = sa.func.json_each(ids).table_valued("key", "value")
        return marked.values(stream_sequence=first + listed.c.key).where(events.c.id == listed.c.value)
    array = sa.cast(ids, UuidList())
    place = sa.func.array_position(array, events.c.id, type_=Whole())
    return marked.values(stream_sequence=first + place - 1).where(events.c.id == sa.any_(array))


_NUMBER = Statement(_number)


class EventRows:
    """What happened in one scope, as it is told."""

    def __init__(self, connection: ScopedConnection) -> None:
        self._connection = connection

    def get(self, event_id: str) -> Mapping[str, Any] | None:
        """Return an event that was handed on, in the wire's shape."""
        row_id = row_name(event_id)
        row = None if row_id is None else self._connection.row(_GET, {"id": row_id})
        return None if row is None else message_of(self._connection.scope, row)

    def page(self, *, after: int, limit: int, object_id: str | None = None) -> Sequence[Mapping[str, Any]]:
        """Return events behind a number, in the wire's shape and in their order; of one object, or of all."""
        values = {"after": after, "limit": limit}
        if object_id is None:
            rows = self._connection.rows(_PAGE, values)
        else:
            rows = self._connection.rows(_PAGE_OF, {**values, "object_id": object_id})
        return [message_of(self._connection.scope, row) for row in rows]

    def last(self) -> int:
        """Return the number of the newest event that was handed on; 0 before the first."""
        row = self._connection.row(_LAST, {})
        return 0 if row is None else int(row.last)

    def numbered(self, ids: Sequence[str]) -> Sequence[Any]:
        """Return the rows of events that were handed on, in this order, in one trip."""
        return [row for (row,) in self._connection.batch([(_GET, {"id": each}) for each in ids])]

    def number(self, ids: Sequence[str], now: datetime) -> None:
        """Give events their numbers in this order, and mark them as handed on."""
        reserved = self._connection.row(_RESERVE, {"count": len(ids)})
        if reserved is None:
            self._connection.put(_OPEN, {"last": 0})
            reserved = self._connection.row(_RESERVE, {"count": len(ids)})
        first = int(reserved.last) - len(ids) + 1
        self._connection.put(_NUMBER, {"ids": ids, "first": first, "dispatched_at": now})


def message_of(scope: Scope, row: Any) -> Mapping[str, Any]:
    """Return an event's row as it is told."""
    return envelope(
        event_id=event_name(row.id),
        event_type=row.type,
        scope=scope,
        object_type=row.object_type,
        object_id=row.object_id,
        sequence=row.sequence,
        stream_sequence=row.stream_sequence,
        created_at=row.created_at,
        payload=row.data,
    )
