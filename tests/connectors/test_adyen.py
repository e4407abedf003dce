"""What does Adyen's connector make of each answer and message, and is every request one that Adyen knows?"""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from Adyen.util import is_valid_hmac_notification

from connectors.payments.adyen_money import Unchargeable, from_wire, on_wire
from connectors.payments.adyen_refusals import REASONS
from penstock.conformance.bench import KEY
from penstock.money import Money
from penstock.outcome import DECLINE_KINDS, CardFacts, check_answer, check_follow_up
from penstock.plugin import (
    Approved,
    BadCredentials,
    CaptureRequest,
    ChargeRequest,
    Declined,
    Done,
    Forged,
    Pending,
    RefundRequest,
    Rejected,
    ResumeRequest,
    VoidRequest,
    WebhookDelivery,
)
from tests.connectors.adyen_world import (
    CARD,
    FOLLOW,
    HELD,
    HMAC,
    LIVE,
    NOON,
    PAGE,
    PAID,
    PSP,
    REDIRECT,
    REFUSED,
    SEPA,
    STORED,
    adyen,
    error,
    item,
    message,
    received,
    token,
)
from tests.connectors.official import Described, description

EUR = Money(1250, "EUR")
MASTERCARD = CardFacts("mastercard", "1111", 3, 2030, "credit", "NL")
BACK = "https://shop.example/back"
OTHER_HMAC = "AB" * 32

Answer = tuple[int, Any] | Callable[[httpx.Request], tuple[int, Any]]


def over(answer: Answer, **settings: str):
    """A connector whose every request and answer is held against Adyen's description, and what it sent."""
    sent: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        status, body = answer(request) if callable(answer) else answer
        return httpx.Response(status, json=body)

    described = Described(httpx.MockTransport(handle), description("adyen_checkout", "/v72"))
    return adyen(described, **settings), sent


def asked(method: str = "card", given: str = CARD, money: Money = EUR, **more: Any) -> ChargeRequest:
    return ChargeRequest(KEY, money, method, given, **{"return_url": BACK, **more})


def said(status: int, body: Any, **more: Any):
    return over((status, body))[0].charge(asked(**more))


def body_of(request: httpx.Request) -> dict[str, Any]:
    return json.loads(request.content)


def test_a_card_is_charged_with_all_that_adyen_needs_and_nothing_that_it_does_not_know():
    connector, sent = over((200, PAID))
    more = {"email": "a@shop.example", "country": "NL", "locale": "nl-NL", "statement": "Order 7", "reference": "cs_1"}
    outcome = connector.charge(asked(metadata={"shop": "n" * 90, "a name that is far too long": "x"}, **more))
    assert outcome == Approved(PSP, EUR, card=MASTERCARD)
    assert str(sent[0].url) == "https://checkout-test.adyen.com/v72/payments"
    assert sent[0].headers["idempotency-key"] == KEY
    body = body_of(sent[0])
    assert body["reference"] == KEY
    assert body["captureDelayHours"] == 0
    assert body["paymentMethod"]["encryptedCardNumber"] == "adyenjs_0_1_25$n"
    assert body["authenticationData"] == {"threeDSRequestData": {"nativeThreeDS": "disabled"}}
    assert body["metadata"] == {"shop": "n" * 80}
    assert (body["shopperEmail"], body["countryCode"], body["shopperLocale"]) == ("a@shop.example", "NL", "nl-NL")


def test_money_that_is_held_is_marked_where_a_message_will_say_so():
    connector, sent = over((200, HELD))
    outcome = connector.charge(asked(capture="manual"))
    assert outcome == Approved(PSP, Money(0, "EUR"), authorized=EUR, card=MASTERCARD)
    body = body_of(sent[0])
    assert body["reference"] == f"{KEY}.hold"
    assert body["additionalData"] == {"manualCapture": "true"}
    assert "captureDelayHours" not in body


def test_a_step_up_asks_for_the_buyer():
    connector, sent = over((200, REDIRECT))
    assert connector.charge(asked(step_up=True)) == Pending(KEY, PAGE)
    assert body_of(sent[0])["authenticationData"]["attemptAuthentication"] == "always"


