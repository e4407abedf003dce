"""Find out what became of captures, voids and refunds whose outcome is open, by asking the provider that was asked."""

from datetime import timedelta
from typing import Final

from penstock.errors import NotFound
from penstock.failpoint import failpoint
from penstock.flows.reconcile_payment import SENDING_GRACE, reconcile_payment
from penstock.flows.settle_payment import RETURN_STRAY, SCHEDULE
from penstock.follow_up import KEY_LIFETIME, Step, StepState, attempt_of, is_news, settle_step, step_request
from penstock.ledger import capture_posting, refund_posting, stray_posting
from penstock.order import Order
from penstock.payment import Payment, PaymentStatus
from penstock.ports import Cascade, UnitOfWork, Work
from penstock.request import FollowUpRequest
from penstock.verdict import Candidate, StepVerdict

RECONCILE_STEP: Final = "reconcile_follow_up"
LAST_SENT: Final = 2 * SENDING_GRACE
"""When a step is last sent, at the latest: twenty seconds until it leaves, a deadline, its repeat and a lookup."""

_CLEAR: Final = ("succeeded", "pending", "declined")


def reconcile_follow_ups(work: Work, cascade: Cascade, payment_id: str) -> None:
    """Ask about everything of a payment that is open, before something else is done with it. Raises `NotFound`."""
    with work(read=True) as uow:
        payment, steps = uow.payments.get(payment_id), uow.steps.of_payment(payment_id)
    if payment is None:
        raise NotFound("There is no payment with this id.")
    if payment.is_open:
        reconcile_payment(work, cascade, payment_id)
    for step in steps:
        if step.is_open:
            reconcile_follow_up(work, cascade, step.id)


def reconcile_follow_up(work: Work, cascade: Cascade, step_id: str) -> Step | None:
    """Ask about one open step and record the answer; return the step as it then stands. None for an unknown id.

    Silence changes nothing but an abandoned ``sending`` step, which becomes ``unknown``. "Not found" proves that
    nothing happened only where the connector claims so and its time has passed since the last moment of sending.
    """
    with work(read=True) as uow:
        step = uow.steps.get(step_id)
        payment = uow.payments.get(step.payment_id) if step is not None else None
        steps = uow.steps.of_payment(step.payment_id) if step is not None else []
        connection = uow.connections.get(step.connection_id) if step is not None else None
        now = uow.now
    if step is None or payment is None or not step.is_open:
        return step
    age = now - step.started_at
    if step.state is StepState.SENDING and age < SENDING_GRACE:
        return step
    candidate = cascade.candidate(connection) if connection is not None else None
    verdict = StepVerdict("unknown", error="the connection that was asked is gone")
    if candidate is not None:
        verdict = _ask(cascade, candidate, step_request(payment, step, steps), age)
    failpoint("reconcile.after_lookup")
    return record_step(work, payment, step.id, verdict)[1]


def ask_again(cascade: Cascade, candidate: Candidate, request: FollowUpRequest, silent: StepVerdict) -> StepVerdict:
    """Return what a repeat under the same key, or else a lookup, says after the provider fell silent.

    A repeat is sent only where the connector claims that the same key never acts twice and the first call is over;
    that the repeat was refused or did not get through says nothing about the first call.
    """
    claims = candidate.connector.capabilities
    if claims.idempotent_create and not silent.is_running:
        again = cascade.follow_up(candidate, request)
        if again.state in _CLEAR:
            return again
    found = cascade.find_follow_up(candidate, request) if claims.follow_up_lookup else None
    return found if found is not None and found.state != "unknown" else silent


def record_step(work: Work, payment: Payment, step_id: str, verdict: StepVerdict) -> tuple[Payment, Step]:
    """Write a verdict with everything that follows from it, in one transaction; return payment and step as they stand."""
    with work() as uow:
        order = uow.orders.get_for_update(payment.order_id)
        locked = uow.payments.get_for_update(payment.id)
        step = uow.steps.get(step_id)
        if order is None or locked is None or step is None:
            raise LookupError(f"step {step_id} has lost its payment or order")
        if is_news(step, verdict):
            apply_verdict(uow, locked, order, step, verdict)
            failpoint("result.before_commit")
    return locked, step


def apply_verdict(uow: UnitOfWork, payment: Payment, order: Order, step: Step, verdict: StepVerdict) -> None:
    """Let step, payment, order and ledger follow a verdict, and save them. Payment and order are locked."""
    captured, refunded, was_open = payment.amount_captured, payment.amount_refunded, step.is_open
    settle_step(payment, step, verdict, uow.now)
    if payment.amount_captured > captured:
        uow.payments.post(capture_posting(payment, uow.now))
    if payment.amount_refunded > refunded:
        uow.payments.post(refund_posting(payment, step.amount, uow.now))
    if step.verb != "reversal":
        order.follow(payment, uow.now)
        uow.orders.save(order)
        if payment.status is PaymentStatus.VOIDED and order.cart_id is not None:
            uow.discounts.restore(order.cart_id)
    elif was_open and step.state is StepState.SUCCEEDED and payment.capture_mode == "automatic":
        uow.payments.post(stray_posting(payment, attempt_of(payment, step), uow.now, is_return=True))
    uow.steps.save(step)
    uow.payments.save(payment)
    _plan(uow, step)


def review_follow_up(work: Work, step_id: str) -> None:
    """Ask a person to look at a payment of which a step's outcome is open and nothing has told it."""
    with work() as uow:
        step = uow.steps.get(step_id)
        payment = uow.payments.get_for_update(step.payment_id) if step is not None else None
        if step is not None and step.is_open and payment is not None:
            payment.flag_for_review(uow.now)
            uow.payments.save(payment)


def _ask(cascade: Cascade, candidate: Candidate, request: FollowUpRequest, age: timedelta) -> StepVerdict:
    claims = candidate.connector.capabilities
    if not claims.follow_up_lookup:
        if claims.idempotent_create and age < KEY_LIFETIME:
            again = cascade.follow_up(candidate, request)
            return again if again.state in _CLEAR else StepVerdict("unknown", error=again.error)
        return StepVerdict("unknown", error=f"{candidate.connector_name} cannot look this up")
    found = cascade.find_follow_up(candidate, request)
    if found is not None:
        return found
    after = claims.lookup_is_authoritative_after
    if after is not None and age >= timedelta(seconds=after) + LAST_SENT:
        return StepVerdict("not_sent", error="the provider has nothing under its key")
    return StepVerdict("unknown", error="not found")


def _plan(uow: UnitOfWork, step: Step) -> None:
    if not step.is_open:
        uow.due.done(RECONCILE_STEP, step.id)
        if step.verb == "reversal" and step.state is StepState.NOT_SENT:
            uow.due.add(RETURN_STRAY, step.payment_id, uow.now + SCHEDULE[0])
    else:
        uow.due.add(RECONCILE_STEP, step.id, uow.now + SCHEDULE[0])
