"""The sandbox's own messages: signed as many providers sign theirs, so that the way of a message can be tried out.

``sandbox-signature: t=<unix seconds>,v1=<hex HMAC-SHA-256 of "<t>.<body>" under the account's webhook_secret>``.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from penstock.request import Forged, Hint, HintKind, WebhookDelivery

HEADER: Final = "sandbox-signature"
TOLERANCE_SECONDS: Final = 300
_SIGNATURE: Final = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
_KINDS: Final[Mapping[str, HintKind]] = {"charge": "payment", "refund": "refund", "dispute": "dispute"}


def signed(body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """Return the header that the sandbox sends with a message."""
    moment = str(int(at.timestamp()))
    return {HEADER: f"t={moment},v1={_digest(body, secret, moment)}"}


def read(delivery: WebhookDelivery, secret: object) -> Sequence[Hint]:
    """Return the one hint of a message. Raises `Forged`; a body that is none of ours raises whatever it does."""
    if not isinstance(secret, str):
        raise Forged("this account has no webhook_secret, so nothing can be checked")
    found = _SIGNATURE.fullmatch(delivery.headers.get(HEADER, ""))
    if found is None:
        raise Forged("the signature is missing or malformed")
    if not hmac.compare_digest(found[2], _digest(delivery.body, secret, found[1])):
        raise Forged("the signature is not the sandbox's")
    if abs(int(delivery.received_at.timestamp()) - int(found[1])) > TOLERANCE_SECONDS:
        raise Forged("the message is older than five minutes")
    event: dict[str, Any] = orjson.loads(delivery.body)
    kind = _KINDS.get(str(event["type"]).partition(".")[0], "other")
    return [Hint(event["id"], kind, event.get("key"), event.get("ref"))]


def _digest(body: bytes, secret: str, moment: str) -> str:
    return hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
