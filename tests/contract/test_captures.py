"""Money that is held first: sessions that ask for it, captures and voids."""

import pytest

from penstock.ids import new_id
from tests.contract.test_refunds import _audited, events_of, movements, settle
from tests.shop import made, refused

__all__ = ["_audited"]


def held(shop, token="tok_sandbox_approve", **fields):
    """A payment of 30.00 that is authorized and not captured, as its completion told it."""
    session = shop.session(captureMode="manual", **fields)
    return made(shop.complete(session["id"], token))


def test_a_session_says_when_its_money_is_taken(shop):
    assert shop.session()["captureMode"] == "automatic"
    assert shop.session(captureMode="manual")["captureMode"] == "manual"
    body = shop.session_body(shop.ready_cart()["id"], captureMode="later")
    refused(shop.post("/checkout/sessions", body), 422, "validation_error")


def test_a_manual_session_holds_the_money_and_takes_none(shop):
    done = held(shop)
    assert (done["status"], done["paymentStatus"]) == ("completed", "authorized")
    [payment] = made(shop.get("/payments"))["data"]
    assert (payment["captureMode"], payment["status"]) == ("manual", "authorized")
    assert (payment["amountAuthorized"], payment["amountCaptured"]) == (3000, 0)
    [hold] = made(shop.get(f"/payments/{payment['id']}/transactions"))["data"]
    assert (hold["type"], hold["status"], hold["amount"]) == ("authorization", "succeeded", 3000)
    order = made(shop.get(f"/orders/{done['orderId']}"))
    assert (order["status"], order["paymentStatus"]) == ("processing", "authorized")


@pytest.mark.parametrize("token", ["tok_sandbox_timeout_after_charge", "tok_sandbox_garbage"])
def test_an_answer_about_held_money_that_was_lost_is_found_again(shop, token):
    session = shop.session(captureMode="manual")
    shop.complete(session["id"], token)
    assert made(shop.complete(session["id"], token))["paymentStatus"] == "authorized"


def ask(shop, verb, payment_id, amount=None, **kw):
    return shop.post(f"/payments/{payment_id}/{verb}", None if amount is None else {"amount": amount}, **kw)


@pytest.mark.parametrize(("amount", "taken"), [(None, 3000), (3000, 3000), (1200, 1200), (1, 1)])
def test_held_money_is_captured_whole_or_in_part(shop, amount, taken):
    done = held(shop)
    payment = made(ask(shop, "capture", done["paymentId"], amount))
    assert (payment["status"], payment["amountAuthorized"], payment["amountCaptured"]) == ("captured", 3000, taken)
    assert movements(shop, payment["id"]) == [("authorization", "succeeded", 3000), ("capture", "succeeded", taken)]
    assert made(shop.get(f"/payments/{payment['id']}")) == payment
    assert made(shop.get(f"/orders/{done['orderId']}"))["paymentStatus"] == "captured"
    assert events_of(shop, payment["id"]) == ["payment.authorized", "payment.captured"]


def test_what_was_captured_can_be_refunded_and_no_more(shop):
    payment_id = held(shop)["paymentId"]
    made(ask(shop, "capture", payment_id, 1200))
    assert refused(ask(shop, "refund", payment_id, 1201), 422, "refund_not_allowed")["details"]["available"] == 1200
    assert made(ask(shop, "refund", payment_id))["status"] == "refunded"


def test_a_payment_is_captured_once(shop):
    payment_id = held(shop)["paymentId"]
    made(ask(shop, "capture", payment_id, 1000))
    error = refused(ask(shop, "capture", payment_id, 1000), 422, "capture_not_allowed")
    assert error["details"] == {"status": "captured", "available": 0}
    refused(ask(shop, "void", payment_id), 422, "void_not_allowed")


def test_more_than_is_held_is_not_captured(shop):
    error = refused(ask(shop, "capture", held(shop)["paymentId"], 3001), 422, "capture_not_allowed")
    assert error["details"] == {"status": "authorized", "available": 3000}


def test_a_void_releases_everything_and_cancels_the_order(shop):
    done = held(shop)
    payment = made(ask(shop, "void", done["paymentId"]))
    assert (payment["status"], payment["amountCaptured"]) == ("voided", 0)
    assert movements(shop, payment["id"])[1:] == [("void", "succeeded", 3000)]
    order = made(shop.get(f"/orders/{done['orderId']}"))
    assert (order["status"], order["paymentStatus"]) == ("cancelled", "voided")
    assert events_of(shop, payment["id"]) == ["payment.authorized", "payment.voided"]
    for verb in ("capture", "void", "refund"):
        refused(ask(shop, verb, payment["id"]), 422, f"{verb}_not_allowed")


