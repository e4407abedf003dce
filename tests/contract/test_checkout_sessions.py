"""Checkout sessions keep their word: one session, one payment at the most, and the truth about it."""

from datetime import timedelta

import pytest

from penstock.ids import new_id, new_session_id
from tests.shop import ADDRESS, made, pointers, refused


def test_a_session_opens_for_a_cart_with_its_amount_and_addresses_to_pay_at(shop):
    cart = shop.ready_cart()
    session = shop.session(cart["id"], metadata={"ref": "A1"}, allowedMethods=["card"])
    assert (session["status"], session["kind"], session["amount"], session["currency"]) == ("open", "cart", 3000, "USD")
    assert session["hostedUrl"].endswith(f"/checkout/{session['id']}")
    assert session["embedUrl"].endswith(f"/embed/{session['id']}")
    assert session["collect"] == {"shippingAddress": True, "billingAddress": False}


def test_a_session_needs_a_cart_of_some_kind(shop):
    refused(shop.post("/checkout/sessions", shop.session_body()), 422, "validation_error")


@pytest.mark.parametrize("whose", ["other", "nobody"])
def test_a_session_for_a_cart_that_is_not_mine_is_refused(shop, other_shop, whose):
    cart_id = other_shop.cart(items=1)["id"] if whose == "other" else new_id()
    error = refused(shop.post("/checkout/sessions", shop.session_body(cart_id)), 422, "validation_error")
    assert (pointers(error), error["details"][0]["code"]) == (["/cartId"], "unknown_cart")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//evil.example",
        "https:evil.example",
        "https://shop@evil.example/",
        "ftp://a.example/",
        "http://shop.example/",
        "https://",
        "https://shop.example/#frag",
        "https://a.example:99999/",
        "\\\\evil.example",
    ],
)
@pytest.mark.parametrize("field", ["returnUrl", "cancelUrl"])
def test_a_buyer_is_sent_back_to_a_plain_https_address_only(shop, field, url):
    body = shop.session_body(shop.ready_cart()["id"], **{field: url})
    assert set(pointers(refused(shop.post("/checkout/sessions", body), 422, "validation_error"))) == {f"/{field}"}


def test_what_this_server_does_not_do_is_said_and_not_ignored(shop):
    cart_id = shop.ready_cart()["id"]
    code = shop.post("/checkout/sessions", shop.session_body(cart_id, discountCode="SPRING"))
    refused(code, 422, "discount_invalid")
    recurring = {"plan": "pro", "interval": "monthly", "amount": 900}
    error = refused(
        shop.post("/checkout/sessions", shop.session_body(cart_id, recurring=recurring)), 422, "feature_unavailable"
    )
    assert error["details"] == {"feature": "recurring"}
    terms = shop.session_body(cart_id, paymentTerms={"netN": 30})
    assert refused(shop.post("/checkout/sessions", terms), 422, "feature_unavailable")["details"] == {
        "feature": "paymentTerms"
    }
    made(shop.post("/checkout/sessions", shop.session_body(cart_id, paymentTerms={"netN": None})), 201)


def test_an_approved_card_makes_a_paid_order(shop):
    session = shop.session()
    done = made(shop.complete(session["id"]))
    assert (done["status"], done["paymentStatus"], done["amount"], done["nextAction"]) == (
        "completed",
        "captured",
        3000,
        None,
    )
    order = made(shop.get(f"/orders/{done['orderId']}"))
    assert (order["status"], order["paymentStatus"], order["total"]) == ("processing", "captured", 3000)
    assert (order["sessionId"], order["customerEmail"], order["shippingAddress"]) == (
        session["id"],
        "ada@example.com",
        ADDRESS,
    )
    assert shop.read_cart(session["cartId"])["status"] == "converted"
    assert shop.events(session["cartId"])[-2:] == ["cart.updated", "cart.converted"]


def test_an_order_with_nothing_to_ship_is_complete_when_paid(shop):
    cart = shop.cart(customerEmail="a@b.example")
    shop.item(cart["id"], type="service")
    done = made(shop.complete(shop.session(cart["id"], collect={"shippingAddress": False})["id"]))
    assert made(shop.get(f"/orders/{done['orderId']}"))["status"] == "completed"


def test_the_same_completion_again_gets_the_same_answer_and_one_charge(shop):
    session = shop.session()
    first, again = shop.complete(session["id"]), shop.complete(session["id"])
    assert made(first) == made(again)
    assert len(made(shop.get(f"/orders/{first.json()['orderId']}/payments"))["data"]) == 1


