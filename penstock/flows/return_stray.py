"""Give back what a provider took for an attempt that had ended in a certain no: nobody waits for that money."""

from collections.abc import Sequence
from datetime import timedelta

from penstock.failpoint import failpoint
from penstock.flows.clear_doubt import look_up
from penstock.flows.reconcile_follow_up import LAST_SENT, RECONCILE_STEP, record_step
from penstock.flows.take_step import Opened, send_step
from penstock.follow_up import Step, StepState, begin_reversal, step_request, transaction_of
from penstock.payment import Attempt, AttemptState, Payment
from penstock.ports import Cascade, UnitOfWork, Work
from penstock.request import ChargeRequest
from penstock.verdict import Candidate, StepVerdict


def return_stray(work: Work, cascade: Cascade, payment_id: str) -> None:
    """Have each stray charge of a payment undone, that nobody was asked for yet; see `leave_stray` for what is left."""
    with work(read=True) as uow:
        payment, steps = uow.payments.get(payment_id), uow.steps.of_payment(payment_id)
    for stray in strays_left(payment, steps):
        _return(work, cascade, payment_id, stray)


def leave_stray(uow: UnitOfWork, payment_id: str, *, is_over: bool) -> bool:
    """Tell whether nothing is left to ask for. Once the time to ask ``is_over``, what is left is for a person.

    What a provider refuses to undo, and what it gives no answer for, waits for a person or the reconciler already.
    """
    payment, steps = uow.payments.get_for_update(payment_id), uow.steps.of_payment(payment_id)
    if payment is None or not strays_left(payment, steps):
        return True
    if is_over:
        payment.flag_for_review(uow.now)
        uow.payments.save(payment)
    return is_over


def strays_left(payment: Payment | None, steps: Sequence[Step]) -> list[Attempt]:
    """Return the stray charges for which nothing was asked that may have had an effect, or was refused."""
    attempts = payment.attempts if payment is not None else []
    return [each for each in attempts if each.state is AttemptState.STRAY and _is_left(each, steps)]


def _is_left(stray: Attempt, steps: Sequence[Step]) -> bool:
    asked = [each for each in steps if each.verb == "reversal" and each.charge_id == stray.id]
    return all(each.state is StepState.NOT_SENT for each in asked)


def _return(work: Work, cascade: Cascade, payment_id: str, stray: Attempt) -> None:
    with work(read=True) as uow:
        connection = uow.connections.get(stray.connection_id)
    candidate = cascade.candidate(connection) if connection is not None else None
    if candidate is None:
        return
    with work() as uow:
        opened = _open(uow, candidate, payment_id, stray.id)
    if opened is not None:
        failpoint("step.after_commit")
        record_step(work, opened.payment, opened.step.id, _undo(work, cascade, opened))


def _open(uow: UnitOfWork, candidate: Candidate, payment_id: str, stray_id: str) -> Opened | None:
    payment, steps = uow.payments.get_for_update(payment_id), uow.steps.of_payment(payment_id)
    stray = next((each for each in strays_left(payment, steps) if each.id == stray_id), None)
    if payment is None or stray is None:
        return None  # somebody else was faster
    step = begin_reversal(payment, stray, now=uow.now)
    uow.steps.add(step, transaction_of(step))
    uow.due.add(RECONCILE_STEP, step.id, uow.now + LAST_SENT)
    return Opened(payment, step, step_request(payment, step, steps), candidate)


def _undo(work: Work, cascade: Cascade, opened: Opened) -> StepVerdict:
    payment, key, candidate = opened.payment, opened.step.charge_id, opened.candidate
    request = ChargeRequest(key, payment.money, payment.method, "", capture=payment.capture_mode)
    if look_up(cascade, candidate, request, age=timedelta()).state == "declined":
        return StepVerdict("succeeded", error="the provider says that the charge was undone")
    claims = candidate.connector.capabilities
    if claims.manual_capture if payment.capture_mode == "manual" else claims.refund:
        return send_step(work, cascade, opened)
    if cascade.reverse(candidate, key):
        return StepVerdict("succeeded", error="the provider confirmed that the charge is reversed")
    return StepVerdict("rejected", error=f"{candidate.connector_name} cannot give it back")
