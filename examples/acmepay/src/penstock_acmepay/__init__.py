"""AcmePay for Penstock: cards, decimal amounts, an `X-Idempotency` header.

A stranger would write a connector this way: one class, one hook, no base but `penstock.plugin`.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote

import httpx

from penstock.plugin import (
    Approved,
    BadCredentials,
    Capabilities,
    CaptureRequest,
    ChargeRequest,
    Declined,
    DeclineKind,
    Done,
    FollowUp,
    FollowUpRequest,
    Forged,
    Hint,
    Money,
    Outcome,
    PaymentConnector,
    Pending,
    RefundRequest,
    Rejected,
    VoidRequest,
    WebhookDelivery,
    hookimpl,
)

DECLINES: dict[str, DeclineKind] = {
    "NSF": "insufficient_funds",
    "STOLEN": "hard",
    "EXPIRED": "hard",
    "TRY_AGAIN": "soft",
    "RISK": "fraud",
    "SCA": "auth_required",
}
ABOUT: dict[str, Literal["payment", "refund"]] = {"charge": "payment", "refund": "refund"}
EXPONENTS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}


class AcmePay(PaymentConnector):
    """https://acmepay.example/docs: `POST /charges` takes or holds money, and `POST /charges/<id>/<step>` follows it.

    `GET /charges?key=` and `GET /steps?key=` find both again, by the key that was sent with them.
    """

    name = "acmepay"
    display_name = "AcmePay"
    capabilities = Capabilities(
        frozenset(EXPONENTS),
        frozenset({"card"}),
        idempotent_create=True,
        manual_capture=True,
        refund=True,
        follow_up_lookup=True,
        webhooks=True,
        verify=True,
    )
    settings_schema = {
        "type": "object",
        "required": ["api_key"],
        "additionalProperties": False,
        "properties": {
            "api_key": {"type": "string", "minLength": 8, "writeOnly": True},
            "webhook_secret": {"type": "string", "minLength": 8, "writeOnly": True},
            "base_url": {"type": "string", "pattern": "^https?://"},
        },
    }

    def charge(self, request: ChargeRequest) -> Outcome:
        body = {
            "card": request.method_token,
            "total": request.money.major(),
            "currency": request.money.currency,
            "hold": request.capture == "manual",
            "note": request.reference,
        }
        response = self._call("POST", "/charges", request.key, json=body)
        return self._refused(response) or self._outcome(self._read(response, 200, 201, 402))

    def find(self, key: str) -> Outcome | None:
        items = self._read(self._call("GET", "/charges", key, params={"key": key}), 200)["items"]
        return self._outcome(items[0]) if items else None

    def capture(self, request: CaptureRequest) -> FollowUp:
        return self._step("capture", request)

    def void(self, request: VoidRequest) -> FollowUp:
        return self._step("void", request)

    def refund(self, request: RefundRequest) -> FollowUp:
        return self._step("refund", request)

    def find_follow_up(self, request: FollowUpRequest) -> FollowUp | None:
        items = self._read(self._call("GET", "/steps", request.key, params={"key": request.key}), 200)["items"]
        return self._done(items[0]) if items else None

    def parse_webhook(self, delivery: WebhookDelivery) -> Sequence[Hint]:
        # What a message says is never an outcome: the host looks the payment up.
        self._check_signature(delivery)
        try:
            event = json.loads(delivery.body)
            return [Hint(event["id"], ABOUT.get(event["about"], "other"), key=event["key"])]
        except (ValueError, TypeError, KeyError) as exc:
            raise Forged("AcmePay signed something that is no event") from exc

    def verify_account(self) -> None:
        response = self._call("GET", "/account", "-")
        if response.status_code == 401:
            raise BadCredentials("AcmePay does not accept the api_key")
        self._read(response, 200)

    def _step(self, step: str, request: FollowUpRequest) -> FollowUp:
        body = {"total": request.money.major(), "currency": request.money.currency}
        response = self._call("POST", f"/charges/{quote(request.ref, safe='')}/{step}", request.key, json=body)
        return self._refused(response) or self._done(self._read(response, 200, 201, 402))

    def _check_signature(self, delivery: WebhookDelivery) -> None:
        """AcmePay signs `<seconds since 1970>.<body>` with the webhook's secret."""
        sent_at, _, signature = delivery.headers.get("acme-signature", "").partition(".")
        secret = self.ctx.settings.get("webhook_secret", "")
        if not secret or not sent_at.isdecimal() or not sent_at.isascii() or len(sent_at) > 12:
            raise Forged("there is no secret, or no signature")
        if abs(delivery.received_at.timestamp() - int(sent_at)) > 300:
            raise Forged("the message is too old")
        mac = hmac.new(secret.encode(), f"{sent_at}.".encode() + delivery.body, hashlib.sha256)
        if not hmac.compare_digest(mac.hexdigest().encode(), signature.encode()):
            raise Forged("somebody else signed it")

    def _call(self, method: str, path: str, key: str, **content: Any) -> httpx.Response:
        base = self.ctx.settings.get("base_url", "https://api.acmepay.example").rstrip("/")
        headers = {"Authorization": f"Bearer {self.ctx.settings['api_key']}", "X-Idempotency": key}
        return self.ctx.http.request(method, base + path, headers=headers, **content)

    def _read(self, response: httpx.Response, *statuses: int) -> dict[str, Any]:
        if response.status_code not in statuses:  # whatever the body says, this is no answer
            raise ValueError(f"AcmePay answered {response.status_code}")
        answer: dict[str, Any] = response.json()
        return answer

    def _refused(self, response: httpx.Response) -> Rejected | None:
        if response.status_code == 401:
            return Rejected("configuration", "unauthorized", "AcmePay does not accept the api_key")
        if response.status_code == 429:
            return Rejected("rate_limited", "slow_down", "AcmePay documents that it executes nothing after a 429")
        return None

    def _outcome(self, charge: dict[str, Any]) -> Outcome:
        match charge["status"]:
            case "paid":
                return Approved(charge["id"], self._money(charge))
            case "held":
                return Approved(charge["id"], Money(0, charge["currency"]), self._money(charge))
            case "waiting":
                return Pending(charge["id"], charge.get("url"))
            case "refused":
                return Declined(DECLINES.get(charge["why"], "hard"), provider_code=charge["why"])
        raise ValueError(f"AcmePay said {charge['status']!r}")  # tomorrow's status: nobody knows

    def _done(self, step: dict[str, Any]) -> FollowUp:
        match step["status"]:
            case "done":
                return Done(step["id"], self._money(step))
            case "queued":
                return Pending(step["id"])
            case "refused":
                return Declined("hard", provider_code=step["why"])
        raise ValueError(f"AcmePay said {step['status']!r}")

    def _money(self, charge: dict[str, Any]) -> Money:
        # Say what AcmePay says it took, not what was asked: the host compares the two.
        whole, _, part = charge["total"].partition(".")
        digits = EXPONENTS[charge["currency"]]
        if len(part) != digits:
            raise ValueError(f"AcmePay wrote {charge['total']!r}")
        return Money(int(whole + part), charge["currency"])


@hookimpl
def penstock_payment_connectors() -> list[type[PaymentConnector]]:
    return [AcmePay]
