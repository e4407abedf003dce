"""Leaves a source alone for a while that failed several times in a row, so that no buyer waits for it in vain.

The one rule: only what the source itself failed at counts. That an address is wrong, or a currency not served, is an answer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from penstock.clock import Clock
from penstock.quoting import FailureKind

AFTER: Final = 3
"""So many failures in a row begin a pause."""

LENGTH: Final = timedelta(seconds=15)

_COUNTED: Final[frozenset[FailureKind]] = frozenset({"timeout", "unreachable", "failed", "contract", "rate_limited"})
_MOST: Final = 4096


@dataclass(slots=True)
class _Run:
    failures: int
    until: datetime


class Pauses:
    """Pauses by connection, in this process. When one is over, the next question is a trial: it ends the run or pauses anew."""

    def __init__(self, clock: Clock, *, after: int = AFTER, length: timedelta = LENGTH) -> None:
        self._clock = clock
        self._after = after
        self._length = length
        self._runs: dict[str, _Run] = {}
        self._lock = Lock()

    def is_paused(self, connection_id: str) -> bool:
        """Tell whether a connection is left alone for now."""
        with self._lock:
            run = self._runs.get(connection_id)
            return run is not None and run.failures >= self._after and self._clock.now() < run.until

    def note(self, connection_id: str, kind: FailureKind | None) -> None:
        """Note how a question ended: a failure's kind, or None for an answer."""
        with self._lock:
            if kind not in _COUNTED:
                self._runs.pop(connection_id, None)
                return
            if len(self._runs) >= _MOST and connection_id not in self._runs:
                self._runs.clear()
            run = self._runs.setdefault(connection_id, _Run(0, self._clock.now()))
            run.failures += 1
            run.until = self._clock.now() + self._length
