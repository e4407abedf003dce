"""What strangers name is reached on the public net or not at all; a name that changes its mind gains nothing."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address

import aiohttp
import dnslib.server
import pytest
from yarl import URL

from connectors.egress import Outlet, Policy, Refused, Reply, Sockets, Unresolved
from penstock.addresses import is_loopback, is_public

REFUSED = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "5f00::1",
)
PUBLIC = ("8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e")
CANARY = "127.0.0.1"


@pytest.mark.parametrize("text", REFUSED)
def test_an_address_of_nobody_or_of_somebody_s_own_is_not_public(text):
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_of_the_public_net_is(text):
    assert is_public(ip_address(text))


def test_a_machine_s_own_addresses_are_told_apart():
    assert [is_loopback(ip_address(text)) for text in ("127.9.9.9", "::1", "10.0.0.1", "::ffff:127.0.0.1")] == [
        True,
        True,
        False,
        False,
    ]


class Recorder:
    """Stands where the net begins: notes what would be connected to, and connects to nothing."""

    def __init__(self, closed: Sequence[str] = ()) -> None:
        self.seen: list[tuple[URL, str, Mapping[str, str]]] = []
        self._closed = closed

    async def send(self, url: URL, name: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        self.seen.append((url, name, headers))
        if url.raw_host in self._closed:
            raise aiohttp.ConnectionTimeoutError
        return Reply(204, {})

    async def close(self) -> None:
        pass


def sent(url: str, *answers: list[str], policy: Policy | None = None, closed: Sequence[str] = ()):
    """Post once, the name being resolved to each of the answers in turn; return the reply and what left."""
    wire = Recorder(closed)
    waiting = list(answers)

    async def resolve(host: str, port: int) -> list[str]:
        return waiting.pop(0)

    reply = asyncio.run(Outlet(policy or Policy(), resolve, wire).post(url, b"{}", {"webhook-id": "one"}))
    return reply, wire.seen


def test_the_judged_address_is_the_one_that_is_connected_to():
    reply, [(url, name, headers)] = sent("https://Shop.example/hook%2Fa?a=%20b", ["8.8.8.8"])
    assert reply.status == 204
    assert str(url) == "https://8.8.8.8/hook%2Fa?a=%20b"
    assert name == "shop.example"
    assert headers == {"webhook-id": "one", "host": "shop.example"}


def test_an_address_that_cannot_be_connected_to_leaves_the_others():
    answers = ["2606:4700:4700::1111", "8.8.8.8"]
    reply, seen = sent("https://shop.example/", answers, closed=answers[:1])
    assert reply.status == 204
    assert [str(url) for url, _, _ in seen] == ["https://[2606:4700:4700::1111]/", "https://8.8.8.8/"]
    with pytest.raises(TimeoutError):
        sent("https://shop.example/", answers, closed=answers)


def test_a_name_with_one_private_address_among_public_ones_is_refused():
    with pytest.raises(Refused, match="not on the public net"):
        sent("https://shop.example/", ["8.8.8.8", "10.0.0.1"])


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://shop.example/", "only https"),
        ("https://shop.example:25/", "port 25"),
        ("https://shop.example:6379/", "port 6379"),
        ("https://user@shop.example/", "without a user name"),
        ("https://user:word@shop.example/", "without a user name"),
    ],
)
def test_other_schemes_ports_and_users_are_refused(url, why):
    with pytest.raises(Refused, match=why):
        sent(url, ["8.8.8.8"])


@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[fd00:ec2::254]"])
def test_a_literal_address_is_judged_without_asking_anybody(host):
    with pytest.raises(Refused, match="not on the public net"):
        sent(f"https://{host}/")


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1"])
def test_an_address_in_disguise_is_judged_by_what_it_resolves_to(host):
    wire = Recorder()
    with pytest.raises(Refused, match="not on the public net"):
        asyncio.run(Outlet(Policy(), wire=wire).post(f"https://{host}/", b"{}", {}))
    assert wire.seen == []


def test_this_machine_is_reached_where_the_policy_says_so_and_nothing_else_by_plain_http():
    policy = Policy(may_loop_back=True)
    _, [(url, _, headers)] = sent("http://localhost:8080/hook", ["127.0.0.1"], policy=policy)
    assert (str(url), headers["host"]) == ("http://127.0.0.1:8080/hook", "localhost:8080")
    with pytest.raises(Refused, match="only https"):
        sent("http://shop.example/", ["8.8.8.8"], policy=policy)
    with pytest.raises(Refused, match="not on the public net"):
        sent("http://router.example/", ["192.168.0.1"], policy=policy)


def test_a_name_without_addresses_or_with_nonsense_is_refused():
    for answer in ([], ["not an address"]):
        with pytest.raises(Refused):
            sent("https://shop.example/", answer)


def test_a_name_that_cannot_be_resolved_is_no_refusal():
    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(Unresolved):
        asyncio.run(Outlet(Policy(), resolve, Recorder()).post("https://shop.example/", b"{}", {}))


class Flipping(dnslib.server.BaseResolver):
    """A name server whose one name is public and this machine's own by turns."""

    def __init__(self) -> None:
        self.asked = 0

    def resolve(self, request, handler):
        self.asked += 1
        reply = request.reply()
        address = "93.184.216.34" if self.asked % 2 else CANARY
        reply.add_answer(*dnslib.RR.fromZone(f"{request.q.qname} 0 A {address}"))
        return reply


