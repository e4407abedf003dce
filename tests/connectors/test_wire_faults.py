"""What does a provider's misbehaviour on a real socket become? Each fault, for a charge and for a lookup."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from connectors import http
from penstock.clock import SystemClock
from penstock.money import Money
from penstock.request import ChargeRequest
from penstock.verdict import Connection
from plugins.cascade import Cascade
from plugins.manager import load
from plugins.registry import Registry

KEY = "019a0000-0000-7000-8000-0000000000aa"
EUR = Money(1000, "EUR")
ROW = {"ref": "sbx_1", "status": "approved", "kind": "", "amount": 1000, "currency": "EUR", "reference": "cs_1"}
DEADLINE = 1.0

Fault = Callable[[socket.socket, bytes], None]


def body_of(request: bytes, row: dict) -> bytes:
    return json.dumps({"items": [row]} if request.startswith(b"GET") else row).encode()


def http_answer(status: int, body: bytes, *, kind: str = "application/json", length: int | None = None, more: str = ""):
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n{more}Connection: close\r\n\r\n"
    return head.encode() + body


def good(wire, request):
    wire.sendall(http_answer(200, body_of(request, ROW)))


def drop(wire, request):
    wire.close()


def reset(wire, request):
    wire.sendall(http_answer(200, body_of(request, ROW))[:-20])
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def late(wire, request):
    time.sleep(DEADLINE + 0.5)
    good(wire, request)


def error_500(wire, request):
    wire.sendall(http_answer(500, body_of(request, ROW)))


def error_503_html(wire, request):
    wire.sendall(http_answer(503, b"<html>busy</html>", kind="text/html"))


def truncated(wire, request):
    body = body_of(request, ROW)
    wire.sendall(http_answer(200, body[: len(body) // 2]))


def short(wire, request):
    body = body_of(request, ROW)
    wire.sendall(http_answer(200, body, length=len(body) + 100))


def html(wire, request):
    wire.sendall(http_answer(200, b"<html>welcome</html>", kind="text/html"))


def error_body(wire, request):
    wire.sendall(http_answer(200, b'{"error": {"kind": "rate_limited", "code": "x"}}'))


def busy(wire, request):
    wire.sendall(http_answer(429, b"slow down", kind="text/plain", more="Retry-After: 1\r\n"))


def moved(wire, request):
    wire.sendall(http_answer(302, body_of(request, ROW), more="Location: http://127.0.0.1:1/charges\r\n"))


def drip(wire, request):
    answer = http_answer(200, body_of(request, ROW))
    for i in range(len(answer)):
        wire.sendall(answer[i : i + 1])
        time.sleep(0.05)


def flood(wire, request):
    wire.sendall(http_answer(200, b"", length=100_000_000))
    for _ in range(100):
        wire.sendall(b" " * 1_000_000)


def endless_headers(wire, request):
    wire.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in range(100_000):
        wire.sendall(f"X-{i}: y\r\n".encode())


def no_http(wire, request):
    wire.sendall(b"\x00\x01\x02 not http at all\r\n\r\n")


def bomb(wire, request):
    wire.sendall(http_answer(200, b"\x1f\x8b\x08\x00", more="Content-Encoding: gzip\r\n"))


def wrong_amount(wire, request):
    wire.sendall(http_answer(200, body_of(request, ROW | {"amount": 100000})))


def wrong_currency(wire, request):
    wire.sendall(http_answer(200, body_of(request, ROW | {"currency": "JPY"})))


def text_amount(wire, request):
    wire.sendall(http_answer(200, body_of(request, ROW | {"amount": "1000"})))


def float_amount(wire, request):
    wire.sendall(http_answer(200, body_of(request, ROW | {"amount": 1000.0})))


FAULTS = [
    drop, reset, late, error_500, error_503_html, truncated, short, html, error_body, busy, moved, drip, flood,
    endless_headers, no_http, bomb, wrong_amount, wrong_currency, text_amount, float_amount,
]  # fmt: skip


class Provider:
    """A server on the loopback interface that does one thing to every request."""

    def __init__(self) -> None:
        self.fault: Fault = good
        self.heard: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self.listener.getsockname())
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                wire, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(wire,), daemon=True).start()

    def answer(self, wire: socket.socket) -> None:
        with wire:
            try:
                request = wire.recv(65536)
                if b"\r\n\r\n" in request and request.startswith(b"POST") and request.endswith(b"\r\n\r\n"):
                    request += wire.recv(65536)
                self.heard.append(request)
                self.fault(wire, request)
            except OSError:
                return


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.listener.close()


@pytest.fixture
def cascade() -> Iterator[Cascade]:
    registry = Registry(load(entry_points=False), clock=SystemClock(), client=lambda: http.client(timeout=DEADLINE))
    yield Cascade(registry, deadline=DEADLINE * 3)
    registry.close()


def at(url: str) -> Connection:
    return Connection("1", "sandbox", {"bank_url": url})


def charge() -> ChargeRequest:
    return ChargeRequest(KEY, EUR, "card", "tok_sandbox_approve", reference="cs_1")


def test_a_provider_that_behaves_is_believed(cascade, provider):
    candidate = cascade.candidate(at(f"http://{provider.address}"))
    assert cascade.call(candidate, charge()).state == "approved"
    assert cascade.find(candidate, KEY, money=EUR).state == "approved"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_fault_on_the_wire_leaves_the_charge_unknown(cascade, provider, fault):
    provider.fault = fault
    candidate = cascade.candidate(at(f"http://{provider.address}"))
    told = cascade.call(candidate, charge())
    assert (told.state, told.may_go_elsewhere) == ("unknown", False), told
    assert len(provider.heard) == 1, "the charge was sent again"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_fault_on_the_wire_makes_a_lookup_say_nothing(cascade, provider, fault):
    provider.fault = fault
    candidate = cascade.candidate(at(f"http://{provider.address}"))
    told = cascade.find(candidate, KEY, money=EUR)
    assert told is not None, "a failed lookup was taken for a proof that nothing is there"
    assert told.state == "unknown"


def test_a_handshake_that_fails_is_not_sent(cascade, provider):
    provider.fault = no_http
    candidate = cascade.candidate(at(f"https://{provider.address}"))
    assert cascade.call(candidate, charge()).state == "not_sent"
    assert cascade.find(candidate, KEY).state == "unknown"


def test_a_refused_connection_is_not_sent_and_a_refused_lookup_says_nothing(cascade):
    candidate = cascade.candidate(at("http://127.0.0.1:1"))
    assert cascade.call(candidate, charge()).state == "not_sent"
    assert cascade.find(candidate, KEY).state == "unknown"


def test_a_connection_that_was_closed_while_idle_is_never_called_unsent(cascade, provider):
    """A kept connection that dies under a new request has carried that request: nobody knows."""
    candidate = cascade.candidate(at(f"http://{provider.address}"))
    assert cascade.call(candidate, charge()).state == "approved"
    provider.fault = drop
    assert cascade.call(candidate, charge()).state == "unknown"
