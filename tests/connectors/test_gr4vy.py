"""Gr4vy's connector, against a Gr4vy in memory whose every exchange is held against Gr4vy's own description."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.payments.gr4vy import REDIRECTS, Gr4vy
from connectors.payments.gr4vy_wire import thumbprint
from penstock.clock import StandingClock
from penstock.conformance import PaymentConnectorContract, delivery, reply
from penstock.plugin import (
    Approved,
    BadCredentials,
    CaptureRequest,
    CardFacts,
    ChargeRequest,
    Context,
    Declined,
    Done,
    Forged,
    Hint,
    Money,
    Pending,
    ProxyTransaction,
    RefundRequest,
    Rejected,
    ResumeRequest,
    VoidRequest,
    WebhookDelivery,
    WidgetRequest,
)
from tests.connectors.fake_gr4vy import (
    CARD_TOKEN,
    KEY_PAIR,
    NOW,
    PEM,
    RAW,
    SESSION_TOKEN,
    SETTINGS,
    STAMP,
    FakeGr4vy,
    number,
    refused,
    signed,
    summary,
    transaction,
)
from tests.connectors.official import Described, check_kit, description

KEY = "019a0000-0000-7000-8000-00000000c0de"
EUR = Money(1250, "EUR")
VISA = CardFacts("visa", "1234")


def at(transport, settings=SETTINGS, environment="sandbox"):
    http = httpx.Client(transport=Described(transport, description("gr4vy")), trust_env=False)
    return Gr4vy(Context(settings, http, StandingClock(NOW), environment))


@pytest.fixture
def gr4vy():
    return FakeGr4vy()


@pytest.fixture
def connector(gr4vy):
    return at(gr4vy)


def asked(money=EUR, method="card", token=CARD_TOKEN, **more):
    more = {"return_url": "https://shop.example/back", "reference": "order_1", "country": "NL", **more}
    return ChargeRequest(KEY, money, method, token, **more)


def test_a_card_is_charged_under_our_key(gr4vy, connector):
    assert connector.charge(asked(email="ada@example.com", statement="A shop")) == Approved(number(1), EUR, card=VISA)
    [sent] = gr4vy.sent
    body = json.loads(sent.content)
    assert sent.headers["idempotency-key"] == body["external_identifier"] == KEY
    assert (body["intent"], body["payment_method"]["method"]) == ("capture", "id")
    assert sent.url.host == "api.sandbox.acme.gr4vy.app"


def test_production_is_at_another_address(gr4vy):
    at(gr4vy, environment="production").charge(asked())
    assert gr4vy.sent[0].url.host == "api.acme.gr4vy.app"


def test_every_request_has_a_token_of_its_own_signed_with_the_private_key(gr4vy, connector):
    connector.charge(asked())
    connector.find(KEY)
    tokens = [one.headers["authorization"].removeprefix("Bearer ") for one in gr4vy.sent]
    assert len(set(tokens)) == len(tokens)
    header, claims = jwt.get_unverified_header(tokens[0]), jwt.decode(tokens[0], options={"verify_signature": False})
    assert (header["alg"], header["kid"]) == ("ES512", thumbprint(KEY_PAIR))
    assert claims["exp"] - claims["iat"] == 300
    assert "*.write" not in claims["scopes"]


def test_the_thumbprint_is_that_of_rfc_7638():
    """The curve's own generator, whose coordinates SEC 2 prints, hashed by hand."""
    key = ec.derive_private_key(1, ec.SECP521R1())
    point = key.public_key().public_numbers()
    assert thumbprint(key) == "OeKGf9VndDjYwHKRd0dpgdELFndZEEkXwdriDA_fITE"
    assert point.x.bit_length() < 521, "the first byte of this point is zero, and stays in the thumbprint"


@pytest.mark.parametrize("pem", ["", "no key", "p256"])
def test_a_key_of_another_kind_is_refused_at_once(gr4vy, pem):
    if pem == "p256":
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises((TypeError, ValueError)):
        at(gr4vy, SETTINGS | {"private_key": pem})


def test_a_checkout_sessions_card_is_charged(gr4vy, connector):
    connector.charge(asked(token=SESSION_TOKEN))
    assert json.loads(gr4vy.sent[0].content)["payment_method"]["method"] == "checkout-session"
    assert connector.describe_token(SESSION_TOKEN) is None


@pytest.mark.parametrize("token", ["", "tok_sandbox_approve", "pm_1234", CARD_TOKEN.upper(), CARD_TOKEN + "/x"])
def test_a_token_of_somebody_else_is_not_sent(gr4vy, connector, token):
    assert not connector.takes_token(token)
    assert connector.charge(asked(token=token)).kind == "validation"
    assert not gr4vy.sent


