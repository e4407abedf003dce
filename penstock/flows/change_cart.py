"""Change a cart: lock it, apply one change of its own rules, write it with its event."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from penstock.cart import Cart, LineItem, ShippingSelection, TaxLine
from penstock.checks import check_address, check_metadata, require
from penstock.discount import customer_key
from penstock.errors import CartNotFound, ImageUrlUnresolvable
from penstock.flows.hold_discount import customer_misfit, release_if_changed
from penstock.ids import new_id
from penstock.ports import UnitOfWork
from penstock.tenant import EmbedConfig


def change_cart(uow: UnitOfWork, cart_id: str, change: Callable[[Cart, datetime], object]) -> Cart:
    """Apply a change to a cart under its row lock and return the cart. Raises `CartNotFound`, and what it raises."""
    cart = locked_cart(uow, cart_id)
    change(cart, uow.now)
    _save(uow, cart)
    return cart


def update_cart(uow: UnitOfWork, cart_id: str, changes: Mapping[str, Any]) -> Cart:
    """Change a cart's buyer fields; a name that is present with None clears the field."""
    require(
        [
            *check_address(changes.get("shipping_address"), "/shippingAddress"),
            *check_address(changes.get("billing_address"), "/billingAddress"),
            *check_metadata(changes.get("metadata")),
        ]
    )
    cart = locked_cart(uow, cart_id, changes)
    cart.update(changes, uow.now)
    _save(uow, cart)
    return cart


def add_item(uow: UnitOfWork, cart_id: str, fields: Mapping[str, Any]) -> tuple[Cart, LineItem]:
    """Add a line to a cart. A relative ``image_url`` is completed, or refused with `ImageUrlUnresolvable`."""
    require(check_metadata(fields.get("metadata")))
    cart = locked_cart(uow, cart_id)
    image = fields.get("image_url")
    if image is not None and "://" not in image:
        fields = {**fields, "image_url": _complete(image, uow.embed_configs.get())}
    item = LineItem(id=new_id(), **fields)
    cart.add_item(item, uow.now)
    uow.carts.add_item(cart.id, item)
    _save(uow, cart)
    return cart, item


def update_item(uow: UnitOfWork, cart_id: str, item_id: str, changes: Mapping[str, Any]) -> tuple[Cart, LineItem]:
    """Change a line's ``quantity, unit_price, tax_amount, discount_amount`` or ``metadata``."""
    require(check_metadata(changes.get("metadata")))
    cart = locked_cart(uow, cart_id)
    item = cart.update_item(item_id, changes, uow.now)
    uow.carts.save_item(item)
    _save(uow, cart)
    return cart, item


def remove_item(uow: UnitOfWork, cart_id: str, item_id: str) -> None:
    """Remove a line, and the tax lines that name it."""
    cart = locked_cart(uow, cart_id)
    cart.remove_item(item_id, uow.now)
    uow.carts.remove_item(item_id)
    _save(uow, cart)


def select_shipping(uow: UnitOfWork, cart_id: str, fields: Mapping[str, Any] | None) -> Cart:
    """Select a shipping method (the cart's currency where none is given), or clear the selection with None."""

    def change(cart: Cart, now: datetime) -> None:
        chosen = None if fields is None else ShippingSelection(**{"currency": cart.currency, **fields})
        cart.select_shipping(chosen, now)

    return change_cart(uow, cart_id, change)


def replace_tax_lines(uow: UnitOfWork, cart_id: str, lines: list[Mapping[str, Any]]) -> Cart:
    """Replace every tax line of a cart; an empty list clears them."""

    def change(cart: Cart, now: datetime) -> None:
        cart.replace_tax_lines([TaxLine(**{"currency": cart.currency, **line}) for line in lines], now)

    return change_cart(uow, cart_id, change)


def locked_cart(uow: UnitOfWork, cart_id: str, changes: Mapping[str, Any] | None = None) -> Cart:
    """Return the cart under its row lock, with the automatic discounts that it may choose from, or raise `CartNotFound`.

    ``changes`` says who the customer is about to be: what that one has used up is left out.
    """
    found = uow.carts.get_to_change(cart_id)
    if found is None:
        raise CartNotFound
    cart, offers = found
    buyer = {"customer_id": cart.customer_id, "customer_email": cart.customer_email} | dict(changes or {})
    key = customer_key(buyer["customer_id"], buyer["customer_email"])
    cart.offers = [offer.snapshot() for offer in offers if customer_misfit(uow, offer, cart.id, key) is None]
    return cart


def _save(uow: UnitOfWork, cart: Cart) -> None:
    release_if_changed(uow, cart)
    uow.carts.save(cart)


def _complete(path: str, config: EmbedConfig) -> str:
    base = config.storefront_base_url or next(iter(config.allowed_origins), None)
    if base is None:
        raise ImageUrlUnresolvable
    return f"{base.rstrip('/')}/{path.lstrip('/')}"
