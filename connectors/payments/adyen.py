"""Adyen: cards, iDEAL and SEPA direct debit through the Checkout API, version 72.

Adyen can not be asked what became of a payment: it tells, in its answers and in signed messages. So what a message says
itself is passed on, taken from its signed part alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

import httpx

from connectors.payments.adyen_answers import WireFault, facts, json_object, paid, received, refusal
from connectors.payments.adyen_money import Unchargeable, on_wire
from connectors.payments.adyen_tokens import BadToken, Token, read_token
from connectors.payments.adyen_webhooks import hints, reference, step_reference
from penstock.plugin import (
    BadCredentials,
    Capabilities,
    CaptureRequest,
    CardFacts,
    ChargeRequest,
    Context,
    FollowUp,
    Forged,
    Hint,
    Outcome,
    PaymentConnector,
    Pending,
    RefundRequest,
    Rejected,
    ResumeRequest,
    VoidRequest,
    WebhookDelivery,
    hookimpl,
)

VERSION: Final = "v72"
_TYPES: Final = {"card": ("scheme", "applepay", "googlepay", "networkToken"), "sepa": ("sepadirectdebit",)}
_REASONS: Final = {"duplicate": "DUPLICATE", "fraudulent": "FRAUD", "requested_by_customer": "CUSTOMER REQUEST"}
_MOST_METADATA: Final = 20
_LONGEST_NAME: Final = 20


class AdyenPayments(PaymentConnector):
    """https://docs.adyen.com/api-explorer/Checkout/72/overview."""

    name = "adyen"
    display_name = "Adyen"
    capabilities = Capabilities(
        None,
        frozenset({"card", "ideal", "sepa"}),
        manual_capture=True,
        idempotent_create=True,
        lookup=False,
        refund=True,
        webhooks=True,
        resume=True,
        verify=True,
        step_up=True,
        redirect_methods=frozenset({"ideal"}),
    )
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["api_key", "merchant_account"],
        "additionalProperties": False,
        "properties": {
            "api_key": {
                "type": "string",
                "minLength": 16,
                "writeOnly": True,
                "description": "The key of an API credential with the role Checkout webservice.",
            },
            "merchant_account": {"type": "string", "minLength": 1, "description": "The merchant account's name."},
            "live_prefix": {
                "type": "string",
                "pattern": "^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$",
                "description": "The prefix of your live addresses. Needed in production, of no use elsewhere.",
            },
            "hmac_key": {
                "type": "string",
                "pattern": "^([0-9A-Fa-f]{2}){16,}$",
                "writeOnly": True,
                "description": "The HMAC key of the standard webhook. Without it every message is refused.",
            },
            "previous_hmac_key": {
                "type": "string",
                "pattern": "^([0-9A-Fa-f]{2}){16,}$",
                "writeOnly": True,
                "description": "The HMAC key before, while Adyen still signs with it.",
            },
        },
    }

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        if ctx.environment == "production" and "live_prefix" not in ctx.settings:
            raise ValueError("production needs a live_prefix")

    def charge(self, request: ChargeRequest) -> Outcome:
        """Make a payment. Its reference is the attempt's key, and says whether the money is only to be held."""
        try:
            body = self._payment(request)
        except Unchargeable as exc:
            return Rejected("unsupported", "amount", str(exc))
        except BadToken as exc:
            return Rejected("validation", "token", str(exc))
        if not request.return_url:
            return Rejected("validation", "return_url", "Adyen needs a page for the buyer to come back to")
        response = self._post("/payments", request.key, body)
        if response.status_code != httpx.codes.OK:
            return refusal(response)
        return paid(json_object(response), body["reference"], request.money, request.capture, request.key)

    def find(self, key: str) -> Outcome | None:
        """Adyen has no way to ask."""
        raise NotImplementedError(f"Adyen cannot be asked about {key}: it sends a message")

    def resume(self, request: ResumeRequest) -> Outcome:
        """Hand over what Adyen's page gave the buyer. The answer must be about this payment, whoever brought it."""
        result = request.query.get("redirectResult")
        if not result:
            return Pending(request.ref)
        body = {"details": {"redirectResult": result}}
        response = self._post("/payments/details", f"{request.key}:return", body)
        if response.status_code != httpx.codes.OK:
            raise WireFault(f"Adyen answered {response.status_code} to the buyer's return")
        answer = json_object(response)
        ours = reference(request.key, request.capture)
        if answer["merchantReference"] != ours:
            raise WireFault("the buyer brought the result of another payment")
        return paid(answer, ours, request.money, request.capture, request.ref)

    def capture(self, request: CaptureRequest) -> FollowUp:
        """Ask for a capture. Adyen says later, in a message, whether it went through."""
        return self._modified(request, "captures", {})

    def void(self, request: VoidRequest) -> FollowUp:
        """Ask for a cancellation. Adyen says later, in a message, whether it went through."""
        body = {"merchantAccount": self._account, "reference": step_reference(request.key)}
        return self._followed("cancels", request.ref, request.key, body)

    def refund(self, request: RefundRequest) -> FollowUp:
        """Ask for a refund. Adyen says later, in a message, whether it went through."""
        more = {"merchantRefundReason": _REASONS[request.reason]} if request.reason in _REASONS else {}
        return self._modified(request, "refunds", more)

    def parse_webhook(self, delivery: WebhookDelivery) -> Sequence[Hint]:
        """Check the HMAC of each item of a standard webhook, and return what they say."""
        keys = [self.ctx.settings[name] for name in ("hmac_key", "previous_hmac_key") if name in self.ctx.settings]
        if not keys:
            raise Forged("no hmac_key is set, so nobody can say whose message this is")
        return hints(delivery, keys, self._account, is_live=self.ctx.environment == "production")

    def verify_account(self) -> None:
        """Ask which methods the account has, which needs the key and the account to fit each other."""
        response = self._post("/paymentMethods", None, {"merchantAccount": self._account})
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise BadCredentials(f"Adyen does not accept the api_key for {self._account} ({response.status_code})")
        if response.status_code != httpx.codes.OK:
            raise WireFault(f"Adyen answered {response.status_code}")
        json_object(response)["paymentMethods"]

    def takes_token(self, token: str) -> bool:
        """Whether the token is what Adyen's own form gave, or names what Adyen has stored."""
        try:
            read_token(token)
        except BadToken:
            return False
        return True

    def describe_token(self, token: str) -> CardFacts | None:
        """Ask Adyen about an encrypted card number or a stored card; None for what is neither."""
        read = read_token(token)
        if number := read.details.get("encryptedCardNumber"):
            body = {"merchantAccount": self._account, "encryptedCardNumber": number}
            return facts(self._whole(self._post("/cardDetails", None, body)))
        if read.shopper is None:
            return None
        query = {"merchantAccount": self._account, "shopperReference": read.shopper}
        response = self.ctx.http.get(f"{self._base}/storedPaymentMethods", params=query, headers=self._headers(None))
        stored = self._whole(response).get("storedPaymentMethods", [])
        mine = (one for one in stored if one["id"] == read.details["storedPaymentMethodId"])
        return facts(next(mine, None))

    def _payment(self, request: ChargeRequest) -> dict[str, Any]:
        token = self._token(request)
        body: dict[str, Any] = {
            "merchantAccount": self._account,
            "reference": reference(request.key, request.capture),
            "amount": {"currency": request.money.currency, "value": on_wire(request.money)},
            "paymentMethod": token.details,
            "returnUrl": request.return_url,
            "channel": "Web",
            "shopperInteraction": "Ecommerce",
            "shopperEmail": request.email,
            "countryCode": request.country,
            "shopperLocale": request.locale,
            "shopperStatement": request.statement[:22],
            "merchantOrderReference": request.reference,
            "metadata": _metadata(request.metadata),
        }
        body |= {"captureDelayHours": 0} if request.capture == "automatic" else {"additionalData": _HELD}
        if request.method == "card":
            ask = {"attemptAuthentication": "always"} if request.step_up else {}
            # Adyen's own page asks the buyer; the form's native way would need its script in ours.
            body["authenticationData"] = ask | {"threeDSRequestData": {"nativeThreeDS": "disabled"}}
        if token.shopper is not None:
            body |= {"shopperReference": token.shopper, "recurringProcessingModel": "CardOnFile"}
            body["shopperInteraction"] = "ContAuth"
        return {name: value for name, value in body.items() if value not in (None, "", {})}

    def _token(self, request: ChargeRequest) -> Token:
        if request.method in self.capabilities.redirect_methods:
            return Token({"type": request.method})
        token = read_token(request.method_token)
        if token.details["type"] not in _TYPES.get(request.method, ()):
            raise BadToken(f"this token does not pay by {request.method}")
        return token

    def _modified(self, request: CaptureRequest | RefundRequest, what: str, more: Mapping[str, str]) -> FollowUp:
        try:
            amount = {"currency": request.money.currency, "value": on_wire(request.money)}
        except Unchargeable as exc:
            return Rejected("unsupported", "amount", str(exc))
        body = {"merchantAccount": self._account, "reference": step_reference(request.key), "amount": amount, **more}
        return self._followed(what, request.ref, request.key, body)

    def _followed(self, what: str, ref: str, key: str, body: Mapping[str, Any]) -> FollowUp:
        if not ref.isalnum():
            raise ValueError("this is no reference of Adyen's")
        response = self._post(f"/payments/{ref}/{what}", key, body)
        if response.status_code != httpx.codes.CREATED:
            return refusal(response)
        return received(json_object(response), ref, body)

    @staticmethod
    def _whole(response: httpx.Response) -> Mapping[str, Any]:
        if response.status_code != httpx.codes.OK:
            raise WireFault(f"Adyen answered {response.status_code}")
        return json_object(response)

    def _post(self, path: str, key: str | None, body: Mapping[str, Any]) -> httpx.Response:
        return self.ctx.http.post(self._base + path, json=dict(body), headers=self._headers(key))

    @property
    def _base(self) -> str:
        if self.ctx.environment == "production":
            prefix = self.ctx.settings["live_prefix"]
            return f"https://{prefix}-checkout-live.adyenpayments.com/checkout/{VERSION}"
        return f"https://checkout-test.adyen.com/{VERSION}"

    @property
    def _account(self) -> str:
        return str(self.ctx.settings["merchant_account"])

    def _headers(self, key: str | None) -> dict[str, str]:
        headers = {"X-API-Key": str(self.ctx.settings["api_key"])}
        return headers if key is None else headers | {"Idempotency-Key": key}


_HELD: Final = {"manualCapture": "true"}


def _metadata(given: Mapping[str, str]) -> dict[str, str]:
    fits = {name: value[:80] for name, value in given.items() if 0 < len(name) <= _LONGEST_NAME}
    return dict(list(fits.items())[:_MOST_METADATA])


@hookimpl
def penstock_payment_connectors() -> Iterable[type[PaymentConnector]]:
    """Offer Adyen."""
    return [AdyenPayments]
