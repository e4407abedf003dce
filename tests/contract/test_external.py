"""Totals that another system hands in: consistent and mirrored, or refused."""

import pytest

from penstock.ids import new_id, new_session_id
from tests.contract.test_calculations import HOME, calculate, cart_of
from tests.contract.test_quotes import CONFIG, publish
from tests.shop import made, pointers, refused

AT = "/shipping-tax/external-snapshots"
BYO = {"shipping": {"mode": "byo"}, "tax": {"mode": "byo"}}
GROSS = {"shipping": {"mode": "byo"}, "tax": {"mode": "byo", "pricesIncludeTax": True}}
GROUND = {"methodId": "ground", "displayName": "Ground", "rateAmount": 500, "carrier": "UPS"}


@pytest.fixture
def store(shop):
    publish(shop, BYO)
    return shop


@pytest.fixture
def cart(store):
    cart_id = store.cart()["id"]
    store.item(cart_id, name="Mug", unitPrice=2500)
    store.item(cart_id, name="Cup", unitPrice=1000, discountAmount=100)
    return store.read_cart(cart_id)


def totals(subtotal=3500, discount=100, shipping=500, tax=312, total=None):
    whole = subtotal - discount + shipping + tax if total is None else total
    return {"subtotal": subtotal, "discountTotal": discount, "shippingTotal": shipping, "taxTotal": tax, "total": whole}


def line(cart, index, amount, **more):
    one = {
        "jurisdictionCode": "US-NY",
        "jurisdictionName": "New York",
        "taxType": "sales",
        "rate": 0.08,
        "amount": amount,
    }
    return one | ({} if index is None else {"lineItemId": cart["lineItems"][index]["id"]}) | more


def hand_in(shop, **body):
    return shop.post(AT, {"applicationId": shop.application_id, "totals": totals(), **body})


def on_cart(cart, **body):
    lines = [line(cart, 0, 200), line(cart, 1, 72), line(cart, None, 40)]
    return {"cartId": cart["id"], "selectedShipping": GROUND, "taxLines": lines, "source": "acmetax", **body}


def test_totals_for_a_cart_are_mirrored_there_and_charged(store, cart):
    found = made(hand_in(store, **on_cart(cart)))
    assert (found["kind"], found["status"]) == ("external", "final")
    assert found["totals"] == totals()
    now = store.read_cart(cart["id"])
    assert {name: now[name] for name in totals()} == totals()
    assert now["selectedShipping"]["methodId"] == "ground"
    assert [(each["appliesTo"], each["amount"]) for each in now["taxLines"]] == [
        ("item", 200),
        ("item", 72),
        ("shipping", 40),
    ]
    assert now["calculation"] == {"snapshotId": found["snapshotId"], "isFinal": False}
    made(store.post(f"/carts/{cart['id']}/checkout"), 201)
    kept = made(store.get(f"/shipping-tax/snapshots/{found['snapshotId']}"))
    assert kept["totals"] == totals()


def test_a_tax_without_lines_is_shared_out_by_what_the_parts_cost(store, cart):
    made(hand_in(store, **on_cart(cart, taxLines=None) | {"taxLines": []}, totals=totals(tax=0)))
    body = on_cart(cart)
    del body["taxLines"]
    made(hand_in(store, **body, totals=totals(tax=39)))
    now = store.read_cart(cart["id"])
    assert [each["amount"] for each in now["taxLines"]] == [25, 9, 5]
    assert now["taxTotal"] == 39


