"""Capture, void or refund: write the step down, ask the provider of the charge, write down what it said."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from penstock.errors import NoEligibleConnector, NotFound
from penstock.failpoint import failpoint
from penstock.flows.reconcile_follow_up import LAST_SENT, RECONCILE_STEP, ask_again, reconcile_follow_ups, record_step
from penstock.follow_up import (
    KEY_LIFETIME,
    REFUSALS,
    Step,
    StepState,
    begin_step,
    in_progress,
    limits,
    step_request,
    transaction_of,
)
from penstock.payment import Payment
from penstock.payment_errors import RefundNotAllowed
from penstock.ports import Cascade, UnitOfWork, Work
from penstock.request import FollowUpRequest, FollowUpVerb
from penstock.verdict import Candidate, StepVerdict

SENDING_WINDOW: Final = timedelta(seconds=20)
"""How old a step may be when it is sent; well before anybody could prove that it never was."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A payment and the step that was taken."""

    payment: Payment
    step: Step


@dataclass(frozen=True, slots=True)
class Opened:
    """A step that is written down, and what is asked of whom for it."""

    payment: Payment
    step: Step
    request: FollowUpRequest
    candidate: Candidate


def take_step(work: Work, cascade: Cascade, payment_id: str, verb: FollowUpVerb, amount: int | None = None) -> Followed:
    """Take a step; its outcome may be open. ``amount`` None means all that is left.

    The same request again, known by its Idempotency-Key, is answered with the step that it took. Raises `NotFound`,
    `PaymentInProgress`, the refusal of the verb where the payment does not allow it or the provider refuses it for
    certain, and `NoEligibleConnector` where the provider certainly did not hear it.
    """
    reconcile_follow_ups(work, cascade, payment_id)
    with work() as uow:
        begun = _begin(uow, cascade, payment_id, verb, amount)
    failpoint("step.after_commit")
    if isinstance(begun, Followed):
        return _told(begun)
    verdict = send_step(work, cascade, begun)
    failpoint("step.after_send")
    payment, step = record_step(work, begun.payment, begun.step.id, verdict)
    return _told(Followed(payment, step))


def _begin(
    uow: UnitOfWork, cascade: Cascade, payment_id: str, verb: FollowUpVerb, amount: int | None
) -> Opened | Followed:
    payment = uow.payments.get_for_update(payment_id)
    if payment is None:
        raise NotFound("There is no payment with this id.")
    steps = uow.steps.of_payment(payment_id)
    for step in steps:
        if uow.request_ref and step.request_ref == uow.request_ref and uow.now - step.started_at < KEY_LIFETIME:
            return Followed(payment, step)
    step = begin_step(payment, steps, verb, amount, now=uow.now)
    step.request_ref = uow.request_ref
    candidate = _candidate(uow, cascade, payment, step)
    failpoint("step.before_insert")
    if verb == "refund" and not uow.payments.reserve_refund(payment_id, step.amount):
        raise RefundNotAllowed(details=limits(payment, verb))
    uow.steps.add(step, transaction_of(step))
    uow.due.add(RECONCILE_STEP, step.id, uow.now + LAST_SENT)
    return Opened(payment, step, step_request(payment, step, steps), candidate)


def _candidate(uow: UnitOfWork, cascade: Cascade, payment: Payment, step: Step) -> Candidate:
    connection = uow.connections.get(step.connection_id)
    candidate = cascade.candidate(connection) if connection is not None else None
    if candidate is not None:
        claims = candidate.connector.capabilities
        if claims.refund if step.verb == "refund" else claims.manual_capture:
            return candidate
    message = f"The connection that took this payment cannot {step.verb} it."
    raise REFUSALS[step.verb](message, details=limits(payment, step.verb))


def send_step(work: Work, cascade: Cascade, begun: Opened) -> StepVerdict:
    """Ask the provider, and once more where it falls silent; the outcome may be open."""
    with work(read=True) as uow:
        step = uow.steps.get(begun.step.id)
        is_late = step is None or step.state is not StepState.SENDING or uow.now - step.started_at > SENDING_WINDOW
    if is_late:  # this process stood still: somebody may have proved meanwhile that nothing was sent
        return StepVerdict("not_sent", error="it was not sent in time")
    failpoint("provider.before_send")
    verdict = cascade.follow_up(begun.candidate, begun.request)
    failpoint("provider.after_send")
    return verdict if verdict.state != "unknown" else ask_again(cascade, begun.candidate, begun.request, verdict)


def _told(followed: Followed) -> Followed:
    """Return what was done, or raise what says that it was not."""
    payment, step = followed.payment, followed.step
    if step.state is StepState.SENDING:
        raise in_progress(payment)
    if step.state is StepState.NOT_SENT:
        message = f"The payment provider could not be reached; there was no {step.verb}."
        raise NoEligibleConnector(message, details={"paymentId": payment.id})
    if step.state in (StepState.DECLINED, StepState.REJECTED):
        facts = {**limits(payment, step.verb), "transactionId": step.id, "declineKind": step.kind}
        raise REFUSALS[step.verb](f"The payment provider refused the {step.verb}.", details=facts)
    return followed
