"""What Gr4vy says about transactions, captures and refunds, read into our outcomes. Unknown words raise.

The words for no are https://docs.gr4vy.com/guides/api/error-codes (read in 2026). A transaction that was declined is
certain. One that failed is certain only for the reasons listed here: others say that a provider behind Gr4vy did not
answer well, and then nobody knows.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.payments.gr4vy_wire import Answer
from penstock.plugin import (
    Approved,
    CardFacts,
    Declined,
    DeclineKind,
    Done,
    FollowUp,
    Money,
    Outcome,
    Pending,
    ProxyState,
    ProxyTransaction,
    Rejected,
    RejectKind,
)

_DECLINED: Final[Mapping[str, DeclineKind]] = {
    "canceled_payment_method": "hard",
    "cancelled_buyer_approval": "authentication_failed",
    "disputed_transaction": "hard",
    "duplicate_transaction": "duplicate",
    "expired_authorization": "hard",
    "expired_payment_method": "hard",
    "failed_buyer_approval": "authentication_failed",
    "flow_decline": "hard",
    "incomplete_buyer_approval": "authentication_failed",
    "incorrect_billing_address": "hard",
    "incorrect_cvv": "hard",
    "incorrect_expiry_date": "hard",
    "insufficient_funds": "insufficient_funds",
    "issuer_decline": "soft",
    "other_decline": "soft",
    "refund_period_expired": "hard",
    "refused_transaction": "compliance",
    "requires_buyer_authentication": "auth_required",
    "service_decline": "soft",
    "suspected_fraud": "fraud",
    "unavailable_payment_method": "hard",
    "unknown_payment_method": "hard",
    "unsupported_transaction": "hard",
}

_REJECTED: Final[Mapping[str, RejectKind]] = {
    "all_attempts_skipped": "configuration",
    "incorrect_country": "unsupported",
    "incorrect_currency": "unsupported",
    "insufficient_service_permissions": "configuration",
    "invalid_amount": "unsupported",
    "invalid_billing_address": "validation",
    "invalid_operation": "unsupported",
    "invalid_payment_method": "validation",
    "invalid_request_parameters": "validation",
    "invalid_service_configuration": "configuration",
    "invalid_service_credentials": "configuration",
    "invalid_shipping_address": "validation",
    "invalid_tax_identifier": "validation",
    "missing_billing_address": "validation",
    "missing_cvv": "validation",
    "missing_redirect_url": "validation",
    "missing_shipping_address": "validation",
    "missing_tax_identifier": "validation",
    "service_rate_limit": "rate_limited",
    "unsupported_country": "unsupported",
    "unsupported_currency": "unsupported",
    "unsupported_payment_method": "unsupported",
}

_NEVER_AGAIN: Final = frozenset({"03", "21"})
"""The card networks' advice not to try this card again."""

_REFUSED: Final[Mapping[int, tuple[RejectKind, str]]] = {
    HTTPStatus.BAD_REQUEST: ("validation", "bad_request"),
    HTTPStatus.UNAUTHORIZED: ("configuration", "unauthorized"),
    HTTPStatus.FORBIDDEN: ("configuration", "forbidden"),
    HTTPStatus.NOT_FOUND: ("validation", "not_found"),
    HTTPStatus.TOO_MANY_REQUESTS: ("rate_limited", "too_many_requests"),
}

_PROXY: Final[Mapping[str, tuple[ProxyState, str]]] = {
    "processing": ("pending", "amount"),
    "buyer_approval_pending": ("pending", "amount"),
    "capture_pending": ("pending", "amount"),
    "authorization_void_pending": ("pending", "amount"),
    "authorization_succeeded": ("authorized", "authorized_amount"),
    "capture_succeeded": ("captured", "captured_amount"),
    "authorization_declined": ("declined", "amount"),
    "authorization_failed": ("declined", "amount"),
    "authorization_voided": ("declined", "amount"),
}

SESSION: Final = "penstock_session"
"""The metadata in which the widget's token pins our session's id."""


def told(transaction: Mapping[str, Any], key: str) -> Outcome:
    """Return what a transaction says about the charge with this key."""
    if transaction.get("external_identifier") != key:
        raise ValueError("the transaction belongs to another charge")
    ref, method = _ref(transaction), transaction.get("payment_method") or {}
    match transaction["status"], transaction["intent"]:
        case ("processing", _) | ("capture_pending", "capture"):
            return Pending(ref)
        case ("authorization_succeeded", "capture") if transaction.get("intent_outcome") == "pending":
            return Pending(ref)
        case "buyer_approval_pending", _:
            return Pending(ref, _approval(method))
        case (("authorization_declined" | "authorization_failed"), _):
            return _refused(transaction, is_certain=transaction["status"] == "authorization_declined")
        case ("capture_succeeded", "capture") | (
            ("authorization_succeeded" | "capture_pending" | "capture_succeeded"),
            "authorize",
        ):
            return _approved(transaction, ref, method)
    raise ValueError(f"Gr4vy says {transaction['status']!r} to {transaction['intent']!r}")


