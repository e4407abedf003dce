"""Stripe's messages: whose they are and what they are about (https://docs.stripe.com/webhooks#verify-manually)."""

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from connectors.payments.stripe_answers import KEY
from penstock.plugin import Forged, Hint, WebhookDelivery

_MOMENT: Final = re.compile("[0-9]{1,11}")
TOLERANCE: Final = 300
"""How far, in seconds, a message's signature may be from the moment it came in: what Stripe's own libraries allow."""


def hints(delivery: WebhookDelivery, secret: str) -> Sequence[Hint]:
    """Return what one event is about. Raises `Forged` for a wrong, missing or old signature."""
    check(delivery, secret)
    try:
        event = json.loads(delivery.body)
        subject = event["data"]["object"]
    except (ValueError, KeyError, TypeError) as exc:
        raise Forged("the message is no event of Stripe's") from exc
    match subject.get("object"):
        case "payment_intent":
            return [Hint(event["id"], "payment", key=_key(subject), ref=subject["id"])]
        case "refund":
            return [Hint(event["id"], "refund", key=_key(subject), ref=subject.get("payment_intent"))]
        case "dispute":
            return [Hint(event["id"], "dispute", ref=subject.get("payment_intent"))]
        case "charge":
            return [Hint(event["id"], "payment", ref=subject.get("payment_intent"))]
    return [Hint(event["id"], "other")]


def check(delivery: WebhookDelivery, secret: str) -> None:
    """Raise `Forged` unless one of the header's ``v1`` signatures is ours over time and body, and the time is near."""
    pairs = [part.strip().partition("=") for part in delivery.headers.get("stripe-signature", "").split(",")]
    moments = [value for name, _, value in pairs if name == "t"]
    if len(moments) != 1 or not _MOMENT.fullmatch(moments[0]):
        raise Forged("the message has no Stripe-Signature")
    ours = hmac.new(secret.encode(), f"{moments[0]}.".encode() + delivery.body, sha256).hexdigest()
    theirs = [value for name, _, value in pairs if name == "v1" and value.isascii()]
    if not any(hmac.compare_digest(ours, one) for one in theirs):
        raise Forged("the message is not signed with the webhook_secret")
    age = delivery.received_at - datetime.fromtimestamp(int(moments[0]), UTC)
    if abs(age.total_seconds()) > TOLERANCE:
        raise Forged("the message was signed too long ago, or in the future")


def _key(subject: Mapping[str, Any]) -> str | None:
    key = (subject.get("metadata") or {}).get(KEY)
    return key if isinstance(key, str) and key else None
