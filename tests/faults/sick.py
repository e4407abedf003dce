"""AcmePay on a bad day: the example's provider on a real socket, with books, that misbehaves in one way at a time."""

import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from connectors.http import ProviderTransport

SOURCE = Path(__file__).resolve().parents[2] / "examples/acmepay/src"
DEADLINE = 0.25
"""How many seconds the host gives an exchange with a provider that is slow."""

PATIENCE = 10.0
"""How many it gives any other: a busy machine must not look like an ill provider."""

if str(SOURCE) not in sys.path:
    sys.path.insert(0, str(SOURCE))

from penstock_acmepay.fake import FakeAcmePay  # noqa: E402  the example is no part of the tree's own imports

BEFORE = frozenset({"drop_before", "error_before", "busy", "handshake"})
"""Faults after which nothing was done."""

SLOW = frozenset({"delay", "drip"})


@dataclass
class Illness:
    """What is wrong with the provider now. ``operations`` are those that suffer; ``called`` runs once, early."""

    fault: str = ""
    operations: frozenset[str] = frozenset()
    called: Callable[[], Any] | None = None
    port: int = 0
    heard: list[tuple[str, str]] = field(default_factory=list)
    """Every request that got through, as its operation and key."""

    def strikes(self, operation: str) -> bool:
        return bool(self.fault) and operation in self.operations

    def heal(self) -> None:
        self.fault, self.operations, self.called = "", frozenset(), None


class SickAcmePay(FakeAcmePay):
    illness: Illness

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the standard library's name for it
        """Be silent."""

    @property
    def operation(self) -> str:
        return operation_of(self.command, self.path)

    def do_POST(self) -> None:
        self.illness.heard.append((self.operation, self.headers["X-Idempotency"]))
        if self.illness.strikes(self.operation) and self.illness.fault in BEFORE:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            MISBEHAVIOUR[self.illness.fault](self, 200, b"{}")
            return
        super().do_POST()

    def do_GET(self) -> None:
        self.illness.heard.append((self.operation, ""))
        super().do_GET()

    def answer(self, status: int, body: dict[str, Any]) -> None:
        if not self.illness.strikes(self.operation):
            super().answer(status, body)
            return
        from json import dumps

        with suppress(OSError):
            MISBEHAVIOUR[self.illness.fault](self, status, dumps(altered(self.illness.fault, body)).encode())

    def say(
        self, status: int, raw: bytes, kind: str = "application/json", length: int | None = None, **more: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw) if length is None else length))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)
        self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)


def operation_of(method: str, path: str) -> str:
    """Return which operation a request is: what the connector asks with it."""
    if method == "GET":
        return "find"
    return "charge" if path == "/charges" else path.rsplit("/", 1)[-1]


def altered(fault: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as a liar gives it."""
    if "items" in body:
        return {"items": [altered(fault, item) for item in body["items"]]}
    if fault == "wrong_amount" and "total" in body:
        return body | {"total": "99.99"}
    if fault == "wrong_currency" and "currency" in body:
        return body | {"currency": "EUR"}
    return body


def drop(to: SickAcmePay, _: int, __: bytes) -> None:
    to.hang_up()


def delay(to: SickAcmePay, _: int, __: bytes) -> None:
    time.sleep(DEADLINE * 1.6)
    to.hang_up()


def error(to: SickAcmePay, _: int, raw: bytes) -> None:
    to.say(500, raw)


def reset(to: SickAcmePay, status: int, raw: bytes) -> None:
    to.say(status, raw[: len(raw) // 2], length=len(raw))
    to.hang_up()


def truncated(to: SickAcmePay, status: int, raw: bytes) -> None:
    to.say(status, raw[: len(raw) // 2])


def html(to: SickAcmePay, status: int, _: bytes) -> None:
    to.say(status, b"<html>Welcome</html>", "text/html")


def error_body(to: SickAcmePay, _: int, __: bytes) -> None:
    to.say(200, b'{"error": {"code": "internal_error"}}')


def busy(to: SickAcmePay, _: int, __: bytes) -> None:
    to.say(429, b'{"error": "slow_down"}', Retry_After="1")


def moved(to: SickAcmePay, _: int, raw: bytes) -> None:
    to.say(302, raw, Location="http://127.0.0.1:1/charges")


def drip(to: SickAcmePay, status: int, raw: bytes) -> None:
    to.say(status, b"", length=len(raw))
    for at in range(len(raw)):
        to.wfile.write(raw[at : at + 1])
        to.wfile.flush()
        time.sleep(DEADLINE / 8)
    to.hang_up()


def flood(to: SickAcmePay, status: int, _: bytes) -> None:
    to.say(status, b"", length=100_000_000)
    for _ in range(100):
        to.wfile.write(b" " * 1_000_000)
    to.hang_up()


def as_it_is(to: SickAcmePay, status: int, raw: bytes) -> None:
    to.say(status, raw)


def after_its_messages(to: SickAcmePay, status: int, raw: bytes) -> None:
    called, to.illness.called = to.illness.called, None
    if called is not None:  # a message that overtakes the answer
        early = threading.Thread(target=called)
        early.start()
        early.join(DEADLINE)
    to.say(status, raw)


MISBEHAVIOUR: dict[str, Callable[[SickAcmePay, int, bytes], None]] = {
    "drop_before": drop,
    "drop_after": drop,
    "delay": delay,
    "error_before": error,
    "error_after": error,
    "reset": reset,
    "truncated": truncated,
    "html": html,
    "error_body": error_body,
    "busy": busy,
    "moved": moved,
    "drip": drip,
    "flood": flood,
    "handshake": drop,
    "wrong_amount": as_it_is,
    "wrong_currency": as_it_is,
    "messages": after_its_messages,
}


class Handshakes(httpx.HTTPTransport):
    """The way to the provider. While its TLS is ill, what suffers is sent over TLS to a server that has none."""

    def __init__(self, illness: Illness) -> None:
        super().__init__(trust_env=False)
        self._illness = illness

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        ill = self._illness.fault == "handshake" and request.url.port == self._illness.port
        if ill and self._illness.strikes(operation_of(request.method, request.url.path)):
            request.url = request.url.copy_with(scheme="https")
        return super().handle_request(request)


class Patient(httpx.BaseTransport):
    """The host's own transport, in a hurry only where the provider is slow."""

    def __init__(self, illness: Illness) -> None:
        self._illness = illness
        way = Handshakes(illness)
        self._calm, self._hurried = ProviderTransport(way, PATIENCE), ProviderTransport(way, DEADLINE)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        slow = self._illness.fault in SLOW and self._illness.strikes(operation_of(request.method, request.url.path))
        return (self._hurried if slow else self._calm).handle_request(request)

    def close(self) -> None:
        self._calm.close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent: whom it served badly hung up."""


def server(illness: Illness) -> ThreadingHTTPServer:
    """Run a provider with empty books on the loopback interface; shut it down yourself."""
    books = {"charges": {}, "steps": {}, "lock": threading.Lock(), "illness": illness}
    running = _Quiet(("127.0.0.1", 0), type("Books", (SickAcmePay,), books))
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return running