def _approved(transaction: Mapping[str, Any], ref: str, method: Mapping[str, Any]) -> Approved:
    if transaction["intent"] == "capture":
        return Approved(ref, _money(transaction, "captured_amount"), card=card_of(method))
    held = _money(transaction, "authorized_amount")
    return Approved(ref, Money(0, held.currency), held, card_of(method))


def proxied(transaction: Mapping[str, Any]) -> ProxyTransaction:
    """Return what a transaction of the widget says. Its reference is what our token pinned, not what a browser sent."""
    state, amount = _PROXY[transaction["status"]]
    reference = (transaction.get("metadata") or {}).get(SESSION) or ""
    return ProxyTransaction(_ref(transaction), reference, _money(transaction, amount), state)


def captured(capture: Mapping[str, Any]) -> FollowUp:
    """Return what a capture says, as Gr4vy answers to the capture itself."""
    ref = capture.get("capture_id") or _ref(capture["transaction"])
    match capture["status"]:
        case "succeeded":
            return Done(ref, _money(capture["transaction"], "captured_amount"))
        case "pending":
            return Pending(ref)
        case "declined" | "failed":
            return _refused(capture, is_certain=capture["status"] == "declined")
    raise ValueError(f"Gr4vy says that the capture is {capture['status']!r}")


def listed(step: Mapping[str, Any]) -> FollowUp:
    """Return what a capture or refund says that stands for itself: in a list, or as the answer to a refund."""
    match step["status"]:
        case "succeeded":
            return Done(_ref(step), _money(step, "amount"))
        case "pending" | "processing":
            return Pending(_ref(step))
        case "declined" | "failed":
            return _refused(step, is_certain=step["status"] == "declined")
        case "voided":
            return Declined("hard", "voided")
    raise ValueError(f"Gr4vy says {step['status']!r}")


def voided(answer: Mapping[str, Any], money: Money) -> FollowUp:
    """Return what a void says, which Gr4vy answers without an amount: all that was held is released."""
    ref = _ref(answer["transaction"])
    match answer["status"]:
        case "succeeded":
            return Done(ref, money)
        case "pending":
            return Pending(ref)
        case "declined" | "failed":
            return _refused(answer, is_certain=answer["status"] == "declined")
    raise ValueError(f"Gr4vy says that the void is {answer['status']!r}")


def rejection(answer: Answer) -> Rejected:
    """Return the certain no that an error is. Raises ValueError for one that may hide a yes (409, 425)."""
    code = str(answer.body.get("code") or "")
    if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and "detail" in answer.body:
        return Rejected("validation", "unprocessable")
    kind, expected = _REFUSED.get(answer.status, ("validation", "?"))
    if answer.body.get("type") != "error" or code != expected:
        raise ValueError(f"Gr4vy answered {answer.status} {code[:40]}")
    faults = [f"{one.get('pointer', '')} {one.get('message', '')}" for one in answer.body.get("details") or ()]
    return Rejected(kind, code, "; ".join(faults)[:200])


def _refused(thing: Mapping[str, Any], *, is_certain: bool) -> Declined | Rejected:
    code = thing.get("error_code") or thing.get("code") or ""
    words = str(thing.get("raw_response_description") or "")
    if code in _REJECTED:
        return Rejected(_REJECTED[code], code, words)
    if code not in _DECLINED and not is_certain:
        raise ValueError(f"Gr4vy says that it failed: {str(code)[:60]}")
    kind = _DECLINED.get(code, "hard")
    if kind == "soft" and thing.get("merchant_advice_code") in _NEVER_AGAIN:
        kind = "hard"
    return Declined(kind, code or "declined", words)


def card_of(method: Mapping[str, Any]) -> CardFacts | None:
    """Return what Gr4vy says about a card; None for another kind of method."""
    if method.get("method") != "card":
        return None
    label, ends = str(method.get("label") or ""), str(method.get("expiration_date") or "")
    month, _, year = ends.partition("/")
    has_end = month.isdecimal() and year.isdecimal()
    return CardFacts(
        scheme=method.get("scheme"),
        last4=label if label.isdecimal() and len(label) == 4 else None,  # noqa: PLR2004  the last four digits
        expiry_month=int(month) if has_end else None,
        expiry_year=2000 + int(year) if has_end else None,
        funding=(method.get("details") or {}).get("card_type"),
        country=method.get("country"),
    )


def _approval(method: Mapping[str, Any]) -> str:
    url = method.get("approval_url")
    if not isinstance(url, str) or urlsplit(url).scheme != "https":
        raise ValueError("Gr4vy waits for the buyer and does not say where")
    return url


def _money(thing: Mapping[str, Any], name: str) -> Money:
    return Money(thing[name], thing["currency"])


def _ref(thing: Mapping[str, Any]) -> str:
    ref = thing["id"]
    if not isinstance(ref, str) or not ref:
        raise ValueError("Gr4vy gave no id")
    return ref
