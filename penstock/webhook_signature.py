"""Signs what is delivered to webhook receivers, in two ways at once.

``X-Throttle-Signature: t=<unix seconds>,v1=<hex>`` is HMAC-SHA256 over ``<t>.<body>`` under the whole secret as text.
The Standard Webhooks headers sign ``<id>.<t>.<body>`` under the secret's decoded bytes (semantics 1.6).
"""

import binascii
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
TOLERANCE_SECONDS: Final = 300
"""How old a signature may be, and how far ahead, for a receiver to believe it."""


def new_secret() -> str:
    """Return a new signing secret: ``whsec_`` and 32 random bytes in base64."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(
    event_id: str, event_type: str, body: bytes, signing_secrets: Sequence[str], now: datetime
) -> Mapping[str, str]:
    """Return the headers that one delivery carries.

    With more than one secret (the newest first, while a rotation overlaps) each signs: the ``v1=`` parts are separated
    by commas, the Standard Webhooks signatures by spaces.
    """
    at = int(now.timestamp())
    return {
        "content-type": "application/json",
        "x-throttle-event-id": event_id,
        "x-throttle-event-type": event_type,
        "x-throttle-signature": ",".join([f"t={at}", *(f"v1={hex_signature(s, at, body)}" for s in signing_secrets)]),
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{standard_signature(s, event_id, at, body)}" for s in signing_secrets),
    }


def hex_signature(secret: str, at: int, body: bytes) -> str:
    """Return the ``v1`` of ``X-Throttle-Signature``: lower-case hex, keyed with the secret as it is written."""
    return hmac.new(secret.encode(), b"%d." % at + body, sha256).hexdigest()


def standard_signature(secret: str, event_id: str, at: int, body: bytes) -> str:
    """Return the Standard Webhooks signature in base64, keyed with the secret's decoded bytes."""
    signed = f"{event_id}.{at}.".encode() + body
    return b64encode(hmac.new(_decoded(secret), signed, sha256).digest()).decode()


def is_signed(header: str, secret: str, body: bytes, now: datetime) -> bool:
    """Tell whether an ``X-Throttle-Signature`` is genuine and no more than five minutes off. Never raises."""
    parts = [part.partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in parts if name == "t"]
    if len(stamps) != 1 or not re.fullmatch("[0-9]{1,12}", stamps[0]):
        return False
    at = int(stamps[0])
    if abs(now.timestamp() - at) > TOLERANCE_SECONDS:
        return False
    expected = hex_signature(secret, at, body).encode()
    given = [value.encode() for name, _, value in parts if name == "v1"]
    return any(hmac.compare_digest(one, expected) for one in given)


def _decoded(secret: str) -> bytes:
    try:
        return b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as exc:
        raise ValueError("a signing secret is whsec_ and base64") from exc
