"""The spec as it is published: the same bytes for everybody, with a tag so that nobody fetches them twice."""

import hashlib
from typing import Final

from handlers.pace import Pace
from handlers.request import Request
from handlers.respond import Answer

_OPEN: Final = ((b"access-control-allow-origin", b"*"), (b"cache-control", b"public, max-age=60, must-revalidate"))


class Document:
    """Bytes at an address."""

    body_limit: int | None = None
    pace = Pace(is_here=True)
    is_browser_safe = False

    def __init__(self, name: str, body: bytes, content_type: str) -> None:
        self.name = name
        self._body = body
        self._tag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
        self._headers = ((b"etag", self._tag), *_OPEN)
        self._typed = (
            *self._headers,
            (b"content-type", content_type.encode()),
            (b"x-content-type-options", b"nosniff"),
        )

    def run(self, request: Request) -> Answer:
        """Answer with the bytes, or with 304 where the client has them."""
        known = request.headers.get(b"if-none-match")
        if known is not None and self._is_known(known):
            return Answer(304, b"", self._headers)
        return Answer(200, self._body, self._typed)

    def _is_known(self, header: bytes) -> bool:
        tags = [tag.strip().removeprefix(b"W/") for tag in header.split(b",")]
        return b"*" in tags or self._tag in tags
