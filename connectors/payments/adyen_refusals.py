"""Adyen's words for no, in ours.

Sources: https://docs.adyen.com/development-resources/refusal-reasons for the refusal reasons and
https://docs.adyen.com/development-resources/error-codes for the error codes. What stands nowhere here is a hard decline,
or a request that does not fit.
"""

from collections.abc import Mapping
from typing import Final

from penstock.plugin import DeclineKind

REASONS: Final[Mapping[str, tuple[DeclineKind, str]]] = {
    "2": ("soft", "Refused"),
    "3": ("hard", "Referral"),
    "4": ("soft", "Acquirer Error"),
    "5": ("hard", "Blocked Card"),
    "6": ("hard", "Expired Card"),
    "7": ("hard", "Invalid Amount"),
    "8": ("hard", "Invalid Card Number"),
    "9": ("soft", "Issuer Unavailable"),
    "10": ("hard", "Not supported"),
    "11": ("authentication_failed", "3D Not Authenticated"),
    "12": ("insufficient_funds", "Not enough balance"),
    "14": ("fraud", "Acquirer Fraud"),
    "15": ("hard", "Cancelled"),
    "16": ("hard", "Shopper Cancelled"),
    "17": ("hard", "Invalid Pin"),
    "18": ("hard", "Pin tries exceeded"),
    "19": ("hard", "Pin validation not possible"),
    "20": ("fraud", "FRAUD"),
    "21": ("soft", "Not Submitted"),
    "22": ("fraud", "FRAUD-CANCELLED"),
    "23": ("hard", "Transaction Not Permitted"),
    "24": ("hard", "CVC Declined"),
    "25": ("hard", "Restricted Card"),
    "26": ("hard", "Revocation Of Auth"),
    "27": ("soft", "Declined Non Generic"),
    "28": ("insufficient_funds", "Withdrawal amount exceeded"),
    "29": ("insufficient_funds", "Withdrawal count exceeded"),
    "31": ("fraud", "Issuer Suspected Fraud"),
    "32": ("hard", "AVS Declined"),
    "33": ("hard", "Card requires online pin"),
    "34": ("hard", "No checking account available on Card"),
    "35": ("hard", "No savings account available on Card"),
    "36": ("hard", "Mobile pin required"),
    "37": ("hard", "Contactless fallback"),
    "38": ("auth_required", "Authentication required"),
    "39": ("authentication_failed", "RReq not received from DS"),
    "40": ("hard", "Current AID is in Penalty Box."),
    "41": ("hard", "CVM Required Restart Payment"),
    "42": ("authentication_failed", "3DS Authentication Error"),
    "43": ("hard", "Online PIN required"),
    "44": ("hard", "Try another interface"),
    "45": ("hard", "Chip downgrade mode"),
    "46": ("hard", "Transaction blocked by Adyen to prevent excessive retry fees"),
}

_BY_TEXT: Final = {text.casefold(): kind for kind, text in REASONS.values()}

CARD_FAULTS: Final = frozenset({"101", "103", "129"})
"""Error codes about the card itself: its number, its code, its date. No provider can do better with it."""

UNSUPPORTED: Final = frozenset({"102", "137", "138", "905", "905_1", "905_2", "905_3", "905_4"})


def kind_of(code: object, reason: object, advice: object = "") -> DeclineKind:
    """Return our kind of a refusal, by its code or, in a message, by its text.

    ``advice`` is the scheme's (``merchantAdviceCode``): 03 and 21 forbid another try, whoever asks.
    """
    kind, _ = REASONS.get(str(code), (_BY_TEXT.get(str(reason).casefold(), "hard"), ""))
    return "hard" if kind == "soft" and str(advice)[:2] in ("03", "21") else kind
