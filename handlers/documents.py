"""The spec as it is published: the same bytes for everybody, with a tag so that nobody fetches them twice."""

import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Final

from handlers.pace import Pace
from handlers.request import Request
from handlers.respond import Answer, Header

_OPEN: Final = ((b"access-control-allow-origin", b"*"), (b"cache-control", b"public, max-age=60, must-revalidate"))
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")


class Document:
    """Bytes at an address, made when they are first asked for: ``is_slow`` where that takes longer than a thread's way."""

    body_limit: int | None = None
    is_browser_safe = False

    def __init__(self, name: str, make: Callable[[], bytes], content_type: str, *, is_slow: bool = False) -> None:
        self.name = name
        self.pace = Pace(is_here=not is_slow)
        self._make = make
        self._content_type = content_type.encode()

    @cached_property
    def _body(self) -> bytes:
        return self._make()

    @cached_property
    def _tag(self) -> bytes:
        return b'"%s"' % hashlib.sha256(self._body).hexdigest()[:32].encode()

    def run(self, request: Request) -> Answer:
        """Answer with the bytes, or with 304 where the client has them."""
        headers: tuple[Header, ...] = ((b"etag", self._tag), *_OPEN)
        known = request.headers.get(b"if-none-match")
        if known is not None and self._is_known(known):
            return Answer(304, b"", headers)
        return Answer(200, self._body, (*headers, (b"content-type", self._content_type), _NO_SNIFFING))

    def _is_known(self, header: bytes) -> bool:
        tags = [tag.strip().removeprefix(b"W/") for tag in header.split(b",")]
        return b"*" in tags or self._tag in tags
