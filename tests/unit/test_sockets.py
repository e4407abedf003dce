"""What leaves for a receiver: one request to one address, under the receiver's own name, and no more of the answer than fits."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from connectors.egress import BEGINNING, LONGEST_ANSWER, Reply, Sockets

NAME = "shop.example"


class Answering(BaseHTTPRequestHandler):
    """Answers each path in its own way, and notes what came."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.client_address, self.path, dict(self.headers.items()), body))  # type: ignore[attr-defined]  # see opened
        answer = {"/moved": self._moved, "/endless": self._endless, "/cookie": self._cookie}
        answer.get(self.path, self._plain)()

    def _plain(self) -> None:
        self._head(200, {"content-length": "5", "retry-after": "7"})
        self.wfile.write(b"hello")

    def _moved(self) -> None:
        self._head(302, {"content-length": "0", "location": "/elsewhere"})

    def _cookie(self) -> None:
        self._head(204, {"set-cookie": "a=b"})

    def _endless(self) -> None:
        self._head(200, {"transfer-encoding": "chunked"})
        try:
            for _ in range(1000):
                self.wfile.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
                self.server.written += 0x4000  # type: ignore[attr-defined]  # see opened
        except OSError:
            self.close_connection = True

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def opened(tls: ssl.SSLContext | None = None) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.seen, server.written = [], 0
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def posted(server: Any, *paths: str, tls: ssl.SSLContext | None = None, name: str = NAME) -> list[Reply]:
    """Post to each path, one after the other."""

    async def go() -> list[Reply]:
        sockets = Sockets(tls)
        port, scheme = server.server_address[1], "https" if tls else "http"
        try:
            return [
                await sockets.send(URL(f"{scheme}://127.0.0.1:{port}{path}"), name, b"{}", {"host": name})
                for path in paths
            ]
        finally:
            await sockets.close()

    return asyncio.run(go())


@pytest.fixture(scope="module")
def certified(tmp_path_factory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context and a client's that trusts it, for the one name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    own = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("tls") / "own.pem"
    file.write_bytes(own + secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=own.decode())


def test_the_certificate_has_to_be_for_the_name_and_not_for_the_address(certified):
    server_tls, client_tls = certified
    with opened(server_tls) as server:
        (reply,) = posted(server, "/", tls=client_tls)
        assert (reply.status, reply.beginning) == (200, b"hello")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            posted(server, "/", tls=client_tls, name="other.example")
        assert len(server.seen) == 1


def test_a_certificate_that_nobody_vouches_for_is_not_believed(certified):
    with opened(certified[0]) as server:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            posted(server, "/", tls=ssl.create_default_context())
        assert server.seen == []


def test_requests_share_a_connection_and_carry_what_they_were_given():
    with opened() as server:
        replies = posted(server, "/", "/")
    assert [reply.headers["Retry-After"] for reply in replies] == ["7", "7"]
    (one, path, headers, body), (two, *_) = server.seen
    assert one == two
    assert (path, body) == ("/", b"{}")
    assert headers == {
        "host": NAME,
        "user-agent": "penstock",
        "accept-encoding": "identity",
        "Accept": "*/*",
        "Content-Length": "2",
        "Content-Type": "application/octet-stream",
    }


def test_a_redirect_is_an_answer_like_any_other():
    with opened() as server:
        (reply,) = posted(server, "/moved")
    assert reply.status == 302
    assert [path for _, path, _, _ in server.seen] == ["/moved"]


def test_cookies_are_forgotten():
    with opened() as server:
        posted(server, "/cookie", "/")
    assert all("cookie" not in (name.lower() for name in headers) for _, _, headers, _ in server.seen)


def test_an_endless_answer_is_left_after_its_beginning():
    with opened() as server:
        endless, after = posted(server, "/endless", "/")
    assert endless.beginning == b"x" * BEGINNING
    assert after.beginning == b"hello"
    assert server.written < 1000 * 0x4000
    assert server.written >= LONGEST_ANSWER


def test_the_machine_s_proxy_settings_are_not_read(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with opened() as server:
        (reply,) = posted(server, "/")
    assert reply.status == 200
