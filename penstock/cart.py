"""A cart: what a buyer means to buy, until it becomes an order. Pure: no clock, no database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from penstock.caller import Scope
from penstock.cart_life import ABANDON, FIRST_LOOK, IDLE, LIFETIME, CartStatus
from penstock.cart_lines import (
    LineItem,
    ShippingSelection,
    TaxLine,
    charges_of,
    other_currency,
    tax_line_faults,
    wire_names,
)
from penstock.charges import Charges
from penstock.discount import AppliedDiscount, best_of
from penstock.errors import CartNotOpen, CartNotReady, Fault, NotFound, ValidationError
from penstock.events import Recorded
from penstock.exemption import Exemption
from penstock.money import MAX_AMOUNT
from penstock.places import same_place
from penstock.snapshot import Calculated
from penstock.totals import SHIPPING, Breakdown, Totals, with_given_taxes

__all__ = [
    "ABANDON", "FIRST_LOOK", "IDLE", "LIFETIME", "MAX_LINES", "Address", "Cart", "CartStatus",
    "LineItem", "ShippingSelection", "TaxLine", "new_cart",
]  # fmt: skip

Address = Mapping[str, str]
MAX_LINES = 500
"""How many lines a cart may hold."""


@dataclass(slots=True, kw_only=True)
class Cart(Recorded):
    """A cart with its lines. Every change goes through a method here, is priced again, and notes its event."""

    id: str
    scope: Scope
    currency: str
    created_at: datetime
    updated_at: datetime
    status: CartStatus = CartStatus.OPEN
    customer_id: str | None = None
    customer_email: str | None = None
    shipping_address: Address | None = None
    billing_address: Address | None = None
    tax_exemption: Exemption | None = None
    """Why the buyer pays no tax, by the merchant's word; it counts where the configuration allows it."""
    notes: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    items: list[LineItem] = field(default_factory=list)
    shipping: ShippingSelection | None = None
    tax_lines: list[TaxLine] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    order_id: str | None = None
    is_frozen: bool = False
    """Held by a merchant's own checkout: only an ended session opens it again."""
    live_payment_id: str | None = None
    """The payment that may still take the cart's total, if any."""
    abandoned_at: datetime | None = None
    """When it was abandoned last; kept when it opens again."""
    recovery_emailed_at: datetime | None = None
    """When its buyer was last sent an e-mail with the way back."""
    is_reopened: bool = False
    """It left ``abandoned`` since it was read."""
    applied: AppliedDiscount | None = None
    """The one discount that counts: a code's, or else the best automatic one."""
    redemption_id: str | None = None
    """The place that this cart holds of its discount's limits."""
    offers: Sequence[AppliedDiscount] | None = None
    """The automatic discounts to choose from at a change; None where nobody looked, and the choice stays as it is."""
    calculated: Calculated | None = None
    is_to_calculate: bool = False
    """Whether the application has Penstock work out shipping or tax; known where the cart is held for a change."""
    _breakdown: Breakdown | None = field(default=None, init=False, repr=False, compare=False)
    _told: AppliedDiscount | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Remember which discount the events have told of."""
        self._told = self.applied

    def breakdown(self) -> Breakdown:
        """Return what the cart costs, line by line, in the order of its lines. Its sums are ``totals``."""
        if self._breakdown is None:
            applied, charges = self._fitting(), self.charges()
            self._breakdown = with_given_taxes(
                [
                    one.priced(is_discountable=applied is not None and applied.conditions.covers(one))
                    for one in self.items
                ],
                charges.taxes,
                reduction=applied.reduction() if applied else None,
                shipping=charges.shipping,
                is_included=charges.is_tax_included,
            )
        return self._breakdown

    @property
    def applied_amount(self) -> int:
        """What the applied discount takes off; 0 while the cart does not meet its conditions."""
        return 0 if self.applied is None else sum(part.discount for part in self.breakdown().lines)

    def charges(self) -> Charges:
        """Return the cart's shipping and taxes, the one place where they come from.

        Shipping is the method that was selected; a line's taxes are the tax lines that name it, else its own amount.
        """
        return charges_of([] if self._has_taxes else self.items, self.tax_lines, self.shipping)

    @property
    def _has_taxes(self) -> bool:
        """Whether the tax lines say all there is about tax, so that no line's own amount counts."""
        return self.calculated is not None and self.calculated.has_taxes

    def item(self, item_id: str) -> LineItem:
        """Return a line, or raise `NotFound`."""
        for line in self.items:
            if line.id == item_id:
                return line
        raise NotFound("There is no line item with this id in this cart.")

    def add_item(self, item: LineItem, now: datetime) -> None:
        """Add a line. Raises `CartNotOpen`, or `ValidationError` where a total would not fit."""
        self._open(now)
        if len(self.items) >= MAX_LINES:
            raise ValidationError(Fault("", "too_many_items", f"a cart holds at most {MAX_LINES} lines"))
        self.items.append(item)
        self._price("/unitPrice", item)
        self._tell("cart.item_added", itemId=item.id)

    def update_item(self, item_id: str, changes: Mapping[str, Any], now: datetime) -> LineItem:
        """Change a line's quantity, price, tax, discount or metadata and return it."""
        self._open(now)
        old = self.item(item_id)
        item = replace(old, **changes)
        self.items[self.items.index(old)] = item
        self._price("/quantity" if "quantity" in changes else "/unitPrice", item)
        self._tell("cart.item_updated", itemId=item.id)
        return item

    def remove_item(self, item_id: str, now: datetime) -> None:
        """Remove a line and the tax lines that name it."""
        self._open(now)
        self.items.remove(self.item(item_id))
        self.tax_lines = [tax for tax in self.tax_lines if tax.line_item_id != item_id]
        self._price("", None)
        self._tell("cart.item_removed", itemId=item_id)

    def update(self, changes: Mapping[str, Any], now: datetime) -> None:
        """Change the buyer's fields: customer, e-mail, addresses, tax exemption, notes, metadata."""
        self._open(now)
        self._move(changes)
        buyer = self.customer_id, self.customer_email
        for name, value in changes.items():
            setattr(self, name, value)
        if (self.customer_id, self.customer_email) != buyer:
            self._reprice()
        self._tell("cart.updated", changed=wire_names(changes))

    def select_shipping(self, selection: ShippingSelection | None, now: datetime) -> None:
        """Select a shipping method, or clear the selection."""
        self._open(now)
        if selection is not None and selection.currency != self.currency:
            raise ValidationError(other_currency("/currency", self.currency))
        self.shipping = selection
        self.tax_lines = [tax for tax in self.tax_lines if tax.line_item_id != SHIPPING]
        self._price("/rateAmount", None)
        if selection is None:
            self._tell("cart.updated", changed=["selectedShipping"])
        else:
            self._tell("cart.shipping_selected", methodId=selection.method_id)

    def replace_tax_lines(self, lines: list[TaxLine], now: datetime) -> None:
        """Replace all tax lines. Each names a line of this cart and has the cart's currency."""
        self._open(now)
        if faults := tax_line_faults(lines, {line.id for line in self.items}, self.currency):
            raise ValidationError(*faults)
        self.tax_lines, self.calculated = lines, None
        self._price("/lines", None)
        self._tell("cart.updated", changed=["taxLines"])

    def apply_discount(self, applied: AppliedDiscount, now: datetime) -> None:
        """Put a discount on the cart in place of the one before. Raises `CartNotOpen`."""
        self._open(now)
        self.applied = self._told = applied
        self._price("/code", None)
        self._note_discount("cart.discount_applied", applied)

    def remove_discount(self, now: datetime) -> None:
        """Take the code off the cart; an automatic discount may take its place. Raises `CartNotOpen`."""
        self._open(now)
        if self.applied is not None and not self.applied.is_automatic:
            self.drop_discount(now)

    def refresh_discount(self, now: datetime) -> None:
        """Choose the automatic discount again, where there is no code: time may have brought a better one, or ended it."""
        if self._reprice():
            self.updated_at = now
        self._tell_discount()

    def drop_discount(self, now: datetime) -> None:
        """Take off a discount that is not valid any more, whoever holds the cart."""
        self.applied, self.updated_at = None, now
        self._price("", None)
        self._tell_discount()

    def assert_ready(self) -> None:
        """Raise `CartNotReady` unless the cart can become an order."""
        if not self.items:
            raise CartNotReady("The cart has no items.", details={"missing": ["items"]})
        if self.is_to_calculate and not (self.calculated and self.calculated.is_final):
            message = "Shipping and tax have not been calculated for good since the cart last changed."
            raise CartNotReady(message, details={"missing": ["checkout_final"]})

    def take_calculation(
        self,
        calculated: Calculated,
        *,
        shipping: ShippingSelection | None,
        tax_lines: list[TaxLine],
        now: datetime,
    ) -> None:
        """Take over what was calculated. Raises `CartNotOpen`, or `ValidationError` where a total would not fit."""
        self._open(now)
        # An axis that was not touched stays as it was: tax lines that said all there is still do.
        calculated = replace(calculated, has_taxes=calculated.has_taxes or self._has_taxes)
        changed = ["calculation"] + ["selectedShipping"] * (shipping != self.shipping)
        changed += ["taxLines"] * (tax_lines != self.tax_lines)
        self.shipping, self.tax_lines, self.calculated = shipping, tax_lines, calculated
        self._price("", None)
        self.calculated = calculated
        self._tell("cart.updated", changed=changed)

    def freeze(self, order_id: str, now: datetime) -> None:
        """Enter checkout on the merchant's own word: the cart is now the draft order."""
        self.status, self.is_frozen, self.order_id, self.updated_at = CartStatus.CHECKOUT, True, order_id, now
        self.note("cart.updated", {**self.summary(), "changed": ["status"]})

    def take_buyer(self, *, email: str | None, shipping: Address | None, billing: Address | None) -> list[str]:
        """Take over what the buyer gave while paying; return the names of what changed."""
        given = {"customer_email": email, "shipping_address": shipping, "billing_address": billing}
        changed = [name for name, value in given.items() if value and value != getattr(self, name)]
        self._move({name: given[name] for name in changed})
        for name in changed:
            setattr(self, name, given[name])
        return changed

    def enter_payment(self, payment_id: str, order_id: str, now: datetime, changed: Sequence[str] = ()) -> None:
        """Hold the cart for a payment that is about to be sent. ``changed`` names what the buyer changed with it."""
        self.live_payment_id, self.order_id, self.updated_at = payment_id, order_id, now
        self.is_reopened |= self.status is CartStatus.ABANDONED
        if self.status is not CartStatus.CHECKOUT:
            self.status, changed = CartStatus.CHECKOUT, [*changed, "status"]
        if changed:
            self.note("cart.updated", {**self.summary(), "changed": wire_names(changed)})

    def leave_payment(self, now: datetime) -> None:
        """Let go after a definite no: the next change opens the cart again."""
        self.live_payment_id, self.is_frozen, self.updated_at = None, False, now

    def convert(self, now: datetime) -> None:
        """Become the order that was paid."""
        self.status, self.live_payment_id, self.updated_at = CartStatus.CONVERTED, None, now
        self.note("cart.converted", {**self.summary(), "orderId": self.order_id})

    def over_at(self, idle: timedelta) -> datetime:
        """Return when it has been left alone for too long: after ``idle``, or at the end of its life if that is sooner."""
        return self.updated_at + min(idle, LIFETIME)

    def abandon(self, idle: timedelta, now: datetime, *, recovery_url: str | None) -> None:
        """Be given up for lack of a change. The next change opens it again; ``recovery_url`` is where the buyer makes it."""
        self.status, self.is_frozen, self.abandoned_at = CartStatus.ABANDONED, False, now
        about = {
            "reason": "expired" if idle > LIFETIME else "idle",
            "itemCount": len(self.items),
            "customerId": self.customer_id,
            "customerEmail": self.customer_email,
            "recoveryUrl": recovery_url,
        }
        self.note("cart.abandoned", {**self.summary(), **about})

    def summary(self) -> dict[str, Any]:
        """Return what every cart event carries."""
        return {
            "cartId": self.id,
            "status": self.status.value,
            "currency": self.currency,
            "subtotal": self.totals.subtotal,
            "discountTotal": self.totals.discount_total,
            "shippingTotal": self.totals.shipping_total,
            "taxTotal": self.totals.tax_total,
            "total": self.totals.total,
        }

    def _tell(self, kind: str, **more: Any) -> None:
        """Note a change, and what it did to the discount."""
        self.note(kind, {**self.summary(), **more})
        self._tell_discount()

    def _tell_discount(self) -> None:
        before, after, self._told = self._told, self.applied, self.applied
        if after is not None and after != before:
            self._note_discount("cart.discount_applied", after)
        elif after is None and before is not None:
            self._note_discount("cart.discount_removed", before)

    def _note_discount(self, kind: str, discount: AppliedDiscount) -> None:
        own = {"discountId": discount.discount_id, "code": discount.code, "amount": self.applied_amount}
        self.note(kind, {**self.summary(), **own})

    def _fitting(self) -> AppliedDiscount | None:
        applied = self.applied
        return applied if applied is not None and applied.misfit(self.currency, self.items) is None else None

    def assert_open(self) -> None:
        """Raise `CartNotOpen` unless the buyer may change the cart."""
        held = self.is_frozen or self.live_payment_id is not None
        if self.status is CartStatus.CONVERTED or (self.status is CartStatus.CHECKOUT and held):
            raise CartNotOpen(details={"status": self.status.value})

    def _open(self, now: datetime) -> None:
        self.assert_open()
        self.is_reopened |= self.status is CartStatus.ABANDONED
        self.status, self.updated_at = CartStatus.OPEN, now

    def _move(self, changes: Mapping[str, Any]) -> None:
        """Give up a final calculation where an address that decided about it becomes another place, or the buyer exempt."""
        watched = self.calculated.watched if self.calculated else ()
        if changes.get("tax_exemption", self.tax_exemption) != self.tax_exemption:
            self._unlock()
        if any(name in changes and not same_place(getattr(self, name), changes[name]) for name in watched):
            self._unlock()

    def _reprice(self) -> bool:
        """Price again what only time or the buyer's name may have changed. What is locked stays so with its discount."""
        applied, calculated = self.applied, self.calculated
        self._price("", None)
        if self.applied == applied:
            self.calculated = calculated
        return self.applied != applied

    def _unlock(self) -> None:
        if self.calculated is not None:
            self.calculated = replace(self.calculated, is_final=False)

    def _price(self, pointer: str, item: LineItem | None) -> None:
        if item is not None and item.discount_amount > item.unit_price * item.quantity:
            raise ValidationError(
                Fault("/discountAmount", "discount_exceeds_price", "the discount is larger than the line's price")
            )
        if self.offers is not None and (self.applied is None or self.applied.is_automatic):
            self.applied = best_of(self.offers, self.currency, self.items)
        self._unlock()
        self._breakdown = None
        totals = self.breakdown().totals
        if totals.total > MAX_AMOUNT or totals.subtotal > MAX_AMOUNT:
            raise ValidationError(Fault(pointer, "amount_too_large", f"the cart's total would exceed {MAX_AMOUNT}"))
        self.totals = totals


def new_cart(
    *,
    cart_id: str,
    scope: Scope,
    currency: str,
    now: datetime,
    customer_id: str | None = None,
    customer_email: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Cart:
    """Open an empty cart."""
    cart = Cart(
        id=cart_id,
        scope=scope,
        currency=currency,
        created_at=now,
        updated_at=now,
        customer_id=customer_id,
        customer_email=customer_email,
        metadata=metadata or {},
    )
    cart.note("cart.created", cart.summary())
    return cart
