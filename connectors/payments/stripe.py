"""Stripe: cards through PaymentIntents, over the plain API.

A charge is one PaymentIntent, created and confirmed in one request. Its attempt's key is Stripe's idempotency key and
stands in the intent's metadata, where a lookup finds it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

import httpx

from connectors.payments.stripe_account import API, SECRET_KEY, account_setting, check_mode, headers
from connectors.payments.stripe_answers import (
    CAPTURE,
    KEY,
    WireFault,
    charged,
    facts,
    json_object,
    refunded,
    refusal,
)
from connectors.payments.stripe_money import CURRENCIES, Unchargeable, from_wire, on_wire
from connectors.payments.stripe_webhooks import hints
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
    Money,
    Outcome,
    PaymentConnector,
    RefundRequest,
    Rejected,
    ResumeRequest,
    VoidRequest,
    WebhookDelivery,
    hookimpl,
)

_TOKENS: Final = ("pm_", "card_", "src_")
_REASONS: Final = frozenset({"duplicate", "fraudulent", "requested_by_customer"})
_RECENT: Final = 100
_MOST_METADATA: Final = 40
_METADATA: Final = re.compile(r"(?!penstock_)[^\[\]]{1,40}")
_LIVE: Final = ("succeeded", "requires_capture", "processing", "requires_action")
_DONE_BEFORE: Final = frozenset(
    {"payment_intent_unexpected_state", "charge_already_captured", "charge_already_refunded"}
)


class StripePayments(PaymentConnector):
    """https://docs.stripe.com/api/payment_intents, version 2023-10-16."""

    name = "stripe"
    display_name = "Stripe"
    # "Not found" never proves anything here: Stripe's search shows new intents late, without a bound that it keeps.
    # What proves it is `reverse`, which takes the attempt's key away from whatever is still on its way.
    capabilities = Capabilities(
        CURRENCIES,
        frozenset({"card"}),
        manual_capture=True,
        idempotent_create=True,
        lookup_is_authoritative_after=None,
        reverse_by_reference=True,
        refund=True,
        follow_up_lookup=True,
        webhooks=True,
        resume=True,
        verify=True,
        step_up=True,
    )
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["secret_key"],
        "additionalProperties": False,
        "properties": {
            "secret_key": SECRET_KEY,
            "webhook_secret": {
                "type": "string",
                "pattern": "^whsec_.{8,}$",
                "writeOnly": True,
                "description": "The signing secret of the webhook endpoint. Without it every message is refused.",
            },
            "account": account_setting("charge for"),
            "base_url": {
                "type": "string",
                "pattern": "^https?://",
                "description": "Another address than api.stripe.com, for tests. Refused in production.",
            },
        },
    }

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        check_mode(ctx)
        if ctx.environment == "production" and "base_url" in ctx.settings:
            raise ValueError("base_url is for tests")

    def charge(self, request: ChargeRequest) -> Outcome:
        """Create and confirm an intent. Without a page to come back to, a card that wants its buyer is declined."""
        amount = _amount(request.money)
        if isinstance(amount, Rejected):
            return amount
        form = {
            "amount": amount,
            "currency": request.money.currency.lower(),
            "payment_method": request.method_token,
            "payment_method_types[0]": "card",
            "confirm": "true",
            "capture_method": request.capture,
            "expand[0]": "latest_charge",
            f"metadata[{KEY}]": request.key,
        }
        form |= {"return_url": request.return_url} if request.return_url else {"error_on_requires_action": "true"}
        if request.step_up:
            form["payment_method_options[card][request_three_d_secure]"] = "any"
        if suffix := _suffix(request.statement):
            form["statement_descriptor_suffix"] = suffix
        form |= _metadata(request)
        response = self._post("/v1/payment_intents", request.key, form)
        return charged(json_object(response)) if response.status_code == httpx.codes.OK else refusal(response)

    def find(self, key: str) -> Outcome | None:
        """Look among the newest intents, which are shown at once, and then search all, which shows them later.

        Search may show an old state, so what is found is read again by its id.
        """
        intent = self._intent(key)
        return None if intent is None else charged(self._read(intent["id"]))

    def resume(self, request: ResumeRequest) -> Outcome:
        """Read the intent again: what the buyer's browser says is not looked at."""
        return charged(self._read(request.ref))

    def capture(self, request: CaptureRequest) -> FollowUp:
        """Capture once; Stripe releases the rest. The capture's key stands in the intent's metadata from then on."""
        amount = _amount(request.money)
        if isinstance(amount, Rejected):
            return amount
        form = {"amount_to_capture": amount, f"metadata[{CAPTURE}]": request.key}
        path = f"/v1/payment_intents/{_id(request.ref)}/capture"
        return self._followed(request, self._post(path, request.key, form))

    def void(self, request: VoidRequest) -> FollowUp:
        """Cancel the intent."""
        response = self._post(f"/v1/payment_intents/{_id(request.ref)}/cancel", request.key, {})
        return self._followed(request, response)

    def refund(self, request: RefundRequest) -> FollowUp:
        """Refund the intent's charge. A reason in Stripe's own words is passed on, any other stands in the metadata."""
        amount = _amount(request.money)
        if isinstance(amount, Rejected):
            return amount
        form = {"payment_intent": request.ref, "amount": amount, f"metadata[{KEY}]": request.key}
        if request.reason in _REASONS:
            form["reason"] = request.reason
        elif request.reason:
            form["metadata[reason]"] = request.reason[:500]
        return self._followed(request, self._post("/v1/refunds", request.key, form))

    def find_follow_up(self, request: FollowUpRequest) -> FollowUp | None:
        """Find a refund by its key; a capture or void by what the intent has become."""
        if isinstance(request, RefundRequest):
            query = {"payment_intent": request.ref, "limit": str(_RECENT)}
            mine = (one for one in self._pages("/v1/refunds", query) if one.get("metadata", {}).get(KEY) == request.key)
            found = next(mine, None)
            return None if found is None else refunded(found)
        intent = self._read(request.ref)
        return self._became(intent, request)

    def reverse(self, key: str) -> bool:
        """Undo a charge, or make sure that it can no longer happen.

        An intent that is found is cancelled or refunded. If none is, the key is spent on an intent that charges
        nothing: Stripe runs a key once, so a charge that is still on its way is refused from then on, and a charge
        that came before makes Stripe refuse this one. https://docs.stripe.com/api/idempotent_requests
        """
        found = self._intent(key)
        if found is None:
            return self._fence(key)
        intent = self._read(found["id"])
        if intent["status"] == "succeeded":
            form = {"payment_intent": intent["id"], f"metadata[{KEY}]": f"{key}:reverse"}
            return _has_become("succeeded", self._post("/v1/refunds", f"{key}:reverse", form))
        if intent["status"] == "canceled":
            return True
        path = f"/v1/payment_intents/{_id(intent['id'])}/cancel"
        return _has_become("canceled", self._post(path, f"{key}:reverse", {}))

    def parse_webhook(self, delivery: WebhookDelivery) -> Sequence[Hint]:
        """Check ``Stripe-Signature`` and return what the event is about."""
        secret = self.ctx.settings.get("webhook_secret")
        if not secret:
            raise Forged("no webhook_secret is set, so nobody can say whose message this is")
        return hints(delivery, secret)

    def verify_account(self) -> None:
        """Read one intent, which is the least that a key must be allowed to."""
        response = self._get("/v1/payment_intents", {"limit": "1"})
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise BadCredentials(f"Stripe does not accept the secret_key ({response.status_code})")
        self._whole(response)

    def takes_token(self, token: str) -> bool:
        """Whether the token is a payment method, or a card or source of old."""
        return token.startswith(_TOKENS)

    def describe_token(self, token: str) -> CardFacts | None:
        """Read the card behind a payment method; None for what is none, or is not there."""
        if not token.startswith("pm_"):
            return None
        response = self._get(f"/v1/payment_methods/{_id(token)}", {})
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        return facts(self._whole(response).get("card"))

    def _intent(self, key: str) -> Mapping[str, Any] | None:
        if not key.replace("-", "").replace("_", "").isalnum():
            raise ValueError("a key is letters, digits and dashes")
        newest = self._whole(self._get("/v1/payment_intents", {"limit": str(_RECENT)}))["data"]
        mine = [one for one in newest if one.get("metadata", {}).get(KEY) == key]
        if not mine:
            query = {"query": f"metadata['{KEY}']:'{key}'", "limit": str(_RECENT)}
            mine = self._whole(self._get("/v1/payment_intents/search", query))["data"]
        alive = [one for one in mine if one["status"] in _LIVE]
        found: Mapping[str, Any] | None = next(iter(alive or mine), None)
        return found

    def _fence(self, key: str) -> bool:
        form = {"amount": "100", "currency": "usd", "payment_method_types[0]": "card", "metadata[penstock_fence]": key}
        response = self._post("/v1/payment_intents", key, form)
        if response.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.CONFLICT):
            return False  # the charge was there before, or is being made: it will be found
        spent = self._whole(response)
        is_ours = bool(spent["status"] == "requires_payment_method" and spent["metadata"].get("penstock_fence") == key)
        if is_ours:
            with suppress(httpx.HTTPError):  # only to keep the merchant's list tidy
                self._post(f"/v1/payment_intents/{_id(spent['id'])}/cancel", f"{key}:fence", {})
        return is_ours

    def _followed(self, request: FollowUpRequest, response: httpx.Response) -> FollowUp:
        if response.status_code == httpx.codes.OK:
            answer = json_object(response)
            told = refunded(answer) if isinstance(request, RefundRequest) else self._became(answer, request)
            if told is None:
                raise WireFault(f"Stripe said {answer['status']!r} after a {type(request).__name__}")
            return told
        refused = refusal(response)
        if not isinstance(refused, Rejected) or refused.provider_code not in _DONE_BEFORE:
            return refused
        # Stripe keeps a key for a day: a repeat that comes later is told "already", and may have been the one.
        return self.find_follow_up(request) or refused

    def _became(self, intent: Mapping[str, Any], request: CaptureRequest | VoidRequest) -> FollowUp | None:
        match intent["status"], request:
            case "succeeded", CaptureRequest() if intent["metadata"].get(CAPTURE) == request.key:
                return Done(intent["id"], from_wire(intent["amount_received"], intent["currency"]))
            case "canceled", VoidRequest():
                return Done(intent["id"], from_wire(intent["amount"], intent["currency"]))
            case ("succeeded" | "canceled") as status, _:
                return Rejected("validation", status, f"the payment is already {status}")
            case "requires_capture", _:
                return None
        raise WireFault(f"Stripe said {intent['status']!r} of an authorized payment")

    def _read(self, ref: str) -> Mapping[str, Any]:
        return self._whole(self._get(f"/v1/payment_intents/{_id(ref)}", {"expand[0]": "latest_charge"}))

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterable[Mapping[str, Any]]:
        after: dict[str, str] = {}
        while True:
            page = self._whole(self._get(path, {**query, **after}))
            yield from page["data"]
            if not page["has_more"]:
                return
            after = {"starting_after": page["data"][-1]["id"]}

    @staticmethod
    def _whole(response: httpx.Response) -> Mapping[str, Any]:
        if response.status_code != httpx.codes.OK:
            raise WireFault(f"Stripe answered {response.status_code}")
        return json_object(response)

    def _get(self, path: str, query: Mapping[str, str]) -> httpx.Response:
        return self.ctx.http.get(self._base + path, params=dict(query), headers=headers(self.ctx.settings))

    def _post(self, path: str, key: str, form: Mapping[str, str]) -> httpx.Response:
        own = headers(self.ctx.settings) | {"Idempotency-Key": key}
        return self.ctx.http.post(self._base + path, data=dict(form), headers=own)

    @property
    def _base(self) -> str:
        return str(self.ctx.settings.get("base_url", API)).rstrip("/")


