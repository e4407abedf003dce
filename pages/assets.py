"""Files that the pages need: our own from ``pages/static``, the reference's renderer from its package."""

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from penstock.web_page import PageRequest, PageResponse

_STATIC: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_WORTH_PACKING: Final = 1024


class Asset:
    """One file, read once: its bytes, the same packed, and a digest that names this version of it."""

    def __init__(self, name: str, source: Traversable) -> None:
        self.content = source.read_bytes()
        self.packed = gzip.compress(self.content, mtime=0) if len(self.content) >= _WORTH_PACKING else None
        self.digest = hashlib.sha256(self.content).hexdigest()[:16]
        self.media_type = _TYPES[Path(name).suffix]


def _source(name: str) -> Traversable:
    if name == "reference.js":
        # The package's __init__ is empty: this reads one file of it and imports no web framework.
        return files("flask_openapi3_scalar") / "templates" / "scalar" / "js" / "scalar.standalone.js"
    return _STATIC / name


@cache
def names() -> frozenset[str]:
    """Return the names that can be served; nothing else under ``/static`` exists."""
    own = {path.name for path in _STATIC.iterdir() if path.suffix in _TYPES}
    return frozenset(own | {"reference.js"})


@cache
def asset(name: str) -> Asset:
    """Return one file by its name."""
    return Asset(name, _source(name))


def url(name: str) -> str:
    """Return a file's address; it changes with the file, so that browsers may keep it for ever."""
    return f"/static/{name}?v={asset(name).digest}"


def serve(request: PageRequest) -> PageResponse:
    """Answer ``/static/{name}``, and ``/embed.js``, which merchants' pages load under that steady address."""
    name = request.params.get("name", "embed.js")
    if name not in names():
        return PageResponse(404, b"There is no such file.\n", {"content-type": "text/plain; charset=utf-8"})
    found = asset(name)
    is_exact = request.argument("v") == found.digest
    headers = {
        "content-type": found.media_type,
        "etag": f'"{found.digest}"',
        "cache-control": "public, max-age=31536000, immutable" if is_exact else "public, max-age=300",
        "x-content-type-options": "nosniff",
        "vary": "Accept-Encoding",
        "cross-origin-resource-policy": "cross-origin",
    }
    if f'"{found.digest}"' in request.headers.get("if-none-match", ""):
        return PageResponse(304, b"", headers)
    if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return PageResponse(200, found.packed, {**headers, "content-encoding": "gzip"})
    return PageResponse(200, found.content, headers)
