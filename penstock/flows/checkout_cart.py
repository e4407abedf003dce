"""Turn a cart into a draft order on the merchant's word; a session may pay for it later."""

from collections.abc import Mapping
from typing import Any

from penstock.cart import CartStatus
from penstock.checks import check_metadata, require
from penstock.errors import CartNotReady, DiscountInvalid
from penstock.flows.change_cart import locked_cart
from penstock.flows.hold_discount import buyer_key, hold_or_drop
from penstock.flows.lapse_discount import LAPSE
from penstock.ids import new_id, new_order_number
from penstock.order import Order
from penstock.ports import UnitOfWork
from penstock.session import LIFETIME


def checkout_cart(
    uow: UnitOfWork, cart_id: str, *, payment_method: str | None, metadata: Mapping[str, Any] | None
) -> Order | DiscountInvalid:
    """Create the draft order of an open cart and freeze the cart.

    The cart holds a place of its discount's limits for a day. Returns `DiscountInvalid` in place of the order where the
    cart's code is not valid any more: the cart has lost it then. Raises `CartNotReady` for a cart without items or one
    that is no longer open, `CartNotFound`, `ValidationError`.
    """
    require(check_metadata(metadata))
    cart = locked_cart(uow, cart_id)
    if cart.status is not CartStatus.OPEN:
        raise CartNotReady(f"The cart is {cart.status.value}, not open.", details={"status": cart.status.value})
    cart.assert_ready()
    cart.refresh_discount(uow.now)
    if (refusal := hold_or_drop(uow, cart, buyer_key(cart))) is not None:
        return refusal
    order = Order(
        id=new_id(),
        scope=uow.scope,
        number=new_order_number(),
        currency=cart.currency,
        created_at=uow.now,
        updated_at=uow.now,
        source="cart",
        cart_id=cart.id,
        payment_method=payment_method,
        metadata={**cart.metadata, **(metadata or {})},
    )
    order.take_snapshot(cart, uow.now)
    order.note("order.created", order.summary())
    uow.orders.add(order)
    cart.freeze(order.id, uow.now)
    uow.carts.save(cart)
    if cart.redemption_id is not None:
        uow.due.add(LAPSE, cart.id, uow.now + LIFETIME)
    return order
