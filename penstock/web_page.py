"""What a page is asked and what it answers: what the front door and the pages say to each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request for a page. Header names are lower case; ``query`` is the raw query string."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def argument(self, name: str) -> str | None:
        """Return a query parameter's first value, or None where it is absent."""
        return parse_qs(self.query, keep_blank_values=True).get(name, [None])[0]

    def form(self, name: str) -> str | None:
        """Return a URL-encoded form field's first value, or None where it is absent."""
        fields = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return fields.get(name, [None])[0]


@dataclass(frozen=True, slots=True)
class PageResponse:
    """A page's answer: status, bytes and headers. The content type is among the headers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Page = Callable[[PageRequest], PageResponse]
Route = tuple[str, str, Page]
"""A method, a path pattern with ``{names}``, and the page."""
