"""One thread for what writes one block to a SQLite file: it has one writer, and many threads only stand in its line.

The one rule: whoever waits for a request is told of it when its block is on the disk, never before. Requests that wait at
the same time share the trip there, and nobody has to be woken for his turn.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import Final, Generic

from handlers.pool import CLOSING_SECONDS, Given, Job, Outcome, Pool, Result, done
from storage.database import Receipt, Together
from storage.group_commit import MOST_BLOCKS

MOST: Final = MOST_BLOCKS
"""How many requests are told together at the most: as many as share a commit, so that the first does not wait for long."""


class Lane(Generic[Given, Result]):
    """Runs one function after the other, in a thread of its own. ``together`` is the database's."""

    def __init__(self, pool: Pool[Given, Result], together: Callable[[], AbstractContextManager[Together]]) -> None:
        self._pool = pool
        self._together = together
        self._queue: SimpleQueue[Job[Given, Result] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, act: Callable[[Given], Result], given: Given) -> Result:
        """Run a function when its turn has come, and return what it returns when what it wrote is kept."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="door-lane", daemon=True)
            self._thread.start()
        return await self._pool.wait_for(self._queue, act, given)

    def close(self) -> None:
        """End behind what is queued; what hangs is left behind."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(CLOSING_SECONDS)
            self._thread = None

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            self._pool.report(self._stretch(job))

    def _stretch(self, job: Job[Given, Result] | None) -> list[Outcome[Result]]:
        outcomes: list[tuple[Outcome[Result], Receipt]] = []
        try:
            with self._together() as stretch:
                while job is not None:
                    outcomes.append((done(job), stretch.receipt()))
                    job = self._next() if len(outcomes) < MOST else None
        except Exception as error:  # noqa: BLE001 -- whatever fails, the lane must be there for the next request
            return [(future, None, error) for (future, _, _), _ in outcomes]
        return [_checked(outcome, receipt) for outcome, receipt in outcomes]

    def _next(self) -> Job[Given, Result] | None:
        """Return a job that waits, if there is one."""
        if self._queue.empty():
            return None
        job = self._queue.get()
        if job is None:
            self._queue.put(None)  # the end is for the one who waits for the next stretch
        return job


def _checked(outcome: Outcome[Result], receipt: Receipt) -> Outcome[Result]:
    try:
        receipt()
    except Exception as error:  # noqa: BLE001 -- it belongs to the one who waits
        return outcome[0], None, error
    return outcome
