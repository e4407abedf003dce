"""A person may say what became of a payment where nobody else does, and it is kept who said it and why."""

import pytest

from penstock.flows.reconcile_payment import flag_for_review
from penstock.flows.return_stray import leave_stray
from penstock.flows.settle_payment import RETURN_STRAY
from tests import wire
from tests.contract.test_strays import CLOSED, DONE, come_after_all, given_up, movements, shown, told, work_of, work_off
from tests.contract.test_vectors import provider, till  # noqa: F401  fixtures
from tests.shop import made, pointers, refused

WHY = "Ticket 48213"


def resolve(shop, payment_id, outcome, **fields):
    return shop.shop.as_member(
        "POST", f"/payments/{payment_id}/resolve", {"outcome": outcome, "evidence": WHY, **fields}
    )


def unknown(shop, name="plain", **session):
    """The id of a payment whose charge nobody can tell about."""
    shop.plan(name, wire.SILENCE)
    shop.plan(name, *[wire.SILENCE] * 3, verb="find")
    if session:
        shop.session = shop.shop.session(**session)
    return made(shop.pay(), 202)["paymentId"]


def last_events(shop, payment_id, count):
    return told(shop, {"id": payment_id})[-count:]


def test_a_charge_that_a_person_found_pays_the_order(till):  # noqa: F811
    shop = till("plain")
    payment_id = unknown(shop)
    payment = made(resolve(shop, payment_id, "succeeded", providerRef="ch_42"))
    assert (payment["status"], payment["amountCaptured"], payment["providerRef"]) == ("captured", 3000, "ch_42")
    said, captured = last_events(shop, payment_id, 2)
    assert (said.type, captured.type) == ("payment.resolved", "payment.captured")
    assert (said.data["outcome"], said.data["evidence"], said.data["transactionId"]) == ("succeeded", WHY, None)
    assert said.data["resolvedBy"]
    assert made(shop.shop.get(f"/orders/{payment['orderId']}"))["paymentStatus"] == "captured"
    assert made(shop.pay())["paymentId"] == payment_id, "the buyer who asks again hears of it"


def test_a_charge_that_a_person_denies_frees_the_session(till):  # noqa: F811
    shop = till("plain")
    payment_id = unknown(shop)
    payment = made(resolve(shop, payment_id, "failed"))
    assert (payment["status"], payment["attempts"][0]["state"]) == ("failed", "not_sent")
    assert made(shop.pay("another"))["paymentId"] != payment_id


def test_a_charge_that_a_person_denied_and_that_comes_after_all_goes_back(till, clock):  # noqa: F811
    shop = till("giving")
    shop.plan("giving", wire.SILENCE)
    shop.plan("giving", *[wire.SILENCE] * 2, verb="find")
    payment_id = made(shop.pay(), 202)["paymentId"]
    payment = made(resolve(shop, payment_id, "failed"))
    come_after_all(shop, "giving", payment, wire.took(3000))
    shop.plan("giving", DONE, verb="refund")
    work_off(shop)
    assert movements(shop, payment)[-1] == ("reversal", "succeeded", 3000)


def test_a_charge_needs_its_reference(till):  # noqa: F811
    shop = till("plain")
    error = refused(resolve(shop, unknown(shop), "succeeded"), 422, "validation_error")
    assert pointers(error) == ["/providerRef"]


def test_held_money_that_a_person_found_is_held(till):  # noqa: F811
    shop = till("holding")
    payment_id = unknown(shop, "holding", captureMode="manual")
    payment = made(resolve(shop, payment_id, "succeeded", providerRef="ch_42"))
    assert (payment["status"], payment["amountAuthorized"], payment["amountCaptured"]) == ("authorized", 3000, 0)


@pytest.mark.parametrize(("outcome", "refunded"), [("succeeded", 1000), ("failed", 0)])
def test_a_refund_that_nobody_tells_of_ends_as_a_person_says(till, outcome, refunded):  # noqa: F811
    shop = till("giving")
    payment_id = made(shop.pay())["paymentId"]
    shop.plan("giving", wire.SILENCE, verb="refund")
    shop.plan("giving", *[wire.SILENCE] * 3, verb="find_step")
    step = made(shop.shop.post(f"/payments/{payment_id}/refund", {"amount": 1000}))
    assert step["transactionStatus"] == "unknown"
    payment = made(resolve(shop, payment_id, outcome, transactionId=step["transactionId"]))
    assert (payment["amountRefunded"], payment["amountRefunding"]) == (refunded, 0)
    assert last_events(shop, payment_id, 2)[0].data["transactionId"] == step["transactionId"]


