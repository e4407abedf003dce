"""Make, move and remove the test clock of an environment.

The one rule: while anything of the environment is due, its clock stands. So each piece of work sees the moment at which it
was due, and what it makes due in turn comes in its own order.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from penstock.caller import Caller
from penstock.clock_errors import ClockAdvancing, ClockExists, NotInProduction
from penstock.errors import NotFound
from penstock.flows.queue_delivery import DELIVER
from penstock.ports import UnitOfWork
from penstock.standing import ADVANCE, EnvironmentClock

TOGETHER: Final = timedelta(minutes=1)
"""Deliveries that are due within so long of each other are tried together, because no order is promised for them."""


def make_clock(uow: UnitOfWork, caller: Caller, now: datetime) -> EnvironmentClock:
    """Let time stand in the environment, at the machine's present. Raises `NotInProduction` or `ClockExists`."""
    _refuse_production(caller)
    if uow.environment.clock_for_update() is not None:
        raise ClockExists
    clock = EnvironmentClock(environment_id=uow.scope.environment_id, at=now, target_at=None, made_at=now)
    uow.environment.put_clock(clock)
    uow.environment.take_in(clock)
    return clock


def move_clock(
    uow: UnitOfWork, now: datetime, *, to: datetime | None = None, seconds: int | None = None
) -> EnvironmentClock:
    """Begin to move the clock, or move it where nothing waits on the way; return it.

    Raises `NotFound`, `ClockAdvancing`, and `ValidationError` for a moment that it cannot be moved to.
    """
    clock = held_clock(uow)
    moved = replace(clock, target_at=clock.target(to=to, seconds=seconds))
    uow.environment.put_clock(moved)
    uow.environment.take_in(moved)  # what was written by those who did not know of the clock yet
    if advance_clock(uow) is not None:
        uow.due.add(ADVANCE, clock.environment_id, now, by_machine=True)
    found = uow.environment.clock()
    if found is None:
        raise LookupError("the clock that was just written is gone")
    return found


def remove_clock(uow: UnitOfWork) -> None:
    """Let time be the machine's again. Raises `NotFound` or `ClockAdvancing`."""
    held_clock(uow)
    uow.environment.remove_clock()


def advance_clock(uow: UnitOfWork) -> bool | None:
    """Move a clock to the next moment at which something is due, and let that be done.

    Returns None once it stands at its target, True where it has moved, False where it has to wait for what is due.
    """
    clock = uow.environment.clock_for_update()
    if clock is None or clock.target_at is None:
        return None
    if uow.environment.is_busy():
        return False
    found = uow.environment.next_moment(clock.target_at, DELIVER)
    if found is None:
        uow.environment.put_clock(replace(clock, at=clock.target_at, target_at=None))
        return None
    moment = max(clock.at, _end_of(*found, until=clock.target_at))
    uow.environment.put_clock(replace(clock, at=moment))
    uow.environment.release(moment)
    return True


def held_clock(uow: UnitOfWork) -> EnvironmentClock:
    """Return the clock under its lock. Raises `NotFound`, and `ClockAdvancing` while it is being moved."""
    clock = uow.environment.clock_for_update()
    if clock is None:
        raise NotFound("The environment has no test clock.")
    if clock.target_at is not None:
        raise ClockAdvancing(headers={"Retry-After": "1"})
    return clock


def _end_of(first: datetime, other: datetime | None, *, until: datetime) -> datetime:
    """Return up to when everything may be done together: one moment, or a minute of deliveries alone."""
    if other == first:
        return first
    ends = [first + TOGETHER, until]
    return min(ends if other is None else [*ends, other - timedelta(microseconds=1)])


def _refuse_production(caller: Caller) -> None:
    if caller.is_production:
        raise NotInProduction("Time does not stand in production.")
