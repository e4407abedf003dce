"""Carts and items."""

from collections.abc import Mapping
from typing import Any

from handlers.wire import Json, cart_out, item_out, order_out, snake_in
from penstock.errors import CartNotFound, DiscountInvalid
from penstock.exemption import read_exemption
from penstock.flows import apply_discount as discounts
from penstock.flows import change_cart as carts
from penstock.flows.checkout_cart import checkout_cart as checkout
from penstock.flows.open_cart import open_cart
from penstock.ports import Page, UnitOfWork


def create_cart(uow: UnitOfWork, body: Json) -> Json:
    return cart_out(open_cart(uow, {"currency": "USD", **snake_in(body)}))


def get_cart(uow: UnitOfWork, id_: str) -> Mapping[str, Any]:
    shown = uow.carts.shown(id_)
    if shown is not None:
        return shown
    cart = uow.carts.get(id_)
    if cart is None:
        raise CartNotFound
    return cart_out(cart)


def update_cart(uow: UnitOfWork, id_: str, body: Json) -> Json:
    changes = snake_in(body)
    if "tax_exemption" in changes:
        changes["tax_exemption"] = read_exemption(changes["tax_exemption"])
    return cart_out(carts.update_cart(uow, id_, changes))


def add_item(uow: UnitOfWork, id_: str, body: Json) -> Json:
    cart, item = carts.add_item(uow, id_, snake_in(body))
    return item_out(item, cart.breakdown().line(item.id))


def update_item(uow: UnitOfWork, cart_id: str, id_: str, body: Json) -> Json:
    cart, item = carts.update_item(uow, cart_id, id_, snake_in(body))
    return item_out(item, cart.breakdown().line(item.id))


def remove_item(uow: UnitOfWork, cart_id: str, id_: str) -> None:
    carts.remove_item(uow, cart_id, id_)


def select_shipping(uow: UnitOfWork, id_: str, body: Json) -> Json:
    return cart_out(carts.select_shipping(uow, id_, snake_in(body)))


def clear_shipping(uow: UnitOfWork, id_: str) -> Json:
    return cart_out(carts.select_shipping(uow, id_, None))


def replace_tax_lines(uow: UnitOfWork, id_: str, body: Json) -> Json:
    return cart_out(carts.replace_tax_lines(uow, id_, [snake_in(line) for line in body["lines"]]))


def clear_tax_lines(uow: UnitOfWork, id_: str) -> Json:
    return cart_out(carts.replace_tax_lines(uow, id_, []))


def apply_discount(uow: UnitOfWork, id_: str, body: Json) -> Json:
    return cart_out(discounts.apply_discount(uow, id_, body["code"]))


def remove_discount(uow: UnitOfWork, id_: str) -> Json:
    return cart_out(discounts.remove_discount(uow, id_))


def checkout_cart(uow: UnitOfWork, id_: str, body: Json | None) -> Json | DiscountInvalid:
    fields: dict[str, Any] = body or {}
    order = checkout(uow, id_, payment_method=fields.get("paymentMethod"), metadata=fields.get("metadata"))
    return order if isinstance(order, DiscountInvalid) else order_out(order)


def list_events(uow: UnitOfWork, id_: str, since_sequence: int | None, limit: int) -> Json:
    if uow.carts.get(id_) is None:
        raise CartNotFound
    return Page(uow.carts.events(id_, after=since_sequence or 0, limit=limit), limit).shape()
