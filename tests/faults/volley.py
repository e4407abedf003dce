"""Requests that leave at the same moment, each on a connection of its own that is already open."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """An answer's status and raw body."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code, or nothing."""
        return self.json.get("error", {}).get("code", "") if self.body else ""


class Line(asyncio.Protocol):
    """One kept-alive connection. One request at a time."""

    def __init__(self) -> None:
        self.buffer = b""
        self.waiting: asyncio.Future[Answer] | None = None

    def connection_made(self, transport) -> None:
        self.transport = transport

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        self.waiting = asyncio.get_running_loop().create_future()
        if self.transport.is_closing():
            self.settle(ConnectionResetError("the server has closed the connection"))
        else:
            self.transport.write(request)
        return self.waiting

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) >= int(fields.get(b"content-length", 0)):
            self.buffer = b""
            self.settle(Answer(int(head[9:12]), body))

    def connection_lost(self, exc) -> None:
        self.settle(exc or ConnectionResetError("the server closed the connection"))

    def settle(self, answer: Answer | Exception) -> None:
        if self.waiting is not None and not self.waiting.done():
            if isinstance(answer, Exception):
                self.waiting.set_exception(answer)
            else:
                self.waiting.set_result(answer)


class Clients:
    """So many open connections, dealt out over the servers' ports in turn."""

    def __init__(self, ports: Sequence[int], count: int) -> None:
        self.ports, self.count = ports, count
        self.lines: list[Line] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in range(self.count):
            port = self.ports[number % len(self.ports)]
            _, line = await loop.create_connection(Line, "127.0.0.1", port)
            self.lines.append(line)
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in self.lines:
            line.transport.close()

    async def ask(self, request: bytes) -> Answer:
        """Ask on the first connection and wait for the answer."""
        return await asyncio.wait_for(self.lines[0].ask(request), 30)

    async def volley(self, requests: Sequence[bytes]) -> list[Answer]:
        """Send every request at once, each on its own connection, and return the answers in their order."""
        pending = [line.ask(request) for line, request in zip(self.lines, requests, strict=False)]
        return await asyncio.wait_for(asyncio.gather(*pending), 60)
