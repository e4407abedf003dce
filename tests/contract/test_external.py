"""Totals that another system hands in: consistent and mirrored, or refused."""

import pytest

from penstock.ids import new_id, new_session_id
from tests.contract.test_quotes import CONFIG, publish
from tests.shop import made, pointers, refused

AT = "/shipping-tax/external-snapshots"
BYO = {"shipping": {"mode": "byo"}, "tax": {"mode": "byo"}}
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
