"""Posts deliveries to receivers: many at once, each endpoint within places of its own, so that none holds up another.

The one rule: what happened stands in the database before it is forgotten here. Whatever is lost with this process is
claimed again by the next one, and delivered once more under the same id.
"""

import asyncio
import random
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

import httpx
import structlog

from penstock.clock import Clock, monotonic_seconds
from penstock.ports import DueRow
from penstock.webhook import Answer
from penstock.webhook_signature import signed_headers
from storage.outgoing import Letter, Tried

TIMEOUT_SECONDS: Final = 10.0
"""How long one try may take, from the name's resolution to the answer's last byte."""

PLACES: Final = 8
"""How many tries run at the same time for one endpoint; one alone while it does not answer."""

ALL_PLACES: Final = 256
"""How many tries run at the same time in this process."""

LINE: Final = 64
"""How many deliveries stand in line for one endpoint here; the rest is given back for a while."""

STALE_SECONDS: Final = 45.0
"""A delivery that stood in line this long is left: its claim is about to pass to somebody else."""

GIVEN_BACK: Final = timedelta(seconds=2)
LONGEST_ANSWER: Final = 64 * 1024
EXCERPT: Final = 1000
RECORD_AT_ONCE: Final = 200

_log = structlog.get_logger(__name__)


class Letters(Protocol):
    """The deliveries of every tenant. `storage.outgoing` fits this."""

    def load(self, rows: Sequence[DueRow], now: datetime) -> list[Letter]:
        """Return what is to be posted for claimed rows."""
        ...

    def record(self, tried: Sequence[Tried], now: datetime) -> None:
        """Write how tries ended."""
        ...

    def put_off(self, rows: Sequence[DueRow], run_at: datetime) -> None:
        """Give claimed rows back untried."""
        ...


@dataclass(slots=True)
class _Line:
    """One endpoint's deliveries in this process."""

    waiting: deque[tuple[DueRow, float]] = field(default_factory=deque)
    running: int = 0
    is_silent: bool = False

    @property
    def room(self) -> int:
        """How many more tries may begin."""
        return (1 if self.is_silent else PLACES) - self.running