def test_a_stored_card_is_charged_for_its_shopper():
    connector, sent = over((200, PAID))
    connector.charge(asked(given=STORED))
    body = body_of(sent[0])
    assert body["paymentMethod"] == {"type": "scheme", "storedPaymentMethodId": "M5N7TQ4TG5PFWR50"}
    assert (body["shopperReference"], body["shopperInteraction"]) == ("shopper-7", "ContAuth")


def test_ideal_needs_no_token_and_sends_the_buyer_to_the_bank():
    connector, sent = over((200, REDIRECT | {"action": REDIRECT["action"] | {"paymentMethodType": "ideal"}}))
    assert connector.charge(asked("ideal", "")) == Pending(KEY, PAGE)
    body = body_of(sent[0])
    assert body["paymentMethod"] == {"type": "ideal"}
    assert "authenticationData" not in body
    assert connector.capabilities.redirect_methods == {"ideal"}


def test_a_direct_debit_waits_for_its_message():
    connector, sent = over((200, PAID | {"resultCode": "Received"}))
    assert connector.charge(asked("sepa", SEPA)) == Pending(PSP)
    assert body_of(sent[0])["paymentMethod"]["iban"] == "NL13TEST0123456789"
    (hint,) = connector.parse_webhook(message(item()))
    assert check_answer(hint.told, EUR, "automatic") == Approved(PSP, EUR)


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("card", SEPA),
        ("sepa", CARD),
        ("card", "tok_sandbox_approve"),
        ("card", "eyJub3QganNvbg"),
        ("card", "eyJ"),
        ("card", token(type="scheme", number="4111")),
        ("card", token(kind="scheme")),
    ],
)
def test_a_token_that_does_not_pay_this_way_is_refused_before_anything_is_sent(method, given):
    connector, sent = over((200, PAID))
    outcome = connector.charge(asked(method, given))
    assert isinstance(outcome, Rejected)
    assert outcome.kind == "validation"
    assert not sent


def test_without_a_page_to_come_back_to_nothing_is_sent():
    connector, sent = over((200, PAID))
    assert connector.charge(asked(return_url=None)).provider_code == "return_url"
    assert not sent


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (401, error(401, "000", "security"), ("configuration", "000")),
        (403, error(403, "901", "security"), ("configuration", "901")),
        (400, error(400, "702"), ("validation", "702")),
        (422, error(422, "14_030"), ("validation", "14_030")),
        (422, error(422, "138"), ("unsupported", "138")),
        (422, error(422, "905", "configuration"), ("unsupported", "905")),
        (422, error(422, "906", "configuration"), ("configuration", "906")),
        (422, error(422, "101"), ("hard", "101")),
    ],
)
def test_a_refused_request_is_a_certain_no(status, body, outcome):
    told = said(status, body)
    assert isinstance(told, Declined if outcome[0] == "hard" else Rejected)
    assert (told.kind, told.provider_code) == outcome


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, error(422, "704")),
        (422, error(422, "101", "internal")),
        (422, error(400, "101")),
        (422, {"message": "a proxy"}),
        (429, error(429, "x")),
        (500, error(500, "905", "configuration")),
        (500, PAID),
        (201, PAID),
        (200, PAID | {"merchantReference": "another"}),
        (200, PAID | {"resultCode": "PartiallyAuthorised"}),
        (200, PAID | {"resultCode": "ChallengeShopper"}),
        (200, PAID | {"resultCode": "Error"}),
        (200, PAID | {"pspReference": ""}),
        (200, PAID | {"amount": {"currency": "EUR", "value": 12.5}}),
        (200, REDIRECT | {"action": REDIRECT["action"] | {"method": "POST", "data": {"MD": "x"}}}),
        (200, REDIRECT | {"action": {"type": "threeDS2"}}),
        (200, [PAID]),
    ],
)
def test_what_might_have_charged_is_no_outcome(status, body):
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    with pytest.raises((ValueError, KeyError, TypeError)):
        adyen(transport).charge(asked())


