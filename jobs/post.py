"""Posts deliveries to receivers: many at once, each endpoint within places of its own, so that none holds up another.

The one rule: what happened stands in the database before it is forgotten here. Whatever is lost with this process is
claimed again by the next one, and delivered once more under the same id.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

import structlog
import uvloop

from connectors.egress import Outlet
from jobs.line import Line
from penstock.clock import Clock, monotonic_seconds
from penstock.ports import DueRow
from penstock.webhook import Answer
from penstock.webhook_signature import signed_headers
from storage.outgoing import Letter, Tried

TIMEOUT_SECONDS: Final = 10.0
"""How long one try may take, from the name's resolution to the answer's last byte."""

ALL_PLACES: Final = 256
"""How many tries run at the same time in this process."""

PLENTY: Final = 1000
"""From so many deliveries on in this process, the relay should leave it alone for a moment."""

SOONEST: Final = timedelta(seconds=2)
LATEST: Final = timedelta(minutes=2)
"""The shortest and the longest time for which a delivery is given back that finds no place in its line."""

EXCERPT: Final = 1000
RECORD_AT_ONCE: Final = 200
GATHER_SECONDS: Final = 0.02
"""For how long tries that ended wait for others, to be written down in one transaction with them."""


_log = structlog.get_logger(__name__)


class Letters(Protocol):
    """The deliveries of every tenant. `storage.outgoing` fits this."""

    def load(self, rows: Sequence[DueRow], now: datetime) -> list[Letter]:
        """Return what is to be posted for claimed rows."""
        ...

    def record(self, tried: Sequence[Tried], now: datetime) -> None:
        """Write how tries ended."""
        ...

    def put_off(self, rows: Sequence[tuple[DueRow, datetime]]) -> None:
        """Give claimed rows back untried, each until its moment."""
        ...


class Watch(Protocol):
    """Whoever counts. `handlers.metrics` fits this."""

    def count_attempt(self, outcome: str, seconds: float) -> None:
        """Count one try of a delivery."""
        ...


class Post:
    """A loop in a thread of its own that posts, and a thread that writes down how it went."""

    def __init__(
        self, outgoing: Letters, clock: Clock, outlet: Callable[[], Outlet], watch: Watch | None = None
    ) -> None:
        self._outgoing = outgoing
        self._watch = watch
        self._clock = clock
        self._open = outlet
        self._lines: dict[str, Line] = {}
        self._starved: dict[str, None] = {}
        self._running = 0
        self._is_open = True
        self._ended: SimpleQueue[Tried | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outlet: Outlet | None = None
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

    @property
    def has_plenty(self) -> bool:
        """Whether there is enough to do here for a moment. Asked from any thread."""
        return sum(line.busy for line in list(self._lines.values())) >= PLENTY

    def take(self, rows: Sequence[DueRow]) -> None:
        """Take claimed rows and return at once. Called from any thread."""
        letters = self._outgoing.load(rows, self._clock.now())
        if letters and self._loop is not None:
            self._loop.call_soon_threadsafe(self._sort, letters)

    def _serve(self, ready: threading.Event) -> None:
        loop = uvloop.new_event_loop()
        asyncio.set_event_loop(loop)
        self._loop, self._outlet = loop, self._open()
        ready.set()
        loop.run_forever()
        loop.close()

    async def _close(self) -> None:
        self._is_open = False
        await self._leave()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=TIMEOUT_SECONDS + 1)
        await self._leave()
        if self._outlet is not None:
            await self._outlet.close()

    async def _leave(self) -> None:
        now = self._clock.now()
        rows = [(row, now) for line in self._lines.values() for row in line.leave()]
        if rows:
            await asyncio.to_thread(self._outgoing.put_off, rows)

    def _sort(self, letters: Sequence[Letter]) -> None:
        over: list[tuple[DueRow, datetime]] = []
        moment, now = self._clock.now(), monotonic_seconds()
        for letter in letters:
            line = self._lines.setdefault(letter.endpoint.id, Line())
            if line.is_full:
                over.append((letter.row, moment + line.turn(now, least=SOONEST, most=LATEST)))
            elif line.waiting:
                line.waiting.append((letter.row, now))
            else:
                line.ready.append((letter, now))
        if over:
            self._spawn(asyncio.to_thread(self._outgoing.put_off, over))
        for endpoint_id in {letter.endpoint.id: None for letter in letters}:
            self._go_on(endpoint_id)

    def _begin(self, line: Line, letter: Letter) -> None:
        line.running += 1
        self._running += 1
        self._spawn(self._try(line, letter))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, line: Line, letter: Letter) -> None:
        try:
            answer = await self._post(letter)
            line.ended(answer.milliseconds / 1000, is_answered=answer.status is not None)
            if self._watch is not None:
                self._watch.count_attempt(_outcome(answer), answer.milliseconds / 1000)
            self._ended.put(Tried(letter, answer, random.random()))  # noqa: S311  jitter is no secret
        finally:
            line.running -= 1
            self._running -= 1
            self._go_on(letter.endpoint.id)
            while self._starved and self._running < ALL_PLACES:
                self._go_on(self._starved.popitem()[0])

    def _go_on(self, endpoint_id: str) -> None:
        """Begin what there is room for, and read what comes next."""
        line = self._lines.get(endpoint_id)
        if line is None or not self._is_open:
            return
        now = monotonic_seconds()
        while self._running < ALL_PLACES and (letter := line.next(now)) is not None:
            self._begin(line, letter)
        if line.ready and not line.running:
            self._starved[endpoint_id] = None
        rows = line.to_read(now)
        if rows:
            line.is_reading = True
            self._spawn(self._read(endpoint_id, line, rows))
        elif line.is_over(now):
            self._lines.pop(endpoint_id, None)

    async def _read(self, endpoint_id: str, line: Line, rows: Sequence[DueRow]) -> None:
        try:
            letters = await asyncio.to_thread(self._outgoing.load, rows, self._clock.now())
            now = monotonic_seconds()
            line.ready.extend((letter, now) for letter in letters)
        except Exception:  # noqa: BLE001  their claims run out, and somebody takes them again
            _log.exception("deliveries_not_read", count=len(rows))
        finally:
            line.is_reading = False
            self._go_on(endpoint_id)

    async def _post(self, letter: Letter) -> Answer:
        outlet, endpoint, delivery = self._outlet, letter.endpoint, letter.delivery
        if outlet is None:
            raise RuntimeError("the post has not been started")
        now = self._clock.now()
        headers = signed_headers(
            delivery.event_id, delivery.event_type, letter.body, endpoint.signing_secrets(now), now
        )
        begun = monotonic_seconds()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                reply = await outlet.post(endpoint.url, letter.body, headers)
        except Exception as exc:  # noqa: BLE001  whatever a stranger's server does is that try's end and no more
            return Answer(error=_why(exc), milliseconds=_since(begun))
        return Answer(
            status=reply.status,
            excerpt=_text(reply.beginning),
            retry_after=_retry_after(reply.headers.get("retry-after"), now),
            milliseconds=_since(begun),
        )

    def _write_down(self) -> None:
        is_open = True
        while is_open:
            batch = [self._ended.get()]
            time.sleep(GATHER_SECONDS)
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


def _text(beginning: bytes) -> str:
    """Return the beginning of an answer as text that can be stored."""
    text = beginning.decode("utf-8", "replace")[:EXCERPT]
    return text if text.isprintable() else "".join(_printable(c) for c in text)


def _printable(character: str) -> str:
    return character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"


def _outcome(answer: Answer) -> str:
    if answer.status is None:
        return "unanswered"
    return "taken" if answer.is_taken else "refused"


def _why(failure: Exception) -> str:
    if isinstance(failure, TimeoutError):
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
