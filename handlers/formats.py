"""The formats that the spec names, each as strict as the word says."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Final
from urllib.parse import urlsplit

from penstock.ids import is_uuid

LONGEST_URI: Final = 2048
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_URI: Final = re.compile(r"[!-\[\]_a-z~]+")
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_LONGEST_LOCAL_PART: Final = 64
_LONGEST_EMAIL: Final = 254


def is_date_time(text: str) -> bool:
    """Tell whether a text is a moment of RFC 3339, with an offset, that also exists in UTC."""
    if _MOMENT.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return True


def is_date(text: str) -> bool:
    """Tell whether a text is a day of the calendar."""
    if _DAY.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_uri(text: str) -> bool:
    """Tell whether a text is an https address without credentials and fragment."""
    if len(text) > LONGEST_URI or _URI.fullmatch(text) is None or "#" in text or not text.startswith("https://"):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or parts.netloc.endswith(":") or port == 0:
        return False
    host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc
    return _HOST.fullmatch(host.lower()) is not None


def is_email(text: str) -> bool:
    """Tell whether a text is one plain mailbox; nothing in it can open a second header or a second address."""
    local, at, domain = text.rpartition("@")
    return (
        at == "@"
        and len(text) <= _LONGEST_EMAIL
        and len(local) <= _LONGEST_LOCAL_PART
        and _LOCAL_PART.fullmatch(local) is not None
        and _DOMAIN.fullmatch(domain) is not None
    )


CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "uuid": is_uuid,
    "date-time": is_date_time,
    "date": is_date,
    "uri": is_uri,
    "email": is_email,
}
ADVICE: Final[Mapping[str, str]] = {
    "uuid": "must be a UUID in lower case, like 0190b3c4-5d6e-7f80-91a2-b3c4d5e6f708",
    "date-time": "must be a moment with an offset, like 2026-11-20T14:30:00Z",
    "date": "must be a day, like 2026-11-20",
    "uri": f"must be an https:// address of at most {LONGEST_URI} characters, without credentials and fragment",
    "email": "must be an e-mail address",
}
