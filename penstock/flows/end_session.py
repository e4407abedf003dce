"""End a session before its time, as the merchant asks."""

from typing import Literal

from penstock.cart import Cart, CartStatus
from penstock.errors import NotFound, PaymentInProgress, SessionNotOpen
from penstock.flows.hold_discount import release_discount
from penstock.flows.reconcile_payment import reconcile_payment
from penstock.flows.settle_payment import EXPIRE
from penstock.ports import Cascade, UnitOfWork, Work
from penstock.session import CheckoutSession, SessionStatus


def end_session(
    work: Work, cascade: Cascade, session_id: str, end: Literal["cancelled", "expired"]
) -> tuple[CheckoutSession, Cart | None]:
    """Cancel or expire an open session and let its cart go; return both. The same end again changes nothing.

    A payment of it with an open outcome is asked about first. Raises `NotFound`, `PaymentInProgress` while its outcome
    stays open, `SessionExpired`, and `SessionNotOpen` for a session that has ended in another way.
    """
    with work(read=True) as uow:
        session = uow.sessions.get(session_id)
    if session is not None and session.live_payment_id is not None:
        reconcile_payment(work, cascade, session.live_payment_id)
    with work() as uow:
        return _end(uow, session_id, SessionStatus(end))


def _end(uow: UnitOfWork, session_id: str, end: SessionStatus) -> tuple[CheckoutSession, Cart | None]:
    session = uow.sessions.get_for_update(session_id)
    if session is None:
        raise NotFound("There is no checkout session with this id.")
    cart = uow.carts.get_for_update(session.cart_id) if session.cart_id else None
    if session.status is end:
        return session, cart
    if session.live_payment_id is not None:
        raise PaymentInProgress(details={"paymentId": session.live_payment_id}, headers={"Retry-After": "2"})
    if end is SessionStatus.CANCELLED:
        session.assert_open(uow.now)
        session.cancel(uow.now)
    elif session.status is not SessionStatus.OPEN:
        raise SessionNotOpen(details={"status": session.status.value})
    else:
        session.expire(uow.now)
    if cart is not None and cart.live_payment_id is None and cart.status is not CartStatus.CONVERTED:
        cart.leave_payment(uow.now)
        release_discount(uow, cart)
        uow.carts.save(cart)
    uow.sessions.save(session)
    uow.due.done(EXPIRE, session.id)
    return session, cart
