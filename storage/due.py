"""What must happen later: one row for each kind and object, written by a scope's work and claimed by any relay."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from penstock.caller import Scope
from penstock.ids import new_id
from penstock.ports import DueRow
from storage import scoped
from storage.database import Connection, Database
from storage.scoped import LONG_AGO, ScopedConnection, value
from storage.statement import Statement
from storage.tables import due, environments
from storage.types import UtcDateTime, Whole

PARKED: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""When a row is due by the machine's clock that waits for a test clock to come so far: never."""

_ADD = scoped.upsert(due, ["kind", "object_id"], ["run_at", "waits_until"])
_DONE = Statement(scoped.delete(due).where(due.c.kind == value(due.c.kind), due.c.object_id == value(due.c.object_id)))
_HURRY = Statement(
    scoped.update(due, ["run_at"]).where(due.c.kind == value(due.c.kind), due.c.run_at > value(due.c.run_at))
)
_HURRY_THERE = Statement(
    scoped.update(due, ["run_at", "waits_until"]).where(
        due.c.kind == value(due.c.kind), due.c.waits_until > value(due.c.waits_until)
    )
)

# A relay serves every tenant: these four go across all of them, and none is reachable from a unit of work.
_now = sa.bindparam("now", type_=UtcDateTime())
_is_claimable = sa.and_(due.c.run_at <= _now, sa.or_(due.c.lease_until.is_(None), due.c.lease_until <= _now))
_waiting = sa.select(due.c.id).where(_is_claimable).order_by(due.c.run_at)
_is_this_claim = sa.and_(due.c.id == value(due.c.id), due.c.attempts == value(due.c.attempts))
# `attempts` is the claim's own number: it only ever grows, so that no claim is taken for another one. A claim that ran
# out with its lease is a failure: its worker died, or was lost with it.
_CLAIMED: Final = {
    "lease_until": value(due.c.lease_until),
    "attempts": due.c.attempts + 1,
    "failures": due.c.failures + sa.case((due.c.lease_until.is_(None), 0), else_=1),
}
_ANY_WAITING = Statement(_waiting.limit(1), across=True)
_CLAIM = Statement(
    sa.update(due)
    .where(due.c.id.in_(_waiting.limit(sa.bindparam("limit", type_=Whole())).with_for_update(skip_locked=True)))
    .values(_CLAIMED)
    .returning(*due.columns),
    across=True,
)
_READ = Statement(
    sa.select(*due.columns, environments.c.clock_at)
    .select_from(due.outerjoin(environments, environments.c.id == due.c.environment_id))
    .where(_is_this_claim),
    across=True,
)
_RETRY = Statement(
    sa.update(due)
    .where(_is_this_claim)
    .values(run_at=value(due.c.run_at), failures=value(due.c.failures), lease_until=None),
    across=True,
)
_PUT_OFF = Statement(
    sa.update(due)
    .where(_is_this_claim)
    .values(
        run_at=value(due.c.run_at),
        waits_until=value(due.c.waits_until),
        failures=value(due.c.failures),
        lease_until=None,
    ),
    across=True,
)
# Held to the block's end, so that the clock is not removed before what waits by it is written.
_CLOCK_HELD = Statement(
    sa.select(environments.c.clock_at).where(environments.c.id == value(environments.c.id)).with_for_update(read=True),
    across=True,
)
_of_environment = due.c.environment_id == value(due.c.environment_id)
_CLAIM_THERE = Statement(
    sa.update(due)
    .where(
        due.c.id.in_(
            sa.select(due.c.id)
            .where(_of_environment, due.c.waits_until.is_not(None), _is_claimable)
            .order_by(due.c.waits_until)
            .limit(sa.bindparam("limit", type_=Whole()))
            .with_for_update(skip_locked=True)
        )
    )
    .values(_CLAIMED)
    .returning(*due.columns),
    across=True,
)


