"""Every event reaches every endpoint, with the same id and bytes each time, whoever dies meanwhile.

Workers are killed, Redis forgets everything and then cannot be reached, receivers fail, one for three days. What a
lease or a wait would take is not waited for: the due rows are moved to now, as time would.
"""

import asyncio
import random
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
import redis
import sqlalchemy as sa
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from jobs.broker import build_broker
from jobs.crew import crew_of
from penstock.webhook import JITTER, WAITS
from storage import tables
from storage.engine import parse
from storage.outgoing import Outgoing
from tests.faults.evidence import FULL, evidence
from tests.faults.gate import gate
from tests.faults.town import die_with_parent, founded, serving
from tests.faults.tree import ROOT
from tests.faults.volley import Clients
from tests.shop import made
from tests.shops import open_shop, opened_house
from tests.sink import opened_sink

EVENTS = 10_000 if FULL else 240
PATHS = ("/one", "/two", "/three")
DOWN_SECONDS = 60 if FULL else 4
PATIENCE_SECONDS = 900 if FULL else 240
FAILS = 0.05
TOGETHER = 20


class Staff:
    """Worker processes of a shop, of which some are killed."""

    def __init__(self, shop, log) -> None:
        self.shop, self.log, self.killed = shop, log, 0
        self.running = [self._hire() for _ in range(2)]

    def _hire(self) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "penstock", "worker", "--threads", "2"],
            cwd=ROOT,
            env=self.shop.environ,
            stdout=self.log,
            stderr=self.log,
            preexec_fn=die_with_parent,  # noqa: PLW1509  one system call
        )

    def kill_one(self) -> None:
        self.running[0].kill()
        self.running[0].wait()
        self.killed += 1
        self.running = [self.running[1], self._hire()]

    def end(self) -> None:
        for each in self.running:
            each.terminate()
        for each in self.running:
            each.wait(60)


def hasten(shop) -> None:
    """Let time pass for every row, as it would once nothing moves any more: leases run out, waits are over."""
    engine = sa.create_engine(parse(shop.environ["PENSTOCK_DATABASE_URL"]))
    with engine.begin() as connection:
        now = datetime.now(UTC) - timedelta(seconds=1)
        free = sa.select(tables.due.c.id).where(tables.due.c.kind == "deliver").with_for_update(skip_locked=True)
        late = sa.update(tables.due).where(tables.due.c.id.in_(free))
        connection.execute(late.values(run_at=now, lease_until=None))
    engine.dispose()


async def open_endpoints(shop, sink) -> dict[str, str]:
    async with Clients(shop.ports, 1) as clients:
        secrets = {}
        for path in PATHS:
            body = {"url": sink.url(path), "enabledEvents": ["cart.created"]}
            secrets[path] = (await shop.need(clients, "POST", "/webhook-endpoints", body))["signingSecret"]
        return secrets


async def commit(shop, count: int) -> list[str]:
    """Open carts, twenty at a time, and return their ids."""
    async with Clients(shop.ports, TOGETHER) as clients:
        carts = []
        while len(carts) < count:
            asks = [shop.ask("POST", "/carts", {"applicationId": shop.application}) for _ in range(TOGETHER)]
            answers = await clients.volley(asks)
            assert {answer.status for answer in answers} == {201}
            carts += [answer.json["id"] for answer in answers]
        return carts


async def told(shop) -> list[dict]:
    """Everything in the stream."""
    async with Clients(shop.ports, 1) as clients:
        events = []
        while True:
            after = events[-1]["streamSequence"] if events else 0
            page = await shop.need(clients, "GET", f"/events?afterSequence={after}&limit=200")
            events += page["data"]
            if not page["meta"]["hasMore"]:
                return events


def missing(taken, carts) -> int:
    return sum(len(set(carts) - taken[path]) for path in PATHS)


def bodies_by_id(sink) -> dict[str, set[bytes]]:
    found = defaultdict(set)
    for got in list(sink.received):
        found[got.headers["webhook-id"]].add(got.body)
    return found


