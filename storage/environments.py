"""The environment of a scope, which all applications of its workspace share, and its test clock."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.standing import ADVANCE, EnvironmentClock
from storage.due import PARKED
from storage.scoped import LONG_AGO, ScopedConnection, value
from storage.statement import Statement
from storage.tables import due, environments, events, webhook_endpoints

_is_mine = sa.and_(
    environments.c.id == value(environments.c.id, "scope_environment"),
    environments.c.workspace_id == value(environments.c.workspace_id, "scope_workspace"),
)
_of_mine = due.c.environment_id == value(due.c.environment_id, "scope_environment")
_select = sa.select(
    environments.c.is_production,
    environments.c.clock_at,
    environments.c.clock_target_at,
    environments.c.clock_made_at,
).where(_is_mine)
_GET = Statement(_select, across=True)
_GET_FOR_UPDATE = Statement(_select.with_for_update(), across=True)
_SET = Statement(
    sa.update(environments)
    .where(_is_mine)
    .values({name: value(environments.c[name]) for name in ("clock_at", "clock_target_at", "clock_made_at")}),
    across=True,
)

_parked = due.c.run_at == sa.bindparam("parked", type_=due.c.run_at.type)

# Rows that do not wait for a test clock yet begin to; those that do begin to wait for the machine's, but for
# what is due already.
_runs_free = sa.and_(
    _of_mine,
    due.c.waits_until.is_(None),
    due.c.kind != sa.literal(ADVANCE, due.c.kind.type),
    due.c.run_at > sa.bindparam("long_ago", type_=due.c.run_at.type),
)
_stands = value(due.c.waits_until, "stands_at")
_TAKE_IN = Statement(
    sa.update(due)
    .where(_runs_free)
    .values(
        waits_until=due.c.run_at,
        run_at=sa.case((due.c.run_at <= _stands, due.c.run_at), else_=sa.bindparam("parked", type_=due.c.run_at.type)),
    ),
    across=True,
)
_LET_GO = Statement(
    sa.update(due)
    .where(_of_mine, due.c.waits_until.is_not(None))
    .values(run_at=sa.case((_parked, due.c.waits_until), else_=due.c.run_at), waits_until=None),
    across=True,
)
# An endpoint hears of what happens after it was opened, and time goes back here.
_OPENED_NOW = Statement(
    sa.update(webhook_endpoints)
    .where(
        webhook_endpoints.c.environment_id == value(webhook_endpoints.c.environment_id, "scope_environment"),
        webhook_endpoints.c.created_at > value(webhook_endpoints.c.created_at, "machine_now"),
    )
    .values(created_at=value(webhook_endpoints.c.created_at, "machine_now")),
    across=True,
)

_waits = sa.and_(_of_mine, due.c.waits_until <= sa.bindparam("until", type_=due.c.waits_until.type))
_WAITING = Statement(sa.select(sa.func.count(due.c.id).label("many")).where(_waits), across=True)
_NEXT = Statement(
    sa.select(due.c.waits_until, due.c.kind).where(_waits, _parked).order_by(due.c.waits_until).limit(1), across=True
)
_NEXT_OTHER = Statement(
    sa.select(due.c.waits_until)
    .where(_waits, _parked, due.c.kind != value(due.c.kind))
    .order_by(due.c.waits_until)
    .limit(1),
    across=True,
)
_RUNNING = Statement(
    sa.select(due.c.id).where(_of_mine, due.c.waits_until.is_not(None), ~_parked).limit(1), across=True
)
_UNTOLD = Statement(
    sa.select(events.c.id)
    .where(
        events.c.environment_id == value(events.c.environment_id, "scope_environment"), events.c.dispatched_at.is_(None)
    )
    .limit(1),
    across=True,
)
_RELEASE = Statement(
    sa.update(due).where(_waits, _parked).values(run_at=value(due.c.run_at, "machine_now")), across=True
)


class EnvironmentRows:
    """The one environment of a scope."""

    def __init__(self, connection: ScopedConnection) -> None:
        self._connection = connection

    @property
    def is_production(self) -> bool:
        """Whether it is production; an environment that is not known counts as such."""
        row = self._connection.row(_GET, {})
        return row is None or bool(row.is_production)

    def clock(self) -> EnvironmentClock | None:
        """Return its test clock."""
        return self._clock(self._connection.row(_GET, {}))

    def clock_for_update(self) -> EnvironmentClock | None:
        """Return its test clock and hold the environment's row until the block ends."""
        return self._clock(self._connection.row(_GET_FOR_UPDATE, {}))

    def put_clock(self, clock: EnvironmentClock) -> None:
        """Write where the clock stands and is moved to."""
        moments = {"clock_at": clock.at, "clock_target_at": clock.target_at, "clock_made_at": clock.made_at}
        self._connection.run(_SET, moments)

    def take_in(self, clock: EnvironmentClock) -> None:
        """Let everything in the environment that waits by the machine's clock wait by this one."""
        self._connection.run(_TAKE_IN, {"stands_at": clock.at, "parked": PARKED, "long_ago": LONG_AGO})

    def remove_clock(self) -> None:
        """Let time be the machine's again: what waits does so until the same moments by that, and what is due stays so."""
        self._connection.run(_SET, dict.fromkeys(("clock_at", "clock_target_at", "clock_made_at")))
        self._connection.run(_LET_GO, {"parked": PARKED})
        self._connection.run(_OPENED_NOW, {"machine_now": self._connection.machine_now})

    def waiting(self, until: datetime) -> int:
        """Return how many rows have to be done until a moment of the test clock."""
        return int(self._connection.row(_WAITING, {"until": until}).many)

    def is_busy(self) -> bool:
        """Tell whether something of the environment is due, or an event is not handed on yet."""
        if self._connection.row(_UNTOLD, {}) is not None:
            return True
        return self._connection.row(_RUNNING, {"parked": PARKED}) is not None

    def next_moment(self, until: datetime, together: str) -> tuple[datetime, datetime | None] | None:
        """Return when the next row is due up to a moment, and the next one that is not of the kind ``together``.

        The second is None where there is none; both are None where nothing waits.
        """
        given = {"until": until, "parked": PARKED}
        first = self._connection.row(_NEXT, given)
        if first is None:
            return None
        other = self._connection.row(_NEXT_OTHER, {**given, "kind": together})
        return first.waits_until, None if other is None else other.waits_until

    def release(self, until: datetime) -> None:
        """Let everything be done now that is due until a moment."""
        now = self._connection.machine_now
        self._connection.run(_RELEASE, {"until": until, "parked": PARKED, "machine_now": now})
        self._connection.has_news = True

    def _clock(self, row: Any) -> EnvironmentClock | None:
        if row is None or row.clock_at is None:
            return None
        return EnvironmentClock(
            environment_id=self._connection.scope.environment_id,
            at=row.clock_at,
            target_at=row.clock_target_at,
            made_at=row.clock_made_at,
        )
