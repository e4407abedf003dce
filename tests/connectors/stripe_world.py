"""What Stripe says, in the shapes of its own description, for the tests."""

from typing import Any

import httpx

from connectors.payments.stripe import StripePayments
from penstock.conformance.bench import KEY
from penstock.conformance.provider import standing_clock
from penstock.connector import Context

SETTINGS = {"secret_key": "sk_test_conformanceSECRET0", "webhook_secret": "whsec_conformanceSECRET"}
CARD = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030, "funding": "credit", "country": "US"}
CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "payment_method_details": {"type": "card", "card": CARD},
}
INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 1250,
    "amount_capturable": 0,
    "amount_received": 1250,
    "capture_method": "automatic",
    "client_secret": "pi_1_secret_x",
    "confirmation_method": "automatic",
    "created": 1700000000,
    "currency": "eur",
    "last_payment_error": None,
    "latest_charge": CHARGE,
    "livemode": False,
    "metadata": {"penstock_key": KEY},
    "next_action": None,
    "payment_method": "pm_1",
    "payment_method_types": ["card"],
    "status": "succeeded",
}
HELD = INTENT | {
    "capture_method": "manual",
    "status": "requires_capture",
    "amount_received": 0,
    "amount_capturable": 1250,
}
REFUND = {
    "id": "re_1",
    "object": "refund",
    "amount": 500,
    "currency": "eur",
    "created": 1700000000,
    "metadata": {"penstock_key": KEY},
    "payment_intent": "pi_1",
    "charge": "ch_1",
    "status": "succeeded",
}
PAGE = "https://hooks.stripe.com/3d_secure_2/hosted"


def waiting(kind: str = "redirect_to_url") -> dict[str, Any]:
    """An intent that wants its buyer."""
    detail = {"url": PAGE, "return_url": "https://shop.example/back"} if kind == "redirect_to_url" else {}
    return INTENT | {"status": "requires_action", "amount_received": 0, "next_action": {"type": kind, kind: detail}}


def declined(code: str = "insufficient_funds", **more: Any) -> dict[str, Any]:
    """The error of a declined card."""
    error = {"type": "card_error", "code": "card_declined", "decline_code": code, "message": "Your card was declined."}
    failed = INTENT | {"status": "requires_payment_method", "amount_received": 0, "last_payment_error": error}
    return {"error": error | {"payment_intent": failed} | more}


def invalid(code: str, **more: Any) -> dict[str, Any]:
    """The error of a request that Stripe refuses."""
    return {"error": {"type": "invalid_request_error", "code": code, "message": "No."} | more}


def listed(*items: Any, url: str = "/v1/payment_intents") -> dict[str, Any]:
    """A list, or a search result: Stripe's are alike."""
    return {"object": "list", "data": list(items), "has_more": False, "url": url}


def searched(*items: Any) -> dict[str, Any]:
    return listed(*items, url="/v1/payment_intents/search") | {"object": "search_result"}


class Script(httpx.BaseTransport):
    """Answers by method and path; keeps what was asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.sent: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.sent.append(request)
        answer = self.answers[f"{request.method} {request.url.path}"]
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return httpx.Response(status, json=body)


def stripe(transport: httpx.BaseTransport, environment: str = "sandbox", **settings: str) -> StripePayments:
    """A connector over a transport."""
    http = httpx.Client(transport=transport, trust_env=False)
    return StripePayments(Context({**SETTINGS, **settings}, http, standing_clock(), environment))
