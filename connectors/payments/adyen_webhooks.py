"""Adyen's messages: whose they are, and what their signed part says.

https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures. Signed are the references, the account, the
amount, the event and whether it succeeded; all else in an item (the reason, the method, any additional data) is only
ever passed on as text.
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, Literal

from connectors.payments.adyen_answers import approved
from connectors.payments.adyen_money import from_wire
from connectors.payments.adyen_refusals import kind_of
from penstock.plugin import Declined, Done, FollowUp, Forged, Hint, Outcome, WebhookDelivery

HintKind = Literal["payment", "refund"]
_HOLD: Final = ".hold"
_STEP: Final = ".step"
_FOLLOW_UPS: Final = frozenset({"CAPTURE", "CANCELLATION", "REFUND"})
_FAILURES: Final = frozenset({"CAPTURE_FAILED", "REFUND_FAILED", "REFUNDED_REVERSED"})
_DISPUTES: Final = frozenset(
    {"NOTIFICATION_OF_CHARGEBACK", "REQUEST_FOR_INFORMATION", "CHARGEBACK", "CHARGEBACK_REVERSED", "SECOND_CHARGEBACK"}
)

_ABANDONED: Final = Declined("authentication_failed", "offer_closed", "the buyer did not pay in time")


def reference(key: str, capture: str) -> str:
    """Return what we call a payment at Adyen: the attempt's key, marked if the money is only to be held.

    A message must be able to say which it was, and the reference is the one part of ours that Adyen signs.
    """
    return key if capture == "automatic" else key + _HOLD


def step_reference(key: str) -> str:
    """Return what we call a capture, cancellation or refund at Adyen.

    Some of Adyen's messages about one carry the payment's reference instead, and must not be taken for it.
    """
    return key + _STEP


def hints(delivery: WebhookDelivery, keys: Sequence[str], account: str, *, is_live: bool) -> Sequence[Hint]:
    """Return what each item says. Raises `Forged` unless all of them are signed with one of the keys."""
    try:
        message = json.loads(delivery.body)
        items = [one["NotificationRequestItem"] for one in message["notificationItems"]]
        signed = bool(items) and all(is_signed(item, keys) for item in items)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise Forged("the message is no standard webhook of Adyen's") from exc
    if not signed:
        raise Forged("the message is not signed with the hmac_key")
    if message["live"] != ("true" if is_live else "false"):
        raise Forged("the message is of the other environment")
    return [_hint(item, account) for item in items]


def is_signed(item: Mapping[str, Any], keys: Sequence[str]) -> bool:
    """Whether an item carries the signature that one of the keys (hexadecimal) makes."""
    theirs = item["additionalData"]["hmacSignature"]
    parts = (
        item["pspReference"],
        item.get("originalReference") or "",
        item["merchantAccountCode"],
        item["merchantReference"],
        item["amount"]["value"],
        item["amount"]["currency"],
        item["eventCode"],
        item["success"],
    )
    payload = ":".join(map(str, parts)).encode()
    ours = [b64encode(hmac.digest(bytes.fromhex(key), payload, sha256)) for key in keys]
    return any(hmac.compare_digest(one, theirs.encode()) for one in ours)


def _hint(item: Mapping[str, Any], account: str) -> Hint:
    """Return what one item says. ``eventCode`` and ``pspReference`` are what Adyen tells repeats by."""
    event, ref, ours = item["eventCode"], item["pspReference"], item["merchantReference"]
    name, original = f"{event}.{ref}.{item['success']}", item.get("originalReference") or None
    if item["merchantAccountCode"] != account or not ours:
        return Hint(name, "other")
    if event in ("AUTHORISATION", "OFFER_CLOSED"):
        return Hint(name, "payment", key=ours.removesuffix(_HOLD), ref=ref, told=_ended(item))
    if event in _FOLLOW_UPS or event in _FAILURES:
        kind: HintKind = "refund" if event.startswith("REFUND") else "payment"
        if not ours.endswith(_STEP):
            return Hint(name, kind, ref=original or ref)
        return Hint(name, kind, key=ours.removesuffix(_STEP), ref=original, told=_followed(item))
    if event in _DISPUTES:
        return Hint(name, "dispute", ref=original or ref)
    return Hint(name, "other")


def _ended(item: Mapping[str, Any]) -> Outcome:
    if item["eventCode"] == "OFFER_CLOSED":
        return _ABANDONED
    if item["success"] == "true":
        capture = "manual" if item["merchantReference"].endswith(_HOLD) else "automatic"
        return approved(item["pspReference"], from_wire(item["amount"]), capture)
    return _refused(item)


def _followed(item: Mapping[str, Any]) -> FollowUp:
    if item["success"] == "true" and item["eventCode"] not in _FAILURES:
        return Done(item["pspReference"], from_wire(item["amount"]))
    return _refused(item)


def _refused(item: Mapping[str, Any]) -> Declined:
    reason = str(item.get("reason") or item["eventCode"])
    return Declined(kind_of(None, reason), item["eventCode"].lower(), reason)