def test_every_documented_refusal_has_a_kind_of_ours():
    for code, (kind, reason) in REASONS.items():
        assert kind in DECLINE_KINDS
        assert said(200, REFUSED | {"refusalReasonCode": code, "refusalReason": reason}) == Declined(kind, code, reason)
        assert message_says(item(success=False, reason=reason)).kind == kind


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"refusalReasonCode": "999", "refusalReason": "Of Tomorrow"}, "hard"),
        ({"refusalReasonCode": "2", "additionalData": {"merchantAdviceCode": "01: New account information"}}, "soft"),
        ({"refusalReasonCode": "2", "additionalData": {"merchantAdviceCode": "03: Do not try again"}}, "hard"),
        ({"refusalReasonCode": "2", "additionalData": {"merchantAdviceCode": "21 : Stop"}}, "hard"),
        ({"refusalReasonCode": "38"}, "auth_required"),
        ({"resultCode": "Cancelled", "refusalReasonCode": "16"}, "hard"),
        ({"resultCode": "Error", "refusalReasonCode": "4"}, "soft"),
    ],
)
def test_a_refusal_goes_elsewhere_only_if_nothing_speaks_against_it(change, kind):
    assert said(200, REFUSED | change).kind == kind


def test_the_buyers_return_is_handed_to_adyen_and_must_be_about_this_payment():
    back = ResumeRequest(KEY, KEY, EUR, query={"redirectResult": "X6XtfGC3!Y", "resultCode": "authorised"})
    connector, sent = over((200, PAID))
    assert connector.resume(back) == Approved(PSP, EUR, card=MASTERCARD)
    assert sent[0].url.path == "/v72/payments/details"
    assert body_of(sent[0]) == {"details": {"redirectResult": "X6XtfGC3!Y"}}
    for other in (
        PAID | {"merchantReference": "of-a-cheaper-payment"},
        {"resultCode": "Authorised", "pspReference": PSP},
    ):
        with pytest.raises((ValueError, KeyError)):
            over((200, other))[0].resume(back)
    with pytest.raises(ValueError, match="422"):
        over((422, error(422, "101")))[0].resume(back)


def test_a_buyer_who_brings_nothing_has_changed_nothing():
    connector, sent = over((200, PAID))
    assert connector.resume(ResumeRequest(KEY, PSP, EUR, query={"status": "paid"})) == Pending(PSP)
    assert not sent


def test_captures_voids_and_refunds_come_in_and_are_told_of_later():
    connector, sent = over(lambda request: (201, received(request)))
    part = Money(700, "EUR")
    assert connector.capture(CaptureRequest("c1", PSP, part, charge_key=KEY, charged=EUR)) == Pending(FOLLOW)
    assert connector.void(VoidRequest("v1", PSP, EUR, charge_key=KEY)) == Pending(FOLLOW)
    refund = RefundRequest("r1", PSP, part, charge_key=KEY, charged=EUR, reason="duplicate")
    assert connector.refund(refund) == Pending(FOLLOW)
    assert [request.headers["idempotency-key"] for request in sent] == ["c1", "v1", "r1"]
    assert [body_of(request)["reference"] for request in sent] == ["c1.step", "v1.step", "r1.step"]
    assert body_of(sent[2])["merchantRefundReason"] == "DUPLICATE"
    assert sent[0].url.path == f"/v72/payments/{PSP}/captures"


@pytest.mark.parametrize("change", [{"paymentPspReference": "OTHER"}, {"reference": "other"}, {"status": "done"}])
def test_an_answer_about_another_follow_up_is_no_outcome(change):
    transport = httpx.MockTransport(lambda request: httpx.Response(201, json=received(request) | change))
    with pytest.raises(ValueError, match="something else"):
        adyen(transport).capture(CaptureRequest("c1", PSP, EUR, charge_key=KEY, charged=EUR))


def message_says(*items):
    (hint,) = adyen(httpx.MockTransport(lambda _: httpx.Response(500))).parse_webhook(message(*items))
    return hint.told


def read(delivery: WebhookDelivery, **settings: str):
    return adyen(httpx.MockTransport(lambda _: httpx.Response(500)), **settings).parse_webhook(delivery)


