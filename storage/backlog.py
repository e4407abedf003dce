"""What is still to be done, and since when: for metrics, for ``penstock jobs`` and for the operators' page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from penstock.caller import Scope
from storage import scoped
from storage.database import Database
from storage.due import PARKED
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import due, events
from storage.types import UtcDateTime, Whole

FAILING_FROM: Final = 3
"""A row whose claims failed so often in a row is failing: its work, or the receiver that it is for."""

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_now = sa.bindparam("now", type_=UtcDateTime())
_ever = sa.bindparam("ever", type_=UtcDateTime())
_parked = sa.bindparam("parked", type_=UtcDateTime())
_counts = (
    due.c.kind,
    sa.func.count(due.c.id).label("rows"),
    sa.func.sum(sa.case((due.c.run_at <= _now, 1), else_=0)).label("due"),
    sa.func.min(due.c.run_at).label("oldest"),
)
# These two read every row: there are only those of which something is still to be done.
_HEAPS = Statement(sa.select(*_counts).group_by(due.c.kind), across=True)
_OWN_HEAPS = Statement(scoped.select(*_counts).group_by(due.c.kind))
_failing = (due.c.kind, due.c.object_id, due.c.failures, due.c.run_at)
# Reading behind the beginning of time reads the index on run_at rather than the table. What waits for a test clock to be
# moved is left out: nobody works on it.
_FAILING = Statement(
    sa.select(*_failing)
    .where(due.c.run_at >= _ever, due.c.run_at < _parked, due.c.failures >= sa.bindparam("least", type_=Whole()))
    .order_by(due.c.run_at)
    .limit(sa.bindparam("limit", type_=Whole())),
    across=True,
)
_EVENTS = Statement(
    sa.select(sa.func.count(events.c.id).label("waiting"), sa.func.min(events.c.created_at).label("oldest")).where(
        events.c.dispatched_at.is_(None)
    ),
    across=True,
)
_OWN_EVENTS = Statement(
    scoped.select(sa.func.count(events.c.id).label("waiting"), sa.func.min(events.c.created_at).label("oldest")).where(
        events.c.dispatched_at.is_(None)
    )
)


@dataclass(frozen=True, slots=True)
class Heap:
    """All rows of one kind: how many, how many of them are due, and when the first of them is or was."""

    kind: str
    rows: int
    due: int
    oldest: datetime

    def late(self, now: datetime) -> float:
        """Return for how many seconds the oldest row has been due; 0 if none is."""
        return max((now - self.oldest).total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class Failing:
    """A row whose work fails again and again: ``failures`` times since it last went well."""

    kind: str
    object_id: str
    failures: int
    run_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be done at one moment. ``waiting`` counts events that are not handed on yet, the oldest from ``since``."""

    at: datetime
    heaps: Sequence[Heap]
    waiting: int
    since: datetime | None

    @property
    def lag(self) -> float:
        """For how many seconds the oldest event has waited to be handed on."""
        return 0.0 if self.since is None else max((self.at - self.since).total_seconds(), 0.0)


class Backlog:
    """Looks at due rows and at events, of every tenant or of one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, now: datetime) -> Look:
        """Count everything."""
        with self._database.reading() as connection:
            rows = connection.rows(_HEAPS, {"now": now})
            return _look(now, rows, connection.row(_EVENTS, {}))

    def look_at(self, scope: Scope, now: datetime) -> Look:
        """Count what belongs to one scope."""
        with self._database.reading() as connection:
            own = ScopedConnection(connection, scope)
            return _look(now, own.rows(_OWN_HEAPS, {"now": now}), own.row(_OWN_EVENTS, {}))

    def failing(self, *, limit: int) -> Sequence[Failing]:
        """Return rows that fail again and again, the one that is due first first."""
        values = {"ever": _EVER, "parked": PARKED, "least": FAILING_FROM, "limit": limit}
        with self._database.reading() as connection:
            rows = connection.rows(_FAILING, values)
        return [Failing(row.kind, row.object_id, row.failures, row.run_at) for row in rows]


def _look(now: datetime, rows: Sequence[Any], told: Any) -> Look:
    heaps = [Heap(row.kind, int(row.rows), int(row.due), row.oldest) for row in rows]
    return Look(now, sorted(heaps, key=lambda heap: heap.kind), int(told.waiting), told.oldest)