def _amount(money: Money) -> str | Rejected:
    try:
        return str(on_wire(money))
    except Unchargeable as exc:
        return Rejected("unsupported", "amount", str(exc))


def _has_become(status: str, response: httpx.Response) -> bool:
    return response.status_code == httpx.codes.OK and bool(json_object(response)["status"] == status)


def _id(ref: str) -> str:
    if not ref.replace("_", "").isalnum():
        raise ValueError("this is no id of Stripe's")
    return ref


def _suffix(statement: str) -> str:
    r"""Return what Stripe takes on a card's statement: 22 characters, none of ``<>\'"*``, at least one letter."""
    text = "".join(c for c in statement if c.isascii() and c.isprintable() and c not in "<>\\'\"*")[:22].strip()
    return text if any(c.isalpha() for c in text) else ""


def _metadata(request: ChargeRequest) -> dict[str, str]:
    """Return the merchant's own metadata, where it fits Stripe's limits, and the reference."""
    own = {name: value for name, value in request.metadata.items() if _METADATA.fullmatch(name) and value}
    kept = {f"metadata[{name}]": value[:500] for name, value in list(own.items())[:_MOST_METADATA]}
    return kept | ({"metadata[penstock_reference]": request.reference} if request.reference else {})


@hookimpl
def penstock_payment_connectors() -> Iterable[type[PaymentConnector]]:
    """Offer Stripe."""
    return [StripePayments]
