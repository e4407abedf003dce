"""PayPal's words for no: issues of refused requests and codes of card processors, in our kinds.

Only a word that is listed here is a no. Everything else raises, because a refused repetition looks like a refusal and
is the echo of a success. The lists: the 403 and 422 answers of the Orders v2 and Payments v2 descriptions, and
https://developer.paypal.com/docs/checkout/advanced/processing/ for processors (read in 2026).
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from connectors.payments.paypal_wire import Answer
from penstock.plugin import Declined, DeclineKind, Rejected, RejectKind

_DECLINED: Final[Mapping[str, DeclineKind]] = {
    "AGREEMENT_ALREADY_CANCELLED": "hard",
    "BILLING_AGREEMENT_NOT_FOUND": "hard",
    "COMPLIANCE_VIOLATION": "compliance",
    "DUPLICATE_INVOICE_ID": "duplicate",
    "INSTRUMENT_DECLINED": "soft",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": "hard",
    "PAYEE_BLOCKED_TRANSACTION": "fraud",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": "hard",
    "PAYER_ACCOUNT_RESTRICTED": "hard",
    "PAYER_CANNOT_PAY": "hard",
    "PAYMENT_SOURCE_CANNOT_BE_USED": "hard",
    "PAYMENT_SOURCE_DECLINED_BY_PROCESSOR": "soft",
    "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING": "soft",
    "TOKEN_EXPIRED": "hard",
    "TOKEN_ID_NOT_FOUND": "hard",
    "TRANSACTION_BLOCKED_BY_PAYEE": "fraud",
    "TRANSACTION_LIMIT_EXCEEDED": "hard",
    "TRANSACTION_REFUSED": "hard",
    # Of captures, voids and refunds.
    "AUTHORIZATION_ALREADY_CAPTURED": "hard",
    "AUTHORIZATION_DENIED": "hard",
    "AUTHORIZATION_EXPIRED": "hard",
    "AUTHORIZATION_VOIDED": "hard",
    "CANNOT_BE_VOIDED": "hard",
    "CAPTURE_FULLY_REFUNDED": "hard",
    "MAX_NUMBER_OF_REFUNDS_EXCEEDED": "hard",
    "PARTIAL_REFUND_NOT_ALLOWED": "hard",
    "PREVIOUSLY_CAPTURED": "hard",
    "REFUND_AMOUNT_EXCEEDED": "hard",
    "REFUND_AMOUNT_TOO_LOW": "hard",
    "REFUND_FAILED_INSUFFICIENT_FUNDS": "insufficient_funds",
    "REFUND_IS_RESTRICTED": "hard",
    "REFUND_NOT_ALLOWED": "hard",
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK": "hard",
    "REFUND_TIME_LIMIT_EXCEEDED": "hard",
    "TRANSACTION_DISPUTED": "hard",
}

_REJECTED: Final[Mapping[str, RejectKind]] = {
    "AUTH_CAPTURE_CURRENCY_MISMATCH": "validation",
    "AUTH_CAPTURE_NOT_ENABLED": "configuration",
    "CANNOT_BE_NEGATIVE": "validation",
    "CANNOT_BE_ZERO_OR_NEGATIVE": "validation",
    "DECIMALS_NOT_SUPPORTED": "unsupported",
    "DECIMAL_PRECISION": "validation",
    "DOMESTIC_TRANSACTION_REQUIRED": "unsupported",
    "INVALID_CURRENCY_CODE": "unsupported",
    "MAX_CAPTURE_AMOUNT_EXCEEDED": "validation",
    "MAX_CAPTURE_COUNT_EXCEEDED": "validation",
    "MAX_VALUE_EXCEEDED": "validation",
    "PAYEE_ACCOUNT_INVALID": "configuration",
    "PAYEE_ACCOUNT_LOCKED_OR_CLOSED": "merchant_blocked",
    "PAYEE_ACCOUNT_NOT_VERIFIED": "merchant_blocked",
    "PAYEE_ACCOUNT_RESTRICTED": "merchant_blocked",
    "PENDING_CAPTURE": "validation",
    "PERMISSION_DENIED": "configuration",
    "REFUND_CAPTURE_CURRENCY_MISMATCH": "validation",
    "TRANSACTION_RECEIVING_LIMIT_EXCEEDED": "merchant_blocked",
    "UNSUPPORTED_INTENT": "configuration",
}

_NEVER_AGAIN: Final = frozenset({"03", "21"})
"""The card networks' advice not to try this card again."""

