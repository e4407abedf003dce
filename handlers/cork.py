"""How answers leave: head and body in one system call, and a whole answer of ours without a detour through messages."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

from handlers.respond import Header

_CONTINUE: Final = b"HTTP/1.1 100 "


class Cork:
    """A transport that holds the head of an answer back until its body comes, so that both leave in one system call."""

    __slots__ = ("_done", "_held", "_transport")

    def __init__(self, transport: asyncio.Transport, done: Callable[..., None]) -> None:
        self._transport = transport
        self._done = done
        self._held: bytes | None = None

    def write(self, data: bytes) -> None:
        """Hold a head back; send everything else, behind the head if there is one."""
        if self._held is not None:
            self._transport.write(self._held + data)
            self._held = None
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(_CONTINUE):
            self._held = data
        else:
            self._transport.write(data)

    def finish(self) -> None:
        """The answer is whole: send a head that had no body, and go on."""
        self._flush()
        self._done()

    def _flush(self) -> None:
        if self._held is not None:
            self._transport.write(self._held)
            self._held = None

    def close(self) -> None:
        """Send what is held and close."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether nothing can be sent any more."""
        return self._transport.is_closing()


class Sender:
    """What an application answers with: messages as ASGI has them, or `whole`, which does the same in one step."""

    __slots__ = ("_cycle", "_send")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._send: Callable[[Any], Any] = cycle.send

    async def __call__(self, message: Mapping[str, Any]) -> None:
        """Send one message in uvicorn's own way."""
        await self._send(message)
        if self._cycle.response_complete:
            let_go(self._cycle)

    def whole(self, status: int, headers: Sequence[Header], own: bytes, body: bytes) -> bool:
        """Send an answer that is all there; False, and nothing was sent, where only messages will do.

        ``own`` are the lines of the pipeline's own headers, the content's length among them. That is so while the client
        reads, stays connected, and wants a body.
        """
        cycle = self._cycle
        if cycle.response_started or cycle.disconnected or not cycle.keep_alive or cycle.flow.write_paused:
            return False
        head = [STATUS_LINE[status], *map(line, cycle.default_headers), *map(line, headers), own, b"\r\n", body]
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join(head))
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        let_go(cycle)
        return True


@lru_cache(maxsize=256)
def line(header: Header) -> bytes:
    """Return a header as its line. Raises `RuntimeError`, as uvicorn does, for one that would become two."""
    name, value = header
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise RuntimeError("Invalid HTTP header.")
    return b"%s: %s\r\n" % header


def let_go(cycle: RequestResponseCycle) -> None:
    """Undo the ring of cycle and sender: without it, what a request leaves behind needs no garbage collector."""
    vars(cycle).pop("send", None)


def cork(cycle: RequestResponseCycle) -> None:
    """Let a cycle that has not begun to run answer in this way."""
    held = Cork(cycle.transport, cycle.on_response)
    cycle.transport = cast("asyncio.Transport", held)
    cycle.on_response = held.finish
    cycle.send = Sender(cycle)  # type: ignore[method-assign]  # the application is given what stands here
