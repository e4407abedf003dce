"""Give back the place of a draft order that nobody has paid: a later payment has to find another one."""

from typing import Final

from penstock.flows.hold_discount import release_discount
from penstock.ports import UnitOfWork

LAPSE: Final = "lapse_discount"


def lapse_discount(uow: UnitOfWork, cart_id: str) -> None:
    """Let a cart's place go, unless a payment is under way that will redeem it or give it back."""
    cart = uow.carts.get_for_update(cart_id)
    if cart is not None and cart.live_payment_id is None and cart.redemption_id is not None:
        release_discount(uow, cart)
        uow.carts.save(cart)
