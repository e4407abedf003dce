"""A buyer pays in a provider's own widget: what its token binds, and what of its payment is believed."""

import httpx
import jwt
import pytest

from tests.connectors.fake_gr4vy import KEY_PAIR, SETTINGS, FakeGr4vy, number, transaction
from tests.connectors.fake_gr4vy import refused as upstream
from tests.connectors.official import Described, description
from tests.shop import made, pointers, refused
from tests.shops import connect

BODY = {"amount": 2599, "currency": "EUR", "country": "DE"}
UNCHECKED = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}


@pytest.fixture
def gr4vy(house):
    """The connector's own client talks to a Gr4vy in memory, held to Gr4vy's own description."""
    fake, clients = FakeGr4vy(), house.registry._clients
    before = clients.get("gr4vy")
    clients["gr4vy"] = httpx.Client(transport=Described(fake, description("gr4vy")), trust_env=False)
    house.registry._built.clear()
    yield fake
    clients.pop("gr4vy").close()
    if before is not None:
        clients["gr4vy"] = before
    house.registry._built.clear()


@pytest.fixture
def widget_shop(bare_shop, gr4vy):
    return connect(bare_shop, "gr4vy", position=1, **SETTINGS)


def opened(shop, **body):
    return made(shop.post("/checkout-sessions/embed-token", {**BODY, **body}))


def fresh(shop, session_id):
    return made(shop.get(f"/checkout-sessions/{session_id}/embed-token", key=None))


def claims_of(token):
    return jwt.decode(token, KEY_PAIR.public_key(), ["ES512"], options=UNCHECKED)


def take(gr4vy, session_id, **changed):
    """Let the widget take a payment as its token allows, but for what a test changes."""
    pinned = {"metadata": {"penstock_session": session_id}, "amount": 2599, "captured_amount": 2599}
    made_there = transaction(id=number(7), external_identifier=None, **{**pinned, **changed})
    gr4vy.transactions[number(7)] = made_there
    return made_there


def finish(shop, session_id, ref=None, **kw):
    body = {"paymentMethod": "gr4vy", "gr4vyTransactionId": ref or number(7)}
    return shop.post(f"/checkout-sessions/{session_id}/complete", body, key=None, **kw)


def test_the_token_is_the_providers_and_binds_session_amount_and_currency(widget_shop, gr4vy):
    session = opened(widget_shop)
    claims = claims_of(session["embedToken"])
    assert claims["scopes"] == ["embed"]
    assert (claims["embed"]["amount"], claims["embed"]["currency"]) == (2599, "EUR")
    assert claims["embed"]["metadata"] == {"penstock_session": session["checkoutSessionId"]}
    assert claims["checkout_session_id"] == number(300)


def test_a_provider_and_its_transaction_go_by_names_that_are_nobodys_too(widget_shop, gr4vy):
    session_id = opened(widget_shop)["checkoutSessionId"]
    take(gr4vy, session_id)
    body = {"paymentMethod": "provider", "providerTransactionId": number(7)}
    path = f"/checkout-sessions/{session_id}/complete"
    error = refused(
        widget_shop.post(path, {**body, "gr4vyTransactionId": number(7)}, key=None), 422, "validation_error"
    )
    assert pointers(error) == ["/providerTransactionId"]
    done = made(widget_shop.post(path, body, key=None))
    payments = made(widget_shop.get("/payments", params={"orderId": done["orderId"]}))["data"]
    assert [(each["method"], each["status"]) for each in payments] == [("gr4vy", "captured")]


def test_a_fresh_token_goes_on_with_the_same_session_of_the_provider(widget_shop, gr4vy):
    session = opened(widget_shop)
    again = fresh(widget_shop, session["checkoutSessionId"])
    assert again["gr4vyCheckoutSessionId"] == number(300)
    assert claims_of(again["embedToken"])["checkout_session_id"] == number(300)
    assert (again["amount"], again["currency"], len(gr4vy.sessions)) == (2599, "EUR", 1)


def test_a_carts_session_gets_its_widget_with_its_first_token_and_the_carts_amount(widget_shop, gr4vy):
    session = widget_shop.session()
    first, second = fresh(widget_shop, session["id"]), fresh(widget_shop, session["id"])
    assert claims_of(first["embedToken"])["embed"]["amount"] == first["amount"] == 3000
    assert first["gr4vyCheckoutSessionId"] == second["gr4vyCheckoutSessionId"] == number(300)
    assert len(gr4vy.sessions) == 1


