"""A receiver as lean as Python allows: takes every POST, and tells when each event came first.

Run as ``python -m tests.bench.receiver PORT``. ``GET /`` answers ``{event id: [monotonic seconds of each arrival]}``,
and forgets. The monotonic clock is the machine's: times of several processes can be compared.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

_TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver(asyncio.Protocol):
    """One connection. Requests are taken apart by hand."""

    seen: dict[str, list[float]]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        """Take as many whole requests as there are."""
        self.rest += data
        while b"\r\n\r\n" in self.rest:
            head, _, behind = self.rest.partition(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            headers = dict(line.split(b": ", 1) for line in lines[1:])
            length = int(headers.get(b"content-length", b"0"))
            if len(behind) < length:
                return
            self.rest = behind[length:]
            if lines[0].startswith(b"get"):
                self._tell()
            else:
                self.seen.setdefault(headers[b"webhook-id"].decode(), []).append(time.monotonic())
                self.transport.write(_TAKEN)

    def _tell(self) -> None:
        body = json.dumps(self.seen).encode()
        self.seen.clear()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        self.transport.write(head % len(body) + body)
        self.transport.close()


async def receive(port: int) -> None:
    """Serve until the process is ended."""
    Receiver.seen = {}
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(receive(int(sys.argv[1])))
