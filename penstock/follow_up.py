"""What follows a charge: captures, voids, refunds, and the way back of money that is nobody's, each a step of its own.

Pure: no clock, no database.

The one rule: what a provider may have done counts as done. An open refund keeps its part of the money, and an open capture
or void lets nothing else begin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from penstock.errors import PaymentInProgress
from penstock.ids import new_id
from penstock.money import Money
from penstock.outcome import Declined, Done, Pending, Rejected
from penstock.payment import Attempt, AttemptState, Payment, PaymentStatus, Transaction
from penstock.payment_errors import CaptureNotAllowed, RefundNotAllowed, VoidNotAllowed
from penstock.request import CaptureRequest, FollowUpRequest, FollowUpVerb, RefundRequest, VoidRequest
from penstock.verdict import StepVerdict

StepVerb = FollowUpVerb | Literal["reversal"]
"""A ``reversal`` gives back what a stray attempt took: the provider is asked for a void or a refund of that charge."""

KEY_LIFETIME: Final = timedelta(hours=24)
"""How long a request with the same Idempotency-Key is the same request (semantics 1.2)."""


class StepState(StrEnum):
    """Where a capture, void or refund stands. ``sending``, ``pending`` and ``unknown`` may all have moved the money."""

    SENDING = "sending"
    SUCCEEDED = "succeeded"
    PENDING = "pending"
    DECLINED = "declined"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


OPEN_STEPS: Final = frozenset({StepState.SENDING, StepState.PENDING, StepState.UNKNOWN})
"""The states in which a provider may still move, or have moved, the money."""

CLOSING: Final = ("capture", "void")
"""What ends the time in which a payment only holds the money: one of them, once."""

REFUSALS: Final = {"capture": CaptureNotAllowed, "void": VoidNotAllowed, "refund": RefundNotAllowed}
_REFUNDABLE: Final = frozenset({PaymentStatus.CAPTURED, PaymentStatus.PARTIALLY_REFUNDED})


@dataclass(slots=True, kw_only=True)
class Step:
    """One capture, void, refund or reversal, at the connection of the charge and nowhere else. Amounts are minor units.

    Its id is the provider's idempotency key and the transaction's id. ``request_ref`` stands for the request that
    asked for it, so that a repeat of the request finds it; None where that request had no Idempotency-Key.
    """

    id: str
    payment_id: str
    charge_id: str
    connection_id: str
    connector: str
    verb: StepVerb
    amount: int
    currency: str
    started_at: datetime
    state: StepState = StepState.SENDING
    request_ref: str | None = None
    provider_ref: str | None = None
    kind: str | None = None
    provider_code: str | None = None
    message: str | None = None
    finished_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether the provider may still do it, or have done it without our knowing."""
        return self.state in OPEN_STEPS


def begin_step(
    payment: Payment, steps: Sequence[Step], verb: FollowUpVerb, amount: int | None, *, now: datetime
) -> Step:
    """Return a new step of a payment; ``amount`` None means all that is left. ``steps`` are those that it has already.

    Raises `PaymentInProgress` while a charge, a capture or a void has an open outcome, and `CaptureNotAllowed`,
    `VoidNotAllowed` or `RefundNotAllowed` where the payment's status or what is left of its money does not allow it.
    """
    if payment.is_open or any(step.is_open and step.verb in CLOSING for step in steps):
        raise in_progress(payment)
    left = available(payment, verb)
    wanted = left if amount is None else amount
    if not 0 < wanted <= left:
        raise REFUSALS[verb](details=limits(payment, verb))
    return _step(payment, charge_of(payment), verb, wanted, now)


def begin_reversal(payment: Payment, stray: Attempt, *, now: datetime) -> Step:
    """Return a new step that gives back what a stray attempt took: all of it."""
    return _step(payment, stray, "reversal", payment.amount, now)


def _step(payment: Payment, charge: Attempt, verb: StepVerb, amount: int, now: datetime) -> Step:
    return Step(
        id=new_id(),
        payment_id=payment.id,
        charge_id=charge.id,
        connection_id=charge.connection_id,
        connector=charge.connector,
        verb=verb,
        amount=amount,
        currency=payment.currency,
        started_at=now,
    )


def available(payment: Payment, verb: StepVerb) -> int:
    """Return how much money a step may still move, in minor units; zero where the payment's status lets it move none."""
    if verb == "refund":
        return payment.refundable if payment.status in _REFUNDABLE else 0
    return payment.amount_authorized if payment.status is PaymentStatus.AUTHORIZED else 0


def limits(payment: Payment, verb: StepVerb) -> dict[str, object]:
    """Return what a refusal says of the payment: its status, and how much the step may move."""
    return {"status": payment.status.value, "available": available(payment, verb)}


def in_progress(payment: Payment) -> PaymentInProgress:
    """Return the error of a payment of which an outcome is open."""
    return PaymentInProgress(
        "An outcome of this payment is open; it may have moved the money.",
        details={"paymentId": payment.id},
        headers={"Retry-After": "2"},
    )


