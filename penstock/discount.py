"""A discount: what it takes off which carts, when, and how often. Pure: no clock, no database.

A code is compared without regard to case and kept in upper case. A discount without a code is automatic: the best one
that fits is applied to a cart that has no code (semantics 1.10).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from penstock.caller import Scope
from penstock.clock import rfc3339
from penstock.errors import DiscountInvalid
from penstock.events import Recorded
from penstock.totals import FixedAmount, Percentage, Reduction, reduction_of

PPM_OF_A_PERCENT: Final = 10_000


class DiscountType(StrEnum):
    """How a discount's value is read: a whole percent, or minor units."""

    PERCENTAGE = "percentage"
    FIXED_AMOUNT = "fixed_amount"


class DiscountState(StrEnum):
    """Whether a discount can be used now, and if not, why."""

    ACTIVE = "active"
    SCHEDULED = "scheduled"
    ENDED = "ended"
    EXHAUSTED = "exhausted"
    INACTIVE = "inactive"


class Misfit(StrEnum):
    """Why a discount cannot be used."""

    UNKNOWN = "unknown"
    INACTIVE = "inactive"
    SCHEDULED = "scheduled"
    ENDED = "ended"
    EXHAUSTED = "exhausted"
    CUSTOMER_LIMIT = "customer_limit"
    CUSTOMER_UNKNOWN = "customer_unknown"
    MINIMUM_ORDER = "minimum_order"
    MINIMUM_QUANTITY = "minimum_quantity"
    CURRENCY = "currency"
    NO_ELIGIBLE_ITEMS = "no_eligible_items"
    NO_CART = "no_cart"


MESSAGES: Final[Mapping[Misfit, str]] = {
    Misfit.UNKNOWN: "No discount has this code.",
    Misfit.INACTIVE: "This discount is not offered any more.",
    Misfit.SCHEDULED: "This discount is not valid yet.",
    Misfit.ENDED: "This discount has ended.",
    Misfit.EXHAUSTED: "This discount has been used up.",
    Misfit.CUSTOMER_LIMIT: "This discount was used as often as one customer may.",
    Misfit.CUSTOMER_UNKNOWN: "This discount needs a customer or an e-mail address.",
    Misfit.MINIMUM_ORDER: "The cart does not reach the minimum of this discount.",
    Misfit.MINIMUM_QUANTITY: "The cart holds too few items for this discount.",
    Misfit.CURRENCY: "This discount is not for this currency.",
    Misfit.NO_ELIGIBLE_ITEMS: "Nothing in the cart is covered by this discount.",
    Misfit.NO_CART: "A discount needs a cart that is kept here.",
}
"""What a buyer may read of it."""

_BY_STATE: Final = {
    DiscountState.SCHEDULED: Misfit.SCHEDULED,
    DiscountState.ENDED: Misfit.ENDED,
    DiscountState.EXHAUSTED: Misfit.EXHAUSTED,
    DiscountState.INACTIVE: Misfit.INACTIVE,
}


def invalid(misfit: Misfit, code: str | None) -> DiscountInvalid:
    """Return the error that says why a discount cannot be used; ``code`` is None for an automatic one."""
    return DiscountInvalid(MESSAGES[misfit], details={"discountCode": code, "reason": misfit.value})


def normal_code(code: str) -> str:
    """Return a code as it is kept: without white space around it, in upper case."""
    # No code has other letters than these, and some others would become longer.
    return code.strip().upper() if code.isascii() else code.strip()


def customer_key(customer_id: str | None, email: str | None) -> str | None:
    """Return who counts as one customer: the customer's id, else the e-mail address in lower case, else nobody."""
    if customer_id:
        return f"id:{customer_id}"
    return f"mail:{email.lower()}" if email else None


