"""The bounded pool of threads in which requests are served: one hop there and back for each request."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Final, Generic, TypeVar

from penstock.boundary import lend_thread
from penstock.clock import monotonic_seconds

CLOSING_SECONDS: Final = 10.0
Given = TypeVar("Given")
Result = TypeVar("Result")


Job = tuple[Callable[[Given], Result], Given, asyncio.Future[Result]]
"""What is to be run, with what, and who waits for it."""

Outcome = tuple[asyncio.Future[Result], Result | None, BaseException | None]
"""Who waits for a job, and what came of it."""


class Pool(Generic[Given, Result]):
    """Threads that run one function at a time. The event loop alone calls `run`; `load` counts what it waits for.

    A thread that waits for a provider gives its place to another one, so that a provider that hangs holds up nobody else.
    Leaner than `ThreadPoolExecutor`: no lock and no second future for each request, and finished requests wake the loop
    once for all that are done by then.
    """

    def __init__(self, threads: int, most_waiting: int) -> None:
        self.threads = threads
        self._most = threads + most_waiting
        self.load = 0
        self._queue: SimpleQueue[Job[Given, Result] | None] = SimpleQueue()
        self._done: deque[Outcome[Result]] = deque()
        self._is_waking = False
        self._crew: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._away = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_full(self) -> bool:
        """Whether another request would wait longer than is worth its while."""
        return self.load - self._away >= self._most

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return max(0, self.load - self._away - self.threads)

    async def run(self, act: Callable[[Given], Result], given: Given) -> Result:
        """Run a function in a thread and return what it returns."""
        return await self.wait_for(self._queue, act, given)

    async def wait_for(
        self, queue: "SimpleQueue[Job[Given, Result] | None]", act: Callable[[Given], Result], given: Given
    ) -> Result:
        """Queue a job for whoever works on a queue, and return its result once that was reported."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._open(loop)
        future: asyncio.Future[Result] = loop.create_future()
        self.load += 1
        if self._away:
            self._stand_in()
        queue.put((act, given, future))
        try:
            return await future
        finally:
            self.load -= 1

    def close(self) -> None:
        """Let the threads end after what they were given; one that hangs is left behind."""
        crew = list(self._crew)
        for _ in crew:
            self._queue.put(None)
        until = monotonic_seconds() + CLOSING_SECONDS
        for thread in crew:
            thread.join(max(0.0, until - monotonic_seconds()))
        self._crew.clear()
        self._loop = None

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        # A new loop takes the pool over: tests start one for each test.
        self._loop = loop
        self.load = 0
        while len(self._crew) < self.threads:
            self._hire()

    def _hire(self) -> None:
        thread = threading.Thread(target=self._work, name=f"door-{len(self._crew)}", daemon=True)
        thread.start()
        self._crew.append(thread)

    @contextmanager
    def _wait(self) -> Iterator[None]:
        """The length of a thread's wait for a provider."""
        with self._lock:
            self._away += 1
        self._stand_in()
        try:
            yield
        finally:
            with self._lock:
                self._away -= 1

    def _stand_in(self) -> None:
        """Hire another thread if requests wait for one, and some of those that there are wait for providers."""
        # Where the machine has no thread left to give, requests wait for those that there are.
        with self._lock, suppress(RuntimeError):
            if len(self._crew) < min(self.load, self.threads + self._away):
                self._hire()

    def _is_too_many(self) -> bool:
        """Let this thread go if those for which it stood in are back."""
        if len(self._crew) <= self.threads + self._away:
            return False
        with self._lock:
            is_left_over = len(self._crew) > self.threads + self._away
            if is_left_over:
                self._crew.remove(threading.current_thread())
            return is_left_over

    def _work(self) -> None:
        lend_thread(self._wait)
        while (job := self._queue.get()) is not None:
            self.report((done(job),))
            if self._is_too_many():
                return

    def report(self, outcomes: Iterable[Outcome[Result]]) -> None:
        """Have the loop tell those who wait; from any thread."""
        self._done.extend(outcomes)
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


def done(job: Job[Given, Result]) -> Outcome[Result]:
    """Do a job."""
    act, given, future = job
    try:
        return future, act(given), None
    except BaseException as error:  # noqa: BLE001 -- it belongs to the one who waits
        return future, None, error


def _wake(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(act)
    except RuntimeError:
        # The loop closed under a request that nobody waits for any more.
        return
