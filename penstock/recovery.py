"""The mail that brings a buyer back to an abandoned cart, as text and as HTML."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from penstock.cart import Cart
from penstock.ids import new_id
from penstock.mail import Letter
from penstock.money import Money
from penstock.tenant import EmbedConfig

RECOVERY: Final = "cart_recovery"

PAUSE: Final = timedelta(days=1)
"""A buyer who comes back and leaves again is not written to twice within this time."""

LINES: Final = 8
"""How many lines of the cart the mail shows."""


def recovery_mail(cart: Cart, config: EmbedConfig, now: datetime, *, is_production: bool) -> Letter | None:
    """Return the mail for a cart that was just abandoned, or None where it has no address, no template or no lines."""
    url = config.recovery_url(cart.id)
    if url is None or cart.customer_email is None or not cart.items:
        return None
    if cart.recovery_emailed_at is not None and now - cart.recovery_emailed_at < PAUSE:
        return None
    shop = config.merchant_name or urlsplit(url).hostname or "the shop"
    facts = _facts(cart, config, shop, url, is_production=is_production)
    return Letter(
        id=new_id(),
        scope=cart.scope,
        kind=RECOVERY,
        object_id=cart.id,
        recipient=cart.customer_email,
        from_name=shop,
        subject=f"{'' if is_production else '[Test] '}You left something behind at {shop}",
        text=_templates().get_template("recovery.txt").render(facts),
        html=_templates().get_template("recovery.html").render(facts),
        created_at=now,
    )


def _facts(cart: Cart, config: EmbedConfig, shop: str, url: str, *, is_production: bool) -> Mapping[str, Any]:
    shown = cart.items[:LINES]
    return {
        "shop": shop,
        "url": url,
        "logo": config.logo_url,
        "color": config.primary_color or "#14514a",
        "first_name": (cart.shipping_address or {}).get("firstName"),
        "lines": [(line.name, line.quantity, Money(line.unit_price * line.quantity, cart.currency)) for line in shown],
        "more": len(cart.items) - len(shown),
        "total": Money(cart.totals.total, cart.currency),
        "is_production": is_production,
    }


@cache
def _templates() -> Environment:
    return Environment(
        autoescape=select_autoescape(("html",)),
        loader=FileSystemLoader(Path(__file__).with_name("letters")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
