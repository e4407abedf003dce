"""The ledger: double entry, append-only. Each posting sums to zero in its currency."""

from dataclasses import dataclass
from datetime import datetime

from penstock.ids import new_id
from penstock.payment import Attempt, Payment


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a posting: minor units into (positive) or out of (negative) an account."""

    account: str
    amount: int


@dataclass(frozen=True, slots=True)
class Posting:
    """Entries that belong together. Raises ValueError unless they sum to zero."""

    id: str
    payment_id: str
    kind: str
    currency: str
    entries: tuple[Entry, ...]
    created_at: datetime

    def __post_init__(self) -> None:
        if sum(entry.amount for entry in self.entries) != 0:
            raise ValueError("a posting sums to zero")


def refund_posting(payment: Payment, amount: int, now: datetime) -> Posting:
    """Return the posting of refunded money: the provider has given ``amount`` minor units of the sale back."""
    entries = (Entry("refunds", amount), Entry(f"provider:{payment.connector}", -amount))
    return Posting(new_id(), payment.id, "refund", payment.currency, entries, now)


def stray_posting(payment: Payment, attempt: Attempt, now: datetime, *, is_return: bool = False) -> Posting:
    """Return the posting of money that came through a stray attempt and is nobody's, or of its way back."""
    amount = -payment.amount if is_return else payment.amount
    entries = (Entry(f"provider:{attempt.connector}", amount), Entry("strays", -amount))
    return Posting(new_id(), payment.id, "stray_return" if is_return else "stray", payment.currency, entries, now)


def capture_posting(payment: Payment, now: datetime) -> Posting:
    """Return the posting of captured money: the provider owes it, the order has it."""
    amount = payment.amount_captured
    entries = (Entry(f"provider:{payment.connector}", amount), Entry("sales", -amount))
    return Posting(new_id(), payment.id, "capture", payment.currency, entries, now)