def test_where_two_refunds_are_open_the_person_says_which(till):  # noqa: F811
    shop = till("giving")
    payment_id = made(shop.pay())["paymentId"]
    shop.plan("giving", *[wire.SILENCE] * 2, verb="refund")
    shop.plan("giving", *[wire.SILENCE] * 8, verb="find_step")
    steps = [
        made(shop.shop.post(f"/payments/{payment_id}/refund", {"amount": n}))["transactionId"] for n in (1000, 500)
    ]
    error = refused(resolve(shop, payment_id, "failed"), 409, "nothing_to_resolve")
    assert sorted(error["details"]["open"]) == sorted(steps)
    assert made(resolve(shop, payment_id, "failed", transactionId=steps[1]))["amountRefunding"] == 1000
    refused(resolve(shop, payment_id, "failed", transactionId=steps[1]), 409, "nothing_to_resolve")


def test_what_the_provider_says_itself_stands(till):  # noqa: F811
    shop = till("looking")
    shop.plan("looking", wire.SILENCE)
    shop.plan("looking", wire.SILENCE, wire.took(3000), verb="find")
    payment_id = made(shop.pay(), 202)["paymentId"]
    error = refused(resolve(shop, payment_id, "failed"), 409, "nothing_to_resolve")
    assert error["details"] == {"status": "captured", "open": []}
    assert made(shop.shop.get(f"/payments/{payment_id}"))["status"] == "captured"


def test_a_payment_that_was_looked_into_needs_no_review_any_more(till, clock):  # noqa: F811
    shop = till("giving")
    payment = given_up(shop, clock, "giving")
    refused(resolve(shop, payment["id"], "reviewed"), 409, "nothing_to_resolve")
    come_after_all(shop, "giving", payment, wire.took(3000))
    shop.plan("giving", (200, {"status": "hard"}), verb="refund")
    work_off(shop)
    assert shown(shop, payment)["needsReview"] is True
    assert made(resolve(shop, payment["id"], "reviewed"))["needsReview"] is False
    work_off(shop)
    assert len(shop.calls("giving", "refund")) == 1, "what was refused is not asked for again"


def test_a_review_has_what_was_never_asked_for_tried_again(till, clock):  # noqa: F811
    shop = till("giving")
    payment = given_up(shop, clock, "giving")
    come_after_all(shop, "giving", payment, *[wire.took(3000)] * 20)
    shop.plan("giving", CLOSED, DONE, verb="refund")
    work_off(shop)
    with work_of(shop)() as uow:  # as the worker does after its last try
        leave_stray(uow, payment["id"], is_over=True)
        uow.due.done(RETURN_STRAY, payment["id"])
    assert shown(shop, payment)["needsReview"] is True
    made(resolve(shop, payment["id"], "reviewed"))
    work_off(shop)
    assert movements(shop, payment)[-1] == ("reversal", "succeeded", 3000)


def test_what_is_open_cannot_be_called_reviewed(till):  # noqa: F811
    shop = till("plain")
    payment_id = unknown(shop)
    flag_for_review(work_of(shop), payment_id)
    refused(resolve(shop, payment_id, "reviewed"), 409, "nothing_to_resolve")


def test_only_a_member_who_may_refund_says_it(till):  # noqa: F811
    shop = till("plain")
    payment_id = unknown(shop)
    body = {"outcome": "failed", "evidence": WHY}
    refused(shop.shop.post(f"/payments/{payment_id}/resolve", body), 403, "forbidden")
    assert made(shop.shop.get(f"/payments/{payment_id}"))["status"] == "pending"


@pytest.mark.parametrize("body", [{"outcome": "failed"}, {"outcome": "maybe", "evidence": WHY}, {"evidence": WHY}, {}])
def test_a_word_without_evidence_is_refused(till, body):  # noqa: F811
    shop = till("plain")
    answer = shop.shop.as_member("POST", f"/payments/{unknown(shop)}/resolve", body)
    refused(answer, 422, "validation_error")
