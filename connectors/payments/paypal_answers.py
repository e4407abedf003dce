"""What PayPal says about orders, authorizations, captures and refunds, read into our outcomes. Unknown words raise."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from connectors.payments.paypal_issues import processor_kind
from penstock.plugin import Approved, Declined, Done, FollowUp, Money, Outcome, Pending

Intent = Literal["CAPTURE", "AUTHORIZE"]

CURRENCIES: Final = frozenset(
    {"AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS"}
    | {"JPY", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD"}
)
"""https://developer.paypal.com/api/rest/reference/currency-codes/, without the suspended RUB."""

_WHOLE: Final = frozenset({"HUF", "JPY", "TWD"})
"""Currencies in which PayPal takes no decimals, whatever ISO 4217 says (same page)."""

_ASKS_THE_BUYER: Final = frozenset({"CREATED", "SAVED", "PAYER_ACTION_REQUIRED"})
_TAKEN: Final = frozenset({"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"})
_HELD: Final = frozenset({"CREATED", "CAPTURED", "PARTIALLY_CAPTURED"})


class Indivisible(ValueError):
    """An amount has decimals that PayPal does not take in this currency."""


def amount_of(money: Money) -> dict[str, str]:
    """Return an amount as PayPal wants it: a decimal text. Raises `Indivisible`."""
    if money.currency not in _WHOLE:
        return {"currency_code": money.currency, "value": money.major()}
    whole, rest = divmod(money.amount, 10**money.exponent)
    if rest:
        raise Indivisible(f"PayPal takes no decimals in {money.currency}")
    return {"currency_code": money.currency, "value": str(whole)}


def money_of(amount: Mapping[str, Any]) -> Money:
    """Return what PayPal's decimal text says. Raises ValueError for one that is no whole number of minor units."""
    value, currency = amount["value"], amount["currency_code"]
    if not isinstance(value, str):
        raise TypeError("an amount of PayPal's is a text")
    try:
        minor = Decimal(value).scaleb(Money(0, currency).exponent)
    except InvalidOperation:
        raise ValueError("PayPal gave an amount that is no number") from None
    if minor != minor.to_integral_value():
        raise ValueError(f"PayPal gave an amount with too many decimals for {currency}")
    return Money(int(minor), currency)


def approval_link(body: Mapping[str, Any]) -> str | None:
    """Return where the buyer approves an order, or None. Raises ValueError for a place that is not PayPal's."""
    links = {one["rel"]: one["href"] for one in body.get("links", ())}
    href: str | None = links.get("payer-action") or links.get("approve") or links.get("redirect")
    if href is None:
        return None
    where = urlsplit(href)
    if where.scheme != "https" or not f".{where.hostname}".endswith(".paypal.com"):
        raise ValueError("PayPal sends the buyer somewhere else than to PayPal")
    return href


def purchase(order: Mapping[str, Any], key: str, intent: Intent) -> Mapping[str, Any]:
    """Return the one purchase of an order, having checked that it is the charge with this key."""
    [unit] = order["purchase_units"]
    if unit.get("custom_id") != key:
        raise ValueError("the order belongs to another charge")
    if order.get("intent", intent) != intent:
        raise ValueError("the order has another intent")
    found: Mapping[str, Any] = unit
    return found


def told(order: Mapping[str, Any], key: str, intent: Intent) -> Outcome:
    """Return what an order says about the charge with this key."""
    unit, ref = purchase(order, key, intent), _ref(order)
    match order["status"]:
        case status if status in _ASKS_THE_BUYER:
            return Pending(ref, approval_link(order))
        case "APPROVED":
            return Pending(ref)
        case "VOIDED":
            return Declined("hard", "VOIDED", "the order was voided")
        case "COMPLETED" if intent == "CAPTURE":
            return _sale(_deciding(unit["payments"]["captures"], _TAKEN), ref)
        case "COMPLETED":
            return _authorization(_deciding(unit["payments"]["authorizations"], _HELD), ref)
    raise ValueError(f"PayPal says that the order is {order['status']!r}")


def captured(capture: Mapping[str, Any]) -> FollowUp:
    """Return what a capture of an authorization says."""
    match capture["status"]:
        case status if status in _TAKEN:
            return Done(_ref(capture), money_of(capture["amount"]))
        case "PENDING":
            return Pending(_ref(capture))
        case "DECLINED" | "FAILED":
            return _declined(capture)
    raise ValueError(f"PayPal says that the capture is {capture['status']!r}")


def refunded(refund: Mapping[str, Any]) -> FollowUp:
    """Return what a refund says."""
    match refund["status"]:
        case "COMPLETED":
            return Done(_ref(refund), money_of(refund["amount"]))
        case "PENDING":
            return Pending(_ref(refund))
        case "FAILED" | "CANCELLED":
            return Declined("hard", refund["status"])
    raise ValueError(f"PayPal says that the refund is {refund['status']!r}")


def is_held(authorization: Mapping[str, Any]) -> bool:
    """Tell whether an authorization still stands; False only once it is voided. Raises ValueError for another word."""
    if authorization["status"] == "VOIDED":
        return False
    if authorization["status"] in _HELD | {"PENDING", "DENIED"}:
        return True
    raise ValueError(f"PayPal says that the authorization is {authorization['status']!r}")


def _sale(capture: Mapping[str, Any], order_ref: str) -> Outcome:
    match capture["status"]:
        case status if status in _TAKEN:
            return Approved(_ref(capture), money_of(capture["amount"]))
        case "PENDING":
            return Pending(order_ref)
        case "DECLINED" | "FAILED":
            return _declined(capture)
    raise ValueError(f"PayPal says that the capture is {capture['status']!r}")


def _authorization(authorization: Mapping[str, Any], order_ref: str) -> Outcome:
    match authorization["status"]:
        case status if status in _HELD:
            held = money_of(authorization["amount"])
            return Approved(_ref(authorization), Money(0, held.currency), held)
        case "PENDING":
            return Pending(order_ref)
        case "DENIED":
            return _declined(authorization)
    raise ValueError(f"PayPal says that the authorization is {authorization['status']!r}")


def _deciding(payments: Sequence[Mapping[str, Any]], good: frozenset[str]) -> Mapping[str, Any]:
    """Return the payment that decides an order: the good one, else the one that is open, else the last refused."""
    taken = [one for one in payments if one["status"] in good]
    if len(taken) > 1:
        raise ValueError(f"PayPal took the money of one order {len(taken)} times")
    pending = [one for one in payments if one["status"] == "PENDING"]
    return [*payments, *pending, *taken][-1]


def _declined(payment: Mapping[str, Any]) -> Declined:
    answer = payment.get("processor_response", {})
    code, advice = answer.get("response_code", ""), answer.get("payment_advice_code", "")
    return Declined(processor_kind(code, advice), code or payment["status"], f"advice {advice}" if advice else "")


def _ref(thing: Mapping[str, Any]) -> str:
    ref = thing["id"]
    if not isinstance(ref, str) or not ref:
        raise ValueError("PayPal gave no id")
    return ref