def test_a_stored_card_is_described_for_routing(connector):
    assert connector.describe_token(CARD_TOKEN) == CardFacts("mastercard", "4242", 3, 2031, "debit", "DE")


def test_a_redirect_method_sends_the_buyer_away_and_resume_asks(gr4vy, connector):
    pending = connector.charge(asked(method="ideal", token=""))
    assert pending == Pending(number(1), "https://gr4vy.app/redirect/12345")
    body = json.loads(gr4vy.sent[0].content)["payment_method"]
    assert (body["method"], body["country"], body["currency"]) == ("ideal", "NL", "EUR")
    gr4vy.transactions[pending.ref] |= {"status": "capture_succeeded", "captured_amount": 1250}
    back = ResumeRequest(KEY, pending.ref, EUR, method="ideal")
    assert connector.resume(back).captured == EUR
    with pytest.raises(ValueError, match="another charge"):
        connector.resume(ResumeRequest("other", pending.ref, EUR))


def test_only_methods_that_the_account_offers_are_offered_and_taken(gr4vy, connector):
    assert [one.display_name for one in connector.payment_methods()] == ["Card", "iDEAL", "PayPal"]
    assert connector.charge(asked(method="klarna", token="")).kind == "unsupported"
    assert connector.charge(asked(method="ideal", token="", country=None)).kind == "unsupported"
    assert not gr4vy.sent


def test_an_amount_beyond_gr4vys_is_rejected_unsent(gr4vy, connector):
    assert connector.charge(asked(Money(100_000_000, "JPY"))).kind == "unsupported"
    assert not gr4vy.sent


def test_a_hold_is_captured_in_part_and_found_by_its_key(gr4vy, connector):
    held = connector.charge(asked(capture="manual"))
    assert held == Approved(number(1), Money(0, "EUR"), EUR, VISA)
    request = CaptureRequest("cap-1", held.ref, Money(1000, "EUR"), charge_key=KEY, charged=EUR)
    assert connector.find_follow_up(request) is None
    done = connector.capture(request)
    assert done == Done(number(100), Money(1000, "EUR"))
    assert connector.find_follow_up(request) == done
    assert connector.find(KEY) == Approved(number(1), Money(0, "EUR"), EUR, VISA)


def test_a_hold_is_released(gr4vy, connector):
    held = connector.charge(asked(capture="manual"))
    request = VoidRequest("void-1", held.ref, EUR, charge_key=KEY)
    assert connector.find_follow_up(request) is None
    assert connector.void(request) == Done(held.ref, EUR)
    assert connector.find_follow_up(request) == Done(held.ref, EUR)
    gr4vy.transactions[held.ref]["status"] = "authorization_void_pending"
    assert connector.find_follow_up(request) == Pending(held.ref)


def test_a_capture_is_refunded_and_the_refund_is_found_by_its_key(gr4vy, connector):
    approved = connector.charge(asked())
    request = RefundRequest("ref-1", approved.ref, Money(250, "EUR"), charge_key=KEY, charged=EUR, reason="damaged")
    assert connector.find_follow_up(request) is None
    done = connector.refund(request)
    assert done == Done(number(200), Money(250, "EUR"))
    assert connector.find_follow_up(request) == done


def test_a_refused_follow_up_that_was_done_before_is_done(gr4vy, connector):
    approved = connector.charge(asked())
    request = RefundRequest("ref-1", approved.ref, EUR, charge_key=KEY, charged=EUR)
    done = connector.refund(request)
    gr4vy.errors["refunds"] = refused(400, "bad_request")
    assert connector.refund(request) == done
    gr4vy.errors["refunds"] = refused(400, "bad_request")
    other = RefundRequest("ref-2", approved.ref, EUR, charge_key=KEY, charged=EUR)
    assert connector.refund(other).kind == "validation"


