"""HTTP/1.1 at the socket: limits on what comes before a body, and refusals that look like every other error."""

import re
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from handlers.cork import cork
from handlers.envelope import Envelope
from handlers.headlong import begin
from handlers.request import request_id
from penstock import catalogue
from penstock.errors import ApiError, HeadersTooLarge, InvalidRequest

MOST_HEADERS: Final = 100
MOST_HEAD_BYTES: Final = 32 * 1024
HEAD_SECONDS: Final = 10.0
MESSAGE_SECONDS: Final = 60.0
# What a client may go on sending after it has its answer, before the connection is cut.
MOST_DRAINED_BYTES: Final = 64 * 1024 * 1024
_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%-]*(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?")


class Refused(Exception):
    """The message cannot become a request. The parser turns it into its own error."""


class DoorProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, with limits. One timer for each connection, armed only while a message is coming in."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._chunk_bytes = 0
        self._drained_bytes = 0
        self._began_at: float | None = None
        self._is_in_head = False
        self._is_closing = False
        self._has_spoken = False
        self._timer: Any = None
        self._refusal: ApiError | None = None
        self._is_parsing = False
        self._arrived: tuple[RequestResponseCycle, Any] | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock: a connection that never says anything is closed as well."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and count what does not end: a header without an end never reaches a callback."""
        if self._is_closing:
            return
        self._has_spoken = True
        self._chunk_bytes = len(data)
        self._is_parsing = True
        super().data_received(data)
        self._is_parsing = False
        if self._arrived is not None:
            self._begin(*self._arrived)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self._is_closing:
                self._refuse(HeadersTooLarge())

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_bytes = 0
        self._await_head()

    def on_headers_complete(self) -> None:
        """Check what must be there once, then let the request begin."""
        self._is_in_head = False
        self._check_head()
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            self._stop(InvalidRequest(message="Send one Host header."))
        if hosts and _HOST.fullmatch(hosts[0]) is None:
            self._stop(InvalidRequest(message="The Host header is malformed."))
        self._drained_bytes = 0
        super().on_headers_complete()
        # The cycle has not begun to run: it does once the parser has let go of the request.
        cork(self.cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Have a request answered: one that is just being read, as soon as the parser has let go of it."""
        if self._is_parsing:
            self._arrived = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._arrived = None
        task = begin(cycle.run_asgi(app), self.loop)
        if task is not None:
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; after the answer only so much of it."""
        if self.cycle.response_complete:
            self._drained_bytes += len(body)
            if self._drained_bytes > MOST_DRAINED_BYTES:
                self._is_closing = True
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The message is whole: nothing is waited for."""
        self._began_at = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- uvicorn's own signature
        """Answer what is no request, in the envelope."""
        self._refuse(self._refusal or InvalidRequest(message="The request is malformed HTTP."))

    def _check_head(self) -> None:
        """Weigh the head; one that came in few bytes needs no weighing."""
        came, self._head_bytes = self._head_bytes + self._chunk_bytes, 0
        if came > MOST_HEAD_BYTES:
            came = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if came > MOST_HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            self._stop(HeadersTooLarge())

    def _stop(self, error: ApiError) -> None:
        self._refusal = error
        raise Refused

    def _refuse(self, error: ApiError) -> None:
        """Write the error and close; behind a request that still runs, only close once that one has its answer."""
        self._is_closing = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False
            return
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(self._refusal_bytes(error))
        self.transport.close()

    def _refusal_bytes(self, error: ApiError) -> bytes:
        name = request_id()
        answer = _envelope_of(self.app).answer(error, name.decode())
        headers = [
            *self.server_state.default_headers,
            *answer.headers,
            (b"x-request-id", name),
            (b"content-length", b"%d" % len(answer.body)),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        return STATUS_LINE[answer.status] + lines + b"\r\n" + answer.body

    def _await_head(self) -> None:
        self._is_in_head = True
        self._began_at = self.loop.time()
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._look_at_clock)

    def _look_at_clock(self) -> None:
        """Close what takes too long; else look again when it could be."""
        self._timer = None
        if self._began_at is None or self.transport.is_closing():
            return
        limit = HEAD_SECONDS if self._is_in_head else MESSAGE_SECONDS
        left = self._began_at + limit - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._look_at_clock)
        elif not self._has_spoken:
            self.transport.close()  # browsers open connections that they may never use: an answer would be to nothing
        else:
            self._refuse(InvalidRequest(message=f"The request did not arrive within {limit:.0f} seconds."))


def _envelope_of(app: Callable[..., Any]) -> Envelope:
    """The door, or what owns one, knows the address of the documentation; without it, the link is relative."""
    found = getattr(getattr(app, "door", app), "envelope", None)
    if found is not None:
        return cast("Envelope", found)
    return Envelope({code: {"status": entry.status} for code, entry in catalogue.errors().items()}, "")
