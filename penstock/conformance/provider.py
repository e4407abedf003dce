"""A provider made of canned answers, and what it heard."""

from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from penstock.boundary import assert_no_transaction, is_transaction_open
from penstock.clock import StandingClock
from penstock.connector import NotSent
from penstock.request import ChargeRequest

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]
SideCall = Callable[[httpx.Request], httpx.Response | None]


def reply(
    status: int, json: Any = None, *, text: str | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Make one canned answer of the provider: a JSON body, or a text as it is."""
    if text is not None:
        return httpx.Response(status, text=text, headers=headers)
    return httpx.Response(status, json=json, headers=headers)


def standing_clock() -> StandingClock:
    """Return a clock that stands at noon of some day."""
    return StandingClock(datetime(2030, 1, 2, 12, tzinfo=UTC))


@dataclass(slots=True)
class Heard:
    """How one call ended: what the connector returned or raised, and the requests that the provider got."""

    request: ChargeRequest
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
        self.left_open = context.run(is_transaction_open)

    @property
    def is_unknown(self) -> bool:
        """Whether the connector left the outcome open: it raised something other than `NotSent`."""
        return self.raised is not None and not isinstance(self.raised, NotSent)


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
            return _fresh(side)
        if isinstance(self._answer, httpx.ConnectError | httpx.ConnectTimeout):
            raise NotSent(str(self._answer)) from self._answer
        self.sent.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return _fresh(self._answer if isinstance(self._answer, httpx.Response) else self._answer(request))


def _fresh(response: httpx.Response) -> httpx.Response:
    # A canned answer is given many times; httpx writes into the response it returns.
    return httpx.Response(response.status_code, headers=response.headers, content=response.content)
