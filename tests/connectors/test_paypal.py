"""PayPal's connector, against a PayPal in memory whose every exchange is held against PayPal's own description."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

import httpx
import pytest

from connectors.payments.paypal import PayPal
from connectors.payments.paypal_answers import amount_of, approval_link, money_of
from connectors.payments.paypal_issues import processor_kind, refusal
from connectors.payments.paypal_wire import Answer
from penstock.clock import StandingClock
from penstock.conformance import PaymentConnectorContract, delivery, reply
from penstock.plugin import (
    Approved,
    BadCredentials,
    CaptureRequest,
    ChargeRequest,
    Context,
    Declined,
    Done,
    Forged,
    Hint,
    Money,
    NotSent,
    Pending,
    RefundRequest,
    Rejected,
    ResumeRequest,
    VoidRequest,
    WebhookDelivery,
)
from tests.connectors.fake_paypal import CERT_URL, LOG_IN, NOW, SETTINGS, FakePayPal, refused, signed
from tests.connectors.official import Described, check_kit, description

KEY = "019a0000-0000-7000-8000-00000000c0de"
EUR = Money(1250, "EUR")
BESIDE = (LOG_IN, CERT_URL.removeprefix("https://api.sandbox.paypal.com"))
SLICES = ("paypal_orders", "paypal_payments")


def at(transport, settings=SETTINGS, clock=None):
    http = httpx.Client(transport=Described(transport, *map(description, SLICES), beside=BESIDE), trust_env=False)
    return PayPal(Context(settings, http, clock or StandingClock(NOW), "sandbox"))


@pytest.fixture
def paypal():
    return FakePayPal()


@pytest.fixture
def connector(paypal):
    return at(paypal)


def asked(money=EUR, **more):
    more = {"return_url": "https://shop.example/back", "reference": "order_1", **more}
    return ChargeRequest(KEY, money, "paypal", more.pop("method_token", ""), **more)


def back(ref, money=EUR, capture="automatic"):
    return ResumeRequest(KEY, ref, money, capture=capture, method="paypal", query={"token": ref})


def paid(paypal, connector, capture="automatic"):
    pending = connector.charge(asked(capture=capture))
    paypal.approve(pending.ref)
    return connector.resume(back(pending.ref, capture=capture))


def test_the_buyer_is_sent_to_paypal_and_nothing_is_taken_before_the_return(paypal, connector):
    pending = connector.charge(asked(locale="de-DE", statement="A shop with a long name"))
    assert isinstance(pending, Pending)
    assert pending.redirect_url.startswith("https://www.sandbox.paypal.com/")
    body = json.loads(paypal.sent[0].content)
    assert body["purchase_units"][0]["custom_id"] == KEY == paypal.sent[0].headers["paypal-request-id"]
    context = body["payment_source"]["paypal"]["experience_context"]
    assert (context["return_url"], context["locale"]) == ("https://shop.example/back", "de-DE")
    again = connector.resume(back(pending.ref))
    assert again == pending
    assert [r.method for r in paypal.sent] == ["POST", "GET"]


def test_after_the_return_the_money_is_captured_once(paypal, connector):
    approved = paid(paypal, connector)
    assert approved == Approved("C0000000000000002", EUR)
    assert connector.resume(back(next(iter(paypal.orders)))) == approved
    assert [r.url.path.endswith("/capture") for r in paypal.sent].count(True) == 1


def test_a_manual_capture_is_authorized_then_captured_in_part(paypal, connector):
    held = paid(paypal, connector, "manual")
    assert (held.captured, held.authorized) == (Money(0, "EUR"), EUR)
    request = CaptureRequest("cap-1", held.ref, Money(1000, "EUR"), charge_key=KEY, charged=EUR)
    assert connector.find_follow_up(request) is None
    done = connector.capture(request)
    assert done.money == Money(1000, "EUR")
    assert json.loads(paypal.sent[-1].content)["final_capture"] is True
    assert connector.find_follow_up(request) == done
    assert connector.capture(request) == done


def test_an_authorization_is_released(paypal, connector):
    held = paid(paypal, connector, "manual")
    request = VoidRequest("void-1", held.ref, EUR, charge_key=KEY)
    assert connector.find_follow_up(request) is None
    assert connector.void(request) == Done(held.ref, EUR)
    assert connector.find_follow_up(request) == Done(held.ref, EUR)
    paypal.refuses["void"] = "PREVIOUSLY_VOIDED"
    assert connector.void(VoidRequest("void-2", held.ref, EUR, charge_key=KEY)) == Done(held.ref, EUR)


def test_a_capture_is_refunded_and_the_refund_is_found_by_its_key(paypal, connector):
    approved = paid(paypal, connector)
    request = RefundRequest("ref-1", approved.ref, Money(250, "EUR"), charge_key=KEY, charged=EUR)
    assert connector.find_follow_up(request) is None
    done = connector.refund(request)
    assert done.money == Money(250, "EUR")
    assert connector.find_follow_up(request) == done
    other = RefundRequest("ref-2", approved.ref, Money(250, "EUR"), charge_key=KEY, charged=EUR)
    assert connector.find_follow_up(other) is None


def test_a_capture_that_was_a_step_of_its_own_is_what_is_refunded(paypal, connector):
    held = paid(paypal, connector, "manual")
    done = connector.capture(CaptureRequest("cap-1", held.ref, EUR, charge_key=KEY, charged=EUR))
    connector.refund(RefundRequest("r-1", held.ref, EUR, charge_key=KEY, charged=EUR, capture_ref=done.ref))
    assert paypal.sent[-1].url.path == f"/v2/payments/captures/{done.ref}/refund"


def test_a_vaulted_wallet_is_charged_at_once(paypal, connector):
    assert isinstance(connector.charge(asked(method_token="vault_8kk845")), Approved)
    assert connector.takes_token("vault_8kk845")
    assert not connector.takes_token("a token/of somebody else")


def test_a_capture_under_review_is_pending_and_looked_at_by_its_order(paypal, connector):
    paypal.capture_status = "PENDING"
    pending = paid(paypal, connector)
    assert pending == Pending(next(iter(paypal.orders)))
    [capture] = paypal.orders[pending.ref]["purchase_units"][0]["payments"]["captures"]
    capture["status"] = "COMPLETED"
    assert connector.resume(back(pending.ref)) == Approved(capture["id"], EUR)


@pytest.mark.parametrize(
    ("issue", "expected"),
    [
        ("INSTRUMENT_DECLINED", Declined("soft", "INSTRUMENT_DECLINED")),
        ("PAYER_ACCOUNT_RESTRICTED", Declined("hard", "PAYER_ACCOUNT_RESTRICTED")),
        ("COMPLIANCE_VIOLATION", Declined("compliance", "COMPLIANCE_VIOLATION")),
        ("TRANSACTION_RECEIVING_LIMIT_EXCEEDED", Rejected("merchant_blocked", "TRANSACTION_RECEIVING_LIMIT_EXCEEDED")),
        ("AUTH_CAPTURE_NOT_ENABLED", Rejected("configuration", "AUTH_CAPTURE_NOT_ENABLED")),
    ],
)
def test_a_refused_capture_is_told_in_our_words(paypal, connector, issue, expected):
    paypal.refuses["capture"] = issue
    assert paid(paypal, connector) == expected


def test_an_order_that_was_captured_before_is_looked_at_again(paypal, connector):
    pending = connector.charge(asked())
    paypal.approve(pending.ref)
    order = paypal.orders[pending.ref]

    def lost(request):
        if request.url.path.endswith("/capture"):
            paypal.pay(order)
            paypal.refuses["capture"] = "ORDER_ALREADY_CAPTURED"
        return paypal.handle_request(request)

    assert isinstance(at(httpx.MockTransport(lost)).resume(back(pending.ref)), Approved)


def test_a_buyer_whom_paypal_wants_back_is_sent_there_again(paypal, connector):
    pending = connector.charge(asked())
    paypal.approve(pending.ref)
    paypal.refuses["capture"] = "PAYER_ACTION_REQUIRED"
    assert connector.resume(back(pending.ref)) == pending


def test_an_order_that_the_buyer_never_approved_is_given_up_and_nothing_is_sent_for_it(paypal, connector):
    pending = connector.charge(asked())
    late = ResumeRequest(KEY, pending.ref, EUR, method="paypal", give_up=True)
    assert connector.resume(late) == Declined("hard", "PAYER_CANCELLED", "the buyer did not approve it at PayPal")
    assert [(r.method, r.url.path) for r in paypal.sent[1:]] == [("GET", f"/v2/checkout/orders/{pending.ref}")]


def test_an_order_that_the_buyer_approved_is_taken_even_when_given_up(paypal, connector):
    pending = connector.charge(asked())
    paypal.approve(pending.ref)
    late = ResumeRequest(KEY, pending.ref, EUR, method="paypal", give_up=True)
    assert isinstance(connector.resume(late), Approved)


def test_a_payment_that_paypal_still_works_on_is_not_given_up(paypal, connector):
    paypal.capture_status = "PENDING"
    pending = paid(paypal, connector)
    late = ResumeRequest(KEY, pending.ref, EUR, method="paypal", give_up=True)
    assert connector.resume(late) == Pending(pending.ref)


def test_an_issue_that_nobody_knows_is_no_answer(paypal, connector):
    pending = connector.charge(asked())
    paypal.approve(pending.ref)
    paypal.refuses["capture"] = "IDENTIFIER_NOT_FOUND"
    with pytest.raises(ValueError, match="IDENTIFIER_NOT_FOUND"):
        connector.resume(back(pending.ref))


@pytest.mark.parametrize("issue", ["DUPLICATE_INVOICE_ID", "AUTHORIZATION_ALREADY_CAPTURED"])
def test_a_refusal_that_may_be_the_echo_of_our_own_capture_is_no_answer(paypal, connector, issue):
    held = paid(paypal, connector, "manual")
    paypal.refuses["capture"] = issue
    with pytest.raises(ValueError, match=issue):
        connector.capture(CaptureRequest("cap-1", held.ref, EUR, charge_key=KEY, charged=EUR))


def test_the_order_of_another_charge_is_never_taken(paypal, connector):
    pending = connector.charge(asked())
    paypal.approve(pending.ref)
    other = ResumeRequest("another-key", pending.ref, EUR, method="paypal")
    with pytest.raises(ValueError, match="another charge"):
        connector.resume(other)
    assert all(r.method == "GET" or r.url.path.endswith("/orders") for r in paypal.sent)


def test_the_access_token_is_fetched_once_and_again_before_it_ends(paypal):
    clock = StandingClock(NOW)
    connector = at(paypal, clock=clock)
    connector.charge(asked())
    connector.charge(asked())
    assert len(paypal.tokens) == 1
    clock.advance(timedelta(seconds=32400 - 59))
    connector.charge(asked())
    assert len(paypal.tokens) == 2


def test_a_token_that_paypal_took_back_is_replaced_once(paypal, connector):
    connector.charge(asked())
    paypal.good.clear()
    assert isinstance(connector.charge(asked()), Pending)
    assert len(paypal.tokens) == 2


def test_bad_credentials_are_a_rejection_and_sent_nothing(paypal):
    connector = at(paypal, SETTINGS | {"client_secret": "wrong"})
    assert connector.charge(asked()) == Rejected(
        "configuration", "UNAUTHORIZED", "PayPal refuses the account's credentials"
    )
    assert not paypal.sent
    with pytest.raises(BadCredentials):
        connector.verify_account()


def test_good_credentials_are_verified(connector):
    assert connector.verify_account() is None


@pytest.mark.parametrize("failure", [httpx.ReadTimeout("silence"), httpx.Response(503), httpx.Response(200, json=[])])
def test_a_charge_that_got_no_token_was_not_sent(failure):
    def answer(request):
        assert request.url.path == LOG_IN
        if isinstance(failure, Exception):
            raise failure
        return failure

    with pytest.raises(NotSent):
        at(httpx.MockTransport(answer)).charge(asked())


def test_a_connection_that_fails_after_the_log_in_was_not_sent(paypal):
    def answer(request):
        if request.url.path == LOG_IN:
            return paypal.handle_request(request)
        raise httpx.ConnectError("refused")

    with pytest.raises(NotSent):
        at(httpx.MockTransport(answer)).charge(asked())


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(1250, "EUR"), "12.50"),
        (Money(1250, "JPY"), "1250"),
        (Money(125000, "HUF"), "1250"),
        (Money(100, "TWD"), "1"),
    ],
)
def test_amounts_are_texts_and_three_currencies_have_no_decimals(money, text):
    assert amount_of(money) == {"currency_code": money.currency, "value": text}
    assert money_of(amount_of(money)) == money


def test_an_amount_that_paypal_cannot_write_is_rejected_unsent(paypal, connector):
    assert connector.charge(asked(Money(125050, "HUF"))).kind == "unsupported"
    assert not paypal.sent


@pytest.mark.parametrize("value", ["12.505", "12,50", "", "NaN"])
def test_an_amount_that_cannot_be_is_no_answer(value):
    with pytest.raises(ValueError, match="PayPal gave"):
        money_of({"currency_code": "EUR", "value": value})


def test_the_buyer_is_sent_nowhere_but_to_paypal():
    for href in ("https://paypal.com.evil.example/x", "http://www.paypal.com/x", "https://evilpaypal.com/x"):
        with pytest.raises(ValueError, match="somewhere else"):
            approval_link({"links": [{"rel": "approve", "href": href}]})


@pytest.mark.parametrize(
    ("code", "advice", "kind"),
    [("5120", "", "insufficient_funds"), ("0500", "", "soft"), ("0500", "03", "hard"), ("9500", "", "fraud"),
     ("5650", "", "auth_required"), ("nobody knows", "", "hard")],
)  # fmt: skip
def test_processors_codes_are_told_in_our_words(code, advice, kind):
    assert processor_kind(code, advice) == kind


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [(400, "INVALID_REQUEST", "validation"), (403, "NOT_AUTHORIZED", "configuration"), (404, "RESOURCE_NOT_FOUND", "validation"),
     (429, "RATE_LIMIT_REACHED", "rate_limited")],
)  # fmt: skip
def test_what_paypal_refuses_before_it_acts_is_a_rejection(status, name, kind):
    assert refusal(Answer(status, {"name": name})).kind == kind


@pytest.mark.parametrize(("status", "name"), [(409, "RESOURCE_CONFLICT"), (429, ""), (400, ""), (404, ""), (422, "X")])
def test_what_paypal_does_not_document_is_no_answer(status, name):
    with pytest.raises(ValueError, match=str(status)):
        refusal(Answer(status, {"name": name}))


def test_two_payments_of_one_order_are_no_answer(paypal, connector):
    pending = connector.charge(asked())
    order = paypal.orders[pending.ref]
    paypal.pay(order)
    payments = order["purchase_units"][0]["payments"]
    payments["captures"] *= 2
    with pytest.raises(ValueError, match="2 times"):
        connector.resume(back(pending.ref))


EVENTS = {
    "PAYMENT.CAPTURE.COMPLETED": ({"id": "C1", "custom_id": KEY}, Hint("WH-1", "payment", key=KEY, ref="C1")),
    "PAYMENT.CAPTURE.DENIED": (
        {"id": "C1", "custom_id": KEY, "invoice_id": "cap-1"},
        Hint("WH-1", "payment", key="cap-1", ref="C1"),
    ),
    "PAYMENT.CAPTURE.REFUNDED": ({"id": "R1", "custom_id": "ref-1"}, Hint("WH-1", "refund", key="ref-1")),
    "CHECKOUT.ORDER.APPROVED": (
        {"id": "O1", "purchase_units": [{"custom_id": KEY}]},
        Hint("WH-1", "payment", key=KEY, ref="O1"),
    ),
    "CUSTOMER.DISPUTE.CREATED": (
        {"disputed_transactions": [{"seller_transaction_id": "C1"}]},
        Hint("WH-1", "dispute", ref="C1"),
    ),
    "BILLING.PLAN.CREATED": ({"id": "P-1"}, Hint("WH-1", "other")),
}


def message(kind, resource):
    event = {"id": "WH-1", "event_type": kind, "resource": resource, "create_time": "2030-01-02T12:00:00Z"}
    description("paypal_webhooks").check_schema("event", event)
    return json.dumps(event).encode()


@pytest.mark.parametrize("kind", EVENTS)
def test_a_signed_message_is_a_hint(connector, kind):
    resource, hint = EVENTS[kind]
    body = message(kind, resource)
    assert list(connector.parse_webhook(WebhookDelivery(signed(body), body, NOW))) == [hint]


def test_the_certificate_is_fetched_once():
    fetched = []

    def answer(request):
        fetched.append(request)
        return FakePayPal().handle_request(request)

    connector, body = at(httpx.MockTransport(answer)), message("X", {})
    for _ in range(3):
        connector.parse_webhook(WebhookDelivery(signed(body), body, NOW))
    assert len(fetched) == 1


GOOD = message("X", {})
FORGERIES = {
    "another body": (signed(GOOD), GOOD + b" "),
    "another webhook": (signed(GOOD, webhook_id="1JE4291016473214C"), GOOD),
    "too old": (signed(GOOD, at=NOW - timedelta(days=4)), GOOD),
    "of tomorrow": (signed(GOOD, at=NOW + timedelta(days=1)), GOOD),
    "no headers": ({}, GOOD),
    "another algorithm": (signed(GOOD) | {"paypal-auth-algo": "none"}, GOOD),
    "no signature": (signed(GOOD) | {"paypal-transmission-sig": "!"}, GOOD),
    "no time": (signed(GOOD) | {"paypal-transmission-time": "noon"}, GOOD),
    "a certificate elsewhere": (signed(GOOD, url=CERT_URL.replace("paypal.com", "paypal.com.evil.example")), GOOD),
    "a certificate of production": (signed(GOOD, url=CERT_URL.replace(".sandbox", "")), GOOD),
    "a page that is no certificate": (signed(GOOD, url="https://api.sandbox.paypal.com/v1/notifications/x"), GOOD),
    "an unencrypted certificate": (signed(GOOD, url=CERT_URL.replace("https", "http")), GOOD),
    "a password in the address": (signed(GOOD, url=CERT_URL.replace("//", "//x@")), GOOD),
    "no JSON": (signed(b"{"), b"{"),
    "no object": (signed(b"[]"), b"[]"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_message_is_refused(connector, forgery):
    headers, body = FORGERIES[forgery]
    with pytest.raises(Forged):
        connector.parse_webhook(WebhookDelivery(headers, body, NOW))


def test_without_a_webhook_id_no_message_is_believed(paypal):
    settings = {name: value for name, value in SETTINGS.items() if name != "webhook_id"}
    with pytest.raises(Forged):
        at(paypal, settings).parse_webhook(WebhookDelivery(signed(GOOD), GOOD, NOW))


UNIT = {"custom_id": KEY, "amount": {"currency_code": "EUR", "value": "12.50"}}
LINKS = [{"rel": "payer-action", "href": "https://www.sandbox.paypal.com/checkoutnow?token=O1", "method": "GET"}]


def order(status="COMPLETED", value="12.50", currency="EUR"):
    amount = {"currency_code": currency, "value": value}
    unit = UNIT | {"payments": {"captures": [{"id": "C1", "status": "COMPLETED", "amount": amount}]}}
    return {"id": "O1", "intent": "CAPTURE", "status": status, "purchase_units": [unit]}


def payment(status="COMPLETED", **more):
    return {"id": "P1", "status": status, "amount": UNIT["amount"], **more}


def listed(**payments):
    """What an authorization or a capture, and then its order, says became of it."""

    def answer(request):
        if "/orders/" in request.url.path:
            return reply(200, {"purchase_units": [UNIT | {"payments": payments}]})
        return reply(200, {"status": "CREATED", "supplementary_data": {"related_ids": {"order_id": "O1"}}})

    return answer


def ended(**payments):
    return order() | {"purchase_units": [UNIT | {"payments": payments}]}


HELD = {"authorizations": [{"id": "A1", "status": "CREATED", "amount": UNIT["amount"]}]}
STEP = {"id": "S1", "status": "COMPLETED", "amount": UNIT["amount"], "invoice_id": KEY, "custom_id": KEY}
RELATED = {"supplementary_data": {"related_ids": {"order_id": "O1"}}}


def by_path(**answers):
    """Answer by the first word of `answers` that is in the path."""

    def answer(request):
        return next(given for word, given in answers.items() if f"/{word}" in request.url.path)

    return answer


def listing(**payments):
    """A payment, and the order in which what became of it is listed."""
    whole = order() | {"purchase_units": [UNIT | {"payments": payments}]}
    return by_path(
        orders=reply(200, whole),
        captures=reply(200, STEP | RELATED),
        authorizations=reply(200, HELD["authorizations"][0] | RELATED),
    )


class TestPayPal(PaymentConnectorContract):
    """The wallet is a vaulted one here, since the kit asks for answers that come at once."""

    connector = PayPal
    settings: ClassVar[Mapping[str, Any]] = SETTINGS
    foreign_token = "a token/of somebody else"
    message_age = timedelta(days=3, hours=1)
    wire: ClassVar = {
        "approved": reply(201, order()),
        "declined": refused("COMPLIANCE_VIOLATION"),
        "pending": reply(200, order("PAYER_ACTION_REQUIRED") | {"links": LINKS}),
        "redirected": reply(200, order("PAYER_ACTION_REQUIRED") | {"links": LINKS}),
        "novel": reply(201, order("ON_HOLD")),
        "wrong_amount": reply(201, order(value="12.51")),
        "wrong_currency": reply(201, order(currency="USD")),
        "authorized": reply(201, order() | {"intent": "AUTHORIZE", "purchase_units": [UNIT | {"payments": HELD}]}),
        "captured": reply(201, STEP),
        "capture_refused": refused("AUTHORIZATION_EXPIRED"),
        "capture_pending": reply(201, STEP | {"status": "PENDING"}),
        "capture_novel": reply(201, STEP | {"status": "ON_HOLD"}),
        "voided": reply(200, {"id": "A1", "status": "VOIDED"}),
        "void_refused": refused("PREVIOUSLY_CAPTURED"),
        "void_novel": reply(200, {"id": "A1", "status": "ON_HOLD"}),
        "refunded": reply(201, STEP),
        "refund_refused": refused("CAPTURE_FULLY_REFUNDED"),
        "refund_pending": reply(201, STEP | {"status": "PENDING"}),
        "refund_novel": reply(201, STEP | {"status": "ON_HOLD"}),
        "found_capture": listing(captures=[STEP]),
        "found_refund": listing(refunds=[STEP]),
        "found_void": reply(200, {"id": "A1", "status": "VOIDED"}),
        "follow_up_not_found": listing(),
        "resumed": lambda request: reply(200, order("APPROVED")) if request.method == "GET" else reply(201, order()),
        "resume_declined": lambda request: (
            reply(200, order("APPROVED")) if request.method == "GET" else refused("INSTRUMENT_DECLINED")
        ),
        "resume_waiting": reply(200, order("PAYER_ACTION_REQUIRED") | {"links": LINKS}),
        "account_ok": reply(200, {"access_token": "A21.x", "token_type": "Bearer", "expires_in": 32400}),
        "account_refused": reply(401, {"error": "invalid_client", "error_description": "Client Authentication failed"}),
    }
    amounts: ClassVar = {
        EUR: "12.50",
        Money(5, "USD"): "0.05",
        Money(1250, "JPY"): "1250",
        Money(125000, "HUF"): "1250",
    }

    def amount_on_wire(self, request):
        return json.loads(request.content)["purchase_units"][0]["amount"]["value"]

    def follow_up_on_wire(self, request):
        return json.loads(request.content)["amount"]["value"]

    def side_call(self, request):
        if request.url.path in BESIDE:
            return FakePayPal().handle_request(request)
        return None

    def message(self, about):
        kind = {"payment": "PAYMENT.CAPTURE.COMPLETED", "refund": "PAYMENT.CAPTURE.REFUNDED", "novel": "PAYMENT.NOVEL"}
        body = message(kind[about], {"id": "C1", "custom_id": KEY})
        return delivery(body, signed(body))

    def stranger_settings(self):
        return SETTINGS | {"webhook_id": "1JE4291016473214C"}

    def test_what_the_kit_says_and_hears_is_as_described(self):
        assert check_kit(self, *SLICES) >= 15
