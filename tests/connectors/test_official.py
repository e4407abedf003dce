"""Does the check against the providers' descriptions see what it is for?"""

import json

import httpx
import pytest

from tests.connectors.official import HERE, Described, Undescribed, description

ORDER = {"intent": "CAPTURE", "purchase_units": [{"amount": {"currency_code": "EUR", "value": "12.50"}}]}


def post(path: str, body: object, **headers: str) -> httpx.Request:
    return httpx.Request("POST", f"https://provider.example{path}", json=body, headers=headers)


def test_every_slice_says_whose_it_is_and_stays_small():
    slices = sorted(HERE.glob("*.json"))
    assert slices
    for one in slices:
        assert json.loads(one.read_text())["x-licence"]
        assert one.stat().st_size < 300_000


def test_a_described_request_passes():
    description("paypal_orders").check_request(post("/v2/checkout/orders", ORDER))


@pytest.mark.parametrize(
    "body",
    [
        {"purchase_units": ORDER["purchase_units"]},
        ORDER | {"intent": "capture"},
        ORDER | {"intents": "CAPTURE"},
        ORDER | {"purchase_units": [{"amount": {"currency_code": "EUR", "value": 12.5}}]},
        ORDER | {"purchase_units": [{"amount": {"currency_code": "EUR", "value": "1"}, "custom": "x"}]},
    ],
    ids=["a field is missing", "a wrong case", "an unknown field", "a number for a text", "an unknown field inside"],
)
def test_a_request_that_is_not_as_described_is_seen(body):
    with pytest.raises(Undescribed):
        description("paypal_orders").check_request(post("/v2/checkout/orders", body))


def test_an_operation_that_nobody_describes_is_seen():
    with pytest.raises(Undescribed):
        description("paypal_orders").check_request(post("/v2/checkout/orders/1/pay", {}))


def test_an_unknown_query_and_a_header_that_does_not_fit_are_seen():
    with pytest.raises(Undescribed):
        description("gr4vy").check_request(httpx.Request("GET", "https://provider.example/transactions?reference=1"))
    with pytest.raises(Undescribed):
        description("paypal_orders").check_request(
            post("/v2/checkout/orders", ORDER, **{"PayPal-Request-Id": "k" * 109})
        )


@pytest.mark.parametrize(
    ("status", "body"), [(201, {"status": "PAID"}), (201, {"status": 1}), (200, {"purchase_units": {}})]
)
def test_an_answer_that_is_not_as_described_is_seen(status, body):
    request = post("/v2/checkout/orders", ORDER)
    with pytest.raises(Undescribed):
        description("paypal_orders").check_answer(request, httpx.Response(status, json=body))


def test_the_transport_holds_both_directions():
    inner = httpx.MockTransport(lambda _: httpx.Response(201, json={"id": "1", "status": "BOUGHT"}))
    with httpx.Client(transport=Described(inner, description("paypal_orders"))) as client:
        with pytest.raises(Undescribed, match="request"):
            client.post("https://provider.example/v2/checkout/orders", json={})
        with pytest.raises(Undescribed, match="201 answer"):
            client.post("https://provider.example/v2/checkout/orders", json=ORDER)