_PROCESSORS: Final[Mapping[str, DeclineKind]] = {
    "0100": "soft",  # referral
    "0500": "soft",  # do not honour
    "0580": "hard",  # unauthorized transaction
    "10BR": "soft",  # issuer rejected
    "1330": "hard",  # invalid account
    "1335": "hard",  # invalid account, recurring
    "1380": "hard",  # invalid expiration
    "1382": "hard",  # invalid verification value
    "1393": "hard",  # cannot be completed
    "5100": "soft",  # generic decline
    "5110": "hard",  # verification value does not match
    "5120": "insufficient_funds",
    "5130": "hard",  # invalid PIN
    "5140": "hard",  # card closed
    "5150": "soft",  # pick up, special condition unknown
    "5160": "hard",  # unauthorized user
    "5170": "hard",  # address check failed
    "5180": "hard",  # invalid or restricted card
    "5190": "soft",  # soft address check
    "5200": "duplicate",
    "5210": "hard",  # invalid transaction
    "5400": "hard",  # expired card
    "5500": "hard",  # incorrect PIN
    "5650": "auth_required",  # declined, SCA required
    "5700": "hard",  # not permitted
    "5800": "hard",  # reversal rejected
    "5900": "hard",  # invalid issue
    "5930": "hard",  # card not activated
    "7700": "soft",  # issuer unavailable
    "7710": "soft",
    "9100": "soft",  # declined, please retry
    "9500": "fraud",
    "9510": "fraud",  # security violation
    "9520": "hard",  # lost or stolen
    "9530": "hard",  # hold, call centre
    "9540": "hard",  # refused card
    "9600": "hard",  # unrecognized
    "PCVV": "hard",
    "PPMD": "soft",
    "PPNL": "hard",
}


def issue_of(answer: Answer) -> str:
    """Return the issue that PayPal names first, its error's name if it names none, or ""."""
    if answer.status < HTTPStatus.BAD_REQUEST or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ""
    details = answer.body.get("details") or [{}]
    return str(details[0].get("issue") or answer.body.get("name") or "")


def refusal(answer: Answer, but: frozenset[str] = frozenset()) -> Declined | Rejected:
    """Return the certain no that an error is. Raises ValueError for one that may hide a yes, those in ``but`` too."""
    issue = issue_of(answer)
    general = _general(answer, issue)
    if general is not None:
        return general
    is_no = answer.status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY) and issue not in but
    if is_no and issue in _DECLINED:
        return Declined(_DECLINED[issue], issue)
    if is_no and issue in _REJECTED:
        return Rejected(_REJECTED[issue], issue)
    raise ValueError(f"PayPal answered {answer.status} {issue[:60]}")


def _general(answer: Answer, issue: str) -> Rejected | None:
    """Return what PayPal says to a request of any kind, by status and by the error's own name; None for the rest."""
    match answer.status, str(answer.body.get("name", "")):
        case HTTPStatus.UNAUTHORIZED, _:
            return Rejected("configuration", issue or "UNAUTHORIZED", "PayPal refuses the account's credentials")
        case HTTPStatus.FORBIDDEN, "NOT_AUTHORIZED" if issue not in _DECLINED and issue not in _REJECTED:
            return Rejected("configuration", issue, "PayPal does not let this account do that")
        case HTTPStatus.TOO_MANY_REQUESTS, "RATE_LIMIT_REACHED":
            return Rejected("rate_limited", issue)
        case HTTPStatus.BAD_REQUEST, "INVALID_REQUEST":
            return Rejected("validation", issue)
        case HTTPStatus.NOT_FOUND, "RESOURCE_NOT_FOUND":
            return Rejected("validation", issue, "PayPal has nothing under this reference")
    return None


def processor_kind(code: str, advice: str = "") -> DeclineKind:
    """Return the kind of a card processor's decline; an unknown code is a hard one, since PayPal has said no."""
    kind = _PROCESSORS.get(code, "hard")
    return "hard" if advice in _NEVER_AGAIN and kind == "soft" else kind
