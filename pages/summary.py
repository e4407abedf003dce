"""What a buyer sees of a session: its lines, its sums, and what is still to be given. Texts, no decisions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import pycountry

from penstock.cart import Address, Cart, LineItem
from penstock.money import Money
from penstock.session import CheckoutSession
from penstock.tenant import EmbedConfig
from penstock.totals import Part

_COLOR: Final = re.compile(r"#[0-9A-Fa-f]{6}")
_DARK_INK: Final = "#14211f"
_LIGHT_INK: Final = "#ffffff"
_MIDDLE: Final = 150_000
"""Colors brighter than this (of 255,000) get dark letters."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the cart. ``price`` is before discount and tax; ``discount`` is None where there is none."""

    name: str
    quantity: int
    price: Money
    each: Money
    discount: Money | None
    image: str | None


@dataclass(frozen=True, slots=True)
class Sum:
    """One row below the lines."""

    label: str
    money: Money
    is_taken_off: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """An order as a buyer reads it. ``total`` is None while nothing says what the session charges."""

    lines: Sequence[Line]
    sums: Sequence[Sum]
    total: Money | None


@dataclass(frozen=True, slots=True)
class Brand:
    """How the merchant looks. ``ink`` is readable on ``color``; ``color`` None means the house's own."""

    name: str
    logo: str | None
    color: str | None
    ink: str

    @property
    def image_origins(self) -> tuple[str, ...]:
        """The logo's origin, where it is plain http on this machine, which the policy does not allow by itself."""
        parts = urlsplit(self.logo or "")
        return (f"{parts.scheme}://{parts.netloc}",) if parts.scheme == "http" else ()


def summarize(session: CheckoutSession, cart: Cart | None) -> Summary:
    """Return what the buyer reads of a session and its cart."""
    total = session.price(cart)
    if cart is None:
        return Summary((), (), total)
    priced = zip(cart.items, cart.breakdown().lines, strict=True)
    lines = [_line(item, part, cart.currency) for item, part in priced]
    return Summary(lines, _sums(cart), total)


def brand(config: EmbedConfig) -> Brand:
    """Return the merchant's look, with what is not safe in a style sheet left out."""
    color = config.primary_color if _COLOR.fullmatch(config.primary_color or "") else None
    return Brand(config.merchant_name or "", config.logo_url, color, _ink(color) if color else _LIGHT_INK)


def needs_address(session: CheckoutSession, cart: Cart | None) -> tuple[bool, bool]:
    """Tell whether the shipping and the billing address are still to be given."""
    shipping, billing = known_addresses(session, cart)
    return (
        session.collect.shipping_address and not shipping,
        session.collect.billing_address and not billing,
    )


def known_addresses(session: CheckoutSession, cart: Cart | None) -> tuple[Address, Address]:
    """Return the shipping and the billing address as a completion would take them; each is empty where nobody gave one."""
    shipping = session.address("shippingAddress") or (cart and cart.shipping_address)
    billing = session.address("billingAddress") or (cart and cart.billing_address)
    return shipping or {}, billing or {}


@cache
def countries() -> tuple[tuple[str, str], ...]:
    """Return code and name of every country, by name."""
    return tuple(sorted(((c.alpha_2, c.name) for c in pycountry.countries), key=lambda pair: pair[1]))


def _line(item: LineItem, part: Part, currency: str) -> Line:
    discount = Money(part.discount_total, currency) if part.discount_total else None
    image = item.image_url if (item.image_url or "").startswith("https://") else None
    each = Money(item.unit_price, currency)
    return Line(item.name, item.quantity, Money(part.price, currency), each, discount, image)


def _sums(cart: Cart) -> list[Sum]:
    totals, currency = cart.totals, cart.currency
    rows = [Sum("Subtotal", Money(totals.subtotal, currency))]
    if totals.discount_total:
        code = cart.applied.code if cart.applied and cart.applied_amount else None
        rows.append(
            Sum(f"Discount ({code})" if code else "Discount", Money(totals.discount_total, currency), is_taken_off=True)
        )
    if cart.shipping is not None:
        rows.append(Sum(f"Shipping ({cart.shipping.display_name})", Money(totals.shipping_total, currency)))
    if totals.tax_total:
        rows.append(Sum("Tax", Money(totals.tax_total, currency)))
    return rows


def _ink(color: str) -> str:
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return _DARK_INK if red * 299 + green * 587 + blue * 114 > _MIDDLE else _LIGHT_INK
