"""The bounded pool of threads in which requests are served: one hop there and back for each request."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

from penstock.clock import monotonic_seconds

CLOSING_SECONDS: Final = 10.0
Given = TypeVar("Given")
Result = TypeVar("Result")


class Pool(Generic[Given, Result]):
    """Threads that run one function at a time. The event loop alone calls `run`; `load` counts what it waits for.

    Leaner than `ThreadPoolExecutor`: no lock and no second future for each request, and finished requests wake the loop
    once for all that are done by then.
    """

    def __init__(self, threads: int, most_waiting: int) -> None:
        self.threads = threads
        self._most = threads + most_waiting
        self.load = 0
        self._queue: SimpleQueue[tuple[Callable[[Given], Result], Given, asyncio.Future[Result]] | None] = SimpleQueue()
        self._done: deque[tuple[asyncio.Future[Result], Result | None, BaseException | None]] = deque()
        self._is_waking = False
        self._crew: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_full(self) -> bool:
        """Whether another request would wait longer than is worth its while."""
        return self.load >= self._most

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return max(0, self.load - self.threads)

    async def run(self, act: Callable[[Given], Result], given: Given) -> Result:
        """Run a function in a thread and return what it returns."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._open(loop)
        future: asyncio.Future[Result] = loop.create_future()
        self.load += 1
        self._queue.put((act, given, future))
        try:
            return await future
        finally:
            self.load -= 1

    def close(self) -> None:
        """Let the threads end after what they were given; one that hangs is left behind."""
        for _ in self._crew:
            self._queue.put(None)
        until = monotonic_seconds() + CLOSING_SECONDS
        for thread in self._crew:
            thread.join(max(0.0, until - monotonic_seconds()))
        self._crew.clear()
        self._loop = None

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        # A new loop takes the pool over: tests start one for each test.
        self._loop = loop
        self.load = 0
        if not self._crew:
            self._crew = [
                threading.Thread(target=self._work, name=f"door-{number}", daemon=True)
                for number in range(self.threads)
            ]
            for thread in self._crew:
                thread.start()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            act, given, future = job
            try:
                outcome: tuple[Any, Result | None, BaseException | None] = (future, act(given), None)
            except BaseException as error:  # noqa: BLE001 -- it belongs to the one who waits
                outcome = (future, None, error)
            self._done.append(outcome)
            if not self._is_waking and self._loop is not None:
                self._is_waking = True
                _wake(self._loop, self._settle)

    def _settle(self) -> None:
        # First the flag, then the queue: whoever is done after this wakes the loop again.
        self._is_waking = False
        done = self._done
        while done:
            future, result, error = done.popleft()
            if future.cancelled():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # there is a result where there is no error


def _wake(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(act)
    except RuntimeError:
        # The loop closed under a request that nobody waits for any more.
        return
