"""Take a person's word for what became of a payment, where no provider tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from penstock.caller import Caller
from penstock.errors import Fault, ValidationError
from penstock.flows.reconcile_follow_up import apply_verdict, reconcile_follow_ups
from penstock.flows.return_stray import strays_left
from penstock.flows.settle_payment import RETURN_STRAY, Checkout, conclude, lock_checkout, settle_payment
from penstock.follow_up import Step, StepState, in_progress
from penstock.money import Money
from penstock.outcome import Approved, Done
from penstock.payment import Attempt, AttemptState, Payment
from penstock.payment_errors import NothingToResolve
from penstock.ports import Cascade, UnitOfWork, Work
from penstock.verdict import StepVerdict, Verdict

A_PERSON = "a person has said so"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a person found out. ``transaction_id`` names a step; None stands for whatever is open."""

    outcome: Literal["succeeded", "failed", "reviewed"]
    evidence: str
    transaction_id: str | None = None
    provider_ref: str | None = None


def resolve_payment(work: Work, cascade: Cascade, caller: Caller, payment_id: str, resolution: Resolution) -> None:
    """Ask the provider once more, and then end what is open of a payment as a person says.

    Everything follows as if the provider had said it, and ``payment.resolved`` keeps who did. Raises `NotFound`,
    `NothingToResolve`, `PaymentInProgress` while something is being sent, and `ValidationError` for a charge that
    succeeded without a reference.
    """
    reconcile_follow_ups(work, cascade, payment_id)
    with work() as uow:
        payment = uow.payments.get(payment_id)
        if payment is None or payment.session_id is None:
            raise LookupError(f"payment {payment_id} has lost its session")
        checkout = lock_checkout(uow, payment.session_id, payment_id)
        steps = uow.steps.of_payment(payment_id)
        step = _chosen(checkout.payment, steps, resolution)
        said = {
            "transactionId": step.id if step is not None else None,
            "outcome": resolution.outcome,
            "evidence": resolution.evidence,
            "resolvedBy": caller.principal_id,
        }
        if resolution.outcome == "reviewed":
            checkout.payment.resolve(said, uow.now)
            uow.payments.save(checkout.payment)
            if strays_left(checkout.payment, steps):  # whatever kept the provider from it may be mended now
                uow.due.add(RETURN_STRAY, payment_id, uow.now)
        elif step is not None:
            checkout.payment.resolve(said, uow.now)
            apply_verdict(uow, checkout.payment, checkout.order, step, _step_verdict(step, resolution))
        else:
            _end_charge(uow, checkout, resolution, said)


def _chosen(payment: Payment, steps: Sequence[Step], resolution: Resolution) -> Step | None:
    """Return the step that is meant, or None for the charge and for a review. Raises where nothing fits."""
    opened = [step for step in steps if step.is_open]
    nothing = NothingToResolve(details={"status": payment.status.value, "open": [step.id for step in opened]})
    if resolution.outcome == "reviewed":
        if opened or payment.is_open or not payment.needs_review:
            raise nothing
        return None
    if resolution.transaction_id is None and payment.is_open:
        return None
    meant = [step for step in opened if resolution.transaction_id in (None, step.id)]
    if len(meant) != 1:
        raise nothing
    if meant[0].state is StepState.SENDING:
        raise in_progress(payment)
    return meant[0]


def _end_charge(uow: UnitOfWork, checkout: Checkout, resolution: Resolution, said: dict[str, str | None]) -> None:
    attempt = checkout.payment.attempts[-1]
    if attempt.state is AttemptState.SENDING:
        raise in_progress(checkout.payment)
    verdict = _verdict(checkout.payment, attempt, resolution)
    checkout.payment.resolve(said, uow.now)
    settle_payment(uow, checkout, attempt, verdict)
    conclude(uow, checkout)


def _verdict(payment: Payment, attempt: Attempt, resolution: Resolution) -> Verdict:
    if resolution.outcome == "failed":
        return Verdict("not_sent", error=A_PERSON)
    ref = resolution.provider_ref or attempt.provider_ref
    if ref is None:
        message = "say under which reference the provider has the charge: refunds go by it"
        raise ValidationError(Fault("/providerRef", "required", message))
    if payment.capture_mode == "manual":
        return Verdict("approved", Approved(ref, Money(0, payment.currency), payment.money))
    return Verdict("approved", Approved(ref, payment.money))


def _step_verdict(step: Step, resolution: Resolution) -> StepVerdict:
    if resolution.outcome == "failed":
        return StepVerdict("rejected", error=A_PERSON)
    ref = resolution.provider_ref or step.provider_ref or step.id
    return StepVerdict("succeeded", Done(ref, Money(step.amount, step.currency)), error=A_PERSON)