def test_a_list_with_more_pages_proves_nothing(gr4vy, connector):
    approved = connector.charge(asked())
    first = {"items": [], "limit": 20, "next_cursor": "abc", "previous_cursor": None}
    gr4vy.errors["refunds"] = httpx.Response(200, json=first)
    with pytest.raises(ValueError, match="does not tell"):
        connector.find_follow_up(RefundRequest("r", approved.ref, EUR, charge_key=KEY, charged=EUR))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (("authorization_declined", "insufficient_funds", None), Declined("insufficient_funds", "insufficient_funds")),
        (("authorization_declined", "issuer_decline", None), Declined("soft", "issuer_decline")),
        (("authorization_declined", "issuer_decline", "03"), Declined("hard", "issuer_decline")),
        (("authorization_declined", "requires_buyer_authentication", None), Declined("auth_required", "requires_buyer_authentication")),
        (("authorization_declined", "refused_transaction", None), Declined("compliance", "refused_transaction")),
        (("authorization_declined", None, None), Declined("hard", "declined")),
        (("authorization_declined", "a new word", None), Declined("hard", "a new word")),
        (("authorization_failed", "failed_buyer_approval", None), Declined("authentication_failed", "failed_buyer_approval")),
        (("authorization_failed", "invalid_service_credentials", None), Rejected("configuration", "invalid_service_credentials")),
        (("authorization_failed", "service_rate_limit", None), Rejected("rate_limited", "service_rate_limit")),
    ],
)  # fmt: skip
def test_a_no_is_told_in_our_words(gr4vy, connector, told, expected):
    status, code, advice = told
    gr4vy.changed = {"status": status, "error_code": code, "merchant_advice_code": advice, "captured_amount": 0}
    assert connector.charge(asked()) == expected


@pytest.mark.parametrize("code", ["service_network_error", "service_error", "internal_error", "unknown_error", None])
def test_a_failure_behind_gr4vy_is_no_answer(gr4vy, connector, code):
    gr4vy.changed = {"status": "authorization_failed", "error_code": code}
    with pytest.raises(ValueError, match="failed"):
        connector.charge(asked())


@pytest.mark.parametrize(
    ("changed", "is_open"),
    [
        ({"status": "processing"}, True),
        ({"status": "capture_pending"}, True),
        ({"status": "authorization_succeeded", "intent_outcome": "pending"}, True),
        ({"status": "authorization_succeeded", "intent_outcome": "failed"}, False),
        ({"status": "authorization_voided"}, False),
    ],
)
def test_what_is_on_its_way_is_pending_and_what_cannot_be_is_no_answer(gr4vy, connector, changed, is_open):
    gr4vy.changed = changed
    if is_open:
        assert connector.charge(asked()) == Pending(number(1))
    else:
        with pytest.raises(ValueError, match="Gr4vy says"):
            connector.charge(asked())


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(400, "bad_request", "validation"), (401, "unauthorized", "configuration"), (403, "forbidden", "configuration"),
     (404, "not_found", "validation"), (429, "too_many_requests", "rate_limited")],
)  # fmt: skip
def test_what_gr4vy_refuses_before_it_acts_is_a_rejection(gr4vy, connector, status, code, kind):
    gr4vy.errors["transactions"] = refused(status, code)
    assert connector.charge(asked()).kind == kind


@pytest.mark.parametrize(
    ("status", "code"), [(409, "duplicate_record"), (425, "too_early"), (405, "method_not_allowed")]
)
def test_a_conflict_is_no_answer(gr4vy, connector, status, code):
    gr4vy.errors["transactions"] = refused(status, code)
    with pytest.raises(ValueError, match=str(status)):
        connector.charge(asked())


def test_a_repeat_with_the_same_key_charges_once(gr4vy, connector):
    assert connector.charge(asked()) == connector.charge(asked())
    assert len(gr4vy.transactions) == 1


def test_two_transactions_under_one_key_are_no_answer(gr4vy, connector):
    connector.charge(asked())
    gr4vy.transactions["other"] = gr4vy.transactions[number(1)] | {"id": number(2)}
    with pytest.raises(ValueError, match="more than one"):
        connector.find(KEY)


def test_credentials_are_verified(gr4vy, connector):
    assert connector.verify_account() is None
    other = ec.generate_private_key(ec.SECP521R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BadCredentials):
        at(gr4vy, SETTINGS | {"private_key": other.decode()}).verify_account()


