"""Orders keep their word."""

import pytest

from penstock.ids import new_id
from tests.shop import made, refused


def ids(page):
    return [record["id"] for record in page["data"]]


def test_an_order_shows_what_was_bought(shop):
    order = shop.paid_order()
    assert [(i["name"], i["total"]) for i in order["lineItems"]] == [("Item 1", 1250), ("Item 2", 1250)]
    assert (order["subtotal"], order["shippingTotal"], order["total"]) == (2500, 500, 3000)
    assert order["selectedShipping"]["methodId"] == "std"


def test_an_order_reads_as_it_was_answered_when_it_was_made(shop):
    cart = shop.cart(items=2)["id"]
    made(shop.post(f"/carts/{cart}/shipping", {"methodId": "std", "displayName": "Standard", "rateAmount": 500}))
    line = made(shop.get(f"/carts/{cart}"))["lineItems"][0]["id"]
    tax = {"lineItemId": line, "jurisdictionCode": "US-CA", "taxType": "sales", "rate": 0.0725, "amount": 91}
    made(shop.put(f"/carts/{cart}/tax-lines", {"lines": [tax]}))
    answered = made(shop.post(f"/carts/{cart}/checkout", {}), 201)
    assert made(shop.get(f"/orders/{answered['id']}")) == answered
    assert answered["taxLines"][0]["rate"] == 0.0725


def test_orders_are_listed_newest_first_without_gap_or_repeat(shop):
    made_ids = [made(shop.post(f"/carts/{shop.cart(items=1)['id']}/checkout", {}), 201)["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = made(shop.get("/orders", params={"limit": 2} | ({"cursor": cursor} if cursor else {})))
        seen += ids(page)
        cursor = page["meta"]["pagination"]["cursor"]
        assert page["meta"]["pagination"]["hasMore"] == (cursor is not None)
        if cursor is None:
            break
        made(shop.post(f"/carts/{shop.cart(items=1)['id']}/checkout", {}), 201)  # a newer order must not shift pages
    assert seen == made_ids[::-1]


def test_orders_are_filtered(shop):
    paid, draft = shop.paid_order(), made(shop.post(f"/carts/{shop.cart(items=1)['id']}/checkout", {}), 201)
    assert ids(made(shop.get("/orders", params={"status": "draft"}))) == [draft["id"]]
    assert ids(made(shop.get("/orders", params={"paymentStatus": "captured"}))) == [paid["id"]]
    assert ids(made(shop.get("/orders", params={"applicationId": shop.application_id}))) == [draft["id"], paid["id"]]
    assert ids(made(shop.get("/orders", params={"applicationId": new_id()}))) == []
    assert ids(made(shop.get("/orders", params={"customerId": new_id()}))) == []


def test_orders_are_searched_literally(shop):
    body = {"metadata": {"po": "PO_100%"}}
    order = made(shop.post(f"/carts/{shop.cart(items=1)['id']}/checkout", body), 201)
    other = made(shop.post(f"/carts/{shop.cart(items=1)['id']}/checkout", {}), 201)
    for text in (order["id"], order["orderNumber"], order["orderNumber"].lower(), "po_100%", "PO_100"):
        assert ids(made(shop.get("/orders", params={"q": text}))) == [order["id"]], text
    for text in ("%", "_", "PO-100", "' or 1=1 --"):
        assert other["id"] not in ids(made(shop.get("/orders", params={"q": text}))), text


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "1_0"},
        {"limit": "+5"},
        {"limit": "５"},
        {"limit": ""},
        {"status": "paid"},
        {"customerId": "x"},
        {"q": "x" * 101},
        {"page": "2"},
    ],
)
def test_a_query_that_does_not_fit_is_refused(shop, params):
    refused(shop.get("/orders", params=params), 400, "invalid_request")


@pytest.mark.parametrize("cursor", ["x", "a" * 1000, "eyJhIjoxfQ", "-_-_"])
def test_a_cursor_of_nobody_s_is_refused(shop, cursor):
    refused(shop.get("/orders", params={"cursor": cursor}), 400, "invalid_cursor")


def test_a_cursor_serves_its_own_shop_and_filters_only(shop, other_shop):
    for _ in range(2):
        made(shop.post(f"/carts/{shop.cart(items=1)['id']}/checkout", {}), 201)
    cursor = made(shop.get("/orders", params={"limit": 1}))["meta"]["pagination"]["cursor"]
    refused(other_shop.get("/orders", params={"limit": 1, "cursor": cursor}), 400, "invalid_cursor")
    refused(shop.get("/orders", params={"limit": 1, "cursor": cursor, "status": "draft"}), 400, "invalid_cursor")
    refused(shop.get("/payments", params={"cursor": cursor}), 400, "invalid_cursor")
    tampered = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    refused(shop.get("/orders", params={"limit": 1, "cursor": tampered}), 400, "invalid_cursor")


def test_another_shop_s_order_is_as_unknown_as_none(shop, other_shop):
    order = other_shop.paid_order()
    for order_id in (order["id"], new_id(), "nonsense"):
        refused(shop.get(f"/orders/{order_id}"), 404, "not_found")
        refused(shop.get(f"/orders/{order_id}/payments"), 404, "not_found")
    assert ids(made(shop.get("/orders"))) == []


def test_an_order_s_payments_tell_each_try(shop):
    session = shop.session()
    refused(shop.complete(session["id"], "tok_sandbox_decline_hard"), 402, "payment_failed")
    done = made(shop.complete(session["id"]))
    page = made(shop.get(f"/orders/{done['orderId']}/payments"))
    assert sorted((p["status"], p["declineKind"]) for p in page["data"]) == [("captured", None), ("failed", "hard")]
    captured = next(p for p in page["data"] if p["status"] == "captured")
    assert (captured["amount"], captured["amountCaptured"], captured["connector"]) == (3000, 3000, "sandbox")


def test_a_draft_order_has_no_payments(shop):
    order = made(shop.post(f"/carts/{shop.cart(items=1)['id']}/checkout", {}), 201)
    assert made(shop.get(f"/orders/{order['id']}/payments"))["data"] == []
