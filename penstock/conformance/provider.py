"""A provider made of canned answers, and what it heard."""

from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import httpx
import pytest

from penstock.boundary import assert_no_transaction, is_transaction_open
from penstock.clock import StandingClock
from penstock.connector import NotClaimed, NotSent
from penstock.request import WebhookDelivery

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]
SideCall = Callable[[httpx.Request], httpx.Response | None]

OWED: Final = "to write: "
"""How the failure of a test begins that misses something which the author has not written yet."""

NOON: Final = datetime(2030, 1, 2, 12, tzinfo=UTC)
"""The moment at which every test of the kit takes place."""


def reply(
    status: int, json: Any = None, *, text: str | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Make one canned answer of the provider: a JSON body, or a text as it is."""
    if text is not None:
        return httpx.Response(status, text=text, headers=headers)
    return httpx.Response(status, json=json, headers=headers)


def delivery(body: bytes | str, headers: Mapping[str, str]) -> WebhookDelivery:
    """Make one message of the provider, come in at `NOON`. Header names are lowered, as the host does it."""
    raw = body.encode() if isinstance(body, str) else body
    return WebhookDelivery({name.lower(): value for name, value in headers.items()}, raw, NOON)


def owed(what: str) -> NoReturn:
    """Fail for something that is not written yet, in one line: a traceback would lead into the kit."""
    pytest.fail(OWED + what, pytrace=False)


def standing_clock() -> StandingClock:
    """Return a clock that stands at noon of some day."""
    return StandingClock(NOON)


@dataclass(slots=True)
class Heard:
    """How one call ended: what was asked, what the connector returned or raised, and what the provider got."""

    request: Any
    returned: Any = None
    raised: Exception | None = None
    sent: list[httpx.Request] = field(default_factory=list)
    left_open: bool = False

    def listen(self, call: Callable[[], Any]) -> None:
        """Make the call, in a context of its own, and note how it ended."""
        context = copy_context()
        try:
            self.returned = context.run(call)
        except Exception as exc:  # noqa: BLE001  what it raises is what is looked at
            self.raised = exc
        if isinstance(self.raised, NotImplementedError) and not isinstance(self.raised, NotClaimed):
            owed(str(self.raised))
        self.left_open = context.run(is_transaction_open)

    @property
    def is_unknown(self) -> bool:
        """Whether the connector left the outcome open: it raised something other than `NotSent`."""
        return self.raised is not None and not isinstance(self.raised, NotSent)

    @property
    def writes(self) -> list[httpx.Request]:
        """The requests that can have changed something at the provider."""
        return [request for request in self.sent if request.method not in ("GET", "HEAD")]

    def said(self) -> str:
        """Say how the call ended."""
        return f"it returned {self.returned!r}" if self.raised is None else f"it raised {self.raised!r}"


class CannedProvider(httpx.BaseTransport):
    """Gives one answer to everything but side calls, as the host's own HTTP client would pass it on."""

    def __init__(self, answer: Answer, side_call: SideCall) -> None:
        self._answer = answer
        self._side_call = side_call
        self.sent: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        assert_no_transaction()
        request.read()
        side = self._side_call(request)
        if side is not None:
            return fresh(side)
        self.sent.append(request)
        try:
            return self._given(request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            self.sent.pop()
            raise NotSent(str(exc)) from exc

    def _given(self, request: httpx.Request) -> httpx.Response:
        if isinstance(self._answer, Exception):
            raise self._answer
        return fresh(self._answer if isinstance(self._answer, httpx.Response) else self._answer(request))


def fresh(response: httpx.Response) -> httpx.Response:
    """Return the same answer anew: a canned one is given many times, and httpx writes into what it returns."""
    if not hasattr(response, "_content"):  # a stream breaks off in its own way, and is made for one request
        return response
    return httpx.Response(response.status_code, headers=response.headers, content=response.content)


def text_of(request: httpx.Request) -> str:
    """Return all that a request says: address, headers and body."""
    headers = " ".join(f"{name}={value}" for name, value in request.headers.items())
    return f"{request.url} {headers} {request.content.decode(errors='replace')}"
