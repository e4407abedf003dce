"""Payments keep their word."""

import pytest

from penstock.ids import new_id
from tests.shop import made, refused


def ids(page):
    return [record["id"] for record in page["data"]]


@pytest.fixture
def paid(shop):
    """A captured payment of 30.00 and a failed one on another order."""
    session = shop.session()
    refused(shop.complete(session["id"], "tok_sandbox_decline_hard"), 402, "payment_failed")
    return shop.paid_order()


def test_payments_are_listed_newest_first(shop, paid):
    page = made(shop.get("/payments"))
    assert [p["status"] for p in page["data"]] == ["captured", "failed"]
    assert page["meta"]["pagination"] == {"cursor": None, "hasMore": False, "limit": 20}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"method": "card"}, ["captured", "failed"]),
        ({"method": "net30"}, []),
        ({"status": "failed"}, ["failed"]),
        ({"status": ["failed", "captured"]}, ["captured", "failed"]),
        ({"amount_min": "3001"}, []),
        ({"amount_max": "3000"}, ["captured", "failed"]),
        ({"amount_min": "3000", "amount_max": "3000"}, ["captured", "failed"]),
        ({"due_from": "2026-01-01"}, []),
        ({"due_to": "2026-01-01"}, []),
        ({"aging": "0_30"}, []),
        ({"order_id": "mine"}, ["captured"]),
        ({"order_id": "unknown"}, []),
        ({"orderId": "mine"}, ["captured"]),
        ({"amountMin": "3001"}, []),
        ({"amountMax": "3000", "amountMin": "3000"}, ["captured", "failed"]),
        ({"dueFrom": "2026-01-01"}, []),
        ({"dueTo": "2026-01-01"}, []),
        ({"limit": "1"}, ["captured"]),
    ],
)
def test_payments_are_filtered(shop, paid, params, expected):
    known = {"mine": paid["id"], "unknown": new_id()}
    params = {name: known.get(value, value) for name, value in params.items()} if "status" not in params else params
    assert [p["status"] for p in made(shop.get("/payments", params=params))["data"]] == expected


@pytest.mark.parametrize(
    "params",
    [
        {"status": "paid"},
        {"amount_min": "-1"},
        {"amount_min": "1e3"},
        {"due_from": "2026-02-30"},
        {"due_from": "20260101"},
        {"aging": "all"},
        {"order_id": "x"},
        {"orderId": "x"},
        {"amountMin": "1", "amount_min": "1"},
        {"limit": "0"},
        {"amount_max": "9" * 20},
    ],
)
def test_a_query_that_does_not_fit_is_refused(shop, params):
    refused(shop.get("/payments", params=params), 400, "invalid_request")


def test_pages_of_payments_have_no_gap_or_repeat(shop):
    session = shop.session()
    for _ in range(5):
        refused(shop.complete(session["id"], "tok_sandbox_decline_hard"), 402, "payment_failed")
    everything, seen, cursor = ids(made(shop.get("/payments"))), [], None
    for _ in range(3):
        page = made(shop.get("/payments", params={"limit": 2} | ({"cursor": cursor} if cursor else {})))
        seen += ids(page)
        cursor = page["meta"]["pagination"]["cursor"]
    assert (seen, cursor, len(set(seen))) == (everything, None, 5)


def test_transactions_are_what_moved_money(shop, paid):
    captured, failed = made(shop.get("/payments"))["data"]
    [sale] = made(shop.get(f"/payments/{captured['id']}/transactions"))["data"]
    assert (sale["type"], sale["status"], sale["amount"], sale["currency"]) == ("sale", "succeeded", 3000, "USD")
    assert (sale["paymentId"], sale["providerRef"]) == (captured["id"], captured["providerRef"])
    assert made(shop.get(f"/payments/{failed['id']}/transactions"))["data"] == []


def test_another_shop_s_payment_is_as_unknown_as_none(shop, other_shop):
    other_shop.paid_order()
    payment_id = made(other_shop.get("/payments"))["data"][0]["id"]
    for unknown in (payment_id, new_id(), "nonsense"):
        refused(shop.get(f"/payments/{unknown}/transactions"), 404, "not_found")
    assert made(shop.get("/payments"))["data"] == []


def test_amounts_of_any_currency_are_minor_units(shop):
    for currency, price in (("JPY", 500), ("KWD", 12345)):
        cart = shop.cart(currency=currency, customerEmail="a@b.example")
        shop.item(cart["id"], unitPrice=price, type="service")
        done = made(shop.complete(shop.session(cart["id"], collect={"shippingAddress": False})["id"]))
        assert (done["amount"], done["currency"]) == (price, currency)
