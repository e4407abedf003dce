"""Listens to every event that the contract's tests make happen: its data must fit its schema, and its cause is noted."""

from collections import defaultdict
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache

import pytest
from openapi_schema_validator import OAS30Validator

from handlers import answers, spec
from handlers.operation import Operation
from penstock import catalogue
from penstock.events import Recorded

BY_WORK = "work"
"""Who made an event happen where no operation ran: a job, a page, or a test's own block."""

heard: dict[str, set[str]] = defaultdict(set)
"""The event types that each operation was heard to emit."""

_running: ContextVar[str] = ContextVar("running_operation", default=BY_WORK)


def declared() -> dict[str, set[str]]:
    """Return the event types that each operation says it emits."""
    return {each["operationId"]: set(each.get("x-emits", ())) for each in answers.operations(spec.load())}


@cache
def fitting() -> dict[str, OAS30Validator]:
    """Return what judges the data of each event type."""
    components = {"components": spec.load()["components"]}
    return {
        kind: OAS30Validator({"$ref": f"#/components/schemas/{entry.data}", **components})
        for kind, entry in catalogue.events().items()
    }


@pytest.fixture(scope="module", autouse=True)
def listening() -> Iterator[None]:
    """Listen to each of the contract's files, and to no other folder's: those make events up."""
    fits, note, run = fitting(), Recorded.note, Operation.run

    def heard_note(self, kind, data):
        note(self, kind, data)
        problems = [error.message for error in fits[kind].iter_errors(data)]
        assert not problems, f"the data of {kind} does not fit its schema: {problems}"
        heard[_running.get()].add(kind)

    def named_run(self, request):
        token = _running.set(self.name)
        try:
            return run(self, request)
        finally:
            _running.reset(token)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorded, "note", heard_note)
        patch.setattr(Operation, "run", named_run)
        yield
