"""Answers that several pages give."""

from penstock.web_page import PageResponse


def redirect(location: str, status: int = 303) -> PageResponse:
    """Send the browser elsewhere."""
    return PageResponse(status, b"", {"location": location, "cache-control": "no-store"})
