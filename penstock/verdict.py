"""What the host makes of a connector's answer, and what it needs to know to ask one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from penstock.caller import Scope
from penstock.connector import EnvironmentKind, PaymentConnector, ProviderKind
from penstock.outcome import Approved, Declined, Done, FollowUp, Outcome, Pending, Rejected

VerdictState = Literal["approved", "pending", "declined", "rejected", "not_sent", "unknown"]
StepEnd = Literal["succeeded", "pending", "declined", "rejected", "not_sent", "unknown"]
Doubt = Literal["", "transport", "running"]
"""Why an outcome is unknown, where that matters: the wire fell silent, or the call itself has not come back yet."""

BREAKER_OPEN: Final = "breaker_open"
"""The error of a call that was not made because its connection's breaker is open."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One configured account at a provider. ``connector`` is a plugin's name, ``settings`` fit its schema.

    ``kind`` is what it is asked for: payments, taxes or shipping rates.
    ``is_readable`` is False where the settings could not be opened: they were altered, or moved from another row.
    """

    id: str
    connector: str
    settings: Mapping[str, Any] = field(repr=False)
    environment: EnvironmentKind = "sandbox"
    is_active: bool = True
    is_readable: bool = True
    kind: ProviderKind = "payment"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A connection that can take a payment, with the object that would be asked."""

    connection_id: str
    connector_name: str
    connector: PaymentConnector = field(compare=False)
    scope: Scope | None = field(default=None, compare=False)
    """Whose connection it is, where that is known."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a call to a connector ended. ``error`` says why there is no outcome, without secrets; "" if there is one."""

    state: VerdictState
    outcome: Outcome | None = None
    error: str = ""
    doubt: Doubt = ""

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Return an outcome that has been checked, under its name."""
        match outcome:
            case Approved():
                return cls("approved", outcome)
            case Pending():
                return cls("pending", outcome)
            case Declined():
                return cls("declined", outcome)
            case Rejected():
                return cls("rejected", outcome)

    @property
    def may_go_elsewhere(self) -> bool:
        """Whether the next provider may be asked: only after a certain no that another may answer otherwise."""
        if self.state == "declined":
            return bool(getattr(self.outcome, "may_go_elsewhere", False))
        return self.state in ("rejected", "not_sent")


@dataclass(frozen=True, slots=True)
class StepVerdict:
    """How a capture, void or refund ended at its connector. ``error`` says why there is no answer, without secrets.

    ``is_running`` says that the call has not come back: the connector may still be about to send.
    """

    state: StepEnd
    answer: FollowUp | None = None
    error: str = ""
    is_running: bool = False

    @classmethod
    def of(cls, answer: FollowUp) -> Self:
        """Return an answer that has been checked, under its name."""
        match answer:
            case Done():
                return cls("succeeded", answer)
            case Pending():
                return cls("pending", answer)
            case Declined():
                return cls("declined", answer)
            case Rejected():
                return cls("rejected", answer)
