"""What must happen later happens, whatever becomes of relays, workers and the broker; nothing is ever lost there."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from jobs.actors import FIRST_RETRY, LAST_RETRY, UNKNOWN_KIND_RETRY, Runner, backoff, next_look
from jobs.broker import build_broker
from jobs.crew import crew_of
from jobs.relay import BATCH, LEASE, Relay
from penstock.caller import Scope
from penstock.flows.settle_payment import SCHEDULE
from storage import tables
from storage.due import DueTable
from tests.faults.town import die_with_parent, founded, serving
from tests.faults.tree import ROOT
from tests.faults.volley import Clients
from tests.shop import made
from tests.shops import app, client, clock, execute, house, open_shop  # noqa: F401  fixtures

THEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def in_words(moments: list[datetime]) -> list[timedelta]:
    return [later - earlier for earlier, later in zip([THEN, *moments], moments, strict=False)]


def test_a_provider_is_asked_again_after_the_stated_waits_and_then_a_person():
    moments, now = [], THEN
    for attempt in range(len(SCHEDULE)):
        now = next_look(attempt, since=THEN, now=now)
        moments.append(now)
    assert in_words(moments) == list(SCHEDULE)
    assert next_look(len(SCHEDULE), since=THEN, now=now) is None


def test_an_outage_of_ours_alone_never_calls_for_a_person():
    assert next_look(1, since=THEN, now=THEN + 30 * DAY) == THEN + 31 * DAY
    assert next_look(500, since=THEN, now=THEN + timedelta(hours=1)) is not None


def test_waits_after_our_own_failures_double_up_to_an_hour():
    assert [backoff(n) for n in (1, 2, 3)] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert {backoff(n) for n in (12, 100, 10_000)} == {LAST_RETRY}


@pytest.fixture
def store(house, client):  # noqa: F811  fixtures
    return open_shop(house, client)


@pytest.fixture
def rows(house):  # noqa: F811  fixtures
    return DueTable(house.database)


def scope_of(store) -> Scope:
    return Scope(store.workspace_id, store.environment_id, store.application_id)


def due_row(house, object_id):  # noqa: F811  fixtures
    engine = sa.create_engine(house.settings.database_url)
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.due).where(tables.due.c.object_id == object_id)).first()
    engine.dispose()
    return row


def lost_payment(store) -> dict:
    """A payment whose charge went through and whose answer was lost."""
    done = store.complete(store.session()["id"], "tok_sandbox_outage_after_charge", email="ada@example.com")
    return made(done, 202)


def work_off(house, rows) -> None:  # noqa: F811  fixtures
    runner = Runner(house, rows)
    while claimed := rows.claim(house.clock.now(), limit=BATCH, lease=LEASE):
        for row in claimed:
            runner.run_due(row.id, row.attempt)


def test_a_lost_answer_is_found_out_and_the_order_is_paid(house, store, rows, clock):  # noqa: F811
    lost = lost_payment(store)
    clock.advance(SCHEDULE[0])
    work_off(house, rows)
    assert made(store.get(f"/orders/{lost['orderId']}"))["paymentStatus"] == "captured"
    assert due_row(house, lost["paymentId"]) is None


def test_a_payment_that_nobody_can_tell_about_is_asked_for_eight_times_and_then_flagged(house, store, rows, clock):  # noqa: F811
    done = made(store.complete(store.session()["id"], "tok_sandbox_pending", email="ada@example.com"), 202)
    asked = []
    while row := due_row(house, done["paymentId"]):
        clock.offset = row.run_at - datetime.now(UTC) + timedelta(seconds=1)
        asked.append(row.run_at)
        work_off(house, rows)
    assert len(asked) == len(SCHEDULE)
    assert timedelta(days=3, hours=7) < asked[-1] - asked[0] < timedelta(days=3, hours=8)
    with house.work(scope_of(store), read=True) as uow:
        assert uow.payments.get(done["paymentId"]).needs_review


def test_a_session_expires_on_its_day_and_only_then(house, store, rows, clock):  # noqa: F811
    session = store.session()["id"]
    clock.advance(DAY - timedelta(minutes=5))
    work_off(house, rows)
    with house.work(scope_of(store), read=True) as uow:
        assert uow.sessions.get(session).status == "open"
    clock.advance(timedelta(minutes=6))
    work_off(house, rows)
    with house.work(scope_of(store), read=True) as uow:
        assert uow.sessions.get(session).status == "expired"
    assert due_row(house, session) is None


def test_a_row_of_an_unknown_kind_is_put_off_and_stays(house, store, rows):  # noqa: F811
    with house.work(scope_of(store)) as uow:
        uow.due.add("water_the_plants", f"fern-{store.application_id}", uow.now)
    before = house.clock.now()
    work_off(house, rows)
    row = due_row(house, f"fern-{store.application_id}")
    assert (row.attempts, row.lease_until) == (1, None)
    assert row.run_at >= before + UNKNOWN_KIND_RETRY


def test_a_row_whose_work_fails_is_tried_again_later(house, store, rows, clock, monkeypatch):  # noqa: F811
    lost = lost_payment(store)
    clock.advance(SCHEDULE[0])
    monkeypatch.setattr(house.cascade, "_guard", None)  # every call of a provider now fails with an AttributeError
    work_off(house, rows)
    row = due_row(house, lost["paymentId"])
    assert row.attempts == 1
    assert row.run_at > house.clock.now()
    monkeypatch.undo()
    clock.advance(LAST_RETRY)
    work_off(house, rows)
    assert made(store.get(f"/orders/{lost['orderId']}"))["paymentStatus"] == "captured"


def test_a_message_that_the_broker_loses_is_sent_again_after_the_lease(house, store, rows, clock):  # noqa: F811
    session = store.session()["id"]
    clock.advance(DAY + timedelta(minutes=1))
    assert Relay(rows, lambda *_: None, house.clock).run_once() >= 1
    work_off(house, rows)
    assert due_row(house, session).attempts == 1, "the lease holds"
    clock.advance(LEASE + timedelta(seconds=1))
    work_off(house, rows)
    assert due_row(house, session) is None


def test_a_stale_message_does_nothing(house, store, rows, clock):  # noqa: F811
    session = store.session()["id"]
    clock.advance(DAY + timedelta(minutes=1))
    (first,) = [r for r in rows.claim(house.clock.now(), limit=1000, lease=LEASE) if r.object_id == session]
    clock.advance(LEASE + timedelta(seconds=1))
    (second,) = [r for r in rows.claim(house.clock.now(), limit=1000, lease=LEASE) if r.object_id == session]
    Runner(house, rows).run_due(first.id, first.attempt)
    assert due_row(house, session).attempts == second.attempt == 2
    assert not rows.put_off(first, house.clock.now())


def test_four_relays_at_once_claim_each_row_once(house, store, rows):  # noqa: F811
    mine = {f"row-{store.application_id}-{n}" for n in range(200)}
    with house.work(scope_of(store)) as uow:
        for name in mine:
            uow.due.add("never", name, uow.now)
    claimed: list[str] = []

    def claim() -> None:
        while batch := rows.claim(house.clock.now(), limit=7, lease=LEASE):
            claimed.extend(row.object_id for row in batch if row.object_id in mine)

    relays = [threading.Thread(target=claim) for _ in range(4)]
    for relay in relays:
        relay.start()
    for relay in relays:
        relay.join()
    assert len(claimed) == len(mine) == len(set(claimed))
    execute(house, sa.delete(tables.due).where(tables.due.c.kind == "never"))


def test_a_crew_in_this_process_does_the_work_and_ends(house, store, rows, clock):  # noqa: F811
    session = store.session()["id"]
    clock.advance(DAY + timedelta(minutes=1))
    with crew_of(house, build_broker(None), threads=2) as crew:
        crew.nudge()
        wait_until(lambda: due_row(house, session) is None)


def test_a_crew_forgets_idempotency_keys_whose_day_is_over(house, store, clock):  # noqa: F811
    cart = {"applicationId": store.application_id}
    first = made(store.post("/carts", cart, headers={"Idempotency-Key": "once"}), 201)
    clock.advance(DAY + timedelta(hours=1))  # whatever crew worked here before has put the chore off by minutes
    with crew_of(house, build_broker(None), threads=1):
        wait_until(lambda: kept_keys(house) == 0)
    assert made(store.post("/carts", cart, headers={"Idempotency-Key": "once"}), 201)["id"] != first["id"]


def kept_keys(house) -> int:  # noqa: F811
    engine = sa.create_engine(house.settings.database_url)
    with engine.connect() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.idempotency_keys))
    engine.dispose()
    return count


def wait_until(is_so, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def workshop(postgres_databases, redis_url, tmp_path):
    """A shop on PostgreSQL and Redis, whose server leaves the jobs to workers."""
    with postgres_databases.fresh() as url, founded(ROOT, url, tmp_path) as shop:
        shop.environ["PENSTOCK_REDIS_URL"] = redis_url
        with serving(ROOT, shop.environ, log=tmp_path / "server.log") as port:
            shop.ports = [port]
            yield shop


def worker(shop, **environ) -> subprocess.Popen:
    command = [sys.executable, "-m", "penstock", "worker", "--threads", "2"]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=shop.environ | environ,
        stdout=-3,
        stderr=-3,
        preexec_fn=die_with_parent,  # noqa: PLW1509  one system call
    )


def catches(process: subprocess.Popen, number: signal.Signals) -> bool:
    """Whether a process has got so far that it handles a signal."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:"))
    return bool(caught >> (number - 1) & 1)


