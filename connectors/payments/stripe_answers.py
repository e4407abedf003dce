"""What Stripe's answers mean. Whatever is not known here raises, and then nobody knows."""

from collections.abc import Mapping
from typing import Any, Final, cast

import httpx

from connectors.payments.stripe_declines import CONFIGURATION, UNSUPPORTED, kind_of
from connectors.payments.stripe_money import from_wire
from penstock.plugin import (
    Approved,
    CardFacts,
    Declined,
    Done,
    FollowUp,
    Money,
    Outcome,
    Pending,
    Rejected,
)

KEY: Final = "penstock_key"
"""The metadata in which the key of a charge or refund stands."""
CAPTURE: Final = "penstock_capture"
"""The metadata in which the key of a capture stands."""

_SCHEMES: Final = {"diners": "diners-club", "cartes_bancaires": "cartes-bancaires", "eftpos_au": "eftpos-australia"}
_FUNDING: Final = frozenset({"credit", "debit", "prepaid"})
_MOVING: Final = frozenset({"succeeded", "processing", "requires_capture", "requires_action"})
_CARD_CODES: Final = frozenset({"card_declined", "payment_intent_authentication_failure"})
_REFUSING: Final = frozenset({400, 402, 404})


class WireFault(ValueError):
    """Stripe answered in a way that is not known: what happened is unknown too."""


def json_object(response: httpx.Response) -> dict[str, Any]:
    """Return an answer's JSON object. Raises ValueError for anything else."""
    answer = response.json()
    if not isinstance(answer, dict):
        raise WireFault("Stripe answered with no object")
    return answer


def charged(intent: Mapping[str, Any]) -> Outcome:
    """Return what a PaymentIntent says about its charge. What was captured of an authorization later is no part of it.

    https://docs.stripe.com/payments/paymentintents/lifecycle
    """
    if intent["object"] != "payment_intent":
        raise WireFault("this is no payment intent")
    ref = str(intent["id"])
    match intent["status"], intent["capture_method"]:
        case (("succeeded" | "requires_capture"), "manual"):
            held = from_wire(intent["amount"], intent["currency"])
            return Approved(ref, Money(0, held.currency), authorized=held, card=_card(intent))
        case "succeeded", "automatic" | "automatic_async":
            return Approved(ref, from_wire(intent["amount_received"], intent["currency"]), card=_card(intent))
        case "processing", _:
            return Pending(ref)
        case "requires_action", _:
            return Pending(ref, _page(intent["next_action"]))
        case "requires_payment_method", _:
            return _declined(intent["last_payment_error"])
        case "canceled", _:
            return Declined("hard", "canceled", str(intent.get("cancellation_reason") or ""))
    raise WireFault(f"Stripe said {str(intent['status'])[:40]!r} ({str(intent['capture_method'])[:40]})")


def refunded(refund: Mapping[str, Any]) -> FollowUp:
    """Return what a Refund says (https://docs.stripe.com/api/refunds/object#refund_object-status)."""
    if refund["object"] != "refund":
        raise WireFault("this is no refund")
    ref = str(refund["id"])
    match refund["status"]:
        case "succeeded":
            return Done(ref, from_wire(refund["amount"], refund["currency"]))
        case "pending" | "requires_action":
            return Pending(ref)
        case "failed" | "canceled" as status:
            return Declined("hard", str(refund.get("failure_reason") or status))
    raise WireFault(f"Stripe said {str(refund['status'])[:40]!r} of a refund")


def refusal(response: httpx.Response) -> Declined | Rejected:
    """Return a refusal that is certain: nothing was executed. Raises `WireFault` for every other answer.

    That a 401, a 403 and a rate limit come before anything runs: https://docs.stripe.com/error-low-level. A key that
    was used for another request (``idempotency_error``) or is in use (409) says nothing about what it did before.
    """
    error = _error(response)
    code, message = str(error.get("code") or error["type"]), str(error.get("message") or "")
    match response.status_code:
        case httpx.codes.UNAUTHORIZED | httpx.codes.FORBIDDEN:
            return Rejected("configuration", code, "Stripe does not accept the secret_key for this")
        case httpx.codes.TOO_MANY_REQUESTS if code == "rate_limit":
            return Rejected("rate_limited", code, message)
    if response.status_code not in _REFUSING or _has_moved(error.get("payment_intent")):
        raise WireFault(f"Stripe answered {response.status_code} ({code[:40]})")
    if error["type"] == "card_error" or code in _CARD_CODES:
        return _declined(error)
    if error["type"] != "invalid_request_error":
        raise WireFault(f"Stripe answered {response.status_code} ({str(error['type'])[:40]})")
    if code in CONFIGURATION:
        return Rejected("configuration", code, message)
    return Rejected("unsupported" if code in UNSUPPORTED else "validation", code, message)


def facts(card: Mapping[str, Any] | None) -> CardFacts | None:
    """Return what Stripe says about a card; None if it says nothing."""
    if not card:
        return None
    brand, funding = card.get("brand"), card.get("funding")
    return CardFacts(
        scheme=None if brand in (None, "unknown") else _SCHEMES.get(brand, brand),
        last4=card.get("last4"),
        expiry_month=card.get("exp_month"),
        expiry_year=card.get("exp_year"),
        funding=cast("Any", funding) if funding in _FUNDING else None,
        country=card.get("country"),
        fingerprint=card.get("fingerprint"),
    )


def _card(intent: Mapping[str, Any]) -> CardFacts | None:
    charge = intent.get("latest_charge")
    details = charge.get("payment_method_details") if isinstance(charge, dict) else None
    return facts(details.get("card")) if isinstance(details, dict) else None


def _page(action: Mapping[str, Any]) -> str | None:
    match action["type"]:
        case "redirect_to_url":
            return str(action["redirect_to_url"]["url"])
        case "use_stripe_sdk":  # Stripe's own script would go on; there is no page to send the buyer to
            return None
    raise WireFault(f"Stripe wants {str(action['type'])[:40]!r} from the buyer")


def _declined(error: Mapping[str, Any] | None) -> Declined:
    if not error:
        raise WireFault("Stripe wants another payment method and does not say why")
    code = str(error.get("decline_code") or error["code"])
    return Declined(kind_of(code, error.get("advice_code")), code, str(error.get("message") or ""))


def _has_moved(intent: Mapping[str, Any] | None) -> bool:
    return intent is not None and intent.get("status") in _MOVING


def _error(response: httpx.Response) -> Mapping[str, Any]:
    error = json_object(response).get("error")
    if not isinstance(error, dict) or not isinstance(error.get("type"), str):
        raise WireFault(f"Stripe answered {response.status_code} without an error of its own")
    return error
