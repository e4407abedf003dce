"""Posts to addresses that strangers name, and reaches nothing but the public net.

A name is resolved once for each request, every address that it has is judged, and the judged address is the one that
is connected to, so that a name which changes its mind gains nothing. Redirects are not followed, and nothing is taken
from the machine's environment.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final

import httpx

from penstock.addresses import Address, is_loopback, is_public, parse
from penstock.clock import monotonic_seconds

MAX_HOSTS: Final = 256
"""From how many hosts on the one that was idle longest is let go of."""

IDLE_SECONDS: Final = 60.0
"""How long a host was not spoken to before its connections may be closed; longer than any exchange."""

RESOLVE_SECONDS: Final = 5.0
"""How long a name may take to resolve."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Dial = Callable[[], httpx.AsyncBaseTransport]


_Host = tuple[str, str, int]


class Refused(httpx.RequestError):
    """The request would leave the public net, or go to a port or by a scheme that is not allowed. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Where requests may go. ``may_loop_back`` lets plain http through to this machine, for development alone."""

    ports: frozenset[int] = frozenset({443})
    may_loop_back: bool = False


async def resolve_name(host: str, port: int) -> Sequence[str]:
    """Ask the machine's resolver for all addresses of a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PublicTransport(httpx.AsyncBaseTransport):
    """Sends to public addresses only. Raises `Refused` for anything else.

    Connections are kept by host, never by address alone: two names on one address are two certificates.
    """

    def __init__(self, policy: Policy, resolve: Resolve = resolve_name, dial: Dial | None = None) -> None:
        self._policy = policy
        self._resolve = resolve
        self._dial = dial or _dial(httpx.create_ssl_context(trust_env=False))
        self._hosts: OrderedDict[_Host, tuple[httpx.AsyncBaseTransport, float]] = OrderedDict()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Judge, connect to a judged address, and send."""
        scheme, host, port = _target(request.url)
        addresses = await self._judged(scheme, host, port)
        transport = await self._transport((scheme, host, port))
        for index, address in enumerate(addresses):
            try:
                return await transport.handle_async_request(_aimed(request, host, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if index == len(addresses) - 1:
                    raise
        raise Refused(f"{host} has no address", request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        while self._hosts:
            _, (transport, _) = self._hosts.popitem()
            await transport.aclose()

    async def _judged(self, scheme: str, host: str, port: int) -> list[Address]:
        literal = parse(host)
        found = [literal] if literal is not None else await self._looked_up(host, port)
        if not found:
            raise Refused(f"{host} has no address")
        for address in found:
            self._judge(scheme, host, port, address)
        return found

    async def _looked_up(self, host: str, port: int) -> list[Address]:
        try:
            texts = await asyncio.wait_for(self._resolve(host, port), RESOLVE_SECONDS)
        except (OSError, UnicodeError, TimeoutError) as exc:
            raise httpx.ConnectError(f"{host} could not be resolved") from exc
        found = [parse(text) for text in texts]
        if None in found:
            raise Refused(f"{host} resolves to something that is no address")
        return [address for address in found if address is not None]

    def _judge(self, scheme: str, host: str, port: int, address: Address) -> None:
        if self._policy.may_loop_back and is_loopback(address):
            return
        if not is_public(address):
            raise Refused(f"{host} is not on the public net")
        if scheme != "https":
            raise Refused("only https leaves this machine")
        if port not in self._policy.ports:
            raise Refused(f"port {port} is not allowed")

    async def _transport(self, key: _Host) -> httpx.AsyncBaseTransport:
        now = monotonic_seconds()
        transport, _ = self._hosts.pop(key, (None, now))
        transport = transport or self._dial()
        self._hosts[key] = (transport, now)
        if len(self._hosts) > MAX_HOSTS:
            oldest, (idle, since) = next(iter(self._hosts.items()))
            if now - since > IDLE_SECONDS:
                del self._hosts[oldest]
                await idle.aclose()
        return transport


def client(policy: Policy, *, resolve: Resolve = resolve_name, dial: Dial | None = None) -> httpx.AsyncClient:
    """Return a client that reaches the public net alone, follows nothing and reads nothing of the environment."""
    return httpx.AsyncClient(transport=PublicTransport(policy, resolve, dial), trust_env=False, follow_redirects=False)


def _dial(tls: SSLContext) -> Dial:
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=30.0)
    return lambda: httpx.AsyncHTTPTransport(verify=tls, trust_env=False, retries=0, limits=limits)


def _target(url: httpx.URL) -> tuple[str, str, int]:
    if url.scheme not in ("http", "https") or url.userinfo:
        raise Refused("only http and https without a user name are known here")
    host = url.raw_host.decode("ascii").rstrip(".").lower()
    return url.scheme, host.strip("[]"), url.port or (443 if url.scheme == "https" else 80)


def _aimed(request: httpx.Request, host: str, address: Address) -> httpx.Request:
    """Return the request as sent to one address; its Host header and the certificate's name stay the URL's."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )
