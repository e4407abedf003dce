"""A receiver of webhooks that notes what it gets and answers as it is told."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass
class Received:
    """One request. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        return orjson.loads(self.body)


Script = Callable[[Received, int], "int | tuple[int, dict[str, str]]"]


@dataclass
class Sink:
    """``script`` gets each request and how many its path had before, and returns a status, perhaps with headers."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    script: Script = lambda *_: 204

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str = "/hook") -> list[Received]:
        return [each for each in list(self.received) if each.path == path]

    def wait(self, count: int, path: str = "/hook", seconds: float = 10) -> list[Received]:
        until = time.monotonic() + seconds
        while self.counts[path] < count:
            assert time.monotonic() < until, f"{self.counts[path]} of {count} came"
            time.sleep(0.01)
        return self.at(path)


@contextmanager
def opened_sink() -> Iterator[Sink]:
    sink = Sink()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if len(body) < int(self.headers["content-length"]):
                return  # whoever sent it died on the way
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.path, headers, body, time.monotonic())
            with lock:
                before = sink.counts[self.path]
                sink.received.append(request)
                sink.counts[self.path] += 1
            answer = sink.script(request, before)
            status, more = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in {"content-length": "0", **more}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
