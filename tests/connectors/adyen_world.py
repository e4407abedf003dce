"""What Adyen says, in the shapes of its own description, for the tests."""

import json
from base64 import urlsafe_b64encode
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import httpx
from Adyen.util import generate_notification_sig

from connectors.payments.adyen import AdyenPayments
from penstock.conformance.bench import KEY
from penstock.conformance.provider import delivery, standing_clock
from penstock.connector import Context
from penstock.plugin import WebhookDelivery

HMAC = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
SETTINGS = {"api_key": "AQE_conformance_SECRET", "merchant_account": "PenstockShop", "hmac_key": HMAC}
LIVE = SETTINGS | {"live_prefix": "1797a841fbb37ca7-PenstockShop"}
PSP = "NC6HT9CRT65ZGN82"
FOLLOW = "ZGN82NC6HT9CRT65"
PAGE = "https://checkoutshopper-test.adyen.com/checkoutshopper/threeDS/redirect?MD=M2R"
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def token(**details: str) -> str:
    """What Adyen's form gave, as we take it."""
    return urlsafe_b64encode(json.dumps(details).encode()).decode().rstrip("=")


CARD = token(type="scheme", encryptedCardNumber="adyenjs_0_1_25$n", encryptedSecurityCode="adyenjs_0_1_25$c")
SEPA = token(type="sepadirectdebit", iban="NL13TEST0123456789", ownerName="A. Klaassen")
STORED = "shopper-7/M5N7TQ4TG5PFWR50"

PAID = {
    "pspReference": PSP,
    "resultCode": "Authorised",
    "merchantReference": KEY,
    "amount": {"currency": "EUR", "value": 1250},
    "additionalData": {
        "cardSummary": "1111",
        "expiryDate": "3/2030",
        "paymentMethod": "mc",
        "cardIssuingCountry": "NL",
        "fundingSource": "CREDIT",
    },
}
HELD = PAID | {"merchantReference": f"{KEY}.hold"}
REFUSED = {
    "pspReference": PSP,
    "resultCode": "Refused",
    "merchantReference": KEY,
    "refusalReason": "Not enough balance",
    "refusalReasonCode": "12",
}
REDIRECT = {
    "resultCode": "RedirectShopper",
    "action": {"paymentMethodType": "scheme", "type": "redirect", "method": "GET", "url": PAGE},
}


def error(status: int, code: str, kind: str = "validation") -> dict[str, Any]:
    return {"status": status, "errorCode": code, "errorType": kind, "message": "No.", "pspReference": PSP}


def received(asked: httpx.Request) -> dict[str, Any]:
    """What Adyen says to a capture, cancellation or refund."""
    body = json.loads(asked.content)
    answer = {"merchantAccount": "PenstockShop", "paymentPspReference": asked.url.path.split("/")[-2]}
    answer |= {"pspReference": FOLLOW, "reference": body["reference"], "status": "received"}
    return answer | ({"amount": body["amount"]} if "amount" in body else {})


def item(event: str = "AUTHORISATION", reference: str = KEY, *, success: bool = True, **more: Any) -> dict[str, Any]:
    """One item of a standard webhook, unsigned."""
    told = {
        "amount": {"currency": "EUR", "value": 1250},
        "eventCode": event,
        "eventDate": "2030-01-02T12:00:00+01:00",
        "merchantAccountCode": "PenstockShop",
        "merchantReference": reference,
        "paymentMethod": "visa",
        "pspReference": PSP if event == "AUTHORISATION" else FOLLOW,
        "reason": "" if success else "Not enough balance",
        "success": "true" if success else "false",
    }
    return told | ({} if event == "AUTHORISATION" else {"originalReference": PSP}) | more


def message(*items: dict[str, Any], key: str = HMAC, live: str = "false") -> WebhookDelivery:
    """A standard webhook, signed by Adyen's own library."""
    signed = []
    for one in deepcopy(items):
        signature = generate_notification_sig(one, key).decode()
        signed.append({"NotificationRequestItem": {**one, "additionalData": {"hmacSignature": signature}}})
    return delivery(json.dumps({"live": live, "notificationItems": signed}), {})


def adyen(transport: httpx.BaseTransport, environment: str = "sandbox", **settings: str) -> AdyenPayments:
    """A connector over a transport."""
    http = httpx.Client(transport=transport, trust_env=False)
    return AdyenPayments(Context({**SETTINGS, **settings}, http, standing_clock(), environment))
