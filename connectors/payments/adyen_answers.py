"""What Adyen's answers mean. Whatever is not known here raises, and then nobody knows."""

from collections.abc import Mapping
from typing import Any, Final, cast

import httpx

from connectors.payments.adyen_money import from_wire
from connectors.payments.adyen_refusals import CARD_FAULTS, UNSUPPORTED, kind_of
from penstock.plugin import Approved, CardFacts, Declined, FollowUp, Money, Outcome, Pending, Rejected

_SCHEMES: Final = {"mc": "mastercard", "cup": "unionpay", "diners": "diners-club", "cartebancaire": "cartes-bancaires"}
_FUNDING: Final = frozenset({"credit", "debit", "prepaid"})
_REPEATED: Final = "704"


class WireFault(ValueError):
    """Adyen answered in a way that is not known: what happened is unknown too."""


def json_object(response: httpx.Response) -> dict[str, Any]:
    """Return an answer's JSON object. Raises ValueError for anything else."""
    answer = response.json()
    if not isinstance(answer, dict):
        raise WireFault("Adyen answered with no object")
    return answer


def paid(answer: Mapping[str, Any], reference: str, asked: Money, capture: str, stand_in: str) -> Outcome:
    """Return what an answer to a payment or a buyer's return says.

    Adyen repeats the amount and the reference in most answers, and where it does they count. ``stand_in`` is the
    reference to go by until Adyen gives its own, which it may do only after a redirect.
    https://docs.adyen.com/online-payments/payment-result-codes
    """
    if answer.get("merchantReference", reference) != reference:
        raise WireFault("Adyen answered about another payment")
    match answer["resultCode"]:
        case "Authorised":
            money = from_wire(answer["amount"]) if "amount" in answer else asked
            return approved(_ref(answer), money, capture, facts(answer.get("additionalData")))
        case "Refused" | "Cancelled":
            return _declined(answer)
        case "Error" if answer.get("refusalReasonCode"):
            return _declined(answer)
        case "RedirectShopper":
            return Pending(str(answer.get("pspReference") or stand_in), _page(answer["action"]))
        case "Received" | "Pending":
            return Pending(str(answer.get("pspReference") or stand_in))
    raise WireFault(f"Adyen said {str(answer['resultCode'])[:40]!r}")


def approved(ref: str, money: Money, capture: str, card: CardFacts | None = None) -> Approved:
    """Return an authorization: as taken if Adyen was told to capture at once, as held if not."""
    if capture == "automatic":
        return Approved(ref, money, card=card)
    return Approved(ref, Money(0, money.currency), authorized=money, card=card)


def received(answer: Mapping[str, Any], ref: str, asked: Mapping[str, Any]) -> FollowUp:
    """Return what an answer to a capture, cancellation or refund says: never more than that it came in."""
    same = answer["paymentPspReference"] == ref and answer["reference"] == asked["reference"]
    if answer["status"] != "received" or not same or answer.get("amount") != asked.get("amount"):
        raise WireFault("Adyen answered about something else than was asked")
    return Pending(_ref(answer))


def refusal(response: httpx.Response) -> Declined | Rejected:
    """Return a refusal that is certain. Raises `WireFault` for every other answer.

    Adyen documents that a request which does not pass its checks (400, 401, 403, 422) is not submitted:
    https://docs.adyen.com/development-resources/response-handling. A 422 that says 704 is about a key that is or was in
    use, and says nothing about what became of it.
    """
    error = json_object(response)
    code, message, kind = str(error.get("errorCode", "")), str(error.get("message", "")), error.get("errorType")
    if error.get("status") != response.status_code or not code or code == _REPEATED:
        raise WireFault(f"Adyen answered {response.status_code} ({code[:20]})")
    match response.status_code, kind:
        case ((401 | 403), "security"):
            return Rejected("configuration", code, "Adyen does not accept the api_key for this account")
        case 422, "validation" if code in CARD_FAULTS:
            return Declined("hard", code, message)
        case ((400 | 422), "validation"):
            return Rejected("unsupported" if code in UNSUPPORTED else "validation", code, message)
        case 422, "configuration":
            return Rejected("unsupported" if code in UNSUPPORTED else "configuration", code, message)
    raise WireFault(f"Adyen answered {response.status_code} ({code[:20]}, {str(kind)[:20]})")


def facts(told: Mapping[str, Any] | None) -> CardFacts | None:
    """Return what Adyen says about a card: beside a payment, of an encrypted number, or of a stored one."""
    if not told:
        return None
    brands = [one["type"] for one in told.get("brands", [])]
    brand = told.get("brand") or next(iter(brands), None) or told.get("cardPaymentMethod") or told.get("paymentMethod")
    funding = str(told.get("fundingSource", "")).lower()
    month, _, year = str(told.get("expiryDate", "")).partition("/")
    country = told.get("issuingCountryCode") or told.get("cardIssuingCountry")
    return CardFacts(
        scheme=_SCHEMES.get(str(brand).lower(), str(brand).lower()) if brand else None,
        last4=_digits(told.get("lastFour") or told.get("cardSummary"), 4),
        expiry_month=_number(told.get("expiryMonth") or month),
        expiry_year=_number(told.get("expiryYear") or year),
        funding=cast("Any", funding) if funding in _FUNDING else None,
        country=str(country) if country else None,
    )


def _declined(answer: Mapping[str, Any]) -> Declined:
    code, reason = answer.get("refusalReasonCode", ""), str(answer.get("refusalReason", ""))
    advice = (answer.get("additionalData") or {}).get("merchantAdviceCode", "")
    return Declined(kind_of(code, reason, advice), str(code) or str(answer["resultCode"]), reason)


def _page(action: Mapping[str, Any]) -> str:
    if action["type"] != "redirect" or action["method"] != "GET" or action.get("data"):
        raise WireFault(f"Adyen wants {str(action['type'])[:40]!r} from the buyer, which no address can do")
    return str(action["url"])


def _ref(answer: Mapping[str, Any]) -> str:
    ref = answer["pspReference"]
    if not isinstance(ref, str) or not ref:
        raise WireFault("Adyen gave no reference")
    return ref


def _digits(text: object, count: int) -> str | None:
    return text if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) == count else None


def _number(text: object) -> int | None:
    return int(str(text)) if str(text).isascii() and str(text).isdecimal() else None
