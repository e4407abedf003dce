"""Put a code on a cart, take it off again, or take off what is not valid any more."""

from penstock.cart import Cart
from penstock.discount import Discount, Misfit, invalid, normal_code
from penstock.flows.change_cart import locked_cart
from penstock.flows.hold_discount import (
    buyer_key,
    customer_misfit,
    drop_discount,
    hold_discount,
    release_if_changed,
)
from penstock.ports import UnitOfWork
from penstock.session import CheckoutSession


def apply_discount(uow: UnitOfWork, cart_id: str, code: str) -> Cart:
    """Put the discount of a code on a cart, in place of the one before, and return the cart.

    A cart that holds a place of the one before, because a session is open for it, gets one of the new one at once.
    Raises `CartNotFound`, `CartNotOpen` and `DiscountInvalid`.
    """
    cart = locked_cart(uow, cart_id)
    cart.assert_open()
    put_code(uow, cart, code)
    if cart.redemption_id is not None:
        hold_discount(uow, cart, buyer_key(cart))
    uow.carts.save(cart)
    return cart


def put_code(uow: UnitOfWork, cart: Cart, code: str, session: CheckoutSession | None = None) -> None:
    """Put the discount of a code on a locked cart that is open. Raises `DiscountInvalid`."""
    normal = normal_code(code)
    discount = uow.discounts.find(normal)
    if discount is None:
        raise invalid(Misfit.UNKNOWN, code)
    held = uow.discounts.redemption(cart.redemption_id) if cart.redemption_id else None
    misfit = discount.misfit(uow.now, holds_place=held is not None and held.discount_id == discount.id)
    misfit = misfit or discount.snapshot().misfit(cart.currency, cart.items)
    misfit = misfit or customer_misfit(uow, discount, cart.id, buyer_key(cart, session))
    if misfit is not None:
        raise invalid(misfit, code)
    cart.apply_discount(discount.snapshot(), uow.now)


def remove_discount(uow: UnitOfWork, cart_id: str) -> Cart:
    """Take the code off a cart and return the cart; an automatic discount may take its place."""
    cart = locked_cart(uow, cart_id)
    cart.remove_discount(uow.now)
    release_if_changed(uow, cart)
    uow.carts.save(cart)
    return cart


def drop_invalid(uow: UnitOfWork, session_id: str, email: str | None) -> None:
    """Take off the discount with which a session could not be completed, so that its buyer is asked for the new total.

    ``email`` is what the buyer gave with the completion. Nothing happens where somebody else pays meanwhile, or the
    discount can be had again.
    """
    session = uow.sessions.get_for_update(session_id)
    if session is None or session.cart_id is None or session.live_payment_id is not None:
        return
    cart = locked_cart(uow, session.cart_id)
    if cart.live_payment_id is not None or cart.applied is None:
        return
    discount = uow.discounts.get(cart.applied.discount_id)
    if not _is_over(uow, cart, discount, buyer_key(cart, session, email)):
        return
    drop_discount(uow, cart)


def _is_over(uow: UnitOfWork, cart: Cart, discount: Discount | None, key: str | None) -> bool:
    if discount is None or discount.misfit(uow.now, holds_place=cart.redemption_id is not None) is not None:
        return True
    return customer_misfit(uow, discount, cart.id, key) is not None
