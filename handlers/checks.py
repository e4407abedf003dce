"""Whether our own answers keep the promises of the spec: loud in tests, counted in production."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
import structlog

from handlers.contract import ResponseCheck
from handlers.faults import faults_in
from handlers.respond import Answer
from handlers.schema import Compiler, Validator

log = structlog.get_logger("penstock.door")


ALWAYS: Final = 200
"""How many answers of an operation are checked whole in production after a start; then it is one in `EVERY`."""

EVERY: Final = 16


class BrokenPromise(AssertionError):
    """An answer of ours breaks the spec."""


class ResponseChecks:
    """Checks the answers of one operation, by status."""

    def __init__(
        self, name: str, responses: Mapping[str, Any], resolve: Callable[[Any], Mapping[str, Any]], compiler: Compiler
    ) -> None:
        self._name = name
        self._asked = 0
        self._by_status: dict[int, Validator | None] = {}
        for status, declared in responses.items():
            content = resolve(declared).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            self._by_status[int(status)] = None if schema is None else compiler.compile(schema, "response")

    @property
    def default_status(self) -> int:
        """The status of a result that does not name one."""
        return min(status for status in self._by_status if status // 100 == 2)  # noqa: PLR2004 -- the class of success

    def is_due(self) -> bool:
        """Tell whether this answer is one of those that are looked at in production.

        The shape of an answer comes from code, so what is broken shows at once and often; looking at each of them for
        ever would be a third of what a list costs. Threads may miscount, which does no harm.
        """
        self._asked += 1
        return self._asked <= ALWAYS or self._asked % EVERY == 0

    def fault(self, answer: Answer) -> str | None:
        """Return how an answer breaks the spec, or None."""
        if answer.status not in self._by_status:
            return f"{self._name}: the spec declares no {answer.status} ({answer.code or 'no code'})"
        validator = self._by_status[answer.status]
        if validator is None:
            return f"{self._name}: the spec declares {answer.status} without a body" if answer.body else None
        content = answer.content
        if content is None:
            return f"{self._name}: {answer.status} has no JSON body" if not answer.body else None
        try:
            is_kept = validator.fits(content)
        except ValueError:  # a part of it came from its row as bytes, so look at what was sent
            content = orjson.loads(answer.body)
            is_kept = validator.fits(content)
        if is_kept:
            return None
        places = "; ".join(f"{fault.pointer or '/'} {fault.message}" for fault in faults_in(validator, content)[:5])
        return f"{self._name}: the body of {answer.status} breaks the spec: {places}"


class Watch:
    """Checks answers and does with a broken one what the settings say. `count` is told the operation's name."""

    def __init__(self, mode: ResponseCheck, count: Callable[[str], None]) -> None:
        self._mode = mode
        self._count = count
        self.is_off = mode == "off"
        self.is_loud = mode == "raise"

    def look(self, checks: ResponseChecks, name: str, answer: Answer) -> None:
        """Raise `BrokenPromise`, or log and count, where an answer breaks the spec."""
        if self._mode == "log" and not answer.code and not checks.is_due():
            return
        fault = checks.fault(answer)
        if fault is None:
            return
        self._count(name)
        if self._mode == "raise":
            raise BrokenPromise(fault)
        log.error("response breaks the spec", operation=name, status=answer.status, reason=fault)
