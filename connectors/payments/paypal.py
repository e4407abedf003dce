"""PayPal: the buyer is sent to PayPal to approve an order, comes back, and the order is captured or authorized.

Until the buyer has approved the order and `resume` has asked for the money, nothing can be taken. Every answer that
this module does not know raises, which means that nobody knows.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final
from urllib.parse import quote

from connectors.payments.paypal_answers import (
    CURRENCIES,
    Indivisible,
    Intent,
    amount_of,
    approval_link,
    captured,
    is_held,
    purchase,
    refunded,
    told,
)
from connectors.payments.paypal_issues import issue_of, refusal
from connectors.payments.paypal_webhooks import Certificates, check_sender, hint_of
from connectors.payments.paypal_wire import Wire
from penstock.plugin import (
    Capabilities,
    CaptureRequest,
    ChargeRequest,
    Context,
    Declined,
    Done,
    FollowUp,
    FollowUpRequest,
    Hint,
    Outcome,
    PaymentConnector,
    PaymentMethod,
    Pending,
    RefundRequest,
    Rejected,
    ResumeRequest,
    VoidRequest,
    WebhookDelivery,
    hookimpl,
)

METHOD: Final = "paypal"
_ORDERS: Final = "/v2/checkout/orders"
_AUTHORIZATIONS: Final = "/v2/payments/authorizations"
_CAPTURES: Final = "/v2/payments/captures"

_LATER: Final = {"ORDER_NOT_APPROVED", "PAYER_ACTION_REQUIRED", "ORDER_COMPLETION_IN_PROGRESS"}
_ALREADY: Final = {"ORDER_ALREADY_CAPTURED", "ORDER_ALREADY_AUTHORIZED"}
_CAPTURED_BEFORE: Final = frozenset({"DUPLICATE_INVOICE_ID", "AUTHORIZATION_ALREADY_CAPTURED"})
"""Refusals of a capture that may be the echo of that very capture, done earlier: they prove nothing."""

_TOKEN: Final = re.compile(r"[0-9a-zA-Z_-]{1,255}", re.ASCII)
_LOCALE: Final = re.compile(r"[a-z]{2}-[A-Z]{2}")

_CANCELLED: Final = "paypal_cancelled"
"""What stands on the address by which a buyer comes back who gave up at PayPal."""

_GIVEN_UP: Final = Declined("hard", "PAYER_CANCELLED", "the buyer did not approve it at PayPal")


class PayPal(PaymentConnector):
    """https://developer.paypal.com/docs/api/orders/v2/ and https://developer.paypal.com/docs/api/payments/v2/."""

    name = "paypal"
    display_name = "PayPal"
    capabilities = Capabilities(
        CURRENCIES,
        frozenset({METHOD}),
        manual_capture=True,
        idempotent_create=True,
        lookup=False,
        refund=True,
        follow_up_lookup=True,
        webhooks=True,
        resume=True,
        verify=True,
        redirect_methods=frozenset({METHOD}),
    )
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["client_id", "client_secret"],
        "properties": {
            "client_id": {
                "type": "string",
                "minLength": 1,
                "maxLength": 256,
                "description": "Client ID of your REST app, from PayPal's developer dashboard.",
            },
            "client_secret": {
                "type": "string",
                "minLength": 1,
                "maxLength": 256,
                "writeOnly": True,
                "description": "Secret of the same app.",
            },
            "webhook_id": {
                "type": "string",
                "pattern": "^[A-Za-z0-9]{1,50}$",
                "description": "Id of the webhook that you made for this address. Without it, PayPal's messages are refused.",
            },
            "brand_name": {
                "type": "string",
                "minLength": 1,
                "maxLength": 127,
                "description": "The name that the buyer reads at PayPal; without it, your account's.",
            },
            "immediate_payment": {
                "type": "boolean",
                "description": "Take only what PayPal pays out at once: no eChecks, no pending bank transfers.",
            },
        },
    }

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._wire = Wire(ctx)
        self._certificates = Certificates(ctx)

    def payment_methods(self) -> Sequence[PaymentMethod]:
        """Return the one way to pay, under the name by which buyers know it."""
        return [PaymentMethod(METHOD, "PayPal")]

    def charge(self, request: ChargeRequest) -> Outcome:
        """Make an order. Without a token the buyer has to approve it first; a vaulted wallet is charged at once."""
        try:
            body = _order(request, self.ctx.settings)
        except Indivisible as exc:
            return Rejected("unsupported", "DECIMALS_NOT_SUPPORTED", str(exc))
        answer = self._wire.write(_ORDERS, request.key, body)
        if answer.status in (200, 201):
            return told(answer.body, request.key, _intent(request.capture))
        return refusal(answer)

    def resume(self, request: ResumeRequest) -> Outcome:
        """Ask PayPal how its order stands, and take the money if the buyer has approved it.

        Asked again, at any time and by anybody, it never takes twice: an order is captured or authorized once.
        """
        intent = _intent(request.capture)
        order = self._wire.read(f"{_ORDERS}/{_safe(request.ref)}")
        if order.get("status") != "APPROVED":
            now = told(order, request.key, intent)
            # Only we capture an order: one that is not approved, and that we give up, moves no money any more.
            is_over = request.give_up or _CANCELLED in request.query
            return _GIVEN_UP if is_over and isinstance(now, Pending) and now.redirect_url else now
        purchase(order, request.key, intent)
        verb = "capture" if intent == "CAPTURE" else "authorize"
        answer = self._wire.write(f"{_ORDERS}/{_safe(request.ref)}/{verb}", f"{request.key}-{verb}", {})
        if answer.status in (200, 201):
            return told(answer.body, request.key, intent)
        issue = issue_of(answer)
        if issue in _ALREADY:
            return told(self._wire.read(f"{_ORDERS}/{_safe(request.ref)}"), request.key, intent)
        if issue in _LATER:
            return Pending(request.ref, approval_link(answer.body) or approval_link(order))
        return refusal(answer)

    def find(self, key: str) -> Outcome | None:
        """Raise: PayPal finds orders by its own id only. `resume` asks about one whose id we have."""
        raise LookupError(f"PayPal does not look orders up by our key ({key})")

    def capture(self, request: CaptureRequest) -> FollowUp:
        """Take what was authorized, all or a part. It is the last capture, so PayPal releases the rest."""
        body = {"amount": amount_of(request.money), "invoice_id": request.key, "final_capture": True}
        answer = self._wire.write(f"{_AUTHORIZATIONS}/{_safe(request.ref)}/capture", request.key, body)
        return captured(answer.body) if answer.status in (200, 201) else refusal(answer, _CAPTURED_BEFORE)

    def void(self, request: VoidRequest) -> FollowUp:
        """Release what was authorized. PayPal answers with the authorization, or with nothing at all."""
        answer = self._wire.write(f"{_AUTHORIZATIONS}/{_safe(request.ref)}/void", request.key, None)
        is_voided = answer.status == HTTPStatus.OK and answer.body.get("status") == "VOIDED"
        if is_voided or answer.status == HTTPStatus.NO_CONTENT or issue_of(answer) == "PREVIOUSLY_VOIDED":
            return Done(request.ref, request.money)
        return refusal(answer)

    def refund(self, request: RefundRequest) -> FollowUp:
        """Give back what was captured, all or a part."""
        body = {"amount": amount_of(request.money), "custom_id": request.key}
        ref = _safe(request.capture_ref or request.ref)
        answer = self._wire.write(f"{_CAPTURES}/{ref}/refund", request.key, body)
        return refunded(answer.body) if answer.status in (200, 201) else refusal(answer)

    def find_follow_up(self, request: FollowUpRequest) -> FollowUp | None:
        """Look in the order, which lists what became of it: captures by our invoice id, refunds by our custom id."""
        if isinstance(request, RefundRequest):
            capture = self._wire.read(f"{_CAPTURES}/{_safe(request.capture_ref or request.ref)}")
            return _only(self._listed(capture, "refunds"), "custom_id", request.key, refunded)
        authorization = self._wire.read(f"{_AUTHORIZATIONS}/{_safe(request.ref)}")
        if isinstance(request, CaptureRequest):
            return _only(self._listed(authorization, "captures"), "invoice_id", request.key, captured)
        return None if is_held(authorization) else Done(request.ref, request.money)

    def parse_webhook(self, delivery: WebhookDelivery) -> Sequence[Hint]:
        """Check PayPal's signature over the message and return what it hints at."""
        return [hint_of(check_sender(delivery, self.ctx, self._certificates))]

    def verify_account(self) -> None:
        """Fetch an access token, which PayPal gives for good credentials only."""
        self._wire.log_in()

    def takes_token(self, token: str) -> bool:
        """Whether it may be a vaulted wallet's id."""
        return _TOKEN.fullmatch(token) is not None

    def _listed(self, payment: Mapping[str, Any], what: str) -> Iterable[Mapping[str, Any]]:
        order_id = payment["supplementary_data"]["related_ids"]["order_id"]
        [unit] = self._wire.read(f"{_ORDERS}/{_safe(order_id)}")["purchase_units"]
        found: Iterable[Mapping[str, Any]] = unit.get("payments", {}).get(what, [])
        return found


