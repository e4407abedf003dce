"""Write down what an attempt came to, and let the payment, order, cart and session follow, in one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from penstock.cart import Cart
from penstock.failpoint import failpoint
from penstock.ledger import capture_posting
from penstock.order import Order
from penstock.outcome import Approved
from penstock.payment import CERTAIN_NO, Attempt, AttemptState, Payment, PaymentStatus
from penstock.ports import UnitOfWork
from penstock.session import CheckoutSession
from penstock.verdict import Verdict

RECONCILE: Final = "reconcile_payment"
EXPIRE: Final = "expire_session"
SCHEDULE: Final = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=1),
    timedelta(days=1),
)
"""When an unknown outcome is asked for again (semantics 2.3); after the last a person has to look."""


@dataclass(slots=True)
class Checkout:
    """What one payment touches, read under locks in the house's order: session, cart, order, payment."""

    session: CheckoutSession
    cart: Cart | None
    order: Order
    payment: Payment


def lock_checkout(uow: UnitOfWork, session_id: str, payment_id: str) -> Checkout:
    """Lock and return everything that the payment touches. The rows exist: the attempt was committed with them."""
    session = uow.sessions.get_for_update(session_id)
    cart = uow.carts.get_for_update(session.cart_id) if session and session.cart_id else None
    order = uow.orders.get_for_update(session.order_id) if session and session.order_id else None
    payment = uow.payments.get_for_update(payment_id)
    if session is None or order is None or payment is None:
        raise LookupError(f"payment {payment_id} has lost its session or order")
    return Checkout(session, cart, order, payment)


def settle_payment(uow: UnitOfWork, checkout: Checkout, attempt: Attempt, verdict: Verdict) -> None:
    """Record a verdict on an attempt. What a cascade does next is the caller's; see `conclude`."""
    captured_before = checkout.payment.amount_captured
    if verdict.state == "approved" and attempt.state in CERTAIN_NO:
        checkout.payment.flag_for_review(uow.now)  # money that came after we had given the attempt up
    checkout.payment.record(attempt, verdict.state, verdict.outcome, uow.now, verdict.error)
    if isinstance(verdict.outcome, Approved) and checkout.payment.amount_captured > captured_before:
        uow.payments.post(capture_posting(checkout.payment, uow.now))


def conclude(uow: UnitOfWork, checkout: Checkout) -> None:
    """Let order, cart and session follow a payment of which no further attempt will be made now, and save all."""
    now, session, cart, order, payment = uow.now, checkout.session, checkout.cart, checkout.order, checkout.payment
    if payment.status is PaymentStatus.PENDING and not payment.is_open:
        payment.fail(now)
    if payment.status is PaymentStatus.FAILED:
        session.leave_payment(now)
        # While the payment was live the session could not expire, and its row may have come and gone.
        uow.due.add(EXPIRE, session.id, session.expires_at)
        if cart is not None:
            cart.leave_payment(now)
    elif not payment.is_open and session.live_payment_id == payment.id:
        session.complete(now)
        if cart is not None:
            cart.convert(now)
    order.follow(payment, now)
    save_checkout(uow, checkout)
    _plan(uow, payment, now)


def save_checkout(uow: UnitOfWork, checkout: Checkout) -> None:
    """Write the four rows with their events."""
    uow.payments.save(checkout.payment)
    uow.orders.save(checkout.order)
    if checkout.cart is not None:
        uow.carts.save(checkout.cart)
    uow.sessions.save(checkout.session)
    failpoint("result.before_commit")


def _plan(uow: UnitOfWork, payment: Payment, now: datetime) -> None:
    if not payment.is_open:
        uow.due.done(RECONCILE, payment.id)
    elif payment.attempts[-1].state is not AttemptState.SENDING:
        uow.due.add(RECONCILE, payment.id, now + SCHEDULE[0])
