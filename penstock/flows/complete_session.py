"""Complete a checkout session: write the attempt down, ask the provider, write down what it said."""

from dataclasses import dataclass, replace

from penstock.caller import Caller
from penstock.clock import Clock, clock_at
from penstock.errors import DiscountInvalid, NoEligibleConnector, PaymentFailed, PaymentInProgress, SessionNotOpen
from penstock.failpoint import failpoint
from penstock.flows.apply_discount import drop_invalid
from penstock.flows.begin_payment import Begun, Completion, Standing, begin_payment
from penstock.flows.reconcile_payment import reconcile_payment
from penstock.flows.route_payment import CardNeeded
from penstock.flows.try_connectors import try_connectors
from penstock.outcome import CardFacts
from penstock.payment import Attempt, AttemptState, Payment, PaymentStatus
from penstock.ports import Cascade, Work
from penstock.routing_errors import FlowDecline


@dataclass(frozen=True, slots=True)
class Completed:
    """What a completion came to. While ``is_open`` nobody knows the outcome yet, or the buyer has to act first."""

    session_id: str
    order_id: str
    order_number: str
    payment_id: str
    status: PaymentStatus
    amount: int
    currency: str
    is_open: bool
    pending_reason: str | None = None
    redirect_url: str | None = None


def complete_session(
    work: Work, cascade: Cascade, clock: Clock, *, caller: Caller, session_id: str, completion: Completion
) -> Completed:
    """Pay for a session. At most one payment of a session is ever open, and one can succeed.

    The same submission again gets the same answer. A discount that is not valid any more is taken off the cart, and
    `DiscountInvalid` says so. Raises what `begin_payment` raises, `PaymentInProgress` while
    another submission's outcome is open, `SessionNotOpen` after another one succeeded, and for a certain no
    `PaymentFailed`, `FlowDecline` where a rule of the merchant's says it, or `NoEligibleConnector` where no provider
    could even be reached.
    """
    for _ in range(2):
        begun = _begin_or_drop(work, cascade, caller, session_id, completion)
        failpoint("attempt.after_commit")
        if isinstance(begun, Begun) and begun.route.decision.is_declined:
            raise _declined_by_rule(begun)
        if isinstance(begun, Begun):
            return _answer(try_connectors(work, cascade, clock_at(caller.scope.stands_at, clock), begun, completion))
        payment = _look_again(work, cascade, begun)
        if begun.is_same:
            return _answer(payment)
        if payment.status is not PaymentStatus.FAILED:
            raise SessionNotOpen(details={"status": "completed"})
    raise PaymentInProgress(headers={"Retry-After": "2"})


def _begin(work: Work, cascade: Cascade, caller: Caller, session_id: str, completion: Completion) -> Begun | Standing:
    """Begin the payment; where the rules look at the card, ask about it first, outside of any transaction."""
    try:
        with work() as uow:
            return begin_payment(uow, cascade, caller, session_id, completion)
    except CardNeeded as needed:
        card = cascade.describe(needed.connections, completion.payment_token or "") or CardFacts()
    with work() as uow:
        return begin_payment(uow, cascade, caller, session_id, replace(completion, card=card))


def _begin_or_drop(
    work: Work, cascade: Cascade, caller: Caller, session_id: str, completion: Completion
) -> Begun | Standing:
    """Begin the payment, or take off the discount that does not hold any more: the next try is for the new total."""
    try:
        return _begin(work, cascade, caller, session_id, completion)
    except DiscountInvalid:
        with work() as uow:
            drop_invalid(uow, session_id, completion.email)
        raise


def _declined_by_rule(begun: Begun) -> FlowDecline:
    own_code = begun.route.decision.error_code
    return FlowDecline(own_code, details={"orderId": begun.payment.order_id, "paymentId": begun.payment.id})


def _look_again(work: Work, cascade: Cascade, standing: Standing) -> Payment:
    """Return the payment that stands in the way as it is now, asking its provider if its outcome is open."""
    if standing.is_live:
        payment = reconcile_payment(work, cascade, standing.payment_id)
    else:
        with work(read=True) as uow:
            payment = uow.payments.get(standing.payment_id)
    if payment is None:
        raise LookupError(f"there is no payment {standing.payment_id}")
    in_flight = payment.is_open and payment.attempts[-1].state is AttemptState.SENDING
    if in_flight or (payment.is_open and not standing.is_same):
        raise PaymentInProgress(details={"paymentId": payment.id}, headers={"Retry-After": "2"})
    return payment


def _answer(payment: Payment) -> Completed:
    if payment.status is PaymentStatus.FAILED and payment.has_stray:
        # A provider said yes after the attempt had ended: nobody may be told that nothing was charged.
        raise PaymentInProgress("The outcome of this payment is being looked into.", details={"paymentId": payment.id})
    if payment.status is PaymentStatus.FAILED:
        raise _failure(payment)
    return Completed(
        session_id=payment.session_id or "",
        order_id=payment.order_id,
        order_number=payment.order_number,
        payment_id=payment.id,
        status=payment.status,
        amount=payment.amount,
        currency=payment.currency,
        is_open=payment.is_open,
        pending_reason=payment.pending_reason,
        redirect_url=payment.redirect_url,
    )


def _failure(payment: Payment) -> NoEligibleConnector | PaymentFailed:
    told = {"orderId": payment.order_id, "paymentId": payment.id}
    if not payment.attempts:
        return NoEligibleConnector(details={"paymentMethod": payment.method, "currency": payment.currency, **told})
    tried = {**told, "attempts": [_tried(attempt) for attempt in payment.attempts]}
    if all(attempt.state is AttemptState.NOT_SENT for attempt in payment.attempts):
        return NoEligibleConnector("No payment provider could be reached; nothing was charged.", details=tried)
    return PaymentFailed(_reason(payment), details={"declineKind": payment.decline_kind, **tried})


def _tried(attempt: Attempt) -> dict[str, object]:
    return {"connector": attempt.connector, "state": attempt.state.value, "kind": attempt.kind}


_REASONS = {
    "insufficient_funds": "The card has insufficient funds.",
    "authentication_failed": "The buyer could not be authenticated.",
    "auth_required": "The card's bank wants the buyer to authenticate.",
}


def _reason(payment: Payment) -> str:
    return _REASONS.get(payment.decline_kind or "", "The payment was declined. Another payment method may work.")