@pytest.mark.parametrize("verb", ["capture", "void"])
@pytest.mark.parametrize("behaviour", ["declined", "rejected"])
def test_a_refused_step_leaves_the_money_held(shop, verb, behaviour):
    payment_id = held(shop, f"tok_sandbox_{verb}_{behaviour}")["paymentId"]
    refused(ask(shop, verb, payment_id), 422, f"{verb}_not_allowed")
    assert made(shop.get(f"/payments/{payment_id}"))["status"] == "authorized"
    other = "void" if verb == "capture" else "capture"
    assert made(ask(shop, other, payment_id))["status"] in ("voided", "captured")


@pytest.mark.parametrize("verb", ["capture", "void"])
def test_a_step_that_was_not_heard_may_be_asked_for_again(shop, verb):
    payment_id = held(shop, f"tok_sandbox_{verb}_not_sent")["paymentId"]
    for _ in range(2):
        refused(ask(shop, verb, payment_id), 422, "no_eligible_connector")
    assert movements(shop, payment_id)[1:] == [(verb, "failed", 3000)] * 2


@pytest.mark.parametrize(("verb", "status"), [("capture", "captured"), ("void", "voided")])
def test_an_unknown_step_blocks_every_other_until_it_is_known(shop, verb, status):
    """Vector 26: a capture that timed out is unknown; refund and void wait until it is resolved."""
    payment_id = held(shop, f"tok_sandbox_{verb}_timeout_before")["paymentId"]
    told = made(ask(shop, verb, payment_id), 202)
    assert told["status"] == "authorized"
    for other in ("capture", "void", "refund"):
        error = refused(ask(shop, other, payment_id), 409, "payment_in_progress")
        assert error["details"] == {"paymentId": payment_id}
    assert movements(shop, payment_id)[1:] == [(verb, "unknown", 3000)]


@pytest.mark.parametrize(("verb", "status"), [("capture", "captured"), ("void", "voided")])
def test_an_unknown_step_is_resolved_by_the_next_operation(shop, verb, status):
    """Vector 26, resolved on the fly: the provider says at last that it was done."""
    payment_id = held(shop, f"tok_sandbox_{verb}_unknown")["paymentId"]
    assert made(ask(shop, verb, payment_id), 202)["status"] == "authorized"
    refused(ask(shop, verb, payment_id), 422, f"{verb}_not_allowed")
    assert made(shop.get(f"/payments/{payment_id}"))["status"] == status


def test_the_same_unknown_request_again_tells_what_became_of_it(shop):
    payment_id, headers = held(shop, "tok_sandbox_capture_unknown")["paymentId"], {"Idempotency-Key": "one"}
    assert made(ask(shop, "capture", payment_id, 900, headers=headers), 202)["status"] == "authorized"
    assert made(ask(shop, "capture", payment_id, 900, headers=headers))["amountCaptured"] == 900
    assert len(movements(shop, payment_id)) == 2


@pytest.mark.parametrize("approve", [True, False])
def test_a_slow_capture_ends_as_the_provider_says(shop, approve):
    payment_id = held(shop, "tok_sandbox_capture_pending")["paymentId"]
    assert made(ask(shop, "capture", payment_id), 202)["status"] == "authorized"
    refused(ask(shop, "void", payment_id), 409, "payment_in_progress")
    settle(shop, shop.get(f"/payments/{payment_id}/transactions").json()["data"][1]["id"], approve=approve)
    assert made(shop.get(f"/payments/{payment_id}"))["status"] == ("captured" if approve else "authorized")


def test_captures_and_voids_need_their_scope_and_their_own_payment(shop, other_shop):
    theirs = held(other_shop)["paymentId"]
    key = made(shop.as_member("POST", "/api-keys", {"name": "r", "scopes": ["payment_refunds:write"]}), 201)["rawKey"]
    for verb in ("capture", "void"):
        for unknown in (theirs, new_id(), "nonsense"):
            refused(ask(shop, verb, unknown), 404, "not_found")
        refused(ask(shop, verb, theirs, key=key), 403, "insufficient_scopes")


def test_a_service_is_complete_when_it_is_captured(shop):
    cart = shop.cart(customerEmail="a@b.example")
    shop.item(cart["id"], type="service")
    done = made(shop.complete(shop.session(cart["id"], captureMode="manual", collect={"shippingAddress": False})["id"]))
    made(ask(shop, "capture", done["paymentId"]))
    assert made(shop.get(f"/orders/{done['orderId']}"))["status"] == "completed"
    made(ask(shop, "refund", done["paymentId"]))
    assert made(shop.get(f"/orders/{done['orderId']}"))["status"] == "closed"
