"""Look where a provider's message points. What it hints at is asked of the provider; the message proves nothing by itself.

Only what the signed part of a message says on behalf of a provider that cannot be asked (`Hint.told`) is taken as an
answer, and checked like one.
"""

from datetime import datetime, timedelta
from typing import Any, Final, cast

from penstock.flows.reconcile_follow_up import reconcile_follow_ups, record_step
from penstock.flows.reconcile_payment import recheck_attempt
from penstock.ids import is_uuid
from penstock.inbox import Handled, Message, Named
from penstock.money import Money
from penstock.outcome import (
    BrokenPromise,
    CaptureMode,
    Done,
    FollowUp,
    Outcome,
    check_answer,
    check_follow_up,
)
from penstock.payment import AttemptState, Payment
from penstock.ports import Cascade, Work
from penstock.request import ResumeRequest
from penstock.verdict import Candidate, StepVerdict, Verdict

LOOK_AGAIN: Final = timedelta(seconds=5)
"""When to look again while the message is ahead of us: its payment is still being sent, or not written down yet."""

PATIENCE: Final = timedelta(minutes=2)
"""How long a message may be ahead of us. The reconciler has the payment by then, or it is none of ours."""


def follow_message(work: Work, cascade: Cascade, message_id: str) -> datetime | None:
    """Look at the payment that a message names; return when to look again, or None if that is done.

    Following a message twice has the effect of following it once.
    """
    with work(read=True) as uow:
        message = uow.inbox.get(message_id)
        named = uow.inbox.named_by(message) if message is not None else None
        again = uow.now + LOOK_AGAIN
    if message is None or message.handled_at is not None:
        return None
    payment_id = named.payment_id if named is not None else None
    is_early = again - message.received_at < PATIENCE
    if message.hint.kind == "dispute" and payment_id is not None:
        _note_dispute(work, message, payment_id)
        return None
    if message.hint.kind in ("payment", "refund"):
        payment = None if named is None else _look(work, cascade, message, named)
        if is_early and (payment is None or _is_sending(payment)):
            return again
    with work() as uow:
        uow.inbox.handled(message, _outcome(message, payment_id), payment_id)
    return None


def _outcome(message: Message, payment_id: str | None) -> Handled:
    if message.hint.kind == "other":
        return "ignored"
    return "looked" if payment_id is not None else "unknown_payment"


def _look(work: Work, cascade: Cascade, message: Message, named: Named) -> Payment | None:
    key, told, payment_id = message.hint.key, message.hint.told, named.payment_id
    if key is not None and told is not None:
        _record_told_step(work, payment_id, key, told)
        if not isinstance(told, Done):
            cascade = cast("Cascade", _Told(cascade, key, told))
    reconcile_follow_ups(work, cascade, payment_id)
    if named.attempt_id is not None:
        recheck_attempt(work, cascade, payment_id, named.attempt_id)
    with work(read=True) as uow:
        return uow.payments.get(payment_id)


def _record_told_step(work: Work, payment_id: str, key: str, told: Outcome | FollowUp) -> None:
    """Take what a message says of a capture, void or refund as an answer, if it is one to what was asked."""
    with work(read=True) as uow:
        payment, step = uow.payments.get(payment_id), uow.steps.get(key) if is_uuid(key) else None
    if payment is None or step is None or step.payment_id != payment_id or not step.is_open:
        return
    try:
        answer = check_follow_up(told, Money(step.amount, step.currency))
    except BrokenPromise:
        return
    record_step(work, payment, step.id, StepVerdict.of(answer))


def _note_dispute(work: Work, message: Message, payment_id: str) -> None:
    """Note a payment's dispute once, however many messages tell of it."""
    with work() as uow:
        payment = uow.payments.get_for_update(payment_id)
        if payment is not None and not uow.inbox.is_disputed(payment_id):
            payment.dispute(uow.now)
            uow.payments.save(payment)
        uow.inbox.handled(message, "disputed", payment_id)


def _is_sending(payment: Payment) -> bool:
    return payment.is_open and payment.attempts[-1].state is AttemptState.SENDING


class _Told:
    """A cascade that answers a lookup of one charge with what its provider's message says. The rest it passes on."""

    def __init__(self, asked: Cascade, key: str, told: Outcome) -> None:
        self._asked = asked
        self._key = key
        self._told = told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asked, name)

    def find(
        self,
        candidate: Candidate,
        key: str,
        *,
        money: Money | None = None,
        capture: CaptureMode = "automatic",
        within: float | None = None,
    ) -> Verdict | None:
        """Answer as `Cascade.find` does: what does not fit what was asked is unknown."""
        if key != self._key or money is None:
            return self._asked.find(candidate, key, money=money, capture=capture, within=within)
        return self._verdict(money, capture)

    def resume(self, candidate: Candidate, request: ResumeRequest, *, within: float | None = None) -> Verdict:
        """Answer as `Cascade.resume` does, for a provider that is asked in this way and not by a lookup."""
        if request.key != self._key:
            return self._asked.resume(candidate, request, within=within)
        return self._verdict(request.money, request.capture)

    def _verdict(self, money: Money, capture: CaptureMode) -> Verdict:
        try:
            return Verdict.of(check_answer(self._told, money, capture))
        except BrokenPromise as exc:
            return Verdict("unknown", error=f"its message cannot be so: {exc}")
