"""One request, as far as the door needs it, and the request id that every answer and log line carries."""

import os
import random
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from handlers.card_numbers import text_holds_card
from penstock.caller import Caller

_SAFE_ID: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]{7,63}")
_ID_HEADER: Final = b"x-request-id"
# Headers that mean one thing: which of two counts would be anybody's guess.
SINGLE: Final = frozenset({
    b"x-api-key", b"authorization", b"x-application-id", b"x-throttle-environment-id", b"idempotency-key", b"content-type",
    b"content-length", b"content-encoding", b"host", b"origin",
})  # fmt: skip

current_id: ContextVar[str] = ContextVar("request_id", default="")


class Request:
    """One request. Header names are lower-case bytes; the last of a repeated header stands in `headers`."""

    __slots__ = (
        "body", "caller", "has_repeats", "headers", "id", "id_header", "method", "path", "query", "raw_headers", "values",
    )  # fmt: skip

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.raw_headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.headers: dict[bytes, bytes] = dict(self.raw_headers)
        self.has_repeats = len(self.headers) != len(self.raw_headers)
        self.method: str = scope["method"]
        self.path: bytes = scope.get("raw_path") or scope["path"].encode()
        self.query: bytes = scope["query_string"]
        self.values: tuple[bytes, ...] = ()
        self.body = b""
        self.caller: Caller | None = None
        self.id_header = request_id(self.headers.get(_ID_HEADER))
        self.id = self.id_header.decode()

    def text(self, name: bytes) -> str | None:
        """Return a header as text, or None."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def repeated(self, names: frozenset[bytes]) -> str | None:
        """Return the first of these headers that came more than once."""
        seen: set[bytes] = set()
        for name, _ in self.raw_headers:
            if name in names and name in seen:
                return name.decode("latin-1")
            seen.add(name)
        return None


def request_id(offered: bytes | None = None) -> bytes:
    """Return the client's own request id if nothing can go wrong with it, else a new one: ``req_`` and 96 bits."""
    if offered is not None and _SAFE_ID.fullmatch(offered) is not None and not text_holds_card(offered.decode()):
        return offered
    return b"req_%024x" % _names.getrandbits(96)


# Seeded by the system, and anew in each process; it names requests and guards nothing.
_names: Final = random.Random()  # noqa: S311 -- no secret is made of it
os.register_at_fork(after_in_child=_names.seed)
