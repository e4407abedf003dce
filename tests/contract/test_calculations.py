"""Calculations of a cart: what they come to, what they lock, and what takes the lock back."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock.ids import new_id
from tests.contract.test_quotes import CONFIG, NEW_YORK, codes, publish
from tests.shop import made, pointers, refused

HOME = {**NEW_YORK, "addressLine1": "1 Broadway"}
AT = "/shipping-tax"


def cart_of(shop, **fields):
    """A cart of one mug for 25.00, shipped."""
    cart = shop.cart()
    shop.item(cart["id"], name="Mug", unitPrice=2500, weightGrams=400, **fields)
    return cart["id"]


def calculate(shop, cart_id, **body):
    return shop.post(f"{AT}/carts/{cart_id}/calculate", body)


def final(shop, cart_id, **body):
    wanted = {"kind": "checkout_final", "selectedShippingMethodId": "std", "shippingAddress": HOME, **body}
    return made(calculate(shop, cart_id, **wanted))


@pytest.fixture
def store(shop):
    publish(shop)
    return shop


def test_an_estimate_keeps_nothing_but_the_addresses(store):
    cart_id = cart_of(store)
    found = made(calculate(store, cart_id, shippingAddress=HOME, selectedShippingMethodId="std"))
    assert (found["kind"], found["status"], found["snapshotId"]) == ("cart_estimate", "estimated", None)
    # 4 % and 4.5 % of 25.00, halves up, and 4 % of 5.00 of shipping.
    assert found["totals"] == {
        "subtotal": 2500,
        "discountTotal": 0,
        "shippingTotal": 500,
        "taxTotal": 233,
        "total": 3233,
    }
    cart = store.read_cart(cart_id)
    assert cart["shippingAddress"] == HOME
    assert (cart["taxLines"], cart["selectedShipping"], cart["calculation"]) == ([], None, None)


def test_a_final_calculation_is_mirrored_on_the_cart_and_locks_it(store):
    cart_id = cart_of(store)
    found = final(store, cart_id)
    cart = store.read_cart(cart_id)
    assert (found["status"], found["errors"]) == ("final", [])
    assert cart["calculation"] == {"snapshotId": found["snapshotId"], "isFinal": True}
    assert {name: cart[name] for name in found["totals"]} == found["totals"]
    assert cart["selectedShipping"]["methodId"] == "std"
    assert [(line["appliesTo"], line["amount"]) for line in cart["taxLines"]] == [
        ("item", 100),
        ("item", 113),
        ("shipping", 20),
    ]
    kept = made(store.get(f"{AT}/snapshots/{found['snapshotId']}"))
    assert {name: kept[name] for name in found} == found
    assert store.events(cart_id)[-1] == "cart.updated"


def test_the_order_and_the_charge_are_the_locked_totals(store):
    cart_id = cart_of(store)
    found = final(store, cart_id)
    session = store.session(cart_id)
    assert session["amount"] == found["totals"]["total"]
    done = made(store.complete(session["id"], email="ada@example.com"))
    order = made(store.get(f"/orders/{done['orderId']}"))
    assert done["amount"] == order["total"] == found["totals"]["total"]
    assert order["taxTotal"] == 233
    assert [line["isIncluded"] for line in order["taxLines"]] == [False] * 3


def test_a_cart_that_was_not_calculated_for_good_is_neither_checked_out_nor_paid(store):
    cart_id = cart_of(store)
    made(calculate(store, cart_id, shippingAddress=HOME, selectedShippingMethodId="std", persist=True))
    assert store.read_cart(cart_id)["calculation"]["isFinal"] is False
    error = refused(store.post(f"/carts/{cart_id}/checkout"), 400, "cart_not_ready")
    assert error["details"] == {"missing": ["checkout_final"]}
    session = store.session(cart_id)
    refused(store.complete(session["id"], email="ada@example.com"), 400, "cart_not_ready")
    final(store, cart_id)
    made(store.post(f"/carts/{cart_id}/checkout"), 201)


CHANGES = {
    "another line": lambda shop, cart: shop.item(cart["id"], name="Cup", unitPrice=100),
    "a quantity": lambda shop, cart: made(shop.patch(f"/carts/{cart['id']}/items/{cart['lineItems'][0]['id']}", {"quantity": 2})),
    "a category": lambda shop, cart: made(shop.patch(f"/carts/{cart['id']}/items/{cart['lineItems'][0]['id']}", {"taxCategory": "food"})),
    "no shipping": lambda shop, cart: made(shop.delete(f"/carts/{cart['id']}/shipping")),
    "tax lines by hand": lambda shop, cart: made(shop.put(f"/carts/{cart['id']}/tax-lines", {"lines": []})),
    "another address": lambda shop, cart: made(shop.patch(f"/carts/{cart['id']}", {"shippingAddress": {**HOME, "postalCode": "10002"}})),
    "no address": lambda shop, cart: made(shop.patch(f"/carts/{cart['id']}", {"shippingAddress": None})),
    "an estimate that is kept": lambda shop, cart: made(calculate(shop, cart["id"], persist=True)),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_that_could_matter_takes_the_lock_back(store, change):
    cart_id = cart_of(store)
    final(store, cart_id)
    CHANGES[change](store, store.read_cart(cart_id))
    assert (store.read_cart(cart_id)["calculation"] or {"isFinal": False})["isFinal"] is False
    refused(store.post(f"/carts/{cart_id}/checkout"), 400, "cart_not_ready")


def test_what_cannot_matter_leaves_the_lock(store):
    cart_id = cart_of(store)
    final(store, cart_id)
    same = {**HOME, "firstName": "Ada", "city": "new york"}
    made(
        store.patch(
            f"/carts/{cart_id}", {"notes": "ring twice", "customerEmail": "ada@example.com", "shippingAddress": same}
        )
    )
    assert store.read_cart(cart_id)["calculation"]["isFinal"] is True


def test_a_buyer_who_pays_for_another_address_has_to_be_calculated_again(store):
    cart_id = cart_of(store)
    final(store, cart_id)
    session = store.session(cart_id)
    elsewhere = {**HOME, "postalCode": "10002"}
    refused(store.complete(session["id"], email="ada@example.com", shippingAddress=elsewhere), 400, "cart_not_ready")
    billed = {
        "addressLine1": "5 Elm Street",
        "city": "Albany",
        "stateProvince": "NY",
        "postalCode": "12207",
        "countryCode": "US",
    }
    made(store.complete(session["id"], email="ada@example.com", shippingAddress=HOME, billingAddress=billed))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"shippingAddress": None}, {"address_required"}),
        ({"selectedShippingMethodId": None}, {"shipping_method_required"}),
        ({"selectedShippingMethodId": "gone"}, {"shipping_method_unavailable"}),
        ({"shippingAddress": {"addressLine1": "1 Rue", "city": "Paris", "postalCode": "75001", "countryCode": "FR"}}, {"shipping_unavailable"}),
        ({"shippingAddress": {"addressLine1": "1 Broadway", "city": "New York", "countryCode": "US", "stateProvince": "NY"}}, {"address_incomplete"}),
    ],
)  # fmt: skip
def test_a_final_calculation_without_something_it_needs_fails_and_locks_nothing(store, body, told):
    cart_id = cart_of(store)
    found = final(store, cart_id, **body)
    assert (found["status"], found["snapshotId"]) == ("failed", None)
    assert set(codes(found["errors"])) == told
    assert store.read_cart(cart_id)["calculation"] is None


def test_what_is_missing_is_named_as_the_body_names_it(store):
    lacking = {"addressLine1": "1 Broadway", "city": "New York", "countryCode": "US", "stateProvince": "NY"}
    found = final(store, cart_of(store), shippingAddress=lacking)
    assert [note["field"] for note in found["errors"]] == ["shippingAddress.postalCode"]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"shipingAddress": HOME}, 400, "/shipingAddress"),
        ({"shippingAddress": {**HOME, "zip": "1"}}, 400, "/shippingAddress/zip"),
        ({"kind": "guess"}, 422, "/kind"),
        ({"shippingAddress": {"city": "x"}}, 422, "/shippingAddress/addressLine1"),
        ({"shippingAddress": {**HOME, "postalCode": "90210"}}, 422, "/shippingAddress/postalCode"),
    ],
)
def test_unknown_fields_are_told_with_400_and_everything_else_with_422(store, body, status, pointer):
    answer = calculate(store, cart_of(store), **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, "validation_error")
    assert pointer in pointers(error)


def test_a_line_s_own_tax_does_not_count_beside_what_was_calculated(store):
    cart_id = cart_of(store, taxAmount=999, taxCategory="food")
    found = final(store, cart_id)
    assert found["totals"]["taxTotal"] == 133
    assert store.read_cart(cart_id)["taxTotal"] == 133


def test_prices_with_tax_leave_the_total_as_it_is_and_tell_the_tax_apart(shop):
    publish(shop, {**CONFIG, "tax": {**CONFIG["tax"], "pricesIncludeTax": True, "roundingLevel": "invoice"}})
    cart_id = cart_of(shop)
    found = final(shop, cart_id)
    assert found["totals"] == {"subtotal": 2500, "discountTotal": 0, "shippingTotal": 500, "taxTotal": 0, "total": 3000}
    # 25.00 contains 8.5 %, shipping 4 %: 92.17 + 19.23 of the state's, 103.69 of the city's.
    assert found["tax"]["includedTaxTotal"] == 111 + 104
    cart = shop.read_cart(cart_id)
    assert (cart["taxTotal"], cart["total"]) == (0, 3000)
    assert all(line["isIncluded"] for line in cart["taxLines"])
    made(shop.post(f"/carts/{cart_id}/checkout"), 201)


def test_a_cart_that_is_paid_for_is_not_calculated_any_more(store):
    cart_id = cart_of(store)
    final(store, cart_id)
    made(store.complete(store.session(cart_id)["id"], email="ada@example.com"))
    refused(calculate(store, cart_id, persist=True), 409, "cart_not_open")
    refused(calculate(store, cart_id, shippingAddress={**HOME, "city": "Buffalo"}), 409, "cart_not_open")
    made(calculate(store, cart_id))


def test_an_application_without_a_configuration_is_asked_for_nothing(shop):
    cart_id = shop.ready_cart()["id"]
    found = made(calculate(shop, cart_id, kind="checkout_final"))
    assert (found["status"], found["totals"]["shippingTotal"], found["configVersion"]) == ("final", 500, None)
    shop.item(cart_id, name="Late")
    made(shop.post(f"/carts/{cart_id}/checkout"), 201)


def test_the_explanation_calls_each_discount_by_its_name_and_code(store):
    tenth = {"code": "TENTH", "name": "A tenth off", "type": "percentage", "value": 10}
    made(store.post("/discounts", tenth), 201)
    cart_id = cart_of(store, discountAmount=500)
    made(store.post(f"/carts/{cart_id}/apply-discount", {"code": "tenth"}))
    line = final(store, cart_id)["explanation"]["lines"][0]
    assert line["discounts"] == [
        {"code": None, "name": "By hand", "amount": 500},
        {"code": "TENTH", "name": "A tenth off", "amount": 200},
    ]
    assert line["net"] == 2500 - 700


def test_shipping_shares_the_taxes_of_what_it_carries_where_the_configuration_says_so(shop):
    publish(shop, {**CONFIG, "tax": {**CONFIG["tax"], "shippingTaxedBy": "goods"}})
    cart_id = cart_of(shop, taxCategory="food")
    shop.item(cart_id, name="Cup", unitPrice=2500, weightGrams=100)
    shipping = final(shop, cart_id)["explanation"]["shipping"]
    # Half of 5.00 is bread's, on which the state takes nothing and the city 4.5 %; the cup's half is taxed by both.
    assert [(tax["rateId"], tax["base"], tax["amount"]) for tax in shipping["taxes"]] == [
        ("food", "250", 0),
        ("ny", "250", 10),
        ("nyc", "500", 23),
    ]


def test_a_repeat_under_one_key_locks_once(store):
    cart_id = cart_of(store)
    body = {"kind": "checkout_final", "selectedShippingMethodId": "std", "shippingAddress": HOME}
    asked = [store.post(f"{AT}/carts/{cart_id}/calculate", body, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert made(asked[0]) == made(asked[1])
    assert asked[1].headers["idempotency-replay"] == "true"


def test_races_of_edits_against_the_payment_never_charge_anything_but_the_locked_total(store):
    for _ in range(5):
        cart_id = cart_of(store)
        found = final(store, cart_id)
        session = store.session(cart_id)
        item = store.read_cart(cart_id)["lineItems"][0]["id"]
        with ThreadPoolExecutor(4) as pool:
            edits = [pool.submit(store.patch, f"/carts/{cart_id}/items/{item}", {"quantity": n}) for n in (2, 3)]
            paid = pool.submit(store.complete, session["id"], email="ada@example.com")
            answers = [edit.result().status_code for edit in edits]
        assert set(answers) <= {200, 409}
        answer = paid.result()
        if answer.status_code == 200:
            assert answer.json()["amount"] == found["totals"]["total"]
        else:
            refused(answer, 400, "cart_not_ready")


def test_an_unknown_cart_and_an_unknown_snapshot_are_not_found(store):
    refused(calculate(store, new_id()), 404, "cart_not_found")
    refused(store.get(f"{AT}/snapshots/{new_id()}"), 404, "not_found")
