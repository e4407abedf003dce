"""Does AcmePay keep the contract, and can it take a payment over a real wire?"""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator

import httpx
import pytest
from penstock_acmepay import AcmePay, fake

from penstock.clock import SystemClock
from penstock.conformance import NOON, PaymentConnectorContract, delivery, reply
from penstock.plugin import (
    Approved,
    CaptureRequest,
    ChargeRequest,
    Context,
    Declined,
    Done,
    Money,
    Pending,
    RefundRequest,
    Rejected,
    VoidRequest,
    WebhookDelivery,
)

KEY = "019a0000-0000-7000-8000-00000000c0de"
PAID = {"id": "ch_1", "status": "paid", "total": "12.50", "currency": "EUR"}
DONE = {"id": "st_1", "status": "done", "total": "12.50", "currency": "EUR"}
REFUSED = reply(402, {"id": "st_2", "status": "refused", "why": "NOT_NOW"})
NOVEL = reply(201, DONE | {"status": "under_review"})


class TestAcmePay(PaymentConnectorContract):
    connector = AcmePay
    settings = {"api_key": "acme_conformance_SECRET", "webhook_secret": "acme_webhook_SECRET"}
    wire = {
        "approved": reply(201, PAID),
        "declined": reply(402, {"id": "ch_2", "status": "refused", "why": "NSF"}),
        "pending": reply(201, {"id": "ch_3", "status": "waiting", "url": "https://acmepay.example/challenge/ch_3"}),
        "novel": reply(201, PAID | {"status": "under_review"}),
        "wrong_amount": reply(201, PAID | {"total": "12.51"}),
        "wrong_currency": reply(201, PAID | {"currency": "USD"}),
        "found": reply(200, {"items": [PAID]}),
        "not_found": reply(200, {"items": []}),
        "authorized": reply(201, PAID | {"status": "held"}),
        "captured": reply(201, DONE),
        "capture_refused": REFUSED,
        "capture_novel": NOVEL,
        "voided": reply(201, DONE),
        "void_refused": REFUSED,
        "void_novel": NOVEL,
        "refunded": reply(201, DONE),
        "refund_pending": reply(201, DONE | {"status": "queued"}),
        "refund_refused": REFUSED,
        "refund_novel": NOVEL,
        "found_capture": reply(200, {"items": [DONE]}),
        "found_void": reply(200, {"items": [DONE]}),
        "found_refund": reply(200, {"items": [DONE]}),
        "follow_up_not_found": reply(200, {"items": []}),
        "account_ok": reply(200, {"name": "My shop"}),
        "account_refused": reply(401, {"error": "unauthorized"}),
    }
    amounts = {
        Money(1250, "EUR"): "12.50",
        Money(5, "USD"): "0.05",
        Money(1250, "JPY"): "1250",
        Money(1250, "KWD"): "1.250",
    }

    def amount_on_wire(self, request: httpx.Request) -> str:
        return json.loads(request.content)["total"]

    def message(self, about: str) -> WebhookDelivery:
        body = json.dumps({"id": "evt_1", "about": {"payment": "charge"}.get(about, about), "key": KEY})
        sent_at = int(NOON.timestamp())
        mac = hmac.new(self.settings["webhook_secret"].encode(), f"{sent_at}.{body}".encode(), hashlib.sha256)
        return delivery(body, {"Acme-Signature": f"{sent_at}.{mac.hexdigest()}"})


@pytest.fixture
def acmepay() -> Iterator[AcmePay]:
    server = fake.server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with httpx.Client(trust_env=False) as http:
        yield AcmePay(Context({"api_key": fake.API_KEY, "base_url": url}, http, SystemClock(), "sandbox"))
    server.shutdown()
    server.server_close()


def charge(card: str, key: str = "attempt-1") -> ChargeRequest:
    return ChargeRequest(key, Money(1250, "EUR"), "card", card, reference="order-1")


def test_a_payment_is_taken_over_the_wire_and_found_again(acmepay):
    outcome = acmepay.charge(charge("acme_ok"))
    assert isinstance(outcome, Approved)
    assert outcome.captured == Money(1250, "EUR")
    assert acmepay.find("attempt-1") == outcome


def test_the_same_attempt_is_charged_once(acmepay):
    assert acmepay.charge(charge("acme_ok")) == acmepay.charge(charge("acme_ok"))


def test_a_refusal_keeps_acmepays_own_word(acmepay):
    assert acmepay.charge(charge("acme_TRY_AGAIN")) == Declined("soft", "TRY_AGAIN")
    assert acmepay.charge(charge("acme_MOON", "attempt-2")) == Declined("hard", "MOON")


def test_a_buyer_who_must_act_is_sent_to_acmepay(acmepay):
    outcome = acmepay.charge(charge("acme_wait"))
    assert isinstance(outcome, Pending)
    assert outcome.redirect_url.startswith("https://acmepay.example/")


def test_money_that_was_taken_in_silence_is_found(acmepay):
    with pytest.raises(httpx.RemoteProtocolError):
        acmepay.charge(charge("acme_silent"))
    assert isinstance(acmepay.find("attempt-1"), Approved)


def test_a_wrong_key_is_a_matter_of_configuration(acmepay):
    broke = AcmePay(
        Context({**acmepay.ctx.settings, "api_key": "wrong_key"}, acmepay.ctx.http, SystemClock(), "sandbox")
    )
    assert broke.charge(charge("acme_ok")) == Rejected(
        "configuration", "unauthorized", "AcmePay does not accept the api_key"
    )


def test_what_is_held_is_captured_in_part_and_given_back(acmepay):
    held = acmepay.charge(ChargeRequest("attempt-3", Money(1250, "EUR"), "card", "acme_ok", capture="manual"))
    assert (held.captured, held.authorized) == (Money(0, "EUR"), Money(1250, "EUR"))
    part = Money(1000, "EUR")
    capture = CaptureRequest("capture-1", held.ref, part, charge_key="attempt-3", charged=held.authorized)
    done = acmepay.capture(capture)
    assert isinstance(done, Done)
    assert (done.money, acmepay.find_follow_up(capture)) == (part, done)
    void = VoidRequest("void-1", held.ref, Money(1250, "EUR"), charge_key="attempt-3")
    assert acmepay.void(void) == Declined("hard", "NOT_NOW")
    refund = RefundRequest("refund-1", held.ref, part, charge_key="attempt-3", charged=held.authorized)
    assert acmepay.refund(refund) == acmepay.refund(refund)
    more = RefundRequest("refund-2", held.ref, Money(1, "EUR"), charge_key="attempt-3", charged=held.authorized)
    assert acmepay.refund(more) == Declined("hard", "NOT_NOW")
