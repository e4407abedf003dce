"""A provider that hangs holds up its own shop's questions, and nobody else's work."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from handlers.app import create_app
from jobs import actors
from jobs.broker import build_broker
from jobs.crew import OUTSIDE_SHARE, crew_of
from penstock.caller import Scope
from penstock.flows.settle_payment import EXPIRE, RECONCILE
from storage import tables
from tests import wire
from tests.shop import made
from tests.shops import DATABASES, add_environment, connect, database_of, execute, moved, open_shop, opened_house
from tests.sink import Sink, opened_sink

THREADS = 2
LOST = 8
"""More open outcomes than there are threads."""

PATIENCE_SECONDS = 10
"""How long everybody else's work may take, on a busy machine; a provider may be silent for longer."""


class Mute(wire.Provider):
    """Loses every charge, and is silent about it until it is let go; at once, until it ``hangs``."""

    def __init__(self) -> None:
        self.asked, self.hangs = 0, False
        self.released = threading.Event()
        super().__init__()

    def silence(self, body):
        if not self.hangs:
            return wire.SILENCE
        self.asked += 1
        self.released.wait(60)
        return wire.took(3000)


@pytest.fixture(scope="module", params=DATABASES)
def town(request, tmp_path_factory):
    """A house that may post to this machine."""
    state = tmp_path_factory.mktemp("hanging")
    with opened_house(database_of(request, request.param), state, webhook_loopback=True) as built:
        yield built


@pytest.fixture
def mute() -> Iterator[Mute]:
    provider = Mute()
    yield provider
    provider.released.set()
    provider.close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with opened_sink() as opened:
        yield opened


@pytest.fixture
def door(town):
    with TestClient(create_app(town), raise_server_exceptions=False) as client:
        yield client
    town.clock.offset = timedelta()


def stuck(town, door, mute):
    """A shop with payments that only a provider which hangs can tell about."""
    shop = open_shop(town, door)
    shop = moved(shop, environment_id=add_environment(shop))
    url = mute.url("patient")
    connect(shop, "patient", url=url)
    for _ in range(LOST):
        mute.plan(url, "charge", wire.SILENCE)
        mute.plan(url, "find", *[mute.silence] * 8)
        session = shop.session()
        made(shop.complete(session["id"], "tok", email="ada@example.com"), 202)
    mute.hangs = True
    return shop


def left(town, shop, kind: str) -> int:
    """How many rows of a kind a shop still has."""
    with town.database.reading():
        heaps = town.backlog.look_at(
            Scope(shop.workspace_id, shop.environment_id, shop.application_id), town.clock.now()
        )
    return sum(heap.rows for heap in heaps.heaps if heap.kind == kind)


def hurry(town, shop, kind: str) -> None:
    """Let every row of a kind be due now."""
    row = tables.due.c
    mine = sa.and_(row.kind == kind, row.environment_id == shop.environment_id)
    execute(town, sa.update(tables.due).where(mine).values(run_at=town.clock.now()))


def within(seconds: float, is_so) -> bool:
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def beside(town, door, sink):
    """Another shop, with a session to expire, an outcome to ask about and an event to deliver."""
    shop = open_shop(town, door)
    shop.session()
    lost = shop.complete(shop.session()["id"], "tok_sandbox_outage_after_charge", email="ada@example.com")
    payment = made(lost, 202)["paymentId"]
    for kind in (EXPIRE, RECONCILE):
        hurry(town, shop, kind)
    body = {"url": sink.url(), "enabledEvents": ["cart.created"]}
    made(shop.post("/webhook-endpoints", body), 201)
    shop.cart()
    return shop, payment


def test_what_others_wait_for_is_done_while_a_provider_hangs(town, door, mute, sink):
    shop = stuck(town, door, mute)
    hurry(town, shop, RECONCILE)
    with crew_of(town, build_broker(None), threads=THREADS) as crew:
        assert within(PATIENCE_SECONDS, lambda: mute.asked)
        other, payment = beside(town, door, sink)
        crew.nudge()
        assert within(PATIENCE_SECONDS, lambda: left(town, other, EXPIRE) < 2)
        assert within(PATIENCE_SECONDS, lambda: made(other.get(f"/payments/{payment}"))["status"] == "captured")
        sink.wait(1, seconds=PATIENCE_SECONDS)
        assert not mute.released.is_set()
        assert mute.asked <= max(OUTSIDE_SHARE * THREADS // 4, 1), "one shop holds a quarter of the places"
        mute.released.set()
        assert within(6 * PATIENCE_SECONDS, lambda: mute.asked == LOST)
        assert within(PATIENCE_SECONDS, lambda: not left(town, shop, RECONCILE))


def test_threads_that_are_everybody_s_are_caught_hanging(town, door, mute, sink, monkeypatch):
    """The bug: what waits for providers is done by the threads that do everything else."""
    monkeypatch.setattr(actors, "OUTSIDE", frozenset())
    hurry(town, stuck(town, door, mute), RECONCILE)
    with crew_of(town, build_broker(None), threads=THREADS) as crew:
        assert within(PATIENCE_SECONDS, lambda: mute.asked == (1 + OUTSIDE_SHARE) * THREADS)
        other, _ = beside(town, door, sink)
        before = left(town, other, EXPIRE)
        crew.nudge()
        assert not within(2, lambda: left(town, other, EXPIRE) < before)
        mute.released.set()
