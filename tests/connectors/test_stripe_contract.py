"""Does Stripe's connector keep the contract, and keep to Stripe's own description of its API while it does?"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

import httpx
import pytest
import stripe as sdk

from connectors.payments.stripe import StripePayments
from penstock.conformance import PaymentConnectorContract, delivery, reply
from penstock.conformance.bench import KEY
from penstock.conformance.operations import FOLLOW_UP_LOOKUPS, OPERATIONS
from penstock.conformance.provider import NOON
from penstock.money import Money
from penstock.request import WebhookDelivery
from tests.connectors.forms import nested
from tests.connectors.official import description
from tests.connectors.stripe_world import (
    CARD,
    HELD,
    INTENT,
    REFUND,
    SETTINGS,
    declined,
    invalid,
    listed,
    searched,
    waiting,
)

SLICES = ("stripe_intents", "stripe_refunds", "stripe_methods")


def found(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/v1/payment_intents":
        return reply(200, listed())
    return reply(200, searched(INTENT) if request.url.path.endswith("/search") else INTENT)


def nothing(request: httpx.Request) -> httpx.Response:
    return reply(200, searched() if request.url.path.endswith("/search") else listed())


def captured(request: httpx.Request) -> httpx.Response:
    key = nested(request.content)["metadata"]["penstock_capture"]
    return reply(200, TAKEN | {"metadata": {"penstock_capture": key}})


def refunds(request: httpx.Request) -> httpx.Response:
    return reply(200, listed(WHOLE, url="/v1/refunds"))


def undone(request: httpx.Request) -> httpx.Response:
    if request.method == "POST":
        return reply(200, HELD | {"status": "canceled"})
    return reply(200, listed(HELD) if request.url.path == "/v1/payment_intents" else HELD)


def in_the_air(request: httpx.Request) -> httpx.Response:
    used = {"error": {"type": "idempotency_error", "message": "used"}}
    return reply(400, used) if request.method == "POST" else nothing(request)


WHOLE = REFUND | {"amount": 1250}
TAKEN = HELD | {"status": "succeeded", "amount_received": 1250, "metadata": {"penstock_capture": KEY}}
VOIDED = HELD | {"status": "canceled"}
METHOD = {"id": "pm_1", "object": "payment_method", "type": "card", "created": 1, "livemode": False, "card": CARD}
REFUSED = reply(400, invalid("payment_intent_unexpected_state"))


class TestStripe(PaymentConnectorContract):
    connector = StripePayments
    settings: ClassVar[Mapping[str, Any]] = SETTINGS
    method_token = "pm_conformanceTOKEN4bf92f35"
    foreign_token = "tok_sandbox_approve"
    ref = "pi_1"
    message_age = timedelta(seconds=300)
    silent_about_money = frozenset()
    wire: ClassVar = {
        "approved": reply(200, INTENT),
        "declined": reply(402, declined()),
        "pending": reply(200, waiting()),
        "novel": reply(200, INTENT | {"status": "under_review"}),
        "wrong_amount": reply(200, INTENT | {"amount_received": 1251}),
        "wrong_currency": reply(200, INTENT | {"currency": "usd"}),
        "authorized": reply(200, HELD),
        "stepped_up": reply(200, waiting()),
        "found": found,
        "not_found": nothing,
        "captured": captured,
        "capture_refused": reply(400, invalid("amount_too_large")),
        "capture_novel": reply(200, TAKEN | {"status": "under_review"}),
        "voided": reply(200, VOIDED),
        "void_refused": reply(400, invalid("resource_missing")),
        "void_novel": reply(200, VOIDED | {"status": "under_review"}),
        "refunded": reply(200, WHOLE),
        "refund_refused": reply(400, invalid("charge_disputed")),
        "refund_novel": reply(200, WHOLE | {"status": "under_review"}),
        "refund_pending": reply(200, WHOLE | {"status": "pending"}),
        "found_capture": reply(200, TAKEN),
        "found_void": reply(200, VOIDED),
        "found_refund": refunds,
        "not_found_capture": reply(200, HELD),
        "not_found_void": reply(200, HELD),
        "not_found_refund": reply(200, listed(url="/v1/refunds")),
        "reversed": undone,
        "not_reversed": in_the_air,
        "resumed": reply(200, INTENT),
        "resume_declined": reply(200, declined()["error"]["payment_intent"]),
        "account_ok": reply(200, listed()),
        "account_refused": reply(401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}),
        "token_described": reply(200, METHOD),
    }
    amounts: ClassVar = {
        Money(1250, "EUR"): "1250",
        Money(5, "USD"): "5",
        Money(1250, "JPY"): "1250",
        Money(1250, "KWD"): "1250",
        Money(5, "ISK"): "500",
        Money(5, "UGX"): "500",
        Money(500, "MGA"): "5",
        Money(1250, "HUF"): "1250",
        Money(1250, "TWD"): "1250",
    }

    def amount_on_wire(self, request: httpx.Request) -> str:
        form = nested(request.content)
        return form.get("amount") or form["amount_to_capture"]

    def message(self, about: str) -> WebhookDelivery:
        subject = {"payment": INTENT, "refund": REFUND, "novel": {"id": "x_1", "object": "of_tomorrow"}}[about]
        body = json.dumps({"id": "evt_1", "object": "event", "type": "some.event", "data": {"object": subject}})
        moment = int(NOON.timestamp())
        signature = sdk.WebhookSignature._compute_signature(f"{moment}.{body}", SETTINGS["webhook_secret"])
        return delivery(body, {"Stripe-Signature": f"t={moment},v1={signature}"})


def slice_for(request: httpx.Request):
    return next(one for one in map(description, SLICES) if one.knows(request))


@pytest.mark.parametrize("operation", [*OPERATIONS, *FOLLOW_UP_LOOKUPS], ids=lambda operation: operation.name)
def test_every_request_and_answer_of_the_kit_is_as_stripe_describes_it(operation):
    kit = TestStripe()
    answer = kit.wire[operation.scenario]
    heard = kit.perform(operation)
    assert heard.sent
    for request in heard.sent:
        slice_for(request).check_request(request)
        slice_for(request).check_answer(request, answer(request) if callable(answer) else answer)


@pytest.mark.parametrize("scenario", ["declined", "pending", "wrong_amount", "capture_refused", "refund_pending"])
def test_every_other_answer_is_as_stripe_describes_it(scenario):
    path = "/v1/refunds" if "refund" in scenario else "/v1/payment_intents"
    request = httpx.Request("POST", f"https://api.stripe.com{path}")
    slice_for(request).check_answer(request, TestStripe.wire[scenario])
