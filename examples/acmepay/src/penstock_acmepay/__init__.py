"""AcmePay for Penstock: cards, decimal amounts, an `X-Idempotency` header.

A stranger would write a connector this way: one class, one hook, no base but `penstock.plugin`.
"""

from typing import Any

import httpx

from penstock.plugin import (
    Approved,
    Capabilities,
    ChargeRequest,
    Declined,
    DeclineKind,
    Money,
    Outcome,
    PaymentConnector,
    Pending,
    Rejected,
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
EXPONENTS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}


class AcmePay(PaymentConnector):
    """https://acmepay.example/docs: `POST /charges` takes money, `GET /charges?key=` finds it again."""

    name = "acmepay"
    display_name = "AcmePay"
    capabilities = Capabilities(frozenset(EXPONENTS), frozenset({"card"}), idempotent_create=True)
    settings_schema = {
        "type": "object",
        "required": ["api_key"],
        "additionalProperties": False,
        "properties": {
            "api_key": {"type": "string", "minLength": 8, "writeOnly": True},
            "base_url": {"type": "string", "pattern": "^https?://"},
        },
    }

    def charge(self, request: ChargeRequest) -> Outcome:
        body = {
            "card": request.method_token,
            "total": request.money.major(),
            "currency": request.money.currency,
            "note": request.reference,
        }
        response = self._call("POST", "/charges", request.key, json=body)
        if response.status_code == 401:
            return Rejected("configuration", "unauthorized", "AcmePay does not accept the api_key")
        if response.status_code == 429:
            return Rejected("rate_limited", "slow_down", "AcmePay documents that it executes nothing after a 429")
        return self._outcome(self._read(response, 200, 201, 402))

    def find(self, key: str) -> Outcome | None:
        items = self._read(self._call("GET", "/charges", key, params={"key": key}), 200)["items"]
        return self._outcome(items[0]) if items else None

    def _call(self, method: str, path: str, key: str, **content: Any) -> httpx.Response:
        base = self.ctx.settings.get("base_url", "https://api.acmepay.example").rstrip("/")
        headers = {"Authorization": f"Bearer {self.ctx.settings['api_key']}", "X-Idempotency": key}
        return self.ctx.http.request(method, base + path, headers=headers, **content)

    def _read(self, response: httpx.Response, *statuses: int) -> dict[str, Any]:
        if response.status_code not in statuses:  # whatever the body says, this is no answer
            raise ValueError(f"AcmePay answered {response.status_code}")
        answer: dict[str, Any] = response.json()
        return answer

    def _outcome(self, charge: dict[str, Any]) -> Outcome:
        match charge["status"]:
            case "paid":
                return Approved(charge["id"], self._money(charge))
            case "waiting":
                return Pending(charge["id"], charge.get("url"))
            case "refused":
                return Declined(DECLINES.get(charge["why"], "hard"), provider_code=charge["why"])
        raise ValueError(f"AcmePay said {charge['status']!r}")  # tomorrow's status: nobody knows

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