def test_a_message_tells_what_became_of_a_payment():
    assert message_says(item()) == Approved(PSP, EUR)
    held = message_says(item(reference=f"{KEY}.hold"))
    assert check_answer(held, EUR, "manual") == Approved(PSP, Money(0, "EUR"), authorized=EUR)
    assert message_says(item(success=False)) == Declined("insufficient_funds", "authorisation", "Not enough balance")
    (hint,) = read(message(item(reference=f"{KEY}.hold")))
    assert (hint.kind, hint.key, hint.ref) == ("payment", KEY, PSP)


@pytest.mark.parametrize("event", ["CAPTURE", "CANCELLATION", "REFUND"])
def test_a_message_tells_what_became_of_a_follow_up(event):
    (hint,) = read(message(item(event, "k1.step")))
    assert check_follow_up(hint.told, EUR) == Done(FOLLOW, EUR)
    assert (hint.key, hint.ref) == ("k1", PSP)
    (hint,) = read(message(item(event, "k1.step", success=False)))
    assert isinstance(hint.told, Declined)


@pytest.mark.parametrize("event", ["CAPTURE_FAILED", "REFUND_FAILED", "REFUNDED_REVERSED"])
def test_a_failure_that_comes_later_is_no_success(event):
    (hint,) = read(message(item(event, "k1.step")))
    assert isinstance(hint.told, Declined)


def test_a_message_about_a_step_that_carries_the_payments_reference_says_nothing_of_the_payment():
    (hint,) = read(message(item("CAPTURE_FAILED", KEY)))
    assert (hint.key, hint.ref, hint.told) == (None, PSP, None)


def test_several_items_give_several_hints_and_a_repeat_the_same_ids():
    items = (item(), item("CAPTURE", "k1.step"), item("CHARGEBACK"), item("REPORT_AVAILABLE", ""))
    first, second = read(message(*items)), read(message(*items))
    assert first == second
    assert [hint.kind for hint in first] == ["payment", "payment", "dispute", "other"]
    assert len({hint.event_id for hint in first}) == 4


def test_a_message_for_another_account_of_the_company_is_none_of_ours():
    (hint,) = read(message(item(merchantAccountCode="OtherShop")))
    assert (hint.kind, hint.key, hint.told) == ("other", None, None)


def test_what_adyens_own_library_accepts_is_accepted_and_is_as_described():
    delivery = message(item())
    assert is_valid_hmac_notification(json.loads(delivery.body), HMAC)
    assert read(delivery)
    webhooks = description("adyen_webhooks")
    names = {"AUTHORISATION": "Authorisation", "CAPTURE": "Capture", "CANCELLATION": "Cancellation", "REFUND": "Refund"}
    for event, name in names.items():
        webhooks.check_schema(f"{name}NotificationRequest", json.loads(message(item(event)).body))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pspReference", "Q"),
        ("originalReference", "Q"),
        ("merchantReference", "another"),
        ("merchantAccountCode", "OtherShop"),
        ("amount", {"currency": "EUR", "value": 1}),
        ("amount", {"currency": "KWD", "value": 1250}),
        ("eventCode", "REFUND"),
        ("success", "false"),
    ],
)
def test_whatever_is_signed_cannot_be_altered(field, value):
    whole = json.loads(message(item()).body)
    whole["notificationItems"][0]["NotificationRequestItem"][field] = value
    with pytest.raises(Forged):
        read(WebhookDelivery({}, json.dumps(whole).encode(), NOON))


@pytest.mark.parametrize(
    "delivery",
    [
        message(item(), key=OTHER_HMAC),
        message(item(), live="true"),
        message(),
        WebhookDelivery(
            {}, json.dumps({"live": "false", "notificationItems": [{"NotificationRequestItem": item()}]}).encode(), NOON
        ),
        WebhookDelivery({}, b"not json", NOON),
        WebhookDelivery(
            {}, b'{"notificationItems": [{"NotificationRequestItem": {"additionalData": {"hmacSignature": 1}}}]}', NOON
        ),
    ],
    ids=["another key", "another environment", "no item", "no signature", "no JSON", "no text"],
)
def test_a_message_of_somebody_else_is_forged(delivery):
    with pytest.raises(Forged):
        read(delivery)