@hookimpl
def penstock_payment_connectors() -> Iterable[type[PaymentConnector]]:
    """Offer PayPal."""
    return [PayPal]


def _order(request: ChargeRequest, settings: Mapping[str, Any]) -> dict[str, Any]:
    unit: dict[str, Any] = {"custom_id": request.key, "amount": amount_of(request.money)}
    if request.reference:
        unit["reference_id"] = request.reference[:256]
    if request.statement:
        unit["soft_descriptor"] = request.statement[:22]
    wallet: dict[str, Any] = (
        {"vault_id": request.method_token} if request.method_token else _approval(request, settings)
    )
    return {
        "intent": _intent(request.capture),
        "purchase_units": [unit],
        "payment_source": {"paypal": wallet},
    }


def _approval(request: ChargeRequest, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what PayPal is to show the buyer. We have asked for the address ourselves, so PayPal asks for none."""
    context: dict[str, Any] = {"user_action": "PAY_NOW", "shipping_preference": "NO_SHIPPING"}
    if request.return_url:
        mark = "&" if "?" in request.return_url else "?"
        context |= {"return_url": request.return_url, "cancel_url": f"{request.return_url}{mark}{_CANCELLED}=1"}
    if settings.get("brand_name"):
        context["brand_name"] = settings["brand_name"]
    if settings.get("immediate_payment"):
        context["payment_method_preference"] = "IMMEDIATE_PAYMENT_REQUIRED"
    if request.locale and _LOCALE.fullmatch(request.locale):
        context["locale"] = request.locale
    return {"experience_context": context}


def _intent(capture: str) -> Intent:
    return "CAPTURE" if capture == "automatic" else "AUTHORIZE"


def _safe(ref: str) -> str:
    return quote(ref, safe="")


def _only(
    listed: Iterable[Mapping[str, Any]], name: str, key: str, read: Callable[[Mapping[str, Any]], FollowUp]
) -> FollowUp | None:
    found = [one for one in listed if one.get(name) == key]
    if len(found) > 1:
        raise ValueError(f"PayPal has {len(found)} of them under one key")
    return read(found[0]) if found else None