def test_without_a_widget_the_token_is_ours(shop):
    session = opened(shop)
    assert jwt.get_unverified_header(session["embedToken"])["alg"] == "HS256"
    assert fresh(shop, session["checkoutSessionId"])["gr4vyCheckoutSessionId"] is None


def test_an_amount_of_nothing_opens_no_widget(widget_shop, gr4vy):
    opened(widget_shop, amount=0)
    assert not gr4vy.sessions


def test_a_payment_in_the_widget_pays_the_session(widget_shop, gr4vy):
    session = opened(widget_shop)
    take(gr4vy, session["checkoutSessionId"])
    done = made(finish(widget_shop, session["checkoutSessionId"]))
    payment = made(widget_shop.get(f"/orders/{done['orderId']}/payments"))["data"][0]
    assert (payment["status"], payment["amount"], payment["currency"]) == ("captured", 2599, "EUR")
    assert payment["providerRef"] == number(7)


@pytest.mark.parametrize(
    "changed",
    [
        {"metadata": {"penstock_session": "cs_somebody_else"}},
        {"metadata": None},
        {"amount": 1, "captured_amount": 1},
        {"captured_amount": 1},
        {"currency": "JPY"},
        {"status": "authorization_declined"},
        {"status": "authorization_voided"},
    ],
    ids=["another session", "no session", "another amount", "part of it", "another currency", "declined", "voided"],
)
def test_a_payment_that_is_not_this_sessions_does_not_count(widget_shop, gr4vy, changed):
    session = opened(widget_shop)
    take(gr4vy, session["checkoutSessionId"], **changed)
    refused(finish(widget_shop, session["checkoutSessionId"]), 402, "payment_failed")


def test_what_the_browser_wrote_into_the_transaction_is_not_believed(widget_shop, gr4vy):
    session = opened(widget_shop)
    there = take(gr4vy, session["checkoutSessionId"], metadata={"penstock_session": "cs_other"})
    there["external_identifier"] = session["checkoutSessionId"]
    refused(finish(widget_shop, session["checkoutSessionId"]), 402, "payment_failed")


def test_a_transaction_that_the_provider_does_not_know_is_refused(widget_shop, gr4vy):
    session = opened(widget_shop)
    refused(finish(widget_shop, session["checkoutSessionId"], number(99)), 402, "payment_failed")


def test_a_provider_that_cannot_be_asked_leaves_the_payment_open(widget_shop, gr4vy):
    session = opened(widget_shop)
    take(gr4vy, session["checkoutSessionId"])
    gr4vy.errors[number(7)] = upstream(500, "server_error")
    done = finish(widget_shop, session["checkoutSessionId"])
    assert (done.status_code, done.json()["paymentStatus"]) == (202, "pending")


def test_the_connection_that_opened_the_widget_is_asked_though_another_came_first_since(widget_shop, gr4vy):
    session = opened(widget_shop)
    connect(widget_shop, "sandbox", position=0)
    take(gr4vy, session["checkoutSessionId"])
    made(finish(widget_shop, session["checkoutSessionId"]))


def test_a_provider_that_opens_no_widget_is_an_upstream_error_and_leaves_no_session(widget_shop, gr4vy):
    gr4vy.errors["sessions"] = upstream(500, "server_error")
    headers = {"Idempotency-Key": "widget-1"}
    failed = widget_shop.post("/checkout-sessions/embed-token", BODY, headers=headers)
    refused(failed, 502, "gr4vy_upstream_error")
    assert "conformance_SECRET" not in failed.text
    again = made(widget_shop.post("/checkout-sessions/embed-token", BODY, headers=headers))
    same = widget_shop.post("/checkout-sessions/embed-token", BODY, headers=headers)
    assert made(same)["checkoutSessionId"] == again["checkoutSessionId"]
    assert len(gr4vy.sessions) == 1


def test_a_provider_that_fails_at_a_fresh_token_is_an_upstream_error(widget_shop, gr4vy):
    session = widget_shop.session()
    gr4vy.errors["sessions"] = upstream(429, "too_many_requests")
    refused(widget_shop.get(f"/checkout-sessions/{session['id']}/embed-token", key=None), 502, "gr4vy_upstream_error")
    assert fresh(widget_shop, session["id"])["gr4vyCheckoutSessionId"] == number(300)