@contextmanager
def name_server(resolver: Flipping):
    server = dnslib.server.DNSServer(
        resolver, address=CANARY, port=0, logger=dnslib.server.DNSLogger("-request,-reply")
    )
    server.start_thread()
    try:
        yield server.server.server_address[1]
    finally:
        server.stop()
        server.server.server_close()


@contextmanager
def canary():
    hits: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hits.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer((CANARY, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], hits
    finally:
        server.shutdown()
        server.server_close()


class LoopbackOnly:
    """Connects to this machine and to nobody else: whoever is let through to the canary is seen there."""

    def __init__(self, port: int, lookup) -> None:
        self._port = port
        self._lookup = lookup
        self._inner = Sockets()

    async def send(self, url: URL, name: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        address = url.raw_host if ip_or_none(url.raw_host) else self._lookup(url.raw_host)
        if address != CANARY:
            return Reply(204, {})
        return await self._inner.send(URL(f"http://{CANARY}:{self._port}/"), name, content, headers)

    async def close(self) -> None:
        await self._inner.close()


def ip_or_none(text: str):
    try:
        return ip_address(text)
    except ValueError:
        return None


class JudgesAndForgets(Outlet):
    """The bug: judges a name's address, and connects to the name."""

    async def post(self, url, content, headers):
        await self._judged("https", "flip.example", 443)
        return await self._wire.send(URL(url), "flip.example", content, headers)


def flips(outlet: type[Outlet], count: int) -> tuple[int, int, int]:
    """Return how many requests went out and were refused, and how many reached the canary."""
    with name_server(Flipping()) as dns, canary() as (port, hits):

        def lookup(host: str) -> str:
            answer = dnslib.DNSRecord.parse(dnslib.DNSRecord.question(host).send(CANARY, dns, timeout=5))
            return str(answer.rr[0].rdata)

        async def resolve(host: str, port: int) -> list[str]:
            return [lookup(host)]

        async def go() -> tuple[int, int]:
            out = refused = 0
            made = outlet(Policy(), resolve, LoopbackOnly(port, lookup))
            for _ in range(count):
                try:
                    await made.post("https://flip.example/hook", b"{}", {})
                    out += 1
                except Refused:
                    refused += 1
            await made.close()
            return out, refused

        out, refused = asyncio.run(go())
        return out, refused, len(hits)


def test_a_name_that_flips_a_thousand_times_never_reaches_this_machine():
    assert flips(Outlet, 1000) == (500, 500, 0)


def test_who_judges_a_name_and_connects_to_it_is_caught():
    _, _, reached = flips(JudgesAndForgets, 20)
    assert reached > 0
