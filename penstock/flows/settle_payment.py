"""Write down what an attempt came to, and let the payment, order, cart and session follow, in one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from penstock.cart import Cart
from penstock.failpoint import failpoint
from penstock.flows.hold_discount import redeem_discount, release_discount
from penstock.ledger import capture_posting, stray_posting
from penstock.order import Order
from penstock.outcome import Approved
from penstock.payment import CERTAIN_NO, Attempt, AttemptState, Payment, PaymentStatus
from penstock.ports import UnitOfWork
from penstock.session import CheckoutSession, SessionStatus
from penstock.verdict import Verdict

RECONCILE: Final = "reconcile_payment"
EXPIRE: Final = "expire_session"
RETURN_STRAY: Final = "return_stray"
"""The kind of the due row that has stray money given back."""

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


_HAS_MONEY: Final = frozenset(PaymentStatus) - {PaymentStatus.PENDING, PaymentStatus.FAILED, PaymentStatus.VOIDED}


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
    """Record a verdict on an attempt. What a cascade does next is the caller's; see `conclude`.

    A yes after a certain no is money that nobody waits for any more: it is written down, and goes back.
    """
    if isinstance(verdict.outcome, Approved) and attempt.state in CERTAIN_NO:
        _take_stray(uow, checkout, attempt, verdict.outcome.ref)
        return
    captured_before = checkout.payment.amount_captured
    checkout.payment.record(attempt, verdict.state, verdict.outcome, uow.now, verdict.error)
    if isinstance(verdict.outcome, Approved) and checkout.payment.amount_captured > captured_before:
        uow.payments.post(capture_posting(checkout.payment, uow.now))


def _take_stray(uow: UnitOfWork, checkout: Checkout, attempt: Attempt, ref: str) -> None:
    payment, session = checkout.payment, checkout.session
    has_money = payment.id if payment.status in _HAS_MONEY else None
    if has_money is None and session.status is SessionStatus.COMPLETED:
        has_money = session.payment_id
    payment.take_stray(attempt, ref, uow.now, beside=has_money)
    if payment.capture_mode == "automatic":
        uow.payments.post(stray_posting(payment, attempt, uow.now))
    uow.due.add(RETURN_STRAY, payment.id, uow.now)


def conclude(uow: UnitOfWork, checkout: Checkout) -> None:
    """Let order, cart and session follow a payment of which no further attempt will be made now, and save all.

    They follow the payment that the session waits for. News of an earlier one is that payment's alone.
    """
    if checkout.session.live_payment_id != checkout.payment.id:
        uow.payments.save(checkout.payment)
        failpoint("result.before_commit")
        return
    now, session, cart, order, payment = uow.now, checkout.session, checkout.cart, checkout.order, checkout.payment
    if payment.status is PaymentStatus.PENDING and not payment.is_open:
        payment.fail(now)
    if payment.status is PaymentStatus.FAILED:
        session.leave_payment(now)
        # While the payment was live the session could not expire, and its row may have come and gone.
        uow.due.add(EXPIRE, session.id, session.expires_at)
        if cart is not None:
            cart.leave_payment(now)
            release_discount(uow, cart)
    elif not payment.is_open:
        session.complete(now)
        if cart is not None:
            cart.convert(now)
            redeem_discount(uow, cart)
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
