"""Open a cart."""

from collections.abc import Mapping
from typing import Any

from penstock.cart import Cart, new_cart
from penstock.checks import check_application, check_metadata, require
from penstock.ids import new_id
from penstock.ports import UnitOfWork


def open_cart(uow: UnitOfWork, fields: Mapping[str, Any]) -> Cart:
    """Open an empty cart from ``application_id, currency`` and optional ``customer_id, customer_email, metadata``.

    Raises `ValidationError` for another application's id or metadata that does not fit.
    """
    require([*check_application(uow.scope, fields["application_id"]), *check_metadata(fields.get("metadata"))])
    own = {name: value for name, value in fields.items() if name != "application_id"}
    cart = new_cart(cart_id=new_id(), scope=uow.scope, now=uow.now, **own)
    uow.carts.add(cart)
    return cart
