"""Find out what became of a payment whose outcome is open, by asking the provider that was asked."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from penstock.failpoint import failpoint
from penstock.flows.adopt_transaction import adopt_transaction
from penstock.flows.clear_doubt import ASK_SECONDS, look_up, reverse
from penstock.flows.settle_payment import conclude, lock_checkout, settle_payment
from penstock.outcome import Declined, Pending
from penstock.payment import CERTAIN_NO, OPEN_ATTEMPTS, PROXY_METHOD, Attempt, AttemptState, Payment
from penstock.ports import Cascade, Work
from penstock.request import ChargeRequest, ResumeRequest
from penstock.tenant import Connection
from penstock.verdict import Candidate, Verdict

SENDING_GRACE: Final = timedelta(seconds=55)
"""When an attempt that is still ``sending`` counts as abandoned. Longer than a live one can last: ten seconds until it
is sent, the cascade's deadline of 25, and three questions of four seconds."""

ABANDONED_AFTER: Final = timedelta(minutes=30)
"""How long a buyer has to act at the provider before the charge is undone and the session is free again."""


def reconcile_payment(work: Work, cascade: Cascade, payment_id: str) -> Payment | None:
    """Ask about the open attempt of a payment and record the answer; return the payment as it then stands.

    Silence changes nothing but an abandoned ``sending`` attempt, which becomes ``unknown``. "Not found" proves that
    nothing happened only where the connector claims so and its time has passed; then the attempt was never sent and
    the payment fails. No other provider is tried from here. None for an unknown id.
    """
    with work(read=True) as uow:
        payment = uow.payments.get(payment_id)
        attempt = _open_attempt(payment)
        connection = uow.connections.get(attempt.connection_id) if attempt else None
        now = uow.now
    if payment is None or attempt is None:
        return payment
    if attempt.state is AttemptState.SENDING and now - attempt.started_at < SENDING_GRACE:
        return payment
    verdict = _ask(cascade, connection, payment, attempt, age=now - _sent_before(payment, attempt))
    failpoint("reconcile.after_lookup")
    return record_news(work, payment, attempt.id, verdict)


def flag_for_review(work: Work, payment_id: str) -> None:
    """Ask a person to look at a payment whose outcome nothing has told."""
    with work() as uow:
        payment = uow.payments.get_for_update(payment_id)
        if payment is not None and payment.is_open:
            payment.flag_for_review(uow.now)
            uow.payments.save(payment)


def _open_attempt(payment: Payment | None) -> Attempt | None:
    return payment.attempts[-1] if payment is not None and payment.is_open else None


def _sent_before(payment: Payment, attempt: Attempt) -> datetime:
    """Return a moment after which the attempt's charge was certainly not sent again."""
    if attempt.state is AttemptState.SENDING:
        return attempt.started_at + SENDING_GRACE
    return payment.updated_at


def _ask(
    cascade: Cascade, connection: Connection | None, payment: Payment, attempt: Attempt, *, age: timedelta
) -> Verdict:
    candidate = cascade.candidate(connection) if connection is not None else None
    if candidate is None:
        return Verdict("unknown", error="the connection that was asked is gone")
    if payment.method == PROXY_METHOD and attempt.provider_ref is not None:
        return adopt_transaction(cascade, candidate, payment, attempt.provider_ref)
    if attempt.state is AttemptState.PENDING and candidate.connector.capabilities.is_settled_by_resume:
        late = resume_request(payment, attempt, {}, give_up=age >= ABANDONED_AFTER)
        return cascade.resume(candidate, late, within=ASK_SECONDS)
    request = ChargeRequest(attempt.id, payment.money, payment.method, "", capture=payment.capture_mode)
    found = look_up(cascade, candidate, request, age=age)
    if attempt.state is AttemptState.PENDING:
        return _given_up(cascade, candidate, attempt, found, is_late=age >= ABANDONED_AFTER)
    if found.state != "unknown":
        return found
    return reverse(cascade, candidate, attempt.id) or found


def _given_up(cascade: Cascade, candidate: Candidate, attempt: Attempt, found: Verdict, *, is_late: bool) -> Verdict:
    """Return what was found, or that the buyer never came: once their time is over and the provider undid the charge.

    Without the provider's word that it is undone the buyer may still pay there, and the payment stays open.
    """
    is_waiting = isinstance(found.outcome, Pending) and found.outcome.redirect_url is not None
    if not (is_waiting and is_late) or reverse(cascade, candidate, attempt.id) is None:
        return found
    return Verdict("declined", Declined("authentication_failed", message="the buyer did not come back in time"))


def recheck_attempt(work: Work, cascade: Cascade, payment_id: str, attempt_id: str) -> None:
    """Ask again about an attempt that ended in a certain no, because its provider says that something happened.

    A yes is written down, and its money goes back (`return_stray`). Anything else changes nothing.
    """
    with work(read=True) as uow:
        payment = uow.payments.get(payment_id)
        attempt = next((a for a in payment.attempts if a.id == attempt_id), None) if payment is not None else None
        connection = uow.connections.get(attempt.connection_id) if attempt is not None else None
    if payment is None or attempt is None or attempt.state not in CERTAIN_NO:
        return
    candidate = cascade.candidate(connection) if connection is not None else None
    if candidate is None:
        return
    request = ChargeRequest(attempt.id, payment.money, payment.method, "", capture=payment.capture_mode)
    found = look_up(cascade, candidate, request, age=timedelta())
    record_news(work, payment, attempt.id, found)


def resume_request(
    payment: Payment, attempt: Attempt, query: Mapping[str, str], *, give_up: bool = False
) -> ResumeRequest:
    """Return what a provider is asked that waits for its buyer. ``query`` is what the buyer brought, if one came."""
    return ResumeRequest(
        attempt.id,
        attempt.provider_ref or "",
        payment.money,
        capture=payment.capture_mode,
        method=payment.method,
        query=query,
        give_up=give_up,
    )


def record_news(work: Work, payment: Payment, attempt_id: str, verdict: Verdict) -> Payment:
    """Write down what became of an attempt, if that is news, and return the payment as it then stands."""
    if payment.session_id is None:
        raise LookupError(f"payment {payment.id} has no session")
    with work() as uow:
        checkout = lock_checkout(uow, payment.session_id, payment.id)
        attempt = next(a for a in checkout.payment.attempts if a.id == attempt_id)
        if _is_news(attempt, verdict):
            settle_payment(uow, checkout, attempt, verdict)
            conclude(uow, checkout)
    return checkout.payment


def _is_news(attempt: Attempt, verdict: Verdict) -> bool:
    if attempt.state in CERTAIN_NO:
        return verdict.state == "approved"
    if attempt.state not in OPEN_ATTEMPTS:
        return False
    if verdict.state == "unknown":  # silence takes nothing back: a pending attempt stays pending
        return attempt.state is AttemptState.SENDING
    return attempt.state.value != verdict.state
