"""The one HTTP client that providers are called with: bounded in time and size, deaf to redirects and to the machine.

It tells "certainly never sent" from "nobody knows", and it sends nothing while a transaction is open.
"""

from collections.abc import Iterator
from contextvars import Context as VarContext
from contextvars import ContextVar
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext
from typing import Any, Final

import httpx

from penstock.boundary import assert_no_transaction
from penstock.clock import monotonic_seconds
from penstock.connector import NotSent

MAX_ANSWER: Final = 1024 * 1024
"""The largest answer that is read, in bytes."""

CONNECT_PHASE: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""What goes wrong before the first byte of a request leaves."""

_has_spoken: ContextVar[bool | None] = ContextVar("has_spoken", default=None)


class UnreadableAnswer(httpx.RemoteProtocolError):
    """The provider's answer is larger than `MAX_ANSWER`, compressed, or dripped past the deadline."""


def begin_call() -> None:
    """Begin a call of a connector in this context: from here on it is noted whether it wrote anything."""
    _has_spoken.set(False)


def has_spoken(call: VarContext) -> bool:
    """Tell whether a request other than a read may have reached a provider since `begin_call` in this context."""
    spoken: bool | None = call.get(_has_spoken)
    return spoken is True


class _Bounded(httpx.SyncByteStream):
    """Passes an answer on and stops at a size and a moment."""

    def __init__(self, inner: httpx.SyncByteStream, until: float) -> None:
        self._inner = inner
        self._until = until

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._inner:
            size += len(chunk)
            if size > MAX_ANSWER:
                raise UnreadableAnswer(f"the answer is larger than {MAX_ANSWER} bytes")
            if monotonic_seconds() > self._until:
                raise UnreadableAnswer("the answer dripped past the deadline")
            yield chunk

    def close(self) -> None:
        self._inner.close()


class ProviderTransport(httpx.BaseTransport):
    """Wraps a transport in the house's rules. ``seconds`` bounds one exchange, first byte to last."""

    def __init__(self, inner: httpx.BaseTransport, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; raise `NotSent` only if neither it nor an earlier write of this call can have arrived."""
        assert_no_transaction()
        until = monotonic_seconds() + self._seconds
        request.extensions["timeout"] = self._clamped(request.extensions.get("timeout", {}))
        try:
            response = self._inner.handle_request(request)
        except CONNECT_PHASE as exc:
            if _has_spoken.get():
                raise
            raise NotSent(f"{type(exc).__name__} at {request.url.host}") from exc
        except BaseException:
            self._note(request)
            raise
        self._note(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            response.close()
            raise UnreadableAnswer("the answer is compressed, which was not asked for")
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _Bounded(response.stream, until)
        return response

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._inner.close()

    def _clamped(self, asked: dict[str, float | None]) -> dict[str, float]:
        limits = {"connect": min(3.0, self._seconds), "pool": 1.0, "read": self._seconds, "write": self._seconds}
        return {phase: min(asked.get(phase) or limit, limit) for phase, limit in limits.items()}

    @staticmethod
    def _note(request: httpx.Request) -> None:
        if _has_spoken.get() is not None and request.method not in ("GET", "HEAD", "OPTIONS"):
            _has_spoken.set(True)


class ProviderClient(httpx.Client):
    """An `httpx.Client` that follows no redirect, whatever it is told."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request and read its answer as it is, redirects included."""
        options["follow_redirects"] = False
        request.headers["accept-encoding"] = "identity"
        return super().send(request, **options)


def client(*, timeout: float = 20.0, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Build the client that a connector is lent. ``timeout`` is in seconds and bounds one whole exchange.

    It reads no proxy, certificate or password settings from the machine and keeps no cookies.
    """
    inner = transport or httpx.HTTPTransport(
        verify=_certificates(), trust_env=False, retries=0, limits=httpx.Limits(max_connections=50)
    )
    return ProviderClient(
        transport=ProviderTransport(inner, timeout),
        timeout=httpx.Timeout(timeout),
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": "penstock"},
    )


@cache
def _certificates() -> SSLContext:
    # Reading the list of authorities takes 20 ms; all clients may share the result.
    return httpx.create_ssl_context(trust_env=False)
