"""End a session whose time has run out."""

from penstock.flows.hold_discount import release_discount
from penstock.ports import UnitOfWork


def expire_session(uow: UnitOfWork, session_id: str) -> bool:
    """Expire a session that is over and let its cart go; False where there is nothing to expire (yet)."""
    session = uow.sessions.get_for_update(session_id)
    if session is None or not session.is_over(uow.now):
        return False
    session.expire(uow.now)
    cart = uow.carts.get_for_update(session.cart_id) if session.cart_id else None
    if cart is not None and cart.live_payment_id is None and (cart.is_frozen or cart.redemption_id is not None):
        if cart.is_frozen:
            cart.leave_payment(uow.now)
        release_discount(uow, cart)
        uow.carts.save(cart)
    uow.sessions.save(session)
    return True
