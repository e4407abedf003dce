"""Does Adyen's connector keep the contract, and keep to Adyen's own description of its API while it does?"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import httpx
import pytest

from connectors.payments.adyen import AdyenPayments
from penstock.conformance import PaymentConnectorContract, reply
from penstock.conformance.bench import KEY, is_claimed
from penstock.conformance.operations import OPERATIONS
from penstock.money import Money
from penstock.request import ResumeRequest, WebhookDelivery
from tests.connectors.adyen_world import (
    CARD,
    HELD,
    PAID,
    PSP,
    REDIRECT,
    REFUSED,
    SETTINGS,
    error,
    item,
    message,
    received,
)
from tests.connectors.official import description

CHECKOUT = description("adyen_checkout", "/v72")


def came_in(request: httpx.Request) -> httpx.Response:
    return reply(201, received(request))


def novel(request: httpx.Request) -> httpx.Response:
    return reply(201, received(request) | {"status": "under_review"})


class TestAdyen(PaymentConnectorContract):
    connector = AdyenPayments
    settings: ClassVar[Mapping[str, Any]] = SETTINGS
    method_token = CARD
    foreign_token = "tok_sandbox_approve"
    ref = PSP
    message_age = None
    wire: ClassVar = {
        "approved": reply(200, PAID),
        "declined": reply(200, REFUSED),
        "pending": reply(200, REDIRECT),
        "novel": reply(200, PAID | {"resultCode": "UnderReview"}),
        "wrong_amount": reply(200, PAID | {"amount": {"currency": "EUR", "value": 1251}}),
        "wrong_currency": reply(200, PAID | {"amount": {"currency": "USD", "value": 1250}}),
        "authorized": reply(200, HELD),
        "redirected": reply(200, REDIRECT),
        "stepped_up": reply(200, REDIRECT),
        "captured": came_in,
        "capture_refused": reply(422, error(422, "137")),
        "capture_novel": novel,
        "capture_pending": came_in,
        "voided": came_in,
        "void_refused": reply(422, error(422, "167")),
        "void_novel": novel,
        "void_pending": came_in,
        "refunded": came_in,
        "refund_refused": reply(422, error(422, "137")),
        "refund_novel": novel,
        "refund_pending": came_in,
        "resumed": reply(200, PAID),
        "resume_declined": reply(200, REFUSED),
        "resume_waiting": reply(200, REDIRECT),
        "account_ok": reply(200, {"paymentMethods": [{"name": "Cards", "type": "scheme"}]}),
        "account_refused": reply(401, error(401, "000", "security")),
        "token_described": reply(200, {"brands": [{"type": "mc", "supported": True}], "issuingCountryCode": "NL"}),
    }
    amounts: ClassVar = {
        Money(1250, "EUR"): 1250,
        Money(5, "USD"): 5,
        Money(1250, "JPY"): 1250,
        Money(1250, "KWD"): 1250,
        Money(1250, "ISK"): 125000,
        Money(1250, "CLP"): 125000,
        Money(125000, "IDR"): 1250,
        Money(125000, "CVE"): 1250,
    }

    def amount_on_wire(self, request: httpx.Request) -> int:
        return json.loads(request.content)["amount"]["value"]

    def resumed(self, key: str = KEY) -> ResumeRequest:
        asked = super().resumed(key)
        return replace(asked, query={**asked.query, "redirectResult": "X6XtfGC3!Y"})

    def message(self, about: str) -> WebhookDelivery:
        event = {"payment": "AUTHORISATION", "refund": "REFUND", "novel": "OF_TOMORROW"}[about]
        return message(item(event, KEY if about == "payment" else f"{KEY}.step"))


CLAIMED = [one for one in OPERATIONS if is_claimed(AdyenPayments, lambda: None, one)]


@pytest.mark.parametrize("operation", CLAIMED, ids=lambda operation: operation.name)
def test_every_request_and_answer_of_the_kit_is_as_adyen_describes_it(operation):
    kit = TestAdyen()
    answer = kit.wire[operation.scenario]
    heard = kit.perform(operation)
    assert heard.sent
    for request in heard.sent:
        CHECKOUT.check_request(request)
        CHECKOUT.check_answer(request, answer(request) if callable(answer) else answer)


@pytest.mark.parametrize("scenario", ["declined", "pending", "wrong_amount", "capture_refused", "account_refused"])
def test_every_other_answer_is_as_adyen_describes_it(scenario):
    request = httpx.Request("POST", "https://checkout-test.adyen.com/v72/payments")
    CHECKOUT.check_answer(request, TestAdyen.wire[scenario])
