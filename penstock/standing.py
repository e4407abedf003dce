"""The test clock of an environment: time stands there, and moves when somebody moves it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from penstock.errors import Fault, ValidationError

ADVANCE: Final = "advance_clock"
"""The kind of the due row of a clock that is being moved. It is due by the machine's clock."""

LONGEST: Final = timedelta(days=366)
"""How far a clock is moved at once."""

LAST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""How far it can be moved at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentClock:
    """Where an environment's clock stands, and where it is being moved to. ``made_at`` is by the machine's clock."""

    environment_id: str
    at: datetime
    target_at: datetime | None
    made_at: datetime

    @property
    def status(self) -> Literal["ready", "advancing"]:
        """Whether it stands still."""
        return "ready" if self.target_at is None else "advancing"

    def target(self, *, to: datetime | None, seconds: int | None) -> datetime:
        """Return the moment to move to. Raises `ValidationError` for one that is not ahead, or too far ahead."""
        if (to is None) == (seconds is None):
            raise ValidationError(Fault("", "one_of", "say either to when, or by how many seconds"))
        pointer, target = ("/to", to) if to is not None else ("/seconds", self.at + timedelta(seconds=seconds or 0))
        if target is None or target <= self.at:
            raise ValidationError(Fault(pointer, "not_ahead", "a clock moves forward only"))
        if target - self.at > LONGEST or target > LAST:
            message = f"a clock moves by at most {LONGEST.days} days at once, and not beyond {LAST.year}"
            raise ValidationError(Fault(pointer, "too_far", message))
        return target
