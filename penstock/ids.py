"""Ids: UUIDv7 where the API says uuid, a prefix and random characters where the id alone is a capability."""

import re
import secrets
from datetime import datetime
from typing import Final

import uuid6

BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SESSION_ID_LENGTH: Final = 32
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> str:
    """Return a UUIDv7 in lower case: unique, and in order of creation."""
    return str(uuid6.uuid7())


def first_id(moment: datetime) -> str:
    """Return what stands before every id that is made from a moment on, and after every earlier one."""
    text = f"{int(moment.timestamp() * 1000):012x}"
    return f"{text[:8]}-{text[8:]}-0000-0000-000000000000"


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID as the API writes it: lower case, four dashes, nothing around it."""
    return _UUID.fullmatch(text) is not None


def random_text(length: int) -> str:
    """Return random base 62 characters (5.95 bits each) from the system's secure source."""
    return "".join(secrets.choice(BASE62) for _ in range(length))


def new_session_id() -> str:
    """Return a checkout session id: ``cs_`` and 190 random bits, because whoever holds it may pay."""
    return "cs_" + random_text(SESSION_ID_LENGTH)


def new_order_number() -> str:
    """Return a number that a person can read over the phone: ``ORD-`` and ten Crockford characters (50 bits)."""
    return "ORD-" + "".join(secrets.choice(_CROCKFORD) for _ in range(10))