def test_one_unsigned_item_among_signed_ones_spoils_the_message():
    whole = json.loads(message(item()).body)
    whole["notificationItems"].append({"NotificationRequestItem": item("REFUND", "r1.step") | {"additionalData": {}}})
    with pytest.raises(Forged):
        read(WebhookDelivery({}, json.dumps(whole).encode(), NOON))


def test_the_key_before_is_believed_while_it_is_named():
    assert read(message(item(), key=OTHER_HMAC), previous_hmac_key=OTHER_HMAC)
    connector = adyen(httpx.MockTransport(lambda _: httpx.Response(500)))
    connector.ctx.settings.pop("hmac_key")
    with pytest.raises(Forged, match="hmac_key"):
        connector.parse_webhook(message(item()))


def test_tokens_are_described_by_adyen():
    brands = {"brands": [{"type": "visa", "supported": True}], "fundingSource": "DEBIT", "issuingCountryCode": "FR"}
    connector, sent = over((200, brands))
    assert connector.describe_token(CARD) == CardFacts("visa", funding="debit", country="FR")
    assert body_of(sent[0])["encryptedCardNumber"] == "adyenjs_0_1_25$n"
    kept = {"id": "M5N7TQ4TG5PFWR50", "brand": "amex", "lastFour": "1234", "expiryMonth": "03", "expiryYear": "2030"}
    connector, sent = over((200, {"storedPaymentMethods": [kept | {"id": "OTHERID00"}, kept]}))
    assert connector.describe_token(STORED) == CardFacts("amex", "1234", 3, 2030)
    assert sent[0].url.params["shopperReference"] == "shopper-7"
    assert connector.describe_token(SEPA) is None
    assert connector.takes_token(CARD)
    assert connector.takes_token(STORED)
    assert not connector.takes_token("pm_1")


def test_an_account_is_verified_by_asking_for_its_methods():
    over((200, {"paymentMethods": []}))[0].verify_account()
    for status in (401, 403):
        with pytest.raises(BadCredentials) as refused:
            over((status, error(status, "000", "security")))[0].verify_account()
        assert "SECRET" not in str(refused.value)
    with pytest.raises(ValueError, match="500"):
        over((500, error(500, "x")))[0].verify_account()


def test_production_goes_to_the_merchants_own_address_and_is_not_built_without_it():
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=PAID)

    adyen(httpx.MockTransport(answer), "production", **LIVE).charge(asked())
    assert str(sent[0].url) == (
        "https://1797a841fbb37ca7-penstockshop-checkout-live.adyenpayments.com/checkout/v72/payments"
    )
    with pytest.raises(ValueError, match="live_prefix"):
        adyen(httpx.MockTransport(answer), "production")


@pytest.mark.parametrize(
    ("money", "wire"),
    [
        (Money(1250, "ISK"), 125000),
        (Money(1250, "CLP"), 125000),
        (Money(1200, "IDR"), 12),
        (Money(1200, "CVE"), 12),
        (Money(1250, "JPY"), 1250),
        (Money(1255, "KWD"), 1255),
        (Money(1250, "HUF"), 1250),
    ],
)
def test_amounts_are_counted_as_adyen_counts_them(money, wire):
    assert on_wire(money) == wire
    assert from_wire({"value": wire, "currency": money.currency}) == money


@pytest.mark.parametrize("money", [Money(1250, "IDR"), Money(1, "CVE"), Money(0, "EUR")])
def test_an_amount_that_adyen_cannot_charge_is_refused_before_anything_is_sent(money):
    with pytest.raises(Unchargeable):
        on_wire(money)
    connector, sent = over((200, PAID))
    assert connector.charge(asked(money=money)).kind == "unsupported"
    assert connector.refund(RefundRequest("r", PSP, money, charge_key=KEY, charged=money)).kind == "unsupported"
    assert not sent


def test_nobody_can_ask_adyen():
    connector, _ = over((200, PAID))
    assert connector.capabilities.lookup is False
    with pytest.raises(NotImplementedError):
        connector.find(KEY)
