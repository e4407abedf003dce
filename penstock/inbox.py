"""A provider's own messages, as they are kept: each one once, and only as a reason to look."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

from penstock.money import Money
from penstock.outcome import Approved, Declined, Done, FollowUp, Outcome, Pending, Rejected
from penstock.request import Hint

Handled = Literal["looked", "disputed", "unknown_payment", "ignored"]

KEPT_FOR: Final = timedelta(days=30)
"""How long a message is remembered. Providers repeat theirs for a few days."""

_KINDS: Final[Mapping[str, Any]] = {
    "approved": Approved,
    "pending": Pending,
    "declined": Declined,
    "rejected": Rejected,
    "done": Done,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing that a provider told us about, under its own id. ``handled_at`` is None until somebody has looked."""

    id: str
    connection_id: str
    hint: Hint
    received_at: datetime
    handled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """What a message names: a payment, and the attempt of it that the message is about, if it is about one."""

    payment_id: str
    attempt_id: str | None = None


class Inbox(Protocol):
    """Providers' own messages."""

    def add(self, message: Message) -> bool:
        """Keep a message; False where its connection has told of the same event before."""
        ...

    def get(self, message_id: str) -> Message | None:
        """Return a message."""
        ...

    def named_by(self, message: Message) -> Named | None:
        """Return the payment, tried at the message's own connection, that the message names."""
        ...

    def is_disputed(self, payment_id: str) -> bool:
        """Tell whether a dispute of this payment was told of before."""
        ...

    def handled(self, message: Message, outcome: Handled, payment_id: str | None) -> None:
        """Note what came of a message."""
        ...


def pack(told: Outcome | FollowUp | None) -> dict[str, Any] | None:
    """Return what a message says became of a charge or follow-up, as JSON. What it says of the card is left out."""
    if told is None:
        return None
    fields = {name: value for name, value in asdict(told).items() if name != "card"}
    return {"is": type(told).__name__.lower(), **fields}


def unpack(packed: Mapping[str, Any] | None) -> Outcome | FollowUp | None:
    """Return what `pack` packed."""
    if packed is None:
        return None
    fields = {name: Money(**value) if isinstance(value, dict) else value for name, value in packed.items()}
    made: Outcome | FollowUp = _KINDS[str(fields.pop("is"))](**fields)
    return made