async def lose_answers(shop, count: int) -> list[dict]:
    async with Clients(shop.ports, 1) as clients:
        lost = []
        for _ in range(count):
            session = await shop.session(clients, await shop.cart(clients, 700))
            answer = await clients.ask(shop.complete(session, token="tok_sandbox_outage_after_charge"))
            assert answer.status == 202, answer
            lost.append(json.loads(answer.body))
        return lost


async def payment_statuses(shop, lost) -> set[str]:
    async with Clients(shop.ports, 1) as clients:
        return {(await shop.need(clients, "GET", f"/orders/{each['orderId']}"))["paymentStatus"] for each in lost}


def hasten(shop, **values) -> None:
    """Make every row due now."""
    engine = sa.create_engine(shop.environ["PENSTOCK_DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.update(tables.due).values(run_at=datetime.now(UTC) - timedelta(seconds=1), **values))
    engine.dispose()


@pytest.mark.services
def test_workers_that_are_killed_at_work_leave_it_to_the_next_one(workshop):
    lost = asyncio.run(lose_answers(workshop, 5))
    hasten(workshop)
    armed = {"PENSTOCK_TEST_FAILPOINTS": "1", "PENSTOCK_FAILPOINTS": "reconcile.after_lookup=kill"}
    assert worker(workshop, **armed).wait(30) == -signal.SIGKILL
    hasten(workshop, lease_until=None)
    crew = [worker(workshop), worker(workshop)]
    wait_until(lambda: asyncio.run(payment_statuses(workshop, lost)) == {"captured"}, 40)
    assert len(workshop.bank.executed()) == 5
    for each in crew:
        wait_until(lambda each=each: catches(each, signal.SIGTERM))
        each.send_signal(signal.SIGTERM)
    assert [each.wait(20) for each in crew] == [0, 0]


@pytest.mark.services
def test_losing_redis_altogether_loses_no_work(workshop, redis_url):
    lost = asyncio.run(lose_answers(workshop, 3))
    crew = worker(workshop)
    hasten(workshop)
    with redis.Redis.from_url(redis_url) as broker:
        for _ in range(40):
            broker.flushall()
            time.sleep(0.02)
    hasten(workshop, lease_until=None)
    wait_until(lambda: asyncio.run(payment_statuses(workshop, lost)) == {"captured"}, 40)
    wait_until(lambda: catches(crew, signal.SIGTERM))
    crew.send_signal(signal.SIGTERM)
    assert crew.wait(20) == 0