class Sold(Protocol):
    """What a discount needs to know of a line. Amounts are minor units."""

    type: str
    reference_id: str | None
    unit_price: int
    quantity: int
    discount_amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Which carts a discount is for, and which of their lines it covers. Amounts are minor units.

    ``min_order`` is held against the sum of all lines before any discount, ``min_quantity`` against the covered lines.
    """

    min_order: int | None = None
    min_quantity: int | None = None
    currency: str | None = None
    item_types: tuple[str, ...] = ()
    reference_ids: tuple[str, ...] = ()

    @property
    def looks_at_items(self) -> bool:
        """Whether it needs to know the lines, not only their sum."""
        return bool(self.item_types or self.reference_ids or self.min_quantity)

    def covers(self, item: Sold) -> bool:
        """Whether the discount may take something off a line."""
        return (not self.item_types or item.type in self.item_types) and (
            not self.reference_ids or item.reference_id in self.reference_ids
        )

    def kept(self) -> dict[str, Any]:
        """Return what is set, by the names of the wire, for a column."""
        return {_WIRE[name]: value for name, value in asdict(self).items() if value not in (None, ())}


_WIRE: Final[Mapping[str, str]] = {
    "min_order": "minOrder",
    "min_quantity": "minQuantity",
    "currency": "currency",
    "item_types": "itemTypes",
    "reference_ids": "referenceIds",
}


def conditions_of(kept: Mapping[str, Any]) -> Conditions:
    """Return conditions from their column, or from the wire."""
    found: dict[str, Any] = {name: kept[wire] for name, wire in _WIRE.items() if wire in kept}
    for name in ("item_types", "reference_ids"):
        found[name] = tuple(found.get(name, ()))
    return Conditions(**found)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedDiscount:
    """A discount as it was when it was applied to a cart. What the merchant changes later does not change it."""

    discount_id: str
    code: str | None
    name: str
    type: DiscountType
    value: int
    conditions: Conditions = field(default_factory=Conditions)

    @property
    def is_automatic(self) -> bool:
        """Whether it came without a code."""
        return self.code is None

    def reduction(self) -> Reduction:
        """Return what it takes off, as the totals take it."""
        if self.type is DiscountType.PERCENTAGE:
            return Percentage(self.value * PPM_OF_A_PERCENT)
        return FixedAmount(self.value)

    def misfit(self, currency: str, items: Sequence[Sold]) -> Misfit | None:
        """Return why it takes nothing off these lines, or None where it does."""
        return misfit_of(self.conditions, currency, items, sum(item.unit_price * item.quantity for item in items))

    def kept(self) -> dict[str, Any]:
        """Return it as a column keeps it."""
        own = {"discount_id": self.discount_id, "code": self.code, "name": self.name}
        return {**own, "type": self.type.value, "value": self.value, "conditions": self.conditions.kept()}


def applied_of(kept: Mapping[str, Any] | None) -> AppliedDiscount | None:
    """Return an applied discount from its column."""
    if kept is None:
        return None
    read = {"type": DiscountType(kept["type"]), "conditions": conditions_of(kept["conditions"])}
    return AppliedDiscount(**{**kept, **read})


def misfit_of(conditions: Conditions, currency: str, items: Sequence[Sold], subtotal: int) -> Misfit | None:
    """Return which condition a cart of these lines, which come to ``subtotal``, does not meet; None for no condition."""
    if conditions.currency not in (None, currency):
        return Misfit.CURRENCY
    covered = [item for item in items if conditions.covers(item)]
    if not any(item.unit_price * item.quantity > item.discount_amount for item in covered):
        return Misfit.NO_ELIGIBLE_ITEMS
    if subtotal < (conditions.min_order or 0):
        return Misfit.MINIMUM_ORDER
    if sum(item.quantity for item in covered) < (conditions.min_quantity or 0):
        return Misfit.MINIMUM_QUANTITY
    return None


def is_full(usage_limit: int | None, places_taken: int) -> bool:
    """Whether no place is left."""
    return usage_limit is not None and places_taken >= usage_limit


def state_at(
    now: datetime, *, is_active: bool, starts_at: datetime | None, ends_at: datetime | None, is_full: bool
) -> DiscountState:
    """Return whether a discount can be used at a moment. Its window begins at ``starts_at`` and is over at ``ends_at``."""
    if not is_active:
        return DiscountState.INACTIVE
    if starts_at is not None and now < starts_at:
        return DiscountState.SCHEDULED
    if ends_at is not None and now >= ends_at:
        return DiscountState.ENDED
    return DiscountState.EXHAUSTED if is_full else DiscountState.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """A place that a cart holds (``reserved``), has used (``redeemed``) or has given back (``released``)."""

    id: str
    discount_id: str
    cart_id: str
    customer_key: str | None
    amount: int
    currency: str
    created_at: datetime
    updated_at: datetime
    state: str = "reserved"


@dataclass(slots=True, kw_only=True)
class Discount(Recorded):
    """A discount. ``times_reserved`` places are held by checkouts under way, ``times_redeemed`` are used."""

    id: str
    scope: Scope
    code: str | None
    name: str
    type: DiscountType
    value: int
    created_at: datetime
    updated_at: datetime
    conditions: Conditions = field(default_factory=Conditions)
    usage_limit: int | None = None
    max_per_customer: int | None = 1
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_active: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)
    times_reserved: int = 0
    times_redeemed: int = 0

    @property
    def places_taken(self) -> int:
        """How many places are reserved or redeemed."""
        return self.times_reserved + self.times_redeemed

    def state(self, now: datetime) -> DiscountState:
        """Return whether it can be used at a moment."""
        return state_at(
            now,
            is_active=self.is_active,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            is_full=is_full(self.usage_limit, self.places_taken),
        )

    def misfit(self, now: datetime, *, holds_place: bool = False) -> Misfit | None:
        """Return why it cannot be used at a moment, or None. Who holds a place does not need another."""
        state = self.state(now)
        if holds_place and state is DiscountState.EXHAUSTED:
            return None
        return _BY_STATE.get(state)

    def snapshot(self) -> AppliedDiscount:
        """Return it as a cart keeps it."""
        return AppliedDiscount(
            discount_id=self.id,
            code=self.code,
            name=self.name,
            type=self.type,
            value=self.value,
            conditions=self.conditions,
        )

    def tell(self, kind: str) -> None:
        """Note an event."""
        self.note(kind, self.summary())

    def summary(self) -> dict[str, Any]:
        """Return what every discount event carries."""
        return {
            "discountId": self.id,
            "code": self.code,
            "name": self.name,
            "type": self.type.value,
            "value": self.value,
            "isActive": self.is_active,
            "usageLimit": self.usage_limit,
            "timesRedeemed": self.times_redeemed,
            "startsAt": rfc3339(self.starts_at) if self.starts_at else None,
            "endsAt": rfc3339(self.ends_at) if self.ends_at else None,
        }


def best_of(offers: Iterable[AppliedDiscount], currency: str, items: Sequence[Sold]) -> AppliedDiscount | None:
    """Return the offer that takes most off these lines; of equal ones the first. None where none takes anything off."""
    best, most = None, 0
    for offer in offers:
        if offer.misfit(currency, items) is None:
            covered = (item for item in items if offer.conditions.covers(item))
            eligible = sum(item.unit_price * item.quantity - item.discount_amount for item in covered)
            amount = reduction_of(offer.reduction(), eligible)
            if amount > most:
                best, most = offer, amount
    return best