def test_the_widgets_token_pins_amount_currency_and_session(gr4vy, connector):
    request = WidgetRequest("cs_1", EUR, lifetime=7200, country="NL")
    widget = connector.open_widget(request)
    claims = jwt.decode(
        widget.token,
        KEY_PAIR.public_key(),
        ["ES512"],
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    assert (widget.ref, widget.expires_at) == (number(300), NOW + timedelta(hours=1))
    assert (claims["scopes"], claims["checkout_session_id"]) == (["embed"], number(300))
    assert claims["embed"] == {
        "amount": 1250, "currency": "EUR", "metadata": {"penstock_session": "cs_1"}, "merchant_account_id": "default"
    }  # fmt: skip
    assert gr4vy.sessions == [{"metadata": {"penstock_session": "cs_1"}, "expires_in": 7200}]
    again = connector.open_widget(WidgetRequest("cs_1", EUR, lifetime=60, ref=widget.ref))
    assert again.ref == widget.ref
    assert len(gr4vy.sessions) == 1
    assert widget.token not in repr(widget)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ProxyTransaction(number(1), "cs_1", EUR, "captured")),
        ({"captured_amount": 1}, ProxyTransaction(number(1), "cs_1", Money(1, "EUR"), "captured")),
        ({"status": "authorization_succeeded"}, ProxyTransaction(number(1), "cs_1", EUR, "authorized")),
        ({"status": "buyer_approval_pending"}, ProxyTransaction(number(1), "cs_1", EUR, "pending")),
        ({"status": "authorization_declined"}, ProxyTransaction(number(1), "cs_1", EUR, "declined")),
        ({"status": "authorization_voided"}, ProxyTransaction(number(1), "cs_1", EUR, "declined")),
        ({"metadata": None, "external_identifier": "cs_1"}, ProxyTransaction(number(1), "", EUR, "captured")),
    ],
)
def test_the_widgets_transaction_is_what_gr4vy_says(gr4vy, connector, changed, expected):
    gr4vy.transactions[number(1)] = transaction(**{"metadata": {"penstock_session": "cs_1"}, **changed})
    assert connector.read_transaction(number(1)) == expected


def test_a_transaction_that_gr4vy_does_not_know_is_none_and_silence_is_not(gr4vy, connector):
    assert connector.read_transaction(number(9)) is None
    gr4vy.errors[number(9)] = refused(401, "unauthorized")
    with pytest.raises(ValueError, match="401"):
        connector.read_transaction(number(9))


TARGETS = {
    "transaction": (
        {"type": "transaction", "id": "t1", "external_identifier": KEY},
        Hint("e1", "payment", key=KEY, ref="t1"),
    ),
    "refund": (
        {"type": "refund", "id": "r1", "transaction_id": "t1", "external_identifier": "ref-1"},
        Hint("e1", "refund", key="ref-1", ref="t1"),
    ),
    "capture": (
        {"type": "capture", "id": "c1", "transaction_id": "t1", "external_identifier": "cap-1"},
        Hint("e1", "payment", key="cap-1", ref="t1"),
    ),
    "chargeback": ({"type": "chargeback", "id": "d1", "transaction_id": "t1"}, Hint("e1", "dispute", ref="t1")),
    "buyer": ({"type": "buyer", "id": "b1"}, Hint("e1", "other")),
}


def message(target):
    return json.dumps({"type": "event", "id": "e1", "name": "x", "target": target}).encode()


@pytest.mark.parametrize("kind", TARGETS)
def test_a_signed_message_is_a_hint(connector, kind):
    target, hint = TARGETS[kind]
    body = message(target)
    assert list(connector.parse_webhook(WebhookDelivery(signed(body), body, NOW))) == [hint]