def charge_of(payment: Payment) -> Attempt:
    """Return the attempt that has the money. Raises LookupError for a payment that no provider was asked for."""
    approved = [each for each in payment.attempts if each.state is AttemptState.APPROVED]
    own = [each for each in approved if each.provider_ref == payment.provider_ref]
    for attempt in (*own, *approved):
        return attempt
    raise LookupError(f"payment {payment.id} has no charge")


def step_request(payment: Payment, step: Step, steps: Sequence[Step]) -> FollowUpRequest:
    """Return what the provider is asked for a step; the same each time."""
    if step.verb == "reversal":
        return _reversal_request(payment, step)
    ref, money = payment.provider_ref or "", Money(step.amount, step.currency)
    if step.verb == "capture":
        return CaptureRequest(step.id, ref, money, charge_key=step.charge_id, charged=payment.money)
    if step.verb == "void":
        return VoidRequest(step.id, ref, money, charge_key=step.charge_id)
    captures = [s.provider_ref for s in steps if s.verb == "capture" and s.state is StepState.SUCCEEDED]
    return RefundRequest(
        step.id,
        ref,
        money,
        charge_key=step.charge_id,
        charged=payment.money,
        capture_ref=captures[-1] if captures else None,
    )


def attempt_of(payment: Payment, step: Step) -> Attempt:
    """Return the attempt whose charge a step follows."""
    return next(each for each in payment.attempts if each.id == step.charge_id)


def _reversal_request(payment: Payment, step: Step) -> FollowUpRequest:
    ref, money = attempt_of(payment, step).provider_ref or "", Money(step.amount, step.currency)
    if payment.capture_mode == "manual":
        return VoidRequest(step.id, ref, money, charge_key=step.charge_id)
    return RefundRequest(step.id, ref, money, charge_key=step.charge_id, charged=money)


def is_news(step: Step, verdict: StepVerdict) -> bool:
    """Whether a verdict changes what is known of a step. Silence takes nothing back: a pending step stays pending."""
    if verdict.state == "unknown":
        return step.state is StepState.SENDING
    return step.state.value != verdict.state


def settle_step(payment: Payment, step: Step, verdict: StepVerdict, now: datetime) -> None:
    """Record what a step came to on it and its payment. A definite answer is final; a later yes asks for a person."""
    if not step.is_open:
        if verdict.state == "succeeded":
            payment.flag_for_review(now)
        return
    step.state, step.message, payment.updated_at = StepState(verdict.state), verdict.error or None, now
    match verdict.answer:
        case Done(ref=ref) | Pending(ref=ref):
            step.provider_ref = ref
        case Declined() | Rejected() as refusal:
            step.kind, step.provider_code = refusal.kind, refusal.provider_code or None
            step.message = refusal.message or None
    if step.state not in OPEN_STEPS:
        step.finished_at = now
        if step.verb == "reversal":
            _finish_reversal(payment, step, now)
        else:
            _finish(payment, step)
    payment.transactions.append(transaction_of(step))


def transaction_of(step: Step) -> Transaction:
    """Return a step as a movement of money."""
    return Transaction(
        id=step.id,
        payment_id=step.payment_id,
        attempt_id=step.charge_id,
        type=step.verb,
        status=_STATUSES.get(step.state, "failed"),
        amount=step.amount,
        currency=step.currency,
        connector=step.connector,
        created_at=step.started_at,
        provider_ref=step.provider_ref,
    )


_STATUSES: Final = {
    StepState.SENDING: "pending",
    StepState.PENDING: "pending",
    StepState.UNKNOWN: "unknown",
    StepState.SUCCEEDED: "succeeded",
}


def _finish(payment: Payment, step: Step) -> None:
    if step.verb == "refund":
        payment.amount_refunding -= step.amount
    if step.state is not StepState.SUCCEEDED:
        if step.verb == "refund":
            payment.note("payment.refund_failed", payment.summary())
        return
    match step.verb:
        case "capture":
            payment.amount_captured, payment.status = step.amount, PaymentStatus.CAPTURED
            payment.note("payment.captured", payment.summary())
        case "void":
            payment.status = PaymentStatus.VOIDED
            payment.note("payment.voided", payment.summary())
        case "refund":
            payment.amount_refunded += step.amount
            is_all = payment.amount_refunded == payment.amount_captured
            payment.status = PaymentStatus.REFUNDED if is_all else PaymentStatus.PARTIALLY_REFUNDED
            payment.note("payment.refunded" if is_all else "payment.partially_refunded", payment.summary())


def _finish_reversal(payment: Payment, step: Step, now: datetime) -> None:
    """A reversal that never reached the provider is tried again; one that was refused is for a person."""
    if step.state is StepState.SUCCEEDED:
        payment.give_back(attempt_of(payment, step))
    elif step.state is not StepState.NOT_SENT:
        payment.flag_for_review(now)
