"""Posts to addresses that strangers name, and reaches nothing but the public net.

A name is resolved once for each request, every address that it has is judged, and the judged address is the one that
is connected to, so that a name which changes its mind gains nothing. Redirects are not followed, and nothing is taken
from the machine's environment.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final, Protocol

import aiohttp
import httpx
from yarl import URL

from penstock.addresses import Address, is_loopback, is_public, parse

RESOLVE_SECONDS: Final = 5.0
"""How long a name may take to resolve."""

CONNECT_SECONDS: Final = 5.0
"""How long one address may take to be connected to, so that the next one has its chance."""

IDLE_SECONDS: Final = 30.0
"""How long a connection is kept that nothing is sent on."""

LONGEST_ANSWER: Final = 64 * 1024
"""After so many bytes an answer is not read any further."""

BEGINNING: Final = 4096
"""How many bytes of an answer are handed over."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class Refused(Exception):
    """The request would leave the public net, or go to a port or by a scheme that is not allowed. Nothing was sent."""


class Unresolved(Exception):
    """A name could not be resolved. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Where requests may go. ``may_loop_back`` lets plain http through to this machine, for development alone."""

    ports: frozenset[int] = frozenset({443})
    may_loop_back: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered. ``beginning`` is as much of the body as is handed over, undecoded."""

    status: int
    headers: Mapping[str, str]
    beginning: bytes = b""


class Wire(Protocol):
    """What a request leaves through once it is judged."""

    async def send(self, url: URL, name: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Post to a URL whose host is an address; ``name`` is what the certificate there has to say."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Sockets:
    """The net itself. Connections are kept by address and name: two names on one address are two certificates."""

    def __init__(self, tls: SSLContext | None = None) -> None:
        self._tls = tls or httpx.create_ssl_context(trust_env=False)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, url: URL, name: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Post, and read the beginning of the answer."""
        session = self._session = self._session or self._opened()
        async with session.post(
            url, data=content, headers=headers, server_hostname=name, allow_redirects=False
        ) as answer:
            return Reply(answer.status, answer.headers, await _beginning(answer.content))

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        # How many requests run at the same time is for whoever sends them to say, and for how long.
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0, keepalive_timeout=IDLE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            headers={"user-agent": "penstock", "accept-encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )


class Outlet:
    """Posts to public addresses only. Use it within one event loop."""

    def __init__(self, policy: Policy, resolve: Resolve | None = None, wire: Wire | None = None) -> None:
        self._policy = policy
        self._resolve = resolve or resolve_name
        self._wire = wire or Sockets()

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        """Judge, connect to a judged address, and post.

        Raises `Refused`, `Unresolved`, `aiohttp.ClientError` and `TimeoutError`.
        """
        parsed, name, port = _target(url)
        addresses = await self._judged(parsed.scheme, name, port)
        sent = {**headers, "host": (parsed.host_port_subcomponent or name).lower()}
        for address in addresses[:-1]:
            try:
                return await self._wire.send(parsed.with_host(str(address)), name, content, sent)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                continue
        return await self._wire.send(parsed.with_host(str(addresses[-1])), name, content, sent)

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()

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
            raise Unresolved(f"{host} could not be resolved") from exc
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


async def resolve_name(host: str, port: int) -> Sequence[str]:
    """Ask the machine's resolver for all addresses of a name."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _target(text: str) -> tuple[URL, str, int]:
    """Return a URL as it is written, the name in it, and the port."""
    try:
        url = URL(text, encoded=True)
        host, port = url.raw_host, url.port
    except ValueError as exc:
        raise Refused("the URL cannot be read") from exc
    if url.scheme not in ("http", "https") or url.raw_user is not None or url.raw_password is not None:
        raise Refused("only http and https without a user name are known here")
    if not host or port is None:
        raise Refused("the URL names no host")
    return url, host.rstrip(".").lower(), port


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    kept = bytearray()
    size = 0
    async for chunk in content.iter_any():
        size += len(chunk)
        kept += chunk[: BEGINNING - len(kept)]
        if size >= LONGEST_ANSWER:
            break
    return bytes(kept)
