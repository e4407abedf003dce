"""Seventeen ways in which a provider or the wire misbehaves, each made of a good answer, and what may be said of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import httpx

from penstock.conformance.operations import Verdict

MOST: Final = 1024 * 1024
"""The host stops reading an answer after so many bytes."""

Good = Callable[[], httpx.Response]
Make = Callable[[httpx.Request, Good], httpx.Response]


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour. ``story`` tells it, ``allowed`` is what a write may be said to have come to.

    A lookup may only ever say nothing: it raises. ``make`` is None for a fault that is in the question and not in
    the answer: the kit asks for another amount or currency than the answer names, or delivers messages out of order.
    """

    name: str
    story: str
    advice: str
    allowed: frozenset[Verdict]
    make: Make | None = None


class _Broken(httpx.SyncByteStream):
    """A body that ends in an exception after its first bytes."""

    def __init__(self, start: bytes, end: Exception) -> None:
        self._start = start
        self._end = end

    def __iter__(self) -> Iterator[bytes]:
        yield self._start
        raise self._end


def _raising(make: Callable[[str], Exception], text: str) -> Make:
    def fault(_: httpx.Request, __: Good) -> httpx.Response:
        raise make(text)

    return fault


def _ending(make: Callable[[str], Exception], text: str, *, of: int = 2) -> Make:
    def fault(_: httpx.Request, good: Good) -> httpx.Response:
        whole = good()
        start = whole.content[: len(whole.content) // of]
        return httpx.Response(whole.status_code, headers=_headers(whole), stream=_Broken(start, make(text)))

    return fault


def _headers(whole: httpx.Response) -> dict[str, str]:
    return {"content-type": whole.headers.get("content-type", "application/json")}


def _instead(status: int | None, content: bytes | None, kind: str = "", **headers: str) -> Make:
    def fault(_: httpx.Request, good: Good) -> httpx.Response:
        whole = good()
        return httpx.Response(
            whole.status_code if status is None else status,
            headers=_headers(whole) | ({"content-type": kind} if kind else {}) | headers,
            content=whole.content if content is None else content,
        )

    return fault


def _truncated(_: httpx.Request, good: Good) -> httpx.Response:
    whole = good()
    return httpx.Response(whole.status_code, headers=_headers(whole), content=whole.content[: len(whole.content) // 2])


def _flood(_: httpx.Request, good: Good) -> httpx.Response:
    whole = good()
    end = httpx.RemoteProtocolError(f"the answer is larger than {MOST} bytes")
    return httpx.Response(whole.status_code, headers=_headers(whole), stream=_Broken(b" " * MOST, end))


_OPEN: Final[frozenset[Verdict]] = frozenset({"unknown"})
_RAISE: Final = "Nobody knows what happened: let the exception through, or raise one."
_ERROR: Final = b'{"error": {"code": "internal_error", "message": "Something went wrong."}}'
_HTML: Final = b"<html><body>Welcome</body></html>"
_MOVED: Final = "https://elsewhere.example/moved"


def _open(name: str, story: str, make: Make | None, advice: str = _RAISE) -> Fault:
    return Fault(name, story, advice, _OPEN, make)


FAULTS: Final = (
    _open(
        "drop_before", "it hung up before it did anything", _raising(httpx.RemoteProtocolError, "Server disconnected")
    ),
    _open("drop_after", "it did what was asked and hung up", _raising(httpx.ReadError, "Connection reset by peer")),
    _open("delay", "it did not answer before the deadline", _raising(httpx.ReadTimeout, "timed out")),
    _open("error_before", "it answered 500 and did nothing", _instead(500, _ERROR), "Check the status first: a 5xx is no answer."),
    _open("error_after", "it did what was asked and answered 500", _instead(500, None), "Check the status before you read the body."),
    _open("reset", "the connection broke in the middle of its answer", _ending(httpx.ReadError, "Connection reset")),
    _open("truncated", "its JSON ended in the middle", _truncated, "Half an answer is none: do not catch the parser's error."),
    _open("html", "it answered with a web page", _instead(None, _HTML, "text/html"), "A page is no answer, whatever its status says."),
    _open("error_body", "it answered with a good status and an error in the body", _instead(None, _ERROR), "An answer without what you need in it is none: raise."),
    Fault(
        "busy",
        "it answered 429 with Retry-After",
        "Return Rejected('rate_limited') only if the provider documents that it did nothing; otherwise raise.",
        frozenset({"unknown", "rejected", "not_sent"}),
        _instead(429, b'{"error": {"code": "rate_limited"}}', **{"retry-after": "1"}),
    ),
    _open("moved", "it answered with a redirect", _instead(302, None, location=_MOVED), "Never follow a redirect with a payment in hand: raise."),
    _open("drip", "its answer came so slowly that the host gave up", _ending(httpx.RemoteProtocolError, "the answer dripped past the deadline", of=8)),
    _open("flood", "its answer was 100 MB long", _flood),
    Fault(
        "handshake",
        "the TLS handshake failed, so nothing was sent",
        "Let NotSent through: the client that you are lent raises it.",
        frozenset({"not_sent"}),
        _raising(httpx.ConnectError, "certificate verify failed"),
    ),
    _open("wrong_amount", "it says another amount than was asked", None, "Report what the provider says; the host compares."),
    _open("wrong_currency", "it says another currency than was asked", None, "Report what the provider says; the host compares."),
    Fault(
        "messages",
        "its messages came early, twice and late",
        "parse_webhook() keeps nothing and changes nothing: the same message gives the same hints at any time.",
        frozenset({"approved", "done", "pending"}),
    ),
)  # fmt: skip
"""The seventeen rows of the fault matrix."""


def faulty(fault: Fault, good: Callable[[httpx.Request], httpx.Response]) -> Callable[[httpx.Request], httpx.Response]:
    """Return the answer of a provider that misbehaves in this way whenever it would have answered well."""
    make = fault.make
    if make is None:
        return good
    return lambda request: make(request, lambda: good(request))
