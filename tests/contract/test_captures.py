"""Money that is held first: sessions that ask for it, captures and voids."""

import pytest

from tests.shop import made, refused


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
