"""Do captures, voids and refunds of the sandbox do what their tokens say, in a file and over HTTP alike?"""

import uuid

import pytest

from connectors.payments.sandbox_bank import LATE
from penstock.money import Money
from penstock.outcome import Approved, Declined, Pending, Rejected
from penstock.request import CaptureRequest, ChargeRequest, RefundRequest, VoidRequest
from penstock.verdict import Candidate
from tests.unit.test_sandbox import EUR, bank_process, box, cascade

__all__ = ["bank_process", "box", "cascade"]

VERBS = ("capture", "void", "refund")
NOTHING = Money(0, "EUR")


def charged(box, behaviour, mode="automatic"):
    asked = ChargeRequest(str(uuid.uuid4()), EUR, "card", f"tok_sandbox_{behaviour}", reference="cs_1", capture=mode)
    return asked, box.charge(asked)


def step(verb, asked, ref, money=EUR, key=None):
    key = key or str(uuid.uuid4())
    match verb:
        case "capture":
            return CaptureRequest(key, ref, money, charge_key=asked.key, charged=EUR)
        case "void":
            return VoidRequest(key, ref, money, charge_key=asked.key)
    return RefundRequest(key, ref, money, charge_key=asked.key, charged=EUR)


@pytest.fixture
def candidate(box):
    return Candidate("1", "sandbox", box)


def test_a_manual_charge_holds_the_money_and_takes_none(box):
    asked, outcome = charged(box, "approve", "manual")
    assert isinstance(outcome, Approved)
    assert (outcome.captured, outcome.authorized) == (NOTHING, EUR)
    assert box.find(asked.key) == outcome


@pytest.mark.parametrize("verb", VERBS)
def test_without_a_wish_each_step_is_done_and_can_be_looked_up(cascade, box, candidate, verb):
    asked, outcome = charged(box, "approve", "manual")
    request = step(verb, asked, outcome.ref, Money(400, "EUR"))
    told = cascade.follow_up(candidate, request)
    assert (told.state, told.answer.money) == ("succeeded", Money(400, "EUR"))
    assert cascade.follow_up(candidate, request) == told
    assert cascade.find_follow_up(candidate, request) == told
    assert cascade.find_follow_up(candidate, step(verb, asked, outcome.ref)) is None


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("behaviour", "state", "found"),
    [
        ("declined", "declined", None),
        ("rejected", "rejected", None),
        ("pending", "pending", "pending"),
        ("timeout_after", "unknown", "succeeded"),
        ("timeout_before", "unknown", None),
        ("error_500", "unknown", None),
        ("not_sent", "not_sent", None),
    ],
)
def test_a_token_asks_for_a_fault_of_one_step(cascade, box, candidate, verb, behaviour, state, found):  # noqa: PLR0917  a table
    asked, outcome = charged(box, f"{verb}_{behaviour}", "manual")
    request = step(verb, asked, outcome.ref)
    assert cascade.follow_up(candidate, request).state == state
    told = cascade.find_follow_up(candidate, request)
    assert (told.state if told else None) == found
    others = [each for each in VERBS if each != verb]
    assert {cascade.follow_up(candidate, step(each, asked, outcome.ref)).state for each in others} == {"succeeded"}


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_step_was_done_and_is_told_late(cascade, box, candidate, verb):
    asked, outcome = charged(box, f"{verb}_unknown", "manual")
    request = step(verb, asked, outcome.ref)
    assert [cascade.follow_up(candidate, request).state for _ in range(LATE - 1)] == ["unknown"] * (LATE - 1)
    assert cascade.find_follow_up(candidate, request).state == "unknown"
    assert cascade.find_follow_up(candidate, request).state == "succeeded"


@pytest.mark.parametrize("approve", [True, False])
def test_a_pending_refund_can_be_settled(box, approve):
    asked, outcome = charged(box, "refund_pending")
    request = step("refund", asked, outcome.ref)
    waiting = box.refund(request)
    assert isinstance(waiting, Pending)
    told = box.settle_follow_up(waiting.ref, approve=approve)
    assert told == box.find_follow_up(request)
    assert isinstance(told, Declined) is not approve
    assert box.settle_follow_up(waiting.ref, approve=not approve) == told
    assert box.settle_follow_up("sbx_nothing", approve=approve) is None


def test_the_same_key_for_another_amount_is_no_answer(cascade, box, candidate):
    asked, outcome = charged(box, "approve")
    request = step("refund", asked, outcome.ref)
    cascade.follow_up(candidate, request)
    assert (
        cascade.follow_up(candidate, step("refund", asked, outcome.ref, Money(1, "EUR"), request.key)).state
        == "unknown"
    )


def test_a_step_of_an_unknown_charge_is_rejected(box):
    asked, _ = charged(box, "approve")
    assert isinstance(box.refund(step("refund", asked, "sbx_nothing")), Rejected)
