"""Cursors of lists: where a page ended, signed, and of use only for the same list, filters and scope."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from penstock.caller import Scope
from penstock.errors import InvalidCursor
from storage.types import from_microseconds, to_microseconds

_SIGNATURE_BYTES: Final = 16
_PLACE_BYTES: Final = 24
_TEXT_LENGTH: Final = 54
"""24 bytes of place and 16 of signature in base 64 without padding."""


@dataclass(frozen=True, slots=True)
class Place:
    """The last row of a page."""

    created_at: datetime
    id: str


class Cursors:
    """Writes and reads cursors under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, place: Place, scope: Scope, name: str, filters: Mapping[str, Any]) -> str:
        """Return the cursor for a place in the list called ``name``."""
        where = to_microseconds(place.created_at).to_bytes(8, "big", signed=True) + UUID(place.id).bytes
        return _encoded(where + self._sign(where, scope, name, filters))

    def read(self, text: str, scope: Scope, name: str, filters: Mapping[str, Any]) -> Place:
        """Return the place that a cursor names, or raise `InvalidCursor`."""
        if len(text) != _TEXT_LENGTH or not text.isascii():
            raise InvalidCursor
        try:
            raw = base64.b64decode(text + "==", altchars=b"-_", validate=True)
        except ValueError as exc:
            raise InvalidCursor from exc
        where, signature = raw[:_PLACE_BYTES], raw[_PLACE_BYTES:]
        # The last character has bits to spare: a cursor counts only as it was written.
        is_ours = hmac.compare_digest(signature, self._sign(where, scope, name, filters))
        if not is_ours or _encoded(raw) != text:
            raise InvalidCursor
        moment = from_microseconds(int.from_bytes(where[:8], "big", signed=True))
        return Place(moment, str(UUID(bytes=where[8:])))

    def _sign(self, where: bytes, scope: Scope, name: str, filters: Mapping[str, Any]) -> bytes:
        of = [scope.workspace_id, scope.environment_id, scope.application_id, name, dict(filters)]
        message = where + orjson.dumps(of, option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._key, message, hashlib.sha256)[:_SIGNATURE_BYTES]


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