class DueRows:
    """What must happen later in one scope."""

    def __init__(self, connection: ScopedConnection) -> None:
        self._connection = connection

    def add(self, kind: str, object_id: str, run_at: datetime, *, by_machine: bool = False) -> None:
        """Insert, or move the row that is there. A claim that runs keeps its number and its lease.

        ``run_at`` is by the environment's clock, unless it is said to be by the machine's.
        """
        moments = {"run_at": run_at, "waits_until": None}
        if not by_machine:
            moments = moments_of(self._connection.scope, run_at, self._connection.machine_now)
        row = {
            "id": new_id(),
            "kind": kind,
            "object_id": object_id,
            **moments,
            "lease_until": None,
            "attempts": 0,
            "failures": 0,
        }
        self._connection.put(_ADD, row)
        self._connection.has_news = True

    def done(self, kind: str, object_id: str) -> None:
        """Delete the row, if there is one."""
        self._connection.put(_DONE, {"kind": kind, "object_id": object_id})

    def hurry(self, kind: str, run_at: datetime) -> None:
        """Let every row of a kind be due at ``run_at`` if it is due only later."""
        if self._connection.scope.stands_at is None:
            self._connection.put(_HURRY, {"kind": kind, "run_at": run_at})
        else:
            moments = moments_of(self._connection.scope, run_at, self._connection.machine_now)
            self._connection.put(_HURRY_THERE, {"kind": kind, **moments})
        self._connection.has_news = True


class DueTable:
    """The rows of every tenant, as relays and workers see them. Each call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, now: datetime, *, limit: int, lease: timedelta) -> Sequence[DueRow]:
        """Claim what is due and not leased, oldest first: counts the claim and sets the lease. Never waits for a row."""
        with self._database.reading() as connection:
            if connection.row(_ANY_WAITING, {"now": now}) is None:
                return []
        with self._database.writing() as connection:
            rows = connection.rows(_CLAIM, {"now": now, "limit": limit, "lease_until": now + lease})
        return sorted((_from_row(row) for row in rows), key=lambda row: row.run_at)

    def read(self, row_id: str, attempt: int) -> DueRow | None:
        """Return the row if this claim is its last one and it is not done."""
        with self._database.reading() as connection:
            row = connection.row(_READ, {"id": row_id, "attempts": attempt})
        return None if row is None else _from_row(row)

    def claim_there(self, environment_id: str, now: datetime, *, limit: int, lease: timedelta) -> Sequence[DueRow]:
        """Claim what is due in one environment by its test clock, in the order of its moments."""
        given = {"environment_id": environment_id, "now": now, "limit": limit, "lease_until": now + lease}
        with self._database.writing() as connection:
            rows = connection.rows(_CLAIM_THERE, given)
        return [_from_row(row) for row in sorted(rows, key=lambda row: (row.waits_until, row.id))]

    def put_off(self, row: DueRow, run_at: datetime, *, went_well: bool = True) -> bool:
        """Give the row back until ``run_at`` by its environment's clock. False if it is done or somebody else's by now."""
        with self._database.writing() as connection:
            moments = moments_of(still_there(connection, row.scope), run_at, LONG_AGO)
            return connection.run(_PUT_OFF, {**_given_back(row, went_well=went_well), **moments}) == 1

    def retry(self, row: DueRow, run_at: datetime, *, went_well: bool = False) -> bool:
        """Give the row back until ``run_at`` by the machine's clock, as a rule after a failure of our own."""
        with self._database.writing() as connection:
            return connection.run(_RETRY, {**_given_back(row, went_well=went_well), "run_at": run_at}) == 1


def still_there(connection: Connection, scope: Scope) -> Scope:
    """Return a scope by its test clock as it stands now, and hold that; it may have been removed since it was read."""
    if scope.stands_at is None:
        return scope
    place = connection.row(_CLOCK_HELD, {"id": scope.environment_id})
    return replace(scope, stands_at=None if place is None else place.clock_at)


def moments_of(scope: Scope, moment: datetime, machine_now: datetime) -> dict[str, datetime | None]:
    """Return what a row keeps that is due at a moment by its environment's clock.

    Where a test clock stands, the row is due for the machine now or never, and keeps its own moment beside that.
    """
    if scope.stands_at is None:
        return {"run_at": moment, "waits_until": None}
    return {"run_at": machine_now if moment <= scope.stands_at else PARKED, "waits_until": moment}


def _given_back(row: DueRow, *, went_well: bool) -> dict[str, Any]:
    return {"id": row.id, "attempts": row.attempt, "failures": 0 if went_well else row.failures + 1}


def _from_row(row: Any) -> DueRow:
    scope = Scope(row.workspace_id, row.environment_id, row.application_id, getattr(row, "clock_at", None))
    return DueRow(row.id, scope, row.kind, row.object_id, row.run_at, row.attempts, row.failures)
