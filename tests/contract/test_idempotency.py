"""An Idempotency-Key makes a write happen once, and tells the same answer again."""

import pytest

from tests.shop import made, refused


def keyed(key):
    return {"Idempotency-Key": key}


def test_the_same_request_again_is_answered_again_and_done_once(shop):
    cart = shop.cart()
    path, body = f"/carts/{cart['id']}/items", {"name": "Mug", "unitPrice": 1}
    first, again = (shop.post(path, body, headers=keyed("k-1")) for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "idempotency-replay" not in first.headers
    assert again.headers["idempotency-replay"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(shop.read_cart(cart["id"])["lineItems"]) == 1


def test_the_order_of_names_in_the_body_makes_no_difference(shop):
    path = f"/carts/{shop.cart()['id']}/items"
    made(shop.post(path, {"name": "Mug", "unitPrice": 1}, headers=keyed("k-2")), 201)
    assert (
        shop.post(path, {"unitPrice": 1, "name": "Mug"}, headers=keyed("k-2")).headers["idempotency-replay"] == "true"
    )


def test_another_request_under_the_same_key_is_a_conflict(shop):
    cart = shop.cart()
    path = f"/carts/{cart['id']}/items"
    made(shop.post(path, {"name": "Mug", "unitPrice": 1}, headers=keyed("k-3")), 201)
    refused(shop.post(path, {"name": "Mug", "unitPrice": 2}, headers=keyed("k-3")), 409, "idempotency_conflict")
    other = f"/carts/{shop.cart()['id']}/items"
    refused(shop.post(other, {"name": "Mug", "unitPrice": 1}, headers=keyed("k-3")), 409, "idempotency_conflict")
    assert len(shop.read_cart(cart["id"])["lineItems"]) == 1


def test_a_key_belongs_to_its_shop(shop, other_shop):
    mine = made(shop.post("/carts", {"applicationId": shop.application_id}, headers=keyed("k-4")), 201)
    theirs = made(other_shop.post("/carts", {"applicationId": other_shop.application_id}, headers=keyed("k-4")), 201)
    assert mine["id"] != theirs["id"]


def test_a_refused_request_uses_no_key(shop):
    path = f"/carts/{shop.cart()['id']}/items"
    refused(shop.post(path, {"name": "Mug"}, headers=keyed("k-5")), 422, "validation_error")
    refused(shop.post(path, {"name": "Mug", "unitPrice": 1}, key=None, headers=keyed("k-5")), 401, "unauthorized")
    made(shop.post(path, {"name": "Mug", "unitPrice": 1}, headers=keyed("k-5")), 201)


def test_a_business_refusal_is_answered_again(shop):
    cart = shop.cart()
    first = shop.post(f"/carts/{cart['id']}/checkout", {}, headers=keyed("k-6"))
    refused(first, 400, "cart_not_ready")
    session = shop.session()
    body = {"paymentMethod": "card", "paymentToken": "tok_sandbox_decline_hard"}
    declined = [
        shop.post(f"/checkout-sessions/{session['id']}/complete", body, key=None, headers=keyed("k-7"))
        for _ in range(2)
    ]
    refused(declined[0], 402, "payment_failed")
    assert declined[1].status_code == 402
    assert declined[1].headers["idempotency-replay"] == "true"
    assert declined[1].json()["error"]["details"] == declined[0].json()["error"]["details"]
    payments = made(shop.get(f"/orders/{declined[0].json()['error']['details']['orderId']}/payments"))["data"]
    assert len(payments) == 1, "the second request tried no second payment"


def test_a_completion_under_a_key_is_told_again_after_the_session_is_complete(shop):
    session = shop.session()
    first, again = (shop.complete(session["id"], headers=keyed("k-8")) for _ in range(2))
    assert (first.status_code, first.content) == (200, again.content)
    assert again.headers["idempotency-replay"] == "true"


def test_a_repeat_under_a_key_learns_how_an_open_outcome_ended(shop):
    session = shop.session()
    made(shop.complete(session["id"], "tok_sandbox_outage_after_charge", headers=keyed("k-9")), 202)
    ended = shop.complete(session["id"], "tok_sandbox_outage_after_charge", headers=keyed("k-9"))
    assert (made(ended)["paymentStatus"], "idempotency-replay" in ended.headers) == ("captured", False)
    again = shop.complete(session["id"], "tok_sandbox_outage_after_charge", headers=keyed("k-9"))
    assert (again.content, again.headers["idempotency-replay"]) == (ended.content, "true")


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "tab\tin"])
def test_a_key_that_is_none_is_refused(shop, key):
    refused(shop.post("/carts", {"applicationId": shop.application_id}, headers=keyed(key)), 400, "invalid_request")


def test_the_longest_key_is_taken(shop):
    made(shop.post("/carts", {"applicationId": shop.application_id}, headers=keyed("x" * 255)), 201)
