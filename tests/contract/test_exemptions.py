"""Buyers who pay no tax: the merchant says so and why, the configuration allows it, and the calculation tells it."""

import pytest

from tests.contract.test_calculations import HOME, cart_of, final
from tests.contract.test_quotes import CONFIG, codes, publish
from tests.shop import made, pointers, refused

SCHOOL = {"reason": "exempt", "reference": "NY-ST-119"}
BUSINESS = {"reason": "reverse_charge", "reference": "DE136695976"}


def allow(shop, **tax):
    publish(shop, {**CONFIG, "tax": {**CONFIG["tax"], "exemptionsAllowed": True, **tax}})


@pytest.fixture
def store(shop):
    allow(shop)
    return shop


@pytest.mark.parametrize("exemption", [SCHOOL, BUSINESS])
def test_an_exempt_buyer_pays_no_tax_and_the_explanation_says_why(store, exemption):
    cart_id = cart_of(store)
    made(store.patch(f"/carts/{cart_id}", {"taxExemption": exemption}))
    found = final(store, cart_id)
    assert (found["status"], found["tax"]["isKnown"], found["tax"]["lines"]) == ("final", True, [])
    assert (found["totals"]["taxTotal"], found["totals"]["total"]) == (0, 3000)
    told = found["explanation"]
    assert told["taxExemption"] == exemption
    assert [part["untaxedBecause"] for part in [*told["lines"], told["shipping"]]] == [exemption["reason"]] * 2
    assert found["warnings"] == []


def test_the_order_keeps_why_its_buyer_paid_no_tax(store):
    cart_id = cart_of(store)
    made(store.patch(f"/carts/{cart_id}", {"taxExemption": SCHOOL}))
    final(store, cart_id)
    done = made(store.complete(store.session(cart_id)["id"], email="ada@example.com"))
    order = made(store.get(f"/orders/{done['orderId']}"))
    assert (done["amount"], order["taxTotal"], order["taxExemption"]) == (3000, 0, SCHOOL)


def test_it_may_come_with_the_calculation_and_go_with_one(store):
    cart_id = cart_of(store)
    assert final(store, cart_id, taxExemption={"reason": "exempt"})["totals"]["taxTotal"] == 0
    assert store.read_cart(cart_id)["taxExemption"] == {"reason": "exempt", "reference": None}
    assert final(store, cart_id)["totals"]["taxTotal"] == 0
    assert final(store, cart_id, taxExemption=None)["totals"]["taxTotal"] == 233
    assert store.read_cart(cart_id)["taxExemption"] is None


def test_where_the_configuration_does_not_allow_it_the_buyer_is_taxed_and_that_is_told(shop):
    publish(shop)
    cart_id = cart_of(shop)
    found = final(shop, cart_id, taxExemption=SCHOOL)
    assert (found["status"], found["totals"]["taxTotal"]) == ("final", 233)
    assert codes(found["warnings"]) == ["exemption_not_allowed"]
    assert found["explanation"]["taxExemption"] is None


@pytest.mark.parametrize("after", [None, BUSINESS])
def test_another_word_on_the_exemption_takes_the_lock_back(store, after):
    cart_id = cart_of(store)
    final(store, cart_id, taxExemption=SCHOOL)
    made(store.patch(f"/carts/{cart_id}", {"taxExemption": SCHOOL}))
    assert store.read_cart(cart_id)["calculation"]["isFinal"] is True
    made(store.patch(f"/carts/{cart_id}", {"taxExemption": after}))
    assert store.read_cart(cart_id)["calculation"]["isFinal"] is False
    refused(store.post(f"/carts/{cart_id}/checkout"), 400, "cart_not_ready")


def test_prices_that_contain_tax_stay_as_they_are_and_contain_none(shop):
    allow(shop, pricesIncludeTax=True)
    found = final(shop, cart_of(shop), taxExemption=SCHOOL)
    assert (found["totals"]["total"], found["tax"]["includedTaxTotal"]) == (3000, 0)


def test_no_buyer_s_page_can_claim_one(store):
    cart_id = cart_of(store)
    path = f"/checkout-sessions/{store.session(cart_id)['id']}/calculate"
    body = {"shippingAddress": HOME, "selectedShippingMethodId": "std"}
    error = refused(store.post(path, {**body, "taxExemption": SCHOOL}, key=None), 422, "validation_error")
    assert pointers(error) == ["/taxExemption"]
    made(store.patch(f"/carts/{cart_id}", {"taxExemption": SCHOOL}))
    assert made(store.post(path, body, key=None))["totals"]["taxTotal"] == 0


@pytest.mark.parametrize(
    ("exemption", "pointer"),
    [
        ({"reason": "rich"}, "/taxExemption/reason"),
        ({"reference": "x"}, "/taxExemption/reason"),
        ({"reason": "exempt", "reference": ""}, "/taxExemption/reference"),
        ({"reason": "exempt", "until": "2030"}, "/taxExemption/until"),
    ],
)
def test_what_is_no_exemption_is_refused(store, exemption, pointer):
    cart_id = cart_of(store)
    error = refused(store.patch(f"/carts/{cart_id}", {"taxExemption": exemption}), 422, "validation_error")
    assert pointer in pointers(error)
    assert store.read_cart(cart_id)["taxExemption"] is None
