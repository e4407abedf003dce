"""Calls a connector so that it cannot take the process with it: a deadline, a bulkhead, and everything caught."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import Generic, TypeVar

from penstock.boundary import assert_no_transaction, waiting

T = TypeVar("T")
_TEXT = 2000


class Crowded(Exception):
    """All of a connector's places are taken: nothing was called."""


class DeadlinePassed(Exception):
    """The connector did not come back in time. It may still be running, and what it did is unknown."""


@dataclass(slots=True)
class Call(Generic[T]):
    """One finished call: what came back or what was raised (and its text), and the context in which it ran."""

    context: Context
    value: T | None = None
    raised: BaseException | None = None
    text: str = ""

    def make(self, work: Callable[[], T]) -> None:
        """Call ``work`` and note how it ended. Nothing that it raises gets out."""
        try:
            self.value = self.context.run(work)
        except BaseException as exc:  # noqa: BLE001  whatever a plugin raises in its own thread ends here
            self.raised = exc
            with suppress(BaseException):  # a stranger's exception may not even know its own text
                self.text = str(exc)[:_TEXT]


class Running(Generic[T]):
    """A call that was begun and may not have ended yet."""

    def __init__(self, name: str, call: Call[T], done: Event) -> None:
        self._name = name
        self._call = call
        self._done = done

    def wait(self, seconds: float) -> Call[T]:
        """Return how the call ended. Raises `DeadlinePassed` where it has not within so many seconds."""
        with waiting():
            has_ended = self._done.wait(seconds)
        if not has_ended:
            raise DeadlinePassed(f"{self._name} did not answer within {seconds:g} seconds")
        return self._call


class Guard:
    """Runs calls in daemon threads, at most ``places`` at a time for each name.

    A call that hangs keeps its place, so it can take the places of its own connector and nobody else's.
    """

    def __init__(self, *, places: int) -> None:
        self._places = places
        self._lock = Lock()
        self._bulkheads: dict[str, BoundedSemaphore] = defaultdict(lambda: BoundedSemaphore(self._places))

    def run(self, name: str, work: Callable[[], T], *, seconds: float) -> Call[T]:
        """Call ``work`` and return how it ended; whatever it raises is in the answer.

        Raises `CalledInsideTransaction`, `Crowded` before it calls, `DeadlinePassed` after ``seconds``.
        """
        return self.start(name, work).wait(seconds)

    def start(self, name: str, work: Callable[[], T]) -> Running[T]:
        """Call ``work`` and do not wait for it. Raises `CalledInsideTransaction`, and `Crowded` before it calls."""
        assert_no_transaction()
        with self._lock:
            bulkhead = self._bulkheads[name]
        if not bulkhead.acquire(blocking=False):
            raise Crowded(f"all {self._places} places of {name} are taken")
        call: Call[T] = Call(copy_context())
        done = Event()

        def thread() -> None:
            call.make(work)
            bulkhead.release()
            done.set()

        try:
            Thread(target=thread, name=f"connector-{name}", daemon=True).start()
        except RuntimeError as exc:  # the machine has no thread left to give
            bulkhead.release()
            raise Crowded(f"{name} could not be called: {exc}") from exc
        return Running(name, call, done)
