"""Gr4vy: one connection behind which a merchant's own flows choose a provider, and a widget that takes payments itself.

A transaction is found by our key, which is its external identifier. What this module does not know raises, which
means that nobody knows.
"""

import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any, ClassVar, Final
from urllib.parse import quote

import orjson

from connectors.payments.gr4vy_answers import (
    SESSION,
    captured,
    card_of,
    listed,
    proxied,
    rejection,
    told,
    voided,
)
from connectors.payments.gr4vy_wire import Answer, Wire
from penstock.plugin import (
    BadCredentials,
    Capabilities,
    CaptureRequest,
    CardFacts,
    ChargeRequest,
    Context,
    Done,
    FollowUp,
    FollowUpRequest,
    Forged,
    Hint,
    Outcome,
    PaymentConnector,
    PaymentMethod,
    Pending,
    ProxyTransaction,
    RefundRequest,
    Rejected,
    ResumeRequest,
    VoidRequest,
    WebhookDelivery,
    Widget,
    WidgetRequest,
    hookimpl,
)

REDIRECTS: Final = frozenset(
    {"bancontact", "blik", "eps", "ideal", "klarna", "p24", "paypal", "pix", "sepa", "trustly"}
)
"""Methods that send the buyer away. An account offers those of them that its settings name."""

MAX_AMOUNT: Final = 99_999_999
"""The largest amount in minor units that Gr4vy takes."""

MAX_AGE: Final = timedelta(days=7, hours=1)
"""Gr4vy repeats a message for seven days."""

