"""A buyer's page asks what its session comes to: addresses and shipping are chosen there, and that total is charged."""

import pytest

from tests.contract.test_calculations import HOME, cart_of, final
from tests.contract.test_quotes import CONFIG, codes, publish
from tests.shop import made, pointers, refused

ALBANY = {**HOME, "addressLine1": "5 Elm Street", "city": "Albany", "postalCode": "12207"}
TOTALS = ("subtotal", "discountTotal", "shippingTotal", "taxTotal", "total")


@pytest.fixture
def store(shop):
    publish(shop)
    return shop


def ask(shop, session, **body):
    return shop.post(f"/checkout-sessions/{session['id']}/calculate", body, key=None)


def test_a_buyer_s_address_and_choice_make_the_total_that_is_charged(store):
    cart_id = cart_of(store)
    session = store.session(cart_id)
    found = made(ask(store, session, shippingAddress=HOME, selectedShippingMethodId="std"))
    # 4 % and 4.5 % of 25.00, halves up, and 4 % of 5.00 of shipping.
    assert (found["status"], found["sessionId"]) == ("final", session["id"])
    assert [found["totals"][name] for name in TOTALS] == [2500, 0, 500, 233, 3233]
    cart = store.read_cart(cart_id)
    assert (cart["calculation"]["isFinal"], cart["shippingAddress"]) == (True, HOME)
    done = made(store.complete(session["id"], email="ada@example.com"))
    assert done["amount"] == 3233
    assert made(store.get(f"/orders/{done['orderId']}"))["shippingAddress"] == HOME


def test_another_address_than_the_calculated_one_is_recalculated_and_paid(store):
    cart_id = cart_of(store)
    final(store, cart_id)
    session = store.session(cart_id)
    refused(store.complete(session["id"], email="ada@example.com", shippingAddress=ALBANY), 400, "cart_not_ready")
    found = made(ask(store, session, shippingAddress=ALBANY))
    # Outside the city its 4.5 % are gone, and the way to ship stays chosen.
    assert (found["status"], found["shipping"]["selectedMethod"]["id"]) == ("final", "std")
    assert [found["totals"][name] for name in TOTALS] == [2500, 0, 500, 120, 3120]
    done = made(store.complete(session["id"], email="ada@example.com", shippingAddress=ALBANY))
    assert done["amount"] == 3120


def test_the_address_that_was_calculated_counts_before_the_one_that_the_session_was_opened_with(store):
    cart_id = cart_of(store)
    final(store, cart_id)
    session = store.session(cart_id, customer={"shippingAddress": HOME})
    made(ask(store, session, shippingAddress=ALBANY))
    done = made(store.complete(session["id"], email="ada@example.com"))
    assert (done["amount"], made(store.get(f"/orders/{done['orderId']}"))["shippingAddress"]) == (3120, ALBANY)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "address_required"),
        ({"shippingAddress": HOME}, "shipping_method_required"),
        ({"shippingAddress": HOME, "selectedShippingMethodId": "gone"}, "shipping_method_unavailable"),
    ],
)
def test_what_is_missing_is_told_with_the_choices_and_locks_nothing(store, body, told):
    session = store.session(cart_of(store))
    found = made(ask(store, session, **body))
    assert (found["status"], told in codes(found["errors"])) == ("failed", True)
    assert bool(found["shipping"]["methods"]) == ("shippingAddress" in body)
    refused(store.complete(session["id"], email="ada@example.com", shippingAddress=HOME), 400, "cart_not_ready")


def test_the_answer_holds_nothing_of_the_merchant_s_own(store):
    found = made(ask(store, store.session(cart_of(store)), shippingAddress=HOME, selectedShippingMethodId="std"))
    assert set(found) == {"sessionId", "status", "currency", "shipping", "tax", "totals", "prompts", "errors"}


def test_the_snapshot_that_is_kept_has_the_whole_explanation(store):
    cart_id = cart_of(store)
    made(ask(store, store.session(cart_id), shippingAddress=HOME, selectedShippingMethodId="std"))
    kept = made(store.get(f"/shipping-tax/snapshots/{store.read_cart(cart_id)['calculation']['snapshotId']}"))
    assert (kept["kind"], kept["cartId"], kept["totals"]["total"]) == ("checkout_final", cart_id, 3233)
    assert kept["explanation"]["lines"][0]["taxes"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"shippingAddress": {**HOME, "postalCode": "90210"}}, "/shippingAddress/postalCode"),
        ({"billingAddress": {"city": "x"}}, "/billingAddress/addressLine1"),
        ({"kind": "cart_estimate"}, "/kind"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(store, body, pointer):
    cart_id = cart_of(store)
    session = store.session(cart_id)
    assert pointer in pointers(refused(ask(store, session, **body), 422, "validation_error"))
    assert store.read_cart(cart_id)["shippingAddress"] is None


def test_a_session_that_is_over_is_not_calculated(store):
    paid = store.session(cart_of(store))
    made(ask(store, paid, shippingAddress=HOME, selectedShippingMethodId="std"))
    made(store.complete(paid["id"], email="ada@example.com"))
    refused(ask(store, paid, shippingAddress=ALBANY), 422, "session_not_open")
    expired = store.session(cart_of(store))
    made(store.post(f"/checkout/sessions/{expired['id']}/expire"))
    refused(ask(store, expired), 410, "session_expired")


def test_nothing_moves_while_a_payment_may_still_succeed(store):
    cart_id = cart_of(store)
    final(store, cart_id)
    session = store.session(cart_id)
    made(store.complete(session["id"], "tok_sandbox_3ds", email="ada@example.com"), 202)
    refused(ask(store, session, shippingAddress=ALBANY), 409, "payment_in_progress")
    assert store.read_cart(cart_id)["shippingAddress"] == HOME


def test_a_cart_that_is_kept_elsewhere_is_not_calculated(store):
    session = store.session(externalCartId="cart-77")
    error = refused(ask(store, session), 400, "cart_not_ready")
    assert error["details"] == {"missing": ["cart"]}


def test_a_session_that_nobody_opened_is_not_found(store):
    refused(ask(store, {"id": "cs_" + "0" * 32}), 404, "not_found")


def test_without_a_configuration_what_the_cart_says_stands(shop):
    session = shop.session()
    found = made(ask(shop, session))
    assert (found["status"], found["totals"]["total"]) == ("final", session["amount"])


def test_a_repeat_under_one_key_calculates_once(store):
    cart_id = cart_of(store)
    session = store.session(cart_id)
    body = {"shippingAddress": HOME, "selectedShippingMethodId": "std"}
    path = f"/checkout-sessions/{session['id']}/calculate"
    asked = [store.post(path, body, key=None, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert made(asked[0]) == made(asked[1])
    assert asked[1].headers["idempotency-replay"] == "true"
    assert store.events(cart_id).count("cart.updated") == 2  # the address, and the calculation


def test_a_billing_address_decides_where_the_configuration_says_so(shop):
    publish(shop, {**CONFIG, "tax": {**CONFIG["tax"], "basis": "billing"}})
    session = shop.session(cart_of(shop))
    body = {"shippingAddress": HOME, "selectedShippingMethodId": "std"}
    assert codes(made(ask(shop, session, **body))["errors"]) == ["address_required"]
    found = made(ask(shop, session, **body, billingAddress=ALBANY))
    assert (found["status"], found["totals"]["taxTotal"]) == ("final", 120)