@pytest.mark.services
def test_killed_workers_and_a_lost_redis_lose_no_event(postgres_databases, redis_url, tmp_path):
    dice = random.Random(3)
    with ExitStack() as stack, evidence("events through kills and outages", "postgresql", clients=TOGETHER) as trial:
        url = stack.enter_context(postgres_databases.fresh())
        door = stack.enter_context(gate(urlsplit(redis_url).port))
        shop = stack.enter_context(founded(ROOT, url, tmp_path))
        shop.environ |= {
            "PENSTOCK_REDIS_URL": f"redis://127.0.0.1:{door.port}/0",
            "PENSTOCK_WEBHOOK_LOOPBACK": "true",
        }
        shop.ports = [stack.enter_context(serving(ROOT, shop.environ, log=tmp_path / "server.log"))]
        sink = stack.enter_context(opened_sink())
        secrets = asyncio.run(open_endpoints(shop, sink))
        forged, taken = [], defaultdict(set)

        def judged(got, _) -> int:
            try:
                Webhook(secrets[got.path]).verify(got.body, got.headers)
            except WebhookVerificationError:
                forged.append(got)
            if dice.random() < FAILS:
                return 503
            taken[got.path].add(got.event["objectId"])
            return 204

        sink.script = judged
        staff = Staff(shop, stack.enter_context((tmp_path / "worker.log").open("w")))
        stack.callback(staff.end)
        carts = []
        for step in range(8):
            carts += asyncio.run(commit(shop, EVENTS // 8))
            _strike(step, staff, door, redis_url)
        until = time.monotonic() + PATIENCE_SECONDS
        while missing(taken, carts) and time.monotonic() < until:
            posts = len(sink.received)
            time.sleep(2)
            if posts == len(sink.received):
                hasten(shop)
        trial.trials, trial.failures = len(carts) * len(PATHS), missing(taken, carts)
        trial.remark = f"{staff.killed} workers killed, {len(sink.received)} posts"
        stream = asyncio.run(told(shop))
        time.sleep(1)
    assert missing(taken, carts) == 0
    assert [event["streamSequence"] for event in stream] == list(range(1, len(carts) + 1))
    assert {event["objectId"] for event in stream} == set(carts)
    assert {len(each) for each in bodies_by_id(sink).values()} == {1}
    assert forged == []


def _strike(step: int, staff: Staff, door, redis_url: str) -> None:
    """One misfortune after each part of the events."""
    if step % 2 == 0:
        time.sleep(1)
        staff.kill_one()
    elif step in (1, 5):
        with redis.Redis.from_url(redis_url) as server:
            server.flushall()
    elif step == 3:
        door.shut()
        staff.kill_one()
        time.sleep(DOWN_SECONDS)
        door.open()


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def test_a_receiver_that_is_down_for_three_days_gets_everything_once_it_is_back(database, request, tmp_path):
    events = EVENTS // 10
    databases = request.getfixturevalue("sqlite_databases" if database == "sqlite" else "postgres_databases")
    with (
        opened_house(databases, tmp_path, webhook_loopback=True) as house,
        opened_sink() as sink,
        evidence("a receiver that is down for three days", database) as trial,
        _door(house) as client,
    ):
        shop = open_shop(house, client)
        for path in ("/down", "/up"):
            made(shop.post("/webhook-endpoints", {"url": sink.url(path), "enabledEvents": ["cart.created"]}), 201)
        is_down = True
        sink.script = lambda got, _: 503 if is_down and got.path == "/down" else 204
        with crew_of(house, build_broker(None), threads=2) as crew:
            carts = {shop.cart()["id"] for _ in range(events)}
            sink.wait(events, "/up", seconds=120)
            for number, wait in enumerate(WAITS[1:], 2):
                sink.wait((number - 1) * events, "/down", seconds=300)
                _settle(house, events)
                if house.clock.offset > timedelta(days=3) - WAITS[-1]:
                    is_down = False
                house.clock.advance(wait * (1 + JITTER) + timedelta(seconds=1))
                crew.nudge()
            sink.wait(len(WAITS) * events, "/down", seconds=300)
            _settle(house, 0)
        trial.trials = events
        came = {got.event["objectId"] for got in sink.at("/down")[-events:]}
        trial.failures = len(carts - came)
        assert came == carts
        assert house.clock.offset > timedelta(days=3)
        assert {len(each) for each in bodies_by_id(sink).values()} == {1}
        assert len(sink.at("/up")) == events
        assert Outgoing(house.database, house.vault).waiting_since() is None


def _door(house):
    from starlette.testclient import TestClient

    from handlers.app import create_app

    return TestClient(create_app(house), raise_server_exceptions=False)


def _settle(house, left: int) -> None:
    """Wait until every try is written down: so many deliveries are due later, and none now."""
    until = time.monotonic() + 60
    while True:
        heaps = [heap for heap in house.backlog.look(house.clock.now()).heaps if heap.kind == "deliver"]
        if sum(heap.rows for heap in heaps) == left and sum(heap.due for heap in heaps) == 0:
            return
        assert time.monotonic() < until, heaps
        time.sleep(0.05)