_AHEAD: Final = timedelta(minutes=5)
_WIDGET: Final = timedelta(hours=1)
_MIN_SESSION: Final = 3600
_MAX_SESSION: Final = 86_400
_CARD: Final = "card"
_SESSION_TOKEN: Final = "session_"  # noqa: S105  the first letters of a token, not one
_UUID: Final = re.compile(r"(session_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Gr4vy(PaymentConnector):
    """https://docs.gr4vy.com/reference."""

    name = "gr4vy"
    display_name = "Gr4vy"
    capabilities = Capabilities(
        None,
        frozenset({_CARD}) | REDIRECTS,
        manual_capture=True,
        idempotent_create=True,
        refund=True,
        follow_up_lookup=True,
        webhooks=True,
        resume=True,
        verify=True,
        proxy=True,
        widget=True,
        redirect_methods=REDIRECTS,
    )
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["gr4vy_id", "private_key"],
        "properties": {
            "gr4vy_id": {
                "type": "string",
                "pattern": "^[a-z0-9][a-z0-9-]{0,62}$",
                "description": "Your Gr4vy id: the part of api.<id>.gr4vy.app that is yours.",
            },
            "private_key": {
                "type": "string",
                "minLength": 1,
                "maxLength": 2000,
                "writeOnly": True,
                "description": "Private key of an API key pair, as the PEM text that Gr4vy gave you once.",
            },
            "merchant_account_id": {
                "type": "string",
                "pattern": "^[A-Za-z0-9_-]{1,64}$",
                "description": "Merchant account to use; without it, `default`.",
            },
            "webhook_secret": {
                "type": "string",
                "minLength": 1,
                "maxLength": 256,
                "writeOnly": True,
                "description": "Secret of your webhook subscription. Without it, Gr4vy's messages are refused.",
            },
            "redirect_methods": {
                "type": "array",
                "uniqueItems": True,
                "items": {"type": "string", "enum": sorted(REDIRECTS)},
                "description": "Methods beside cards that your flows can take.",
            },
        },
    }

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._wire = Wire(ctx)

    def payment_methods(self) -> Sequence[PaymentMethod]:
        """Return cards and the methods that the settings name."""
        named = self.ctx.settings.get("redirect_methods", ())
        return [PaymentMethod(one, _NAMES.get(one, one.capitalize())) for one in (_CARD, *named)]

    def charge(self, request: ChargeRequest) -> Outcome:
        """Create a transaction. The buyer may have to approve it first, at the address that Gr4vy gives."""
        if request.money.amount > MAX_AMOUNT:
            return Rejected("unsupported", "invalid_amount", f"Gr4vy takes up to {MAX_AMOUNT}")
        method = self._method(request)
        if isinstance(method, Rejected):
            return method
        answer = self._wire.write("/transactions", request.key, _transaction(request, method))
        return told(answer.body, request.key) if answer.status == HTTPStatus.CREATED else rejection(answer)

    def find(self, key: str) -> Outcome | None:
        """Look the transaction with this external identifier up. Gr4vy does not say how soon its list has it."""
        found = self._wire.read("/transactions", external_identifier=key, limit="2")["items"]
        if len(found) > 1 or any(one["external_identifier"] != key for one in found):
            raise ValueError("Gr4vy has more than one transaction under one key")
        return told(self._wire.read(f"/transactions/{_safe(found[0]['id'])}"), key) if found else None

    def resume(self, request: ResumeRequest) -> Outcome:
        """Ask how the transaction stands after the buyer came back."""
        return told(self._wire.read(f"/transactions/{_safe(request.ref)}"), request.key)

    def capture(self, request: CaptureRequest) -> FollowUp:
        """Take what was authorized, all or a part, for good."""
        body = {"amount": request.money.amount, "final": True, "external_identifier": request.key}
        path = f"/transactions/{_safe(request.ref)}/capture"
        answer = self._wire.write(path, request.key, body, prefer="transaction-capture")
        return captured(answer.body) if answer.status == HTTPStatus.OK else self._no(answer, request)

    def void(self, request: VoidRequest) -> FollowUp:
        """Release what was authorized."""
        path = f"/transactions/{_safe(request.ref)}/void"
        answer = self._wire.write(path, request.key, None, prefer="transaction-void")
        return voided(answer.body, request.money) if answer.status == HTTPStatus.OK else self._no(answer, request)

    def refund(self, request: RefundRequest) -> FollowUp:
        """Give back what was captured, all or a part."""
        body = {"amount": request.money.amount, "external_identifier": request.key}
        if request.reason:
            body["reason"] = request.reason[:100]
        answer = self._wire.write(f"/transactions/{_safe(request.ref)}/refunds", request.key, body)
        return listed(answer.body) if answer.status == HTTPStatus.CREATED else self._no(answer, request)

    def find_follow_up(self, request: FollowUpRequest) -> FollowUp | None:
        """Look in the transaction's captures or refunds for our key; a void shows in the transaction itself."""
        where = f"/transactions/{_safe(request.ref)}"
        if isinstance(request, VoidRequest):
            status = self._wire.read(where)["status"]
            pending = Pending(request.ref) if status == "authorization_void_pending" else None
            return Done(request.ref, request.money) if status == "authorization_voided" else pending
        what = "captures" if isinstance(request, CaptureRequest) else "refunds"
        page = self._wire.read(f"{where}/{what}")
        found = [one for one in page["items"] if one.get("external_identifier") == request.key]
        if len(found) > 1 or (not found and page.get("next_cursor")):
            raise ValueError(f"Gr4vy's list of {what} does not tell")
        return listed(found[0]) if found else None

    def parse_webhook(self, delivery: WebhookDelivery) -> Sequence[Hint]:
        """Check the message's signature (HMAC-SHA256 over time and body) and return what it hints at."""
        _check_sender(delivery, str(self.ctx.settings.get("webhook_secret") or ""))
        try:
            event = orjson.loads(delivery.body)
            return [_hint(event, event["target"])]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise Forged("it is no event of Gr4vy's") from None

    def verify_account(self) -> None:
        """List one transaction, which Gr4vy allows to good credentials only."""
        answer = self._wire.ask("/transactions", limit="1")
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise BadCredentials(f"Gr4vy refuses the key pair, or merchant account {self._wire.account!r}")
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"Gr4vy answered {answer.status}")

    def takes_token(self, token: str) -> bool:
        """Whether it may be a stored payment method's id, or ``session_`` and a checkout session's."""
        return _UUID.fullmatch(token) is not None

    def describe_token(self, token: str) -> CardFacts | None:
        """Return what Gr4vy knows of a stored card; None for a checkout session's, which is not told."""
        if token.startswith(_SESSION_TOKEN) or not self.takes_token(token):
            return None
        answer = self._wire.ask(f"/payment-methods/{token}")
        return card_of(answer.body) if answer.status == HTTPStatus.OK else None

    def read_transaction(self, ref: str) -> ProxyTransaction | None:
        """Read a transaction that the widget made."""
        answer = self._wire.ask(f"/transactions/{_safe(ref)}")
        if answer.status == HTTPStatus.NOT_FOUND and answer.body.get("code") == "not_found":
            return None
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"Gr4vy answered {answer.status}")
        return proxied(answer.body)

    def open_widget(self, request: WidgetRequest) -> Widget:
        """Make a checkout session at Gr4vy, once, and sign a token that pins amount, currency and our session."""
        pinned = {SESSION: request.session_id}
        ref = request.ref or self._new_session(request, pinned)
        embed = {
            "amount": request.money.amount,
            "currency": request.money.currency,
            "metadata": pinned,
            "merchant_account_id": self._wire.account,
        }
        token = self._wire.signer.sign(self.ctx, ["embed"], _WIDGET, embed=embed, checkout_session_id=ref)
        return Widget(token, self.ctx.clock.now() + _WIDGET, ref)

    def _new_session(self, request: WidgetRequest, pinned: Mapping[str, str]) -> str:
        seconds = max(_MIN_SESSION, min(request.lifetime, _MAX_SESSION))
        answer = self._wire.write("/checkout/sessions", None, {"metadata": pinned, "expires_in": seconds})
        if answer.status != HTTPStatus.CREATED or not isinstance(answer.body["id"], str):
            raise ValueError(f"Gr4vy answered {answer.status} to a checkout session")
        return str(answer.body["id"])

    def _method(self, request: ChargeRequest) -> dict[str, Any] | Rejected:
        back = {"redirect_url": request.return_url} if request.return_url else {}
        if request.method == _CARD:
            if not self.takes_token(request.method_token):
                return Rejected("validation", "invalid_payment_method", "this is no token of Gr4vy's")
            kind = "checkout-session" if request.method_token.startswith(_SESSION_TOKEN) else "id"
            return {"method": kind, "id": request.method_token.removeprefix(_SESSION_TOKEN), **back}
        if request.method not in self.ctx.settings.get("redirect_methods", ()):
            return Rejected("unsupported", "unsupported_payment_method", "this account does not offer it")
        if not back or not request.country:
            return Rejected(
                "unsupported", "incorrect_country", "the method needs the buyer's country and a return address"
            )
        return {"method": request.method, "country": request.country, "currency": request.money.currency, **back}

    def _no(self, answer: Answer, request: FollowUpRequest) -> FollowUp:
        """Return the no to a follow-up; where it may be the echo of the same one done before, look first."""
        refused = rejection(answer)
        found = self.find_follow_up(request) if answer.status == HTTPStatus.BAD_REQUEST else None
        return found or refused