def test_another_completion_of_a_completed_session_is_refused(shop):
    session = shop.session()
    made(shop.complete(session["id"]))
    refused(shop.complete(session["id"], "tok_sandbox_decline_hard"), 422, "session_not_open")


@pytest.mark.parametrize(
    "kind",
    [
        "hard",
        "soft",
        "fraud",
        "insufficient_funds",
        "duplicate",
        "compliance",
        "authentication_failed",
    ],
)
def test_a_decline_is_told_with_its_kind_and_the_buyer_may_try_again(shop, kind):
    session = shop.session()
    error = refused(shop.complete(session["id"], f"tok_sandbox_decline_{kind}"), 402, "payment_failed")
    assert error["details"]["declineKind"] == kind
    assert error["details"]["attempts"][-1]["state"] == "declined"
    done = made(shop.complete(session["id"]))
    assert done["orderId"] == error["details"]["orderId"], "the order is the same, the payment is another"
    assert done["paymentId"] != error["details"]["paymentId"]


@pytest.mark.parametrize("behaviour", ["error_500", "wrong_amount", "wrong_currency", "timeout_before_charge"])
def test_an_unknown_outcome_is_202_and_holds_the_session_and_the_cart(shop, behaviour):
    session = shop.session()
    waiting = made(shop.complete(session["id"], f"tok_sandbox_{behaviour}"), 202)
    assert (waiting["paymentStatus"], waiting["pendingReason"], waiting["status"]) == (
        "pending",
        "outcome_unknown",
        "open",
    )
    refused(shop.complete(session["id"]), 409, "payment_in_progress")
    item = {"name": "x", "unitPrice": 1}
    refused(shop.post(f"/carts/{session['cartId']}/items", item), 409, "cart_not_open")
    second = shop.session(session["cartId"])
    refused(shop.complete(second["id"]), 409, "payment_in_progress")


def test_paying_again_after_silence_finds_the_charge_and_makes_no_other(shop):
    session = shop.session()
    waiting = made(shop.complete(session["id"], "tok_sandbox_outage_after_charge"), 202)
    refused(shop.complete(session["id"]), 422, "session_not_open")
    payments = made(shop.get(f"/orders/{waiting['orderId']}/payments"))["data"]
    assert [(p["id"], p["status"]) for p in payments] == [(waiting["paymentId"], "captured")]


def test_a_charge_that_timed_out_is_found_by_asking_again_and_never_made_twice(shop):
    session = shop.session()
    waiting = made(shop.complete(session["id"], "tok_sandbox_outage_after_charge"), 202)
    done = made(shop.complete(session["id"], "tok_sandbox_outage_after_charge"))
    assert (done["paymentId"], done["paymentStatus"]) == (waiting["paymentId"], "captured")
    transactions = made(shop.get(f"/payments/{done['paymentId']}/transactions"))["data"]
    assert [(t["type"], t["status"], t["amount"]) for t in transactions] == [("sale", "succeeded", 3000)]


@pytest.mark.parametrize("behaviour", ["timeout_after_charge", "garbage"])
def test_a_charge_whose_answer_is_lost_is_found_at_once(shop, behaviour):
    done = made(shop.complete(shop.session()["id"], f"tok_sandbox_{behaviour}"))
    assert done["paymentStatus"] == "captured"
    assert len(made(shop.get(f"/payments/{done['paymentId']}/transactions"))["data"]) == 1


def test_a_buyer_who_has_to_act_is_sent_on(shop):
    waiting = made(shop.complete(shop.session()["id"], "tok_sandbox_3ds"), 202)
    assert (waiting["pendingReason"], waiting["nextAction"]["type"]) == ("buyer_action", "redirect")
    assert "/sandbox/challenge/" in waiting["nextAction"]["url"]


def test_a_connector_that_was_never_reached_charges_nothing(shop):
    session = shop.session()
    error = refused(shop.complete(session["id"], "tok_sandbox_not_sent"), 422, "no_eligible_connector")
    assert [a["state"] for a in error["details"]["attempts"]] == ["not_sent"]
    made(shop.complete(session["id"]))


def test_ten_payments_are_the_most_that_a_session_tries(shop):
    session = shop.session()
    for _ in range(10):
        refused(shop.complete(session["id"], "tok_sandbox_decline_hard"), 402, "payment_failed")
    refused(shop.complete(session["id"]), 429, "too_many_attempts")


