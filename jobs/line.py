"""One endpoint's deliveries in this process: how many run, how many stand in line, and when the rest should come back.

The one rule: a line holds no more than its receiver takes in a moment. Whatever is more goes back to the table with the
time at which its turn should come, so that a receiver which hangs is not claimed over and over.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from penstock.ports import DueRow
from storage.outgoing import Letter

PLACES: Final = 8
"""How many tries run at the same time for one endpoint; one alone while it does not answer."""

HORIZON_SECONDS: Final = 10.0
"""A line is as long as its receiver should need this long for, by how quick it was."""

MOMENT_SECONDS: Final = 2.0
"""What a receiver takes within this long keeps this process busy; what stands behind that does not."""

SHORTEST: Final = 8
LONGEST: Final = 2000
STALE_SECONDS: Final = 45.0
"""A delivery that stood in line this long is left: its claim is about to pass to somebody else."""

FRESH_SECONDS: Final = 0.25
"""A delivery that was read longer ago is read anew before it is tried: its endpoint may have changed meanwhile."""

READ_AHEAD_SECONDS: Final = 0.2
LEAST_READ: Final = 2 * PLACES
MOST_READ: Final = 64
"""How many deliveries are read at once: what is tried within this time, within these bounds."""

_FIRST_GUESS: Final = 0.05
_SHARE_OF_NEW: Final = 0.2
_QUICKEST: Final = 0.001


@dataclass(slots=True)
class Line:
    """``waiting`` has been claimed, ``ready`` has been read a moment ago, ``running`` counts the tries under way.

    ``seconds`` is what a try of this endpoint takes, smoothed; all moments are seconds of the monotonic clock.
    """

    waiting: deque[tuple[DueRow, float]] = field(default_factory=deque)
    ready: deque[tuple[Letter, float]] = field(default_factory=deque)
    is_reading: bool = False
    running: int = 0
    is_silent: bool = False
    seconds: float = _FIRST_GUESS
    turn_at: float = 0.0

    @property
    def places(self) -> int:
        """How many tries may run at the same time."""
        return 1 if self.is_silent else PLACES

    @property
    def room(self) -> int:
        """How many more tries may begin."""
        return self.places - self.running

    @property
    def pace(self) -> float:
        """How many seconds pass between two tries that end."""
        return max(self.seconds, _QUICKEST) / self.places

    @property
    def length(self) -> int:
        """How many are in this process and not being tried."""
        return len(self.waiting) + len(self.ready)

    @property
    def busy(self) -> int:
        """How many of them will be tried in a moment. None of a receiver that hangs."""
        return min(self.length, int(MOMENT_SECONDS / self.pace))

    @property
    def is_full(self) -> bool:
        """Whether no more may stand in line."""
        return self.length >= min(max(int(HORIZON_SECONDS / self.pace), SHORTEST), LONGEST)

    def is_over(self, now: float) -> bool:
        """Whether there is nothing left to remember."""
        return not (
            self.waiting or self.ready or self.running or self.is_reading or self.is_silent or self.turn_at > now
        )

    def ended(self, seconds: float, *, is_answered: bool) -> None:
        """Count a try that took so long."""
        self.is_silent = not is_answered
        self.seconds += _SHARE_OF_NEW * (seconds - self.seconds)

    def turn(self, now: float, *, least: timedelta, most: timedelta) -> timedelta:
        """Return how long the next delivery that finds no place should wait until its turn."""
        self.turn_at = max(self.turn_at, now + self.length * self.pace) + self.pace
        return min(max(timedelta(seconds=self.turn_at - now), least), most)

    def to_read(self, now: float) -> list[DueRow]:
        """Take out of the line what should be read now; what stood there too long is left out."""
        rows: list[DueRow] = []
        wanted = min(max(int(READ_AHEAD_SECONDS / self.pace), LEAST_READ), MOST_READ)
        if self.is_reading or 2 * len(self.ready) >= wanted:
            return rows
        while self.waiting and len(rows) < wanted:
            row, since = self.waiting.popleft()
            if now - since < STALE_SECONDS:
                rows.append(row)
        return rows

    def leave(self) -> list[DueRow]:
        """Take out all that is not being tried."""
        rows = [row for row, _ in self.waiting] + [letter.row for letter, _ in self.ready]
        self.waiting.clear()
        self.ready.clear()
        return rows

    def next(self, now: float) -> Letter | None:
        """Take the next delivery that may be tried as it was read. One that was read too long ago stands in line again."""
        while self.ready and self.room > 0:
            letter, since = self.ready.popleft()
            if now - since < FRESH_SECONDS:
                return letter
            self.waiting.appendleft((letter.row, since))
        return None
