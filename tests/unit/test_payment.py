"""Which attempt may follow which, and what a payment comes to."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.ids import new_id
from penstock.ledger import Entry, Posting, capture_posting
from penstock.money import Money
from penstock.outcome import Approved, Declined, Pending, Rejected
from penstock.payment import AttemptState, PaymentStatus
from tests import make

LATER = make.NOW + timedelta(seconds=3)


def begun(**fields):
    payment = make.payment(**fields)
    attempt = payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="acme", now=make.NOW)
    return payment, attempt


def answer(payment, state, kind=None):
    match state:
        case "approved":
            return Approved("ref", payment.money)
        case "pending":
            return Pending("ref", "https://bank.example/3ds")
        case "declined":
            return Declined(kind or "soft", "05")
        case "rejected":
            return Rejected("unsupported")
    return None


def test_an_approval_captures_and_notes_one_event_and_one_sale():
    payment, attempt = begun()
    payment.record(attempt, "approved", answer(payment, "approved"), LATER)
    assert (payment.status, payment.amount_captured) == (PaymentStatus.CAPTURED, 2500)
    assert [d.type for d in payment.take_drafts()] == ["payment.captured"]
    assert [(t.type, t.amount) for t in payment.transactions] == [("sale", 2500)]


def test_a_mere_authorization_captures_nothing():
    payment, attempt = begun()
    payment.record(attempt, "approved", Approved("ref", Money(0, "USD"), payment.money), LATER)
    assert (payment.status, payment.amount_captured, payment.amount_authorized) == (PaymentStatus.AUTHORIZED, 0, 2500)


@pytest.mark.parametrize("state", ["unknown", "pending"])
def test_while_the_outcome_is_open_no_other_attempt_may_begin(state):
    payment, attempt = begun()
    payment.record(attempt, state, answer(payment, state), LATER)
    assert payment.is_open
    assert not payment.may_cascade()
    with pytest.raises(ValueError):
        payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="b", now=LATER)


def test_an_attempt_that_is_being_sent_lets_no_other_begin():
    payment, _ = begun()
    assert not payment.may_cascade()
    with pytest.raises(ValueError):
        payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="b", now=LATER)


@pytest.mark.parametrize(
    ("state", "kind", "goes_on"),
    [
        ("declined", "soft", True),
        ("declined", "hard", False),
        ("declined", "fraud", False),
        ("declined", "insufficient_funds", False),
        ("declined", "auth_required", False),
        ("declined", "duplicate", False),
        ("declined", "compliance", False),
        ("declined", "authentication_failed", False),
        ("rejected", None, True),
        ("not_sent", None, True),
        ("unknown", None, False),
        ("pending", None, False),
        ("approved", None, False),
    ],
)
def test_a_cascade_goes_on_only_after_a_certain_no_that_another_may_see_differently(state, kind, goes_on):
    payment, attempt = begun()
    payment.record(attempt, state, answer(payment, state, kind), LATER)
    assert payment.may_cascade() is goes_on


def test_three_attempts_are_the_most():
    payment = make.payment()
    for _ in range(3):
        attempt = payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="a", now=LATER)
        payment.record(attempt, "declined", Declined("soft"), LATER)
    assert not payment.may_cascade()


def test_a_definite_answer_is_final():
    payment, attempt = begun()
    payment.record(attempt, "approved", answer(payment, "approved"), LATER)
    payment.record(attempt, "declined", Declined("hard"), LATER)
    assert (attempt.state, payment.status) == (AttemptState.APPROVED, PaymentStatus.CAPTURED)


def test_an_unknown_outcome_may_still_become_a_capture():
    payment, attempt = begun()
    payment.record(attempt, "unknown", None, LATER, "timed out")
    assert (payment.status, payment.pending_reason) == (PaymentStatus.PENDING, "outcome_unknown")
    payment.record(attempt, "approved", answer(payment, "approved"), LATER)
    assert (payment.status, payment.pending_reason) == (PaymentStatus.CAPTURED, None)


def test_the_same_news_twice_is_one_event():
    payment, attempt = begun()
    for _ in range(3):
        payment.record(attempt, "unknown", None, LATER)
    assert [d.type for d in payment.take_drafts()] == ["payment.pending"]


def test_the_last_definite_decline_is_the_reason():
    payment, attempt = begun()
    payment.record(attempt, "declined", Declined("soft"), LATER)
    second = payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="b", now=LATER)
    payment.record(second, "not_sent", None, LATER)
    payment.fail(LATER)
    assert (payment.status, payment.decline_kind) == (PaymentStatus.FAILED, "soft")


def test_review_is_asked_for_once():
    payment, _ = begun()
    payment.flag_for_review(LATER)
    payment.flag_for_review(LATER)
    assert [d.type for d in payment.take_drafts()] == ["payment.review_required"]


def test_a_posting_that_does_not_sum_to_zero_cannot_be_made():
    with pytest.raises(ValueError):
        Posting(new_id(), new_id(), "capture", "USD", (Entry("a", 1), Entry("b", -2)), LATER)


def test_a_capture_s_posting_has_the_captured_amount_on_both_sides():
    payment, attempt = begun()
    payment.record(attempt, "approved", answer(payment, "approved"), LATER)
    posting = capture_posting(payment, LATER)
    assert [(e.account, e.amount) for e in posting.entries] == [("provider:acme", 2500), ("sales", -2500)]


class PaymentLife(RuleBasedStateMachine):
    """Whatever a provider says, in whatever order: at most one approval, and never two open attempts."""

    @initialize()
    def start(self):
        self.payment, _ = begun()

    @precondition(lambda self: self.payment.may_cascade() and self.payment.status is PaymentStatus.PENDING)
    @rule()
    def try_next(self):
        self.payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="n", now=LATER)

    @rule(
        index=st.integers(0, 2),
        state=st.sampled_from(["approved", "pending", "declined", "rejected", "not_sent", "unknown"]),
        kind=st.sampled_from(["soft", "hard", "fraud"]),
    )
    def hear(self, index, state, kind):
        attempt = self.payment.attempts[min(index, len(self.payment.attempts) - 1)]
        self.payment.record(attempt, state, answer(self.payment, state, kind), LATER)

    @precondition(lambda self: not self.payment.is_open and self.payment.status is PaymentStatus.PENDING)
    @rule()
    def give_up(self):
        self.payment.fail(LATER)

    @invariant()
    def money_moves_once(self):
        approved = [a for a in self.payment.attempts if a.state is AttemptState.APPROVED]
        assert len(approved) <= 1
        assert (self.payment.amount_captured > 0) == bool(approved)
        assert sum(t.amount for t in self.payment.transactions) == self.payment.amount_captured
        assert (self.payment.status is PaymentStatus.CAPTURED) == bool(approved)

    @invariant()
    def one_attempt_is_open_at_the_most(self):
        still_open = [a for a in self.payment.attempts if a.state in ("sending", "pending", "unknown")]
        assert len(still_open) <= 1

    @invariant()
    def events_count_up(self):
        sequences = [d.sequence for d in self.payment.drafts]
        assert sequences == list(range(1, len(sequences) + 1))


PaymentLife.TestCase.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)
test_the_life_of_a_payment = PaymentLife.TestCase