def test_no_other_total_than_the_one_that_the_buyer_saw_is_charged(shop):
    session = shop.session()
    cart = shop.read_cart(session["cartId"])
    seen = cart["total"]
    made(shop.post(f"/carts/{session['cartId']}/items", {"type": "product", "name": "Late", "unitPrice": 5000}), 201)
    error = refused(shop.complete(session["id"], expectedAmount=seen), 409, "amount_changed")
    assert error["details"] == {"amount": seen + 5000, "currency": cart["currency"]}
    assert shop.read_cart(session["cartId"])["status"] == "open"
    assert made(shop.get("/orders"))["data"] == []
    paid = made(shop.complete(session["id"], expectedAmount=seen + 5000))
    assert made(shop.get(f"/orders/{paid['orderId']}"))["total"] == seen + 5000


def test_a_cart_can_be_changed_after_a_decline_and_the_new_total_is_charged(shop):
    session = shop.session()
    refused(shop.complete(session["id"], "tok_sandbox_decline_soft"), 402, "payment_failed")
    shop.item(session["cartId"], unitPrice=1000)
    done = made(shop.complete(session["id"]))
    order = made(shop.get(f"/orders/{done['orderId']}"))
    assert (done["amount"], order["total"], len(order["lineItems"])) == (4000, 4000, 3)


def test_what_the_session_collects_has_to_be_there(shop):
    cart = shop.cart(items=1)
    session = shop.session(cart["id"], collect={"shippingAddress": True, "billingAddress": True})
    error = refused(shop.complete(session["id"]), 422, "missing_required_field")
    assert pointers(error) == ["/email", "/shippingAddress", "/billingAddress"]
    made(shop.complete(session["id"], email="a@b.example", shippingAddress=ADDRESS, billingAddress=ADDRESS))


def test_a_card_needs_a_token(shop):
    body = {"paymentMethod": "card"}
    answer = shop.post(f"/checkout-sessions/{shop.session()['id']}/complete", body, key=None)
    assert pointers(refused(answer, 422, "missing_required_field")) == ["/paymentToken"]


def test_net_terms_and_methods_that_are_not_offered_are_refused(shop):
    session = shop.session(allowedMethods=["net30"])
    refused(shop.complete(session["id"]), 422, "payment_method_unavailable")
    terms = {
        "termsHash": "0" * 64,
        "acceptedAt": "2026-01-01T00:00:00Z",
        "companyName": "A",
        "billingEmail": "a@b.example",
    }
    answer = shop.post(
        f"/checkout-sessions/{session['id']}/complete", {"paymentMethod": "net30", "net30Acceptance": terms}, key=None
    )
    refused(answer, 422, "feature_unavailable")


def test_an_empty_cart_cannot_be_paid_for(shop):
    session = shop.session(shop.cart(customerEmail="a@b.example")["id"], collect={"shippingAddress": False})
    refused(shop.complete(session["id"]), 400, "cart_not_ready")


def test_a_cart_that_costs_nothing_needs_no_provider(shop):
    cart = shop.cart(customerEmail="a@b.example")
    shop.item(cart["id"], unitPrice=0, type="service")
    session = shop.session(cart["id"], collect={"shippingAddress": False})
    answer = shop.post(f"/checkout-sessions/{session['id']}/complete", {"paymentMethod": "card"}, key=None)
    assert (made(answer)["paymentStatus"], answer.json()["amount"]) == ("captured", 0)


def test_a_frozen_cart_s_draft_order_is_the_one_that_is_paid(shop):
    cart = shop.ready_cart()
    order = made(shop.post(f"/carts/{cart['id']}/checkout", {}), 201)
    done = made(shop.complete(shop.session(cart["id"])["id"]))
    assert done["orderId"] == order["id"]


def test_unknown_sessions_are_told_with_each_operation_s_own_code(shop):
    for unknown in (new_session_id(), "nonsense", "cs_short"):
        refused(shop.complete(unknown), 404, "not_found")
        refused(shop.get(f"/checkout-sessions/{unknown}/embed-token", key=None), 404, "not_found")
        refused(shop.get(f"/checkout-sessions/{unknown}/payment-methods", key=None), 404, "session_not_found")


def test_payment_methods_are_those_of_the_connections_and_the_session(shop):
    session = shop.session()
    methods = made(shop.get(f"/checkout-sessions/{session['id']}/payment-methods", key=None))["methods"]
    assert [m["method"] for m in methods] == ["card", "ideal"]
    assert methods[0]["displayName"]
    only_terms = shop.session(session["cartId"], allowedMethods=["net30"])
    assert made(shop.get(f"/checkout-sessions/{only_terms['id']}/payment-methods", key=None)) == {"methods": []}


