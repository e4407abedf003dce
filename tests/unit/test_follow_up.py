"""What may follow a charge, and what a payment comes to by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import PaymentInProgress
from penstock.follow_up import StepState, begin_step, is_news, settle_step, step_request, transaction_of
from penstock.ids import new_id
from penstock.money import Money
from penstock.outcome import Approved, Declined, Done, Pending
from penstock.payment import PaymentStatus
from penstock.payment_errors import CaptureNotAllowed, RefundNotAllowed, VoidNotAllowed
from penstock.verdict import StepVerdict
from tests import make

REFUSED = {"capture": CaptureNotAllowed, "void": VoidNotAllowed, "refund": RefundNotAllowed}


def paid(*, held=False):
    """A payment of 25.00 that was captured, or is only authorized."""
    payment = make.payment()
    attempt = payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="acme", now=make.NOW)
    nothing = Money(0, "USD")
    told = Approved("ref", nothing, payment.money) if held else Approved("ref", payment.money)
    payment.record(attempt, "approved", told, make.NOW)
    payment.take_drafts()
    return payment


def begun(payment, verb, amount=None, steps=()):
    step = begin_step(payment, steps, verb, amount, now=make.NOW)
    if verb == "refund":
        payment.amount_refunding += step.amount
    return step


def verdict(state, step):
    answers = {"succeeded": Done("r", Money(step.amount, "USD")), "pending": Pending("r"), "declined": Declined("hard")}
    return StepVerdict(state, answers.get(state), "" if state in answers else "silence")


@pytest.mark.parametrize("state", ["unknown", "pending", "sending"])
@pytest.mark.parametrize("verb", ["capture", "void"])
def test_an_open_capture_or_void_lets_nothing_else_begin(verb, state):
    payment = paid(held=True)
    step = begun(payment, verb)
    step.state = StepState(state)
    for other in REFUSED:
        with pytest.raises(PaymentInProgress):
            begin_step(payment, [step], other, None, now=make.NOW)


@pytest.mark.parametrize(
    ("held", "verb", "amount"),
    [
        (False, "capture", None),
        (False, "void", None),
        (True, "refund", 1),
        (True, "capture", 2501),
        (False, "refund", 2501),
        (False, "refund", 0),
    ],
)
def test_what_a_payment_does_not_allow_is_refused(held, verb, amount):
    with pytest.raises(REFUSED[verb]):
        begin_step(paid(held=held), [], verb, amount, now=make.NOW)


def test_a_refund_asks_the_charge_and_the_capture_that_took_the_money():
    payment = paid(held=True)
    capture = begun(payment, "capture", 2000)
    settle_step(payment, capture, StepVerdict("succeeded", Done("cap", Money(2000, "USD"))), make.NOW)
    refund = begun(payment, "refund", steps=[capture])
    asked = step_request(payment, refund, [capture, refund])
    assert (asked.key, asked.ref, asked.capture_ref) == (refund.id, "ref", "cap")
    assert (asked.money, asked.charge_key) == (Money(2000, "USD"), payment.attempts[0].id)
    assert refund.connection_id == payment.attempts[0].connection_id


def test_silence_takes_nothing_back_and_a_definite_answer_is_final():
    payment = paid()
    step = begun(payment, "refund")
    settle_step(payment, step, verdict("pending", step), make.NOW)
    assert not is_news(step, verdict("unknown", step))
    settle_step(payment, step, verdict("declined", step), make.NOW)
    settle_step(payment, step, verdict("succeeded", step), make.NOW)
    assert (step.state, payment.amount_refunded, payment.needs_review) == (StepState.DECLINED, 0, True)


@given(
    st.lists(
        st.tuples(st.integers(1, 2600), st.sampled_from(["succeeded", "pending", "declined", "unknown", "not_sent"]))
    )
)
def test_refunds_in_any_order_never_come_to_more_than_the_capture(wanted):
    payment, steps = paid(), []
    for amount, end in wanted:
        try:
            step = begun(payment, "refund", amount, steps)
        except RefundNotAllowed:
            continue
        steps.append(step)
        settle_step(payment, step, verdict(end, step), make.NOW)
    moved = sum(s.amount for s in steps if s.state in ("succeeded", "pending", "unknown"))
    assert moved == payment.amount_refunded + payment.amount_refunding <= payment.amount_captured
    done = sum(s.amount for s in steps if s.state == "succeeded")
    assert payment.amount_refunded == done
    assert payment.status is (
        PaymentStatus.REFUNDED if done == 2500 else PaymentStatus.PARTIALLY_REFUNDED if done else PaymentStatus.CAPTURED
    )
    assert all(transaction_of(s).id == s.id for s in steps)
