"""A checkout session: the buyer's way to pay for one cart or one amount. Pure: no clock, no database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from penstock.caller import Scope
from penstock.cart import Address, Cart
from penstock.errors import SessionExpired, SessionNotOpen, TooManyAttempts
from penstock.events import Recorded
from penstock.money import MAX_AMOUNT, Money, is_currency
from penstock.outcome import CaptureMode

LIFETIME: Final = timedelta(hours=24)
MAX_PAYMENTS: Final = 10
"""How many payments a buyer may try in one session (ruling 10)."""


class SessionStatus(StrEnum):
    """Where a session stands; all but ``open`` are final."""

    OPEN = "open"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class SessionKind(StrEnum):
    """What the session charges for: a cart of ours, a cart elsewhere, or a bare amount."""

    CART = "cart"
    EXTERNAL = "external"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Collect:
    """Which fields the buyer must give."""

    shipping_address: bool = True
    billing_address: bool = False


@dataclass(slots=True, kw_only=True)
class CheckoutSession(Recorded):
    """A session. ``amount`` (minor units) and ``currency`` are set for bare amounts; a cart's session reads its cart."""

    id: str
    scope: Scope
    kind: SessionKind
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    status: SessionStatus = SessionStatus.OPEN
    cart_id: str | None = None
    external_cart_id: str | None = None
    amount: int | None = None
    currency: str | None = None
    country: str | None = None
    return_url: str | None = None
    cancel_url: str | None = None
    customer_email: str | None = None
    customer: Mapping[str, Any] = field(default_factory=dict)
    allowed_methods: Sequence[str] | None = None
    collect: Collect = field(default_factory=Collect)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    order_id: str | None = None
    payment_id: str | None = None
    live_payment_id: str | None = None
    """The payment that may still take the money: while it is set, nothing else may be tried."""
    payments_tried: int = 0
    completion_digest: str | None = None
    widget_connection_id: str | None = None
    """The connection whose own widget takes the payment, and that must be asked about it."""
    widget_ref: str | None = None
    """That provider's session behind the widget."""
    capture_mode: CaptureMode = "automatic"

    @property
    def email(self) -> str | None:
        """The buyer's address as far as the session knows it."""
        return self.customer_email or self.customer.get("email")

    def address(self, kind: str) -> Address | None:
        """Return the prefilled ``shippingAddress`` or ``billingAddress``."""
        return self.customer.get(kind)

    def price(self, cart: Cart | None) -> Money | None:
        """Return what the session charges: its cart's total, its own amount, or what its metadata say of a cart elsewhere.

        None where nothing says it yet. The metadata's ``amount`` is an integer in minor units.
        """
        if cart is not None:
            return Money(cart.totals.total, cart.currency)
        amount = self.amount if self.amount is not None else self.metadata.get("amount")
        currency = self.currency or self.metadata.get("currency")
        if type(amount) is not int or not 0 <= amount <= MAX_AMOUNT:
            return None
        return Money(amount, currency) if isinstance(currency, str) and is_currency(currency) else None

    def is_over(self, now: datetime) -> bool:
        """Whether its time has run out. A payment that may still succeed keeps it alive."""
        return self.status is SessionStatus.OPEN and self.live_payment_id is None and now >= self.expires_at

    def assert_open(self, now: datetime) -> None:
        """Raise `SessionExpired` or `SessionNotOpen` unless a buyer may act on it."""
        if self.status is SessionStatus.EXPIRED or self.is_over(now):
            raise SessionExpired
        if self.status is not SessionStatus.OPEN:
            raise SessionNotOpen(details={"status": self.status.value})

    def assert_may_pay(self, now: datetime) -> None:
        """Raise `SessionExpired`, `SessionNotOpen` or `TooManyAttempts` unless a new payment may begin."""
        self.assert_open(now)
        if self.payments_tried >= MAX_PAYMENTS:
            raise TooManyAttempts(details={"limit": MAX_PAYMENTS})

    def take_widget(self, connection_id: str, ref: str | None, now: datetime) -> None:
        """Remember whose widget the buyer may pay in."""
        self.widget_connection_id, self.widget_ref, self.updated_at = connection_id, ref, now

    def begin_payment(self, *, payment_id: str, order_id: str, digest: str, now: datetime) -> None:
        """Take note of a payment that is about to be sent, for the completion with this digest."""
        self.payment_id = self.live_payment_id = payment_id
        self.order_id, self.completion_digest, self.updated_at = order_id, digest, now
        self.payments_tried += 1

    def leave_payment(self, now: datetime) -> None:
        """Stay open after a definite no."""
        self.live_payment_id, self.updated_at = None, now

    def complete(self, now: datetime) -> None:
        """End with the payment made."""
        self.status, self.live_payment_id, self.updated_at = SessionStatus.COMPLETED, None, now
        self.note("checkout.session.completed", self.summary())

    def expire(self, now: datetime) -> None:
        """End because time ran out."""
        self.status, self.updated_at = SessionStatus.EXPIRED, now
        self.note("checkout.session.expired", self.summary())

    def cancel(self, now: datetime) -> None:
        """End because the merchant says so."""
        self.status, self.updated_at = SessionStatus.CANCELLED, now
        self.note("checkout.session.cancelled", self.summary())

    def summary(self) -> dict[str, Any]:
        """Return what every session event carries."""
        return {
            "sessionId": self.id,
            "status": self.status.value,
            "cartId": self.cart_id,
            "externalCartId": self.external_cart_id,
            "orderId": self.order_id,
            "paymentId": self.payment_id,
        }