def test_an_embed_token_is_minted_again_for_an_open_session_only(shop, clock):
    session = shop.session()
    path = f"/checkout-sessions/{session['id']}/embed-token"
    fresh = made(shop.get(path, key=None))
    assert (fresh["amount"], fresh["currency"], fresh["embedToken"].count(".")) == (3000, "USD", 2)
    made(shop.complete(session["id"]))
    refused(shop.get(path, key=None), 422, "session_not_open")


def test_an_expired_session_is_gone(shop, clock):
    session = shop.session()
    clock.advance(timedelta(hours=24))
    refused(shop.complete(session["id"]), 410, "session_expired")
    refused(shop.get(f"/checkout-sessions/{session['id']}/embed-token", key=None), 410, "session_expired")


def test_a_proxy_session_is_opened_for_a_bare_amount(shop):
    opened = made(
        shop.post("/checkout-sessions/embed-token", {"amount": 2599, "currency": "EUR", "externalCartId": "C-9"})
    )
    assert opened["embedToken"]
    assert opened["hostedUrl"].endswith(opened["checkoutSessionId"])
    fresh = made(shop.get(f"/checkout-sessions/{opened['checkoutSessionId']}/embed-token", key=None))
    assert (fresh["amount"], fresh["currency"]) == (2599, "EUR")
    done = made(shop.complete(opened["checkoutSessionId"], email="a@b.example"))
    order = made(shop.get(f"/orders/{done['orderId']}"))
    assert (order["total"], order["currency"], order["externalCartId"], order["lineItems"][0]["total"]) == (
        2599,
        "EUR",
        "C-9",
        2599,
    )


def test_allowed_methods_do_not_go_with_a_proxy_session(shop):
    body = {"amount": 1, "currency": "USD", "allowedMethods": ["card"]}
    refused(shop.post("/checkout-sessions/embed-token", body), 400, "allowed_methods_unsupported")


def test_a_proxy_session_needs_a_connection(bare_shop):
    refused(
        bare_shop.post("/checkout-sessions/embed-token", {"amount": 1, "currency": "USD"}), 422, "no_gr4vy_connection"
    )


def test_a_card_needs_a_connection(bare_shop):
    session = bare_shop.session()
    refused(bare_shop.complete(session["id"]), 422, "no_eligible_connector")


def test_a_cart_kept_elsewhere_is_charged_what_the_session_s_metadata_say(shop):
    session = shop.session(
        externalCartId="X-1",
        metadata={"amount": 990, "currency": "EUR"},
        collect={"shippingAddress": False},
        customerEmail="a@b.example",
    )
    assert (session["kind"], session["amount"]) == ("external", 990)
    assert made(shop.complete(session["id"]))["amount"] == 990


def test_a_cart_kept_elsewhere_without_an_amount_cannot_be_charged(shop):
    session = shop.session(externalCartId="X-2", collect={"shippingAddress": False}, customerEmail="a@b.example")
    refused(shop.complete(session["id"]), 422, "missing_required_field")


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        ({}, "workspace_not_live"),
        ({"lifecycle_stage": "live", "billing_status": "lapsed"}, "workspace_not_entitled_for_live"),
        ({"lifecycle_stage": "live", "billing_status": "trialing", "trial_over": True}, "trial_expired"),
    ],
)
def test_production_takes_no_payment_before_the_workspace_may(production_shop, standing, code):
    shop = production_shop(**standing)
    refused(shop.post("/checkout-sessions/embed-token", {"amount": 1, "currency": "USD"}), 402, code)
    cart = shop.cart(items=1)
    refused(shop.post("/checkout/sessions", shop.session_body(cart["id"])), 402, code)


def test_production_takes_payments_once_the_workspace_may(production_shop):
    shop = production_shop(lifecycle_stage="live", billing_status="active")
    made(shop.post("/checkout/sessions", shop.session_body(shop.cart(items=1)["id"])), 201)


@pytest.mark.parametrize("operation", ["complete", "calculate"])
@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 422),
        (b'{"surprise":1}', 422),
        (b'{"paymentToken":"4111111111111111"}', 422),
        (b" " * 1_100_000, 413),
    ],
    ids=["no JSON", "no object", "unknown field", "card number", "too large"],
)
def test_an_allowed_page_can_read_what_is_wrong_with_its_body(shop, operation, content, status):
    made(shop.put("/embed-config", {"allowedOrigins": ["https://shop.example"]}))
    path = f"/checkout-sessions/{shop.session()['id']}/{operation}"
    for origin, is_granted in (("https://shop.example", True), ("https://evil.example", False)):
        headers = {"Origin": origin, "Content-Type": "application/json"}
        answer = shop.ask("POST", path, key=None, headers=headers, content=content)
        assert answer.status_code == status
        assert ("access-control-allow-origin" in answer.headers) is is_granted
