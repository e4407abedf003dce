"""The two tokens that pay at Adyen, which has no tokens for what a form has just encrypted.

What Adyen's form gives (``state.data.paymentMethod``) is taken as base64url of its JSON. What Adyen has stored is
``SHOPPER_REFERENCE/STORED_PAYMENT_METHOD_ID``.
"""

import binascii
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_STORED: Final = re.compile(r"([^/]{3,256})/([A-Za-z0-9]{8,64})")
_OPEN_CARD: Final = frozenset({"number", "cvc", "cardNumber"})


class BadToken(ValueError):
    """This is no token that pays at Adyen."""


@dataclass(frozen=True, slots=True)
class Token:
    """What stands in ``paymentMethod``; ``shopper`` is whose stored method it is."""

    details: Mapping[str, Any] = field(repr=False)
    shopper: str | None = None


def read_token(token: str) -> Token:
    """Return what a token means. Raises `BadToken` for what is none, and for a card that nobody encrypted."""
    if stored := _STORED.fullmatch(token):
        return Token({"type": "scheme", "storedPaymentMethodId": stored[2]}, stored[1])
    if not token.startswith("eyJ"):
        raise BadToken("this is no payment method of Adyen's form")
    try:
        details = json.loads(urlsafe_b64decode(token.rstrip("=") + "=" * (-len(token.rstrip("=")) % 4)))
    except (binascii.Error, ValueError) as exc:
        raise BadToken("this is no payment method of Adyen's form") from exc
    if not isinstance(details, dict) or not isinstance(details.get("type"), str):
        raise BadToken("this payment method has no type")
    if _OPEN_CARD & details.keys():
        raise BadToken("this card is not encrypted")
    return Token(details)
