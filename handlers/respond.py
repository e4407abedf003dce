"""Answers, ready to be sent, and what a handler's result becomes."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

Header = tuple[bytes, bytes]
JSON: Final[Header] = (b"content-type", b"application/json")
# Answers are about money and people: no cache may keep them, no browser may guess their type.
GUARDS: Final[tuple[Header, ...]] = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
JSON_HEADERS: Final[tuple[Header, ...]] = (JSON, *GUARDS)
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")


class Answer:
    """Status, headers and body. `code` is the error code, for logs; `content` the JSON before it became bytes."""

    __slots__ = ("body", "code", "content", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        headers: tuple[Header, ...] = GUARDS,
        *,
        code: str = "",
        content: Any = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.code = code
        self.content = content

    def add(self, *headers: Header) -> None:
        """Add headers."""
        self.headers = (*self.headers, *headers)


def encoded(headers: Mapping[str, str]) -> tuple[Header, ...]:
    """Return headers as the wire has them. Raises `ValueError` for one that would become two."""
    made = tuple((name.lower().encode("latin-1"), str(value).encode("latin-1")) for name, value in headers.items())
    if any(_CONTROL.search(part) for header in made for part in header):
        raise ValueError("a header holds a control character")
    return made


def decoded(headers: tuple[Header, ...]) -> dict[str, str]:
    """Return headers as text."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def answer_from(result: Any, status: int) -> Answer:
    """Return the answer that a handler's result stands for: JSON, nothing, or a reply with its own status."""
    if type(result) is dict or type(result) is list:
        return Answer(status, orjson.dumps(result), JSON_HEADERS, content=result)
    if result is None:
        return Answer(status)
    return _from_reply(result)


def _from_reply(reply: Any) -> Answer:
    """A reply is anything with `body`, `status` and `headers`: rooms beside this one make them too."""
    headers = encoded(reply.headers)
    body = reply.body
    if body is None:
        return Answer(reply.status, b"", (*headers, *GUARDS))
    if isinstance(body, str | bytes):
        raw = body.encode() if isinstance(body, str) else body
        names = {name for name, _ in headers}
        kind = () if b"content-type" in names else ((b"content-type", b"text/html; charset=utf-8"),)
        guards = tuple(guard for guard in GUARDS if guard[0] not in names)
        return Answer(reply.status, raw, (*headers, *kind, *guards))
    return Answer(reply.status, orjson.dumps(body), (*JSON_HEADERS, *headers), content=body)
