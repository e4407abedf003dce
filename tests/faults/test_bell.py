"""A commit in one process wakes the relays of others, and nobody waits for the bell."""

import asyncio
import statistics
import subprocess
import sys
import threading
import time

import pytest

from jobs.chime import Listener, Ringer
from tests.faults.town import die_with_parent, founded, serving
from tests.faults.tree import ROOT
from tests.faults.volley import Clients
from tests.sink import opened_sink

pytestmark = pytest.mark.services

MEDIAN_SECONDS = 0.2
ROUNDS = 40


def heard_within(bell: threading.Event, seconds: float = 5) -> bool:
    came = bell.wait(seconds)
    bell.clear()
    return came


def test_a_ring_is_heard_in_another_place(redis_url):
    bell = threading.Event()
    with Ringer(redis_url) as ringer, Listener(redis_url, bell.set):
        assert heard_within(bell), "a listener looks once when it begins"
        ringer.ring()
        assert heard_within(bell, 1)
        assert not bell.wait(0.3)


def test_many_rings_are_few_words(redis_url):
    heard = []
    with Ringer(redis_url) as ringer, Listener(redis_url, lambda: heard.append(1)):
        while not heard:
            time.sleep(0.01)
        for _ in range(10_000):
            ringer.ring()
        time.sleep(0.3)
    assert 2 <= len(heard) < 200


def test_ringing_takes_no_time_while_redis_cannot_be_reached():
    with Ringer("redis://127.0.0.1:1/0") as ringer:
        began = time.monotonic()
        for _ in range(1000):
            ringer.ring()
        assert time.monotonic() - began < 0.2


def test_a_listener_whose_connection_is_cut_hears_again_and_looks_for_what_it_missed(redis_url):
    import redis

    bell = threading.Event()
    with Ringer(redis_url) as ringer, Listener(redis_url, bell.set), redis.Redis.from_url(redis_url) as server:
        assert heard_within(bell)
        server.client_kill_filter(_type="pubsub")
        assert heard_within(bell), "it looks once more when it is back"
        ringer.ring()
        assert heard_within(bell)


@pytest.fixture
def workshop(postgres_databases, redis_url, tmp_path):
    """A shop on PostgreSQL whose server and worker are two processes, with Redis between them."""
    with postgres_databases.fresh() as url, founded(ROOT, url, tmp_path) as shop:
        shop.environ |= {"PENSTOCK_REDIS_URL": redis_url, "PENSTOCK_WEBHOOK_LOOPBACK": "true"}
        command = [sys.executable, "-m", "penstock", "worker", "--threads", "2"]
        with (
            serving(ROOT, shop.environ, log=tmp_path / "server.log") as port,
            (tmp_path / "worker.log").open("w") as log,
        ):
            shop.ports = [port]
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=shop.environ,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # noqa: PLW1509  one system call
            )
            try:
                yield shop
            finally:
                process.terminate()
                process.wait(30)


def test_what_is_committed_in_the_server_reaches_a_receiver_at_once(workshop):
    with opened_sink() as sink:
        waits = asyncio.run(_waits(workshop, sink))
    median = statistics.median(waits)
    print(f"commit to first byte: median {median * 1000:.0f} ms, worst {max(waits) * 1000:.0f} ms")
    assert median < MEDIAN_SECONDS, sorted(waits)


async def _waits(shop, sink) -> list[float]:
    async with Clients(shop.ports, 1) as clients:
        body = {"url": sink.url(), "enabledEvents": ["cart.created"]}
        await shop.need(clients, "POST", "/webhook-endpoints", body)
        await shop.cart(clients)
        await asyncio.to_thread(sink.wait, 1, seconds=30)
        waits = []
        for number in range(ROUNDS):
            await asyncio.sleep(0.03 * (number % 8))
            await shop.cart(clients)
            committed = time.monotonic()
            got = await asyncio.to_thread(sink.wait, number + 2)
            waits.append(got[-1].at - committed)
    return waits
