"""The test clock of an environment."""

from datetime import datetime

from handlers.wire import Json, Reply
from penstock.caller import Caller
from penstock.clock import Clock, rfc3339
from penstock.errors import NotFound
from penstock.flows.move_clock import make_clock, move_clock
from penstock.flows.move_clock import remove_clock as remove
from penstock.ports import UnitOfWork
from penstock.standing import EnvironmentClock


def create_clock(uow: UnitOfWork, caller: Caller, clock: Clock) -> Json:
    return _shown(uow, make_clock(uow, caller, clock.now()))


def get_clock(uow: UnitOfWork) -> Json:
    found = uow.environment.clock()
    if found is None:
        raise NotFound("The environment has no test clock.")
    return _shown(uow, found)


def advance_clock(uow: UnitOfWork, clock: Clock, body: Json) -> Reply:
    to = body.get("to")
    moved = move_clock(uow, clock.now(), to=to and datetime.fromisoformat(to), seconds=body.get("seconds"))
    return Reply(_shown(uow, moved), 200 if moved.target_at is None else 202)


def remove_clock(uow: UnitOfWork) -> None:
    remove(uow)


def _shown(uow: UnitOfWork, clock: EnvironmentClock) -> Json:
    target = clock.target_at
    return {
        "environmentId": clock.environment_id,
        "status": clock.status,
        "now": rfc3339(clock.at),
        "target": None if target is None else rfc3339(target),
        "waiting": 0 if target is None else uow.environment.waiting(target),
        "createdAt": rfc3339(clock.made_at),
    }