def test_without_a_cart_the_totals_are_kept_and_read_back(store):
    found = made(hand_in(store, currency="EUR", source="acmetax"))
    assert (found["cartId"], found["currency"], found["totals"]) == (None, "EUR", totals())
    assert made(store.get(f"/shipping-tax/snapshots/{found['snapshotId']}"))["totals"] == totals()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"totals": totals(total=1)}, "/totals/total"),
        ({"totals": totals(subtotal=3501)}, "/totals/subtotal"),
        ({"totals": totals(discount=0)}, "/totals/discountTotal"),
        ({"totals": totals(subtotal=50)}, "/totals/discountTotal"),
        ({"totals": totals(tax=313)}, "/taxLines"),
        ({"selectedShipping": {**GROUND, "rateAmount": 499}}, "/selectedShipping/rateAmount"),
        ({"selectedShipping": None}, "/selectedShipping"),
        ({"currency": "EUR"}, "/currency"),
        ({"orderId": new_id()}, "/orderId"),
        ({"checkoutSessionId": new_session_id()}, "/checkoutSessionId"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_what_is_not_consistent_is_refused_and_changes_nothing(store, cart, change, pointer):
    error = refused(hand_in(store, **{**on_cart(cart), **change}), 422, "validation_error")
    assert pointer in pointers(error)
    assert store.read_cart(cart["id"]) == cart


def test_a_tax_line_has_to_name_a_line_of_the_cart(store, cart):
    foreign = [line(cart, 0, 312, lineItemId=new_id())]
    assert pointers(refused(hand_in(store, **on_cart(cart, taxLines=foreign)), 422, "validation_error")) == [
        "/taxLines/0/lineItemId"
    ]


@pytest.mark.parametrize("said", [{}, {"currency": "USD"}], ids=["nothing", "its own"])
def test_a_tax_line_in_another_currency_than_the_cart_is_refused_and_changes_nothing(store, cart, said):
    lines = [line(cart, 0, 302, currency="USD"), line(cart, 1, 10, currency="EUR")]
    error = refused(hand_in(store, **on_cart(cart, taxLines=lines, **said)), 422, "validation_error")
    assert [(each["pointer"], each["code"]) for each in error["details"]] == [
        ("/taxLines/1/currency", "currency_mismatch")
    ]
    assert store.read_cart(cart["id"]) == cart


@pytest.mark.parametrize("said", [{}, {"currency": "USD"}], ids=["nothing", "another"])
def test_without_a_cart_tax_lines_have_the_currency_of_the_totals(store, cart, said):
    lines = [line(cart, 0, 312, currency="EUR")]
    error = refused(hand_in(store, taxLines=lines, **said), 422, "validation_error")
    assert pointers(error) == ["/taxLines/0/currency"]
    assert made(hand_in(store, taxLines=lines, currency="EUR"))["currency"] == "EUR"


@pytest.mark.parametrize("config", [None, CONFIG, {"shipping": {"mode": "off"}, "tax": {"mode": "off"}}])
def test_without_an_axis_in_byo_nothing_may_be_handed_in(shop, config):
    if config is not None:
        publish(shop, config)
    refused(hand_in(shop), 422, "external_snapshot_not_allowed")


def test_an_axis_that_penstock_works_out_has_to_agree(shop):
    publish(shop, {**CONFIG, "tax": {"mode": "byo"}})
    cart_id = shop.cart(items=1)["id"]
    cart = shop.read_cart(cart_id)
    body = {"cartId": cart_id, "selectedShipping": GROUND, "totals": totals(subtotal=1250, discount=0, tax=0)}
    error = refused(hand_in(shop, **body), 422, "validation_error")
    assert pointers(error) == ["/totals/shippingTotal"]
    body = {
        "cartId": cart_id,
        "taxLines": [line(cart, 0, 100)],
        "totals": totals(subtotal=1250, discount=0, shipping=0, tax=100),
    }
    made(hand_in(shop, **body))
    assert shop.read_cart(cart_id)["taxTotal"] == 100


def test_the_application_and_the_cart_have_to_be_the_key_s_own(store, other_shop):
    refused(hand_in(store, applicationId=other_shop.application_id), 404, "store_not_found")
    refused(hand_in(store, cartId=other_shop.cart(items=1)["id"], totals=totals(shipping=0)), 404, "cart_not_found")


def test_a_cart_that_is_paid_for_takes_no_totals_any_more(store, cart):
    made(hand_in(store, **on_cart(cart)))
    made(store.post(f"/carts/{cart['id']}/checkout"), 201)
    refused(hand_in(store, **on_cart(cart)), 409, "cart_not_open")


# Prices that contain the tax


@pytest.fixture
def gross(shop):
    """A cart of 35.00 and 5.00 of shipping, less 1.00, in a shop whose prices contain the tax."""
    publish(shop, GROSS)
    cart_id = shop.cart(customerEmail="ada@example.com")["id"]
    shop.item(cart_id, name="Mug", unitPrice=2500)
    shop.item(cart_id, name="Cup", unitPrice=1000, discountAmount=100)
    return shop.read_cart(cart_id)


CONTAINED = totals(tax=0)
"""How totals read whose prices contain the tax: none comes on top."""


@pytest.mark.parametrize("said", [0, 312], ids=["on top", "in all"])
def test_tax_that_prices_contain_is_paid_once_from_the_cart_to_the_order(shop, gross, said):
    told = totals(tax=said, total=3900)
    found = made(hand_in(shop, **on_cart(gross), totals=told))
    assert found["totals"] == CONTAINED
    tax = found["tax"]
    assert (tax["pricesIncludeTax"], tax["taxTotal"], tax["includedTaxTotal"]) == (True, 0, 312)
    assert all(each["isIncluded"] for each in tax["lines"])
    now = shop.read_cart(gross["id"])
    assert {name: now[name] for name in CONTAINED} == CONTAINED
    assert [(each["amount"], each["isIncluded"]) for each in now["taxLines"]] == [(200, True), (72, True), (40, True)]
    session = shop.session(gross["id"], collect={"shippingAddress": False})
    paid = made(shop.complete(session["id"]))
    order = made(shop.get(f"/orders/{paid['orderId']}"))
    assert session["amount"] == paid["amount"] == 3900
    assert {name: order[name] for name in CONTAINED} == CONTAINED
    assert order["taxLines"] == now["taxLines"]


def test_a_tax_that_prices_contain_is_shared_out_without_lines(shop, gross):
    body = on_cart(gross)
    del body["taxLines"]
    found = made(hand_in(shop, **body, totals=totals(tax=39, total=3900)))
    assert (found["totals"], found["tax"]["includedTaxTotal"]) == (CONTAINED, 39)
    now = shop.read_cart(gross["id"])
    assert [(each["amount"], each["isIncluded"]) for each in now["taxLines"]] == [(25, True), (9, True), (5, True)]
    assert now["total"] == 3900


def test_without_tax_a_cart_whose_prices_would_contain_it_has_none(shop, gross):
    made(hand_in(shop, **on_cart(gross), totals=totals(tax=312, total=3900)))
    found = made(hand_in(shop, **on_cart(gross, taxLines=[]), totals=CONTAINED))
    assert (found["tax"]["includedTaxTotal"], shop.read_cart(gross["id"])["taxLines"]) == (0, [])


def test_without_a_cart_tax_that_prices_contain_reads_as_a_calculation_has_it(shop):
    publish(shop, GROSS)
    for said in ({"totals": totals(tax=312, total=3900)}, {"totals": CONTAINED, "taxLines": [line(None, None, 312)]}):
        found = made(hand_in(shop, currency="EUR", **said))
        assert (found["totals"], found["tax"]["includedTaxTotal"]) == (CONTAINED, 312)
        assert found["tax"]["pricesIncludeTax"]
        assert "312" not in found["explanation"]["sum"]


@pytest.mark.parametrize(
    ("told", "amounts", "pointer"),
    [
        (totals(tax=312), [200, 72, 40], "/totals/total"),
        (totals(tax=10, total=3900), [200, 72, 40], "/taxLines"),
        (totals(tax=312, total=3900), [], "/taxLines"),
        (CONTAINED, [200, 72, 501], "/taxLines/2/amount"),
        (CONTAINED, [200, 901, 40], "/taxLines/1/amount"),
        (totals(tax=3901, total=3900), None, "/totals/taxTotal"),
    ],
    ids=["on top", "not their sum", "no lines", "above shipping", "above its line", "above all"],
)
def test_tax_that_prices_cannot_contain_is_refused_and_changes_nothing(shop, gross, told, amounts, pointer):
    body = on_cart(gross)
    if amounts is None:
        del body["taxLines"]
    else:
        body["taxLines"] = [each | {"amount": amount} for each, amount in zip(body["taxLines"], amounts, strict=False)]
    error = refused(hand_in(shop, **body, totals=told), 422, "validation_error")
    assert pointers(error) == [pointer]
    assert shop.read_cart(gross["id"]) == gross


def test_without_a_cart_prices_cannot_contain_more_tax_than_they_are(shop):
    publish(shop, GROSS)
    error = refused(hand_in(shop, totals=totals(tax=3901, total=3900)), 422, "validation_error")
    assert pointers(error) == ["/totals/taxTotal"]
    lines = [line(None, None, 3901)]
    assert pointers(refused(hand_in(shop, totals=CONTAINED, taxLines=lines), 422, "validation_error")) == ["/taxLines"]


def test_tax_that_penstock_works_out_of_the_prices_has_to_agree(shop):
    publish(shop, {**CONFIG, "shipping": {"mode": "byo"}, "tax": {**CONFIG["tax"], "pricesIncludeTax": True}})
    cart_id = cart_of(shop)
    made(calculate(shop, cart_id, kind="cart_estimate", persist=True, shippingAddress=HOME))
    cart = shop.read_cart(cart_id)
    contained = sum(each["amount"] for each in cart["taxLines"])
    assert (contained > 0, cart["taxTotal"]) == (True, 0)
    for said in (0, contained):
        body = {"cartId": cart_id, "totals": totals(subtotal=2500, discount=0, shipping=0, tax=said, total=2500)}
        assert made(hand_in(shop, **body))["tax"]["includedTaxTotal"] == contained
    body["totals"]["taxTotal"] = contained + 1
    assert pointers(refused(hand_in(shop, **body), 422, "validation_error")) == ["/totals/taxTotal"]


def test_tax_that_was_handed_in_is_all_there_is_when_only_shipping_is_calculated(shop):
    publish(shop, {**CONFIG, "tax": {"mode": "byo"}})
    cart_id = cart_of(shop, taxAmount=999)
    wanted = {"persist": True, "shippingAddress": HOME, "selectedShippingMethodId": "std"}
    assert made(calculate(shop, cart_id, **wanted))["totals"]["taxTotal"] == 999
    handed = totals(2500, 0, 500, 40)
    lines = [line({"lineItems": []}, None, 40)]
    standard = {"methodId": "std", "displayName": "Standard", "rateAmount": 500}
    made(hand_in(shop, cartId=cart_id, totals=handed, taxLines=lines, selectedShipping=standard, source="acmetax"))
    for kind in ("cart_estimate", "checkout_final"):
        assert made(calculate(shop, cart_id, kind=kind, **wanted))["totals"] == handed
        assert shop.read_cart(cart_id)["taxTotal"] == 40


def test_tax_that_was_calculated_is_all_there_is_when_only_shipping_is_handed_in(shop):
    publish(shop, {**CONFIG, "shipping": {"mode": "byo"}})
    cart_id = cart_of(shop, taxAmount=999)
    ohio = {**HOME, "stateProvince": "OH", "postalCode": "43085", "city": "Columbus"}
    assert made(calculate(shop, cart_id, persist=True, shippingAddress=ohio))["totals"]["taxTotal"] == 0
    assert shop.read_cart(cart_id)["taxTotal"] == 0
    made(hand_in(shop, cartId=cart_id, totals=totals(2500, 0, 500, 0), selectedShipping=GROUND, source="acmetax"))
    assert shop.read_cart(cart_id)["taxTotal"] == 0