class Post:
    """A loop in a thread of its own that posts, and a thread that writes down how it went."""

    def __init__(self, outgoing: Letters, clock: Clock, http: Callable[[], httpx.AsyncClient]) -> None:
        self._outgoing = outgoing
        self._clock = clock
        self._http = http
        self._lines: dict[str, _Line] = {}
        self._starved: deque[str] = deque()
        self._running = 0
        self._ended: SimpleQueue[Tried | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to take deliveries."""
        ready = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, args=(ready,), name="penstock-post", daemon=True),
            threading.Thread(target=self._write_down, name="penstock-post-record", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        ready.wait()

    def stop(self, timeout: float = 30.0) -> None:
        """Finish the tries that run, give back what stands in line, and end. ``timeout`` is in seconds."""
        if self._loop is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._ended.put(None)
        for thread in self._threads:
            thread.join(timeout)
        self._loop = None

    def take(self, rows: Sequence[DueRow]) -> None:
        """Take claimed rows and return at once. Called from any thread."""
        letters = self._outgoing.load(rows, self._clock.now())
        if letters and self._loop is not None:
            self._loop.call_soon_threadsafe(self._sort, letters)

    def _serve(self, ready: threading.Event) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self._loop, self._client = loop, self._http()
        ready.set()
        loop.run_forever()
        loop.close()

    async def _close(self) -> None:
        rows = [row for line in self._lines.values() for row, _ in line.waiting]
        for line in self._lines.values():
            line.waiting.clear()
        if rows:
            await asyncio.to_thread(self._outgoing.put_off, rows, self._clock.now())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=TIMEOUT_SECONDS + 1)
        if self._client is not None:
            await self._client.aclose()

    def _sort(self, letters: Sequence[Letter]) -> None:
        over: list[DueRow] = []
        now = monotonic_seconds()
        for letter in letters:
            line = self._lines.setdefault(letter.endpoint.id, _Line())
            if line.room > 0 and self._running < ALL_PLACES and not line.waiting:
                self._begin(line, letter)
            elif len(line.waiting) < LINE:
                line.waiting.append((letter.row, now))
                if not line.running:
                    self._starved.append(letter.endpoint.id)
            else:
                over.append(letter.row)
        if over:
            self._spawn(self._give_back(over))

    async def _give_back(self, rows: Sequence[DueRow]) -> None:
        await asyncio.to_thread(self._outgoing.put_off, rows, self._clock.now() + GIVEN_BACK)

    def _begin(self, line: _Line, letter: Letter) -> None:
        line.running += 1
        self._running += 1
        self._spawn(self._try(line, letter))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, line: _Line, letter: Letter) -> None:
        try:
            answer = await self._post(letter)
            line.is_silent = answer.status is None
            self._ended.put(Tried(letter, answer, random.random()))  # noqa: S311  jitter is no secret
        finally:
            line.running -= 1
            self._running -= 1
            await self._next(letter.endpoint.id)
            while self._starved and self._running < ALL_PLACES:
                await self._next(self._starved.popleft())

    async def _next(self, endpoint_id: str) -> None:
        """Begin what stands in line. It is read anew, because its endpoint may have changed meanwhile."""
        line = self._lines.get(endpoint_id)
        if line is None:
            return
        too_old = monotonic_seconds() - STALE_SECONDS
        rows: list[DueRow] = []
        while line.waiting and len(rows) < line.room:
            row, since = line.waiting.popleft()
            if since >= too_old:
                rows.append(row)
        if rows:
            line.running += len(rows)
            letters = await asyncio.to_thread(self._outgoing.load, rows, self._clock.now())
            line.running -= len(rows)
            for letter in letters:
                self._begin(line, letter)
        if not line.waiting and not line.running and not line.is_silent:
            self._lines.pop(endpoint_id, None)

    async def _post(self, letter: Letter) -> Answer:
        client, endpoint, delivery = self._client, letter.endpoint, letter.delivery
        if client is None:
            raise RuntimeError("the post has not been started")
        now = self._clock.now()
        headers = signed_headers(
            delivery.event_id, delivery.event_type, letter.body, endpoint.signing_secrets(now), now
        )
        begun = monotonic_seconds()
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                client.stream("POST", endpoint.url, content=letter.body, headers=headers) as response,
            ):
                excerpt = await _beginning(response)
        except Exception as exc:  # noqa: BLE001  whatever a stranger's server does is that try's end and no more
            return Answer(error=_why(exc), milliseconds=_since(begun))
        return Answer(
            status=response.status_code,
            error=None,
            excerpt=excerpt,
            retry_after=_retry_after(response.headers.get("retry-after"), now),
            milliseconds=_since(begun),
        )

    def _write_down(self) -> None:
        is_open = True
        while is_open:
            batch = [self._ended.get()]
            try:
                while len(batch) < RECORD_AT_ONCE:
                    batch.append(self._ended.get_nowait())
            except Empty:
                pass
            is_open = None not in batch
            tried = [one for one in batch if one is not None]
            if tried:
                self._record(tried)

    def _record(self, tried: Sequence[Tried]) -> None:
        try:
            self._outgoing.record(tried, self._clock.now())
        except Exception:  # noqa: BLE001  their claims run out, and they are delivered once more
            _log.exception("deliveries_not_recorded", count=len(tried))


async def _beginning(response: httpx.Response) -> str:
    """Return the beginning of an answer as text that can be stored. Reads 64 kB at the most."""
    kept = bytearray()
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        kept += chunk[: 4 * EXCERPT - len(kept)]
        if size >= LONGEST_ANSWER:
            break
    text = bytes(kept).decode("utf-8", "replace")[:EXCERPT]
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _why(failure: Exception) -> str:
    if isinstance(failure, TimeoutError | httpx.TimeoutException):
        return f"no answer within {TIMEOUT_SECONDS:g} seconds"
    text = f"{type(failure).__name__}: {failure}".rstrip(": ")
    return "".join(c if c.isprintable() else " " for c in text)[:300]


def _since(begun: float) -> int:
    return round((monotonic_seconds() - begun) * 1000)


def _retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Return how long a receiver asks to be left alone: seconds, or until a date. None for anything else."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**7))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(until - now, timedelta()) if until.tzinfo is not None else None
