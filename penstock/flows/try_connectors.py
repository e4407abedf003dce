"""Ask one connector after another for a payment that has been begun, until one says yes or nobody may be asked."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from penstock.clock import Clock, monotonic_seconds
from penstock.failpoint import failpoint
from penstock.flows.adopt_transaction import adopt_transaction
from penstock.flows.begin_payment import Begun, Completion
from penstock.flows.clear_doubt import clear_doubt
from penstock.flows.settle_payment import Checkout, conclude, lock_checkout, save_checkout, settle_payment
from penstock.ids import new_id
from penstock.payment import Payment, PaymentStatus
from penstock.ports import Cascade, UnitOfWork, Work
from penstock.session import SessionStatus
from penstock.verdict import Candidate, Verdict

SEND_WITHIN: Final = timedelta(seconds=10)
"""How old a committed attempt may be when it is sent. With the deadline and the questions after it, the attempt is done
before `SENDING_GRACE` is over and others may close it."""

LAST_CALL_SECONDS: Final = 2.0
"""No further connector is asked when less than this is left of the deadline."""


@dataclass(frozen=True, slots=True)
class Step:
    """Whom to ask next, and whether the buyer's authentication is to be asked for (a step-up)."""

    candidate: Candidate
    is_step_up: bool = False


def try_connectors(work: Work, cascade: Cascade, clock: Clock, begun: Begun, completion: Completion) -> Payment:
    """Ask the candidates in turn under one deadline, and return the payment as it stands then.

    The next one is asked only after a certain no that it may see differently; an issuer that wants the buyer's
    authentication gets it once, from the same connector.
    """
    payment, rest = begun.payment, list(begun.candidates)
    until = monotonic_seconds() + cascade.deadline
    step = Step(rest.pop(0)) if rest else None
    while step is not None:
        attempt = payment.attempts[-1]
        request = replace(begun.request, key=attempt.id, step_up=step.is_step_up)
        failpoint("provider.before_send")
        if clock.now() - attempt.started_at > SEND_WITHIN:
            # Whoever looks after abandoned attempts may have closed this one: it must not reach the provider now.
            verdict = Verdict("not_sent", error="this server stalled before it could send")
        elif completion.provider_transaction_id is not None:
            verdict = adopt_transaction(cascade, step.candidate, payment, completion.provider_transaction_id)
        else:
            verdict = cascade.call(step.candidate, request, within=until - monotonic_seconds())
            verdict = clear_doubt(cascade, step.candidate, request, verdict)
        failpoint("provider.after_send")
        has_time = until - monotonic_seconds() > LAST_CALL_SECONDS
        payment, step = _record(work, payment, verdict, _Queue(step, rest if has_time else []))
        failpoint("result.after_commit")
    return payment


@dataclass(frozen=True, slots=True)
class _Queue:
    asked: Step
    rest: list[Candidate]


def _record(work: Work, payment: Payment, verdict: Verdict, queue: _Queue) -> tuple[Payment, Step | None]:
    """Write the verdict; begin the next attempt in the same transaction if there is to be one."""
    attempt_id = payment.attempts[-1].id
    with work() as uow:
        checkout = lock_checkout(uow, payment.session_id or "", payment.id)
        attempt = next(a for a in checkout.payment.attempts if a.id == attempt_id)
        settle_payment(uow, checkout, attempt, verdict)
        step = _next(uow, checkout, queue)
        if step is not None:
            _begin(uow, checkout, step.candidate)
        else:
            conclude(uow, checkout)
    return checkout.payment, step


def _next(uow: UnitOfWork, checkout: Checkout, queue: _Queue) -> Step | None:
    payment, session = checkout.payment, checkout.session
    if payment.status is not PaymentStatus.PENDING or session.status is not SessionStatus.OPEN:
        return None
    if uow.now >= session.expires_at:
        return None
    asked = queue.asked
    if payment.may_step_up() and asked.candidate.connector.capabilities.step_up:
        return Step(asked.candidate, is_step_up=True)
    if not payment.may_cascade():
        return None
    while queue.rest:
        candidate = queue.rest.pop(0)
        connection = uow.connections.get(candidate.connection_id)
        if connection is not None and connection.is_active:
            return Step(candidate)
    return None


def _begin(uow: UnitOfWork, checkout: Checkout, candidate: Candidate) -> None:
    checkout.payment.begin(
        attempt_id=new_id(),
        connection_id=candidate.connection_id,
        connector=candidate.connector_name,
        now=uow.now,
    )
    save_checkout(uow, checkout)