GOOD = message({"type": "buyer", "id": "b1"})
FORGERIES = {
    "another body": (signed(GOOD), GOOD + b" "),
    "another secret": (signed(GOOD, secret="guess"), GOOD),
    "too old": (signed(GOOD, at=NOW - timedelta(days=8)), GOOD),
    "of tomorrow": (signed(GOOD, at=NOW + timedelta(days=1)), GOOD),
    "another time": (signed(GOOD) | {"x-gr4vy-webhook-timestamp": "1"}, GOOD),
    "no headers": ({}, GOOD),
    "no number": (signed(GOOD) | {"x-gr4vy-webhook-timestamp": "²"}, GOOD),
    "no text": (signed(GOOD) | {"x-gr4vy-webhook-signatures": "ü"}, GOOD),
    "no JSON": (signed(b"{"), b"{"),
    "no event": (signed(b"[]"), b"[]"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_message_is_refused(connector, forgery):
    headers, body = FORGERIES[forgery]
    with pytest.raises(Forged):
        connector.parse_webhook(WebhookDelivery(headers, body, NOW))


def test_without_a_secret_no_message_is_believed(gr4vy):
    settings = {name: value for name, value in SETTINGS.items() if name != "webhook_secret"}
    with pytest.raises(Forged):
        at(gr4vy, settings).parse_webhook(WebhookDelivery(signed(GOOD, secret=""), GOOD, NOW))


def kept(**changed):
    return transaction(external_identifier=KEY, **changed)


def page(*items):
    return reply(200, {"items": list(items), "limit": 2, "next_cursor": None, "previous_cursor": None})


def looked_up(request):
    """Answer a search with a summary, and what it names with the whole transaction."""
    return page(summary(kept())) if request.url.path == "/transactions" else reply(200, kept())


def unlisted(request):
    is_list = request.url.path.endswith(("/captures", "/refunds"))
    return page() if is_list else reply(200, kept(status="authorization_succeeded", intent="authorize"))


def step(kind, **changed):
    """What Gr4vy answers to a capture or a void: the step, and the transaction as it then stands."""
    whole = {"type": f"transaction-{kind}", "status": "succeeded", "code": None, **RAW, "transaction": kept()}
    return reply(200, whole | changed)


REFUND = {
    "type": "refund", "id": number(200), "transaction_id": number(1), "status": "succeeded", "currency": "EUR",
    "amount": 1250, "target_type": "payment-method", "reconciliation_id": "r", "settled": False,
    "transaction_reconciliation_id": "t", "created_at": STAMP, "updated_at": STAMP, "external_identifier": KEY,
}  # fmt: skip
CAPTURE = {
    "type": "capture", "id": number(100), "merchant_account_id": "default", "transaction_id": number(1),
    "currency": "EUR", "amount": 1250, "status": "succeeded", "final": True, "created_at": STAMP, "updated_at": STAMP,
    "external_identifier": KEY,
}  # fmt: skip


class TestGr4vy(PaymentConnectorContract):
    connector = Gr4vy
    settings: ClassVar[Mapping[str, Any]] = SETTINGS | {"redirect_methods": sorted(REDIRECTS)}
    method_token = CARD_TOKEN
    foreign_token = "pm_1Nv0FGQ9RKHgCVdK"
    transaction_ref = number(1)
    message_age = timedelta(days=7, hours=1)
    wire: ClassVar = {
        "approved": reply(201, kept()),
        "declined": reply(201, kept(status="authorization_declined", error_code="issuer_decline")),
        "pending": reply(201, kept(status="processing")),
        "redirected": reply(
            201,
            kept(
                status="buyer_approval_pending",
                payment_method={"method": "ideal", "approval_url": "https://gr4vy.app/r/1"},
            ),
        ),
        "novel": reply(201, kept(status="on_hold")),
        "wrong_amount": reply(201, kept(captured_amount=1251)),
        "wrong_currency": reply(201, kept(currency="USD")),
        "found": looked_up,
        "not_found": page(),
        "authorized": reply(201, kept(status="authorization_succeeded", intent="authorize", captured_amount=0)),
        "captured": step("capture", capture_id=number(100)),
        "capture_refused": step("capture", status="declined", code="expired_authorization"),
        "capture_pending": step("capture", status="pending"),
        "capture_novel": step("capture", status="on_hold"),
        "voided": step("void"),
        "void_refused": step("void", status="declined", code="service_decline"),
        "void_pending": step("void", status="pending"),
        "void_novel": step("void", status="on_hold"),
        "refunded": reply(201, REFUND),
        "refund_refused": reply(201, REFUND | {"status": "declined", "error_code": "refund_period_expired"}),
        "refund_pending": reply(201, REFUND | {"status": "processing"}),
        "refund_novel": reply(201, REFUND | {"status": "on_hold"}),
        "found_capture": page(CAPTURE),
        "found_refund": page(REFUND),
        "found_void": reply(200, kept(status="authorization_voided")),
        "follow_up_not_found": unlisted,
        "resumed": reply(200, kept()),
        "resume_declined": reply(200, kept(status="authorization_failed", error_code="failed_buyer_approval")),
        "account_ok": page(),
        "account_refused": refused(401, "unauthorized"),
        "token_described": reply(200, FakeGr4vy().stored(CARD_TOKEN, {})[1]),
        "widget": reply(201, {"type": "checkout-session", "id": number(300), "metadata": {}, "expires_at": STAMP}),
        "transaction": reply(200, kept(metadata={"penstock_session": "cs_1"})),
        "transaction_not_found": refused(404, "not_found"),
    }
    amounts: ClassVar = {EUR: 1250, Money(1250, "JPY"): 1250, Money(1250, "KWD"): 1250}

    def amount_on_wire(self, request):
        return json.loads(request.content)["amount"]

    def asked(self, *args, **more):
        return super().asked(*args, **{"country": "NL", **more})

    def message(self, about):
        named = {"payment": TARGETS["transaction"][0], "refund": TARGETS["refund"][0], "novel": TARGETS["buyer"][0]}
        body = message(named[about])
        return delivery(body, signed(body))

    def stranger_settings(self):
        return {**self.settings, "webhook_secret": "somebody else's"}

    def test_the_private_key_is_in_no_repr(self):
        connector, _ = self.built("approved")
        assert PEM.splitlines()[1] not in repr(vars(connector))

    def test_what_the_kit_says_and_hears_is_as_described(self):
        assert check_kit(self, "gr4vy") >= 15
