"""An order: a cart as it was when the buyer agreed to pay. Pure: no clock, no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from penstock.caller import Scope
from penstock.cart import Address, Cart, LineItem, ShippingSelection, TaxLine
from penstock.discount import AppliedDiscount
from penstock.events import Recorded
from penstock.exemption import Exemption
from penstock.payment import Payment, PaymentStatus
from penstock.totals import Part, Totals


class OrderStatus(StrEnum):
    """Where an order stands (semantics 1.3)."""

    DRAFT = "draft"
    PENDING = "pending"
    PROCESSING = "processing"
    PARTIALLY_FULFILLED = "partially_fulfilled"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One line as it was bought. Amounts are minor units."""

    id: str
    type: str
    name: str
    unit_price: int
    quantity: int
    discount_amount: int
    tax_amount: int
    total: int
    requires_shipping: bool
    reference_id: str | None = None
    description: str | None = None
    image_url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Order(Recorded):
    """An order with its lines. The amounts are those of the cart at the moment of the snapshot."""

    id: str
    scope: Scope
    number: str
    currency: str
    created_at: datetime
    updated_at: datetime
    status: OrderStatus = OrderStatus.DRAFT
    payment_status: PaymentStatus | None = None
    source: str = "checkout"
    cart_id: str | None = None
    external_cart_id: str | None = None
    session_id: str | None = None
    customer_id: str | None = None
    customer_email: str | None = None
    payment_method: str | None = None
    discount_code: str | None = None
    applied: AppliedDiscount | None = None
    """The discount that took ``applied_amount`` minor units off, as it was then; its code is ``discount_code``."""
    applied_amount: int = 0
    totals: Totals = field(default_factory=Totals)
    lines: list[OrderLine] = field(default_factory=list)
    shipping: ShippingSelection | None = None
    tax_lines: list[TaxLine] = field(default_factory=list)
    shipping_address: Address | None = None
    billing_address: Address | None = None
    tax_exemption: Exemption | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def take_snapshot(self, cart: Cart, now: datetime) -> None:
        """Take over the cart's lines and amounts as they are at this moment."""
        priced = cart.breakdown()
        self.lines = [order_line(item, part) for item, part in zip(cart.items, priced.lines, strict=True)]
        self.totals, self.shipping, self.tax_lines = cart.totals, cart.shipping, list(cart.tax_lines)
        self.applied, self.applied_amount = (cart.applied if cart.applied_amount else None), cart.applied_amount
        self.discount_code = self.applied.code if self.applied else None
        self.shipping_address, self.billing_address = cart.shipping_address, cart.billing_address
        self.tax_exemption = cart.tax_exemption
        self.customer_id = cart.customer_id
        self.customer_email = cart.customer_email or self.customer_email
        self.updated_at = now

    def follow(self, payment: Payment, now: datetime) -> None:
        """Take over what its payment came to: captured money starts the work, a pending one waits."""
        before = (self.status, self.payment_status)
        self.payment_status, self.status = payment.status, self._status_after(payment)
        if before == (self.status, self.payment_status):
            return
        self.updated_at = now
        self.note(
            _TOLD.get(self.status, "order.updated") if self.status is not before[0] else "order.updated", self.summary()
        )

    def _status_after(self, payment: Payment) -> OrderStatus:
        is_new = self.status in (OrderStatus.DRAFT, OrderStatus.PENDING, OrderStatus.PROCESSING)
        match payment.status:
            case PaymentStatus.AUTHORIZED | PaymentStatus.CAPTURED if is_new:
                is_paid = payment.status is PaymentStatus.CAPTURED
                ships = any(line.requires_shipping for line in self.lines)
                return OrderStatus.COMPLETED if is_paid and not ships else OrderStatus.PROCESSING
            case PaymentStatus.VOIDED | PaymentStatus.REFUNDED if is_new:
                return OrderStatus.CANCELLED
            case PaymentStatus.REFUNDED if self.status is OrderStatus.COMPLETED:
                return OrderStatus.CLOSED
        return OrderStatus.PENDING if self.status is OrderStatus.DRAFT else self.status

    def summary(self) -> dict[str, Any]:
        """Return what every order event carries."""
        return {
            "orderId": self.id,
            "orderNumber": self.number,
            "status": self.status.value,
            "paymentStatus": self.payment_status.value if self.payment_status else None,
            "cartId": self.cart_id,
            "currency": self.currency,
            "total": self.totals.total,
        }


_TOLD = {OrderStatus.COMPLETED: "order.completed", OrderStatus.CANCELLED: "order.cancelled"}


def order_line(item: LineItem, part: Part) -> OrderLine:
    """Return a cart's line as an order keeps it, with what it costs."""
    return OrderLine(
        id=item.id,
        type=item.type,
        name=item.name,
        unit_price=item.unit_price,
        quantity=item.quantity,
        discount_amount=part.discount_total,
        tax_amount=part.tax,
        total=part.total,
        requires_shipping=item.ships,
        reference_id=item.reference_id,
        description=item.description,
        image_url=item.image_url,
        metadata=item.metadata,
    )
