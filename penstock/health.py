"""When a provider counts as failing, and when as well again (semantics 2.5). Pure: the moment is handed in.

Only technical failures count: what was not sent, what nobody knows, and wrong credentials. A decline is an answer.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal

from penstock.caller import Scope
from penstock.events import Recorded
from penstock.outcome import Rejected
from penstock.verdict import Verdict

WINDOW_SECONDS: Final = 300.0
BUCKET_SECONDS: Final = 30.0
MIN_FAILURES: Final = 20
OPEN_PERCENT: Final = 35
COOL_DOWN_SECONDS: Final = 120.0
TRIALS: Final = 20
CLOSE_PERCENT: Final = 30

State = Literal["closed", "open", "half_open"]
Change = Literal["degraded", "recovered", "refused", "accepted"]
"""A breaker opened or closed; or a provider began to refuse a connection's credentials, or takes them again."""


def is_technical(verdict: Verdict) -> bool:
    """Tell whether a verdict speaks against the provider's health."""
    if isinstance(verdict.outcome, Rejected):
        return is_refusal(verdict)
    return verdict.state in ("not_sent", "unknown")


def is_refusal(verdict: Verdict) -> bool:
    """Tell whether the provider refused the account's credentials or settings: nobody but the merchant can mend that."""
    return isinstance(verdict.outcome, Rejected) and verdict.outcome.kind == "configuration"


@dataclass(slots=True)
class Breaker:
    """One connection and operation. ``calls`` and ``failures`` of the last five minutes, in buckets of 30 seconds.

    ``elsewhere`` are the (calls, failures) that other processes counted in the same time.
    """

    state: State = "closed"
    until: float = 0.0
    elsewhere: tuple[int, int] = (0, 0)
    buckets: deque[list[float]] = field(default_factory=deque)
    trials_begun: int = 0
    trials_ended: int = 0
    trials_failed: int = 0

    def admit(self, now: float) -> bool:
        """Whether a call may be made now. While half open it takes one of the trials; after the cool-down it opens them."""
        if self.state == "closed":
            return True
        if self.state == "open":
            if now < self.until:
                return False
            self.state, self.trials_begun, self.trials_ended, self.trials_failed = "half_open", 0, 0, 0
            self.until = now + COOL_DOWN_SECONDS
        if self.trials_begun >= TRIALS and now >= self.until:
            # Trials that never reported back must not shut the provider out for good.
            self.trials_begun, self.until = self.trials_ended, now + COOL_DOWN_SECONDS
        if self.trials_begun >= TRIALS:
            return False
        self.trials_begun += 1
        return True

    def note(self, now: float, *, is_failure: bool) -> Change | None:
        """Count how a call ended, and return what that changed."""
        if self.state == "half_open":
            return self._note_trial(now, is_failure=is_failure)
        self._count(now, is_failure=is_failure)
        if self.state == "closed" and self.is_failing(now):
            self.trip(now)
            return "degraded"
        return None

    def is_failing(self, now: float) -> bool:
        """Whether the last five minutes hold enough failures, in number and in share."""
        calls, failures = self.totals(now)
        return failures >= MIN_FAILURES and failures * 100 >= calls * OPEN_PERCENT

    def trip(self, now: float, seconds: float = COOL_DOWN_SECONDS) -> None:
        """Let nothing through for so many seconds."""
        self.state, self.until = "open", now + seconds

    def totals(self, now: float) -> tuple[int, int]:
        """Return the calls and the failures of the last five minutes, everywhere."""
        while self.buckets and self.buckets[0][0] <= now - WINDOW_SECONDS:
            self.buckets.popleft()
        calls, failures = self.elsewhere
        return calls + sum(int(b[1]) for b in self.buckets), failures + sum(int(b[2]) for b in self.buckets)

    def _count(self, now: float, *, is_failure: bool) -> None:
        start = now - now % BUCKET_SECONDS
        if not self.buckets or self.buckets[-1][0] != start:
            self.buckets.append([start, 0, 0])
        self.buckets[-1][1] += 1
        self.buckets[-1][2] += is_failure

    def _note_trial(self, now: float, *, is_failure: bool) -> Change | None:
        self.trials_ended += 1
        self.trials_failed += is_failure
        if self.trials_failed * 100 > TRIALS * CLOSE_PERCENT:  # however the rest would end
            self.trip(now)
        elif self.trials_ended >= TRIALS:
            self.state = "closed"
            self.buckets.clear()
            self.elsewhere = (0, 0)
            return "recovered"
        return None


@dataclass(slots=True, kw_only=True)
class Incident(Recorded):
    """A time in which one connection failed at one operation: its beginning and its end are the two events it notes.

    Refused credentials are an incident of one event.
    """

    id: str
    scope: Scope
    connection_id: str
    connector: str
    operation: str

    def begin(self) -> None:
        """Note that the connection is no longer asked."""
        self.note("connector.degraded", self._summary())

    def refuse(self) -> None:
        """Note that the provider refuses the connection's credentials or settings."""
        self.note("connector.refused", self._summary())

    def end(self) -> None:
        """Note that it works again. The beginning was the incident's first event."""
        self.sequence = max(self.sequence, 1)
        self.note("connector.recovered", self._summary())

    def _summary(self) -> dict[str, str]:
        return {"connectionId": self.connection_id, "connector": self.connector, "operation": self.operation}