@hookimpl
def penstock_payment_connectors() -> Iterable[type[PaymentConnector]]:
    """Offer Gr4vy."""
    return [Gr4vy]


_NAMES: Final[Mapping[str, str]] = {
    "blik": "BLIK",
    "eps": "EPS",
    "ideal": "iDEAL",
    "p24": "Przelewy24",
    "paypal": "PayPal",
    "sepa": "SEPA direct debit",
}


def _transaction(request: ChargeRequest, method: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "amount": request.money.amount,
        "currency": request.money.currency,
        "intent": "capture" if request.capture == "automatic" else "authorize",
        "external_identifier": request.key,
        "payment_method": method,
    }
    if request.country:
        body["country"] = request.country
    if request.email:
        body["buyer"] = {"billing_details": {"email_address": request.email}}
    if request.reference:
        body["metadata"] = {"reference": request.reference}
    if request.statement:
        body["statement_descriptor"] = {"name": request.statement[:22]}
    return body


def _check_sender(delivery: WebhookDelivery, secret: str) -> None:
    if not secret:
        raise Forged("this account has no webhook_secret, so no message can be checked")
    at, given = (delivery.headers.get(f"x-gr4vy-webhook-{name}", "") for name in ("timestamp", "signatures"))
    if not (at.isascii() and at.isdecimal()) or not given.isascii():
        raise Forged("Gr4vy's signature headers are missing")
    expected = hmac.new(secret.encode(), at.encode() + b"." + delivery.body, sha256).hexdigest()
    if not any(hmac.compare_digest(expected, one.strip()) for one in given.split(",")):
        raise Forged("the signature does not fit")
    if not -_AHEAD.total_seconds() <= delivery.received_at.timestamp() - int(at) <= MAX_AGE.total_seconds():
        raise Forged("it is too old, or of the future")


def _hint(event: Mapping[str, Any], target: Mapping[str, Any]) -> Hint:
    key, ref = target.get("external_identifier"), target.get("transaction_id")
    match target["type"]:
        case "transaction":
            return Hint(event["id"], "payment", key=key, ref=target["id"])
        case "capture":
            return Hint(event["id"], "payment", key=key, ref=ref)
        case "refund":
            return Hint(event["id"], "refund", key=key, ref=ref)
        case "chargeback" | "chargeback-reversal" | "dispute":
            return Hint(event["id"], "dispute", ref=ref)
    return Hint(event["id"], "other")


def _safe(ref: str) -> str:
    return quote(ref, safe="")
