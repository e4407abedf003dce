"""The program is killed at every failpoint, and nothing is lost: not an order, not a charge, not an event."""

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from penstock.failpoint import FAILPOINTS
from storage import tables
from storage.engine import parse
from tests.faults import messages
from tests.faults.crash import ELSEWHERE, IN_COMPLETE, IN_REFUND, IN_WRITE
from tests.faults.evidence import FULL, evidence
from tests.faults.town import Shop, founded, penstock, serving
from tests.faults.tree import ROOT
from tests.faults.volley import Clients

TRIALS = {"sqlite": 150, "postgresql": 150}
FULL_TRIALS = 5_000  # on each of the two databases


def run_crashes(shop: Shop, trials: int, *, batch: int = 125) -> dict:
    """Run the trials in a process of the shop's tree, and return its report."""
    order = {
        "trials": trials,
        "batch": batch,
        "application": shop.application,
        "key": shop.key,
        "bank_url": shop.bank.url,
    }
    environ = shop.environ | {"PENSTOCK_TEST_FAILPOINTS": "1", "PENSTOCK_THREADS": "1"}
    command = [sys.executable, "-m", "tests.faults.crash"]
    done = subprocess.run(command, cwd=shop.tree, env=environ, input=json.dumps(order), capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_kill_at_any_failpoint_loses_nothing_and_doubles_nothing(database: str, databases, tmp_path: Path):
    trials = FULL_TRIALS if FULL else TRIALS[database]
    with (
        databases.fresh() as url,
        founded(ROOT, url, tmp_path) as shop,
        evidence("kills at failpoints", database) as trial,
    ):
        report = run_crashes(shop, trials)
        trial.trials, trial.failures = report["trials"], len(report["faults"])
        dead, looks = _requests(report["killed"]), sum(report["killed"].values())
        trial.remark = f"{sum(dead.values())} of {report['trials']} killed at {len(dead)} places, {looks} kills in all"
        audit = penstock(ROOT, shop.environ, "audit")
    assert not report["faults"]
    assert not _requests(report["survived"]), "each of them came by the place where it was to die"
    assert set(dead) == {*IN_COMPLETE, *IN_REFUND, *IN_WRITE}
    assert set(FAILPOINTS) == {*dead, *ELSEWHERE}
    assert audit.returncode == 0, audit.stdout


def _requests(counts: dict[str, int]) -> dict[str, int]:
    """The counts of requests, without those of the looks between them."""
    return {place: count for place, count in counts.items() if not place.startswith("reconcile: ")}


KILLED = {"PENSTOCK_TEST_FAILPOINTS": "1", "PENSTOCK_FAILPOINTS": "provider.after_send=kill"}


def test_vector_19_a_server_killed_between_send_and_record_asks_the_provider_when_it_is_back(
    database: str, databases, tmp_path: Path
):
    with databases.fresh() as url, founded(ROOT, url, tmp_path) as shop:
        log = tmp_path / "server.log"
        with serving(ROOT, shop.environ | KILLED, log=log) as port:
            shop.ports = [port]
            session = asyncio.run(_die_while_paying(shop))
        assert len(shop.bank.executed()) == 1
        _make_old(url, timedelta(minutes=2))
        with serving(ROOT, shop.environ, log=log) as port:
            shop.ports = [port]
            paid = asyncio.run(_paid_by_itself(shop))
            assert [(each["state"], each["connector"]) for each in paid["attempts"]] == [("approved", "sandbox")]
            again = asyncio.run(_pay(shop, session))
            assert (again.status, again.json["paymentId"]) == (200, paid["id"])
        assert len(shop.bank.executed()) == 1
        assert penstock(ROOT, shop.environ, "audit").returncode == 0


KILLED_AT_MESSAGE = KILLED | {"PENSTOCK_FAILPOINTS": "message.after_commit=kill"}


def test_a_message_that_was_kept_before_a_kill_is_followed_and_counts_once(database: str, databases, tmp_path: Path):
    with databases.fresh() as url, founded(ROOT, url, tmp_path) as shop:
        log = tmp_path / "server.log"
        with serving(ROOT, shop.environ | KILLED_AT_MESSAGE, log=log) as port:
            shop.ports = [port]
            told = asyncio.run(messages.decided(shop))
            with pytest.raises(ConnectionError):
                asyncio.run(messages.tell(shop, told))
        _end_leases(url)
        with serving(ROOT, shop.environ, log=log) as port:
            shop.ports = [port]
            assert asyncio.run(messages.settled(shop, told)) == []
            assert asyncio.run(messages.tell(shop, told)).status == 200
            assert asyncio.run(messages.settled(shop, told)) == []
        assert penstock(ROOT, shop.environ, "audit").returncode == 0


async def _die_while_paying(shop: Shop) -> str:
    async with Clients(shop.ports, 1) as clients:
        session = await shop.session(clients, await shop.cart(clients, 700))
        with pytest.raises(ConnectionError):
            await clients.ask(shop.complete(session))
        return session


async def _pay(shop: Shop, session: str):
    async with Clients(shop.ports, 1) as clients:
        return await clients.ask(shop.complete(session))


async def _paid_by_itself(shop: Shop) -> dict:
    """The payment, once the server has found out about it without being asked."""
    until = time.monotonic() + 30
    async with Clients(shop.ports, 1) as clients:
        while True:
            listed = await shop.need(clients, "GET", "/payments")
            payment = await shop.need(clients, "GET", f"/payments/{listed['data'][0]['id']}")
            if payment["status"] == "captured" or time.monotonic() > until:
                return payment
            await asyncio.sleep(0.1)


def _end_leases(url: str) -> None:
    """Have the claims of a dead process run out: its relay may have been quicker than its end."""
    engine = sa.create_engine(parse(url))
    with engine.begin() as connection:
        connection.execute(sa.update(tables.due).values(lease_until=None))
    engine.dispose()


def _make_old(url: str, age: timedelta) -> None:
    """Have the attempt begun long ago, so that nobody can be sending it any more, and its row due."""
    engine = sa.create_engine(parse(url))
    then = datetime.now(UTC) - age
    with engine.begin() as connection:
        connection.execute(sa.update(tables.payment_attempts).values(started_at=then))
        connection.execute(sa.update(tables.due).where(tables.due.c.kind == "reconcile_payment").values(run_at=then))
    engine.dispose()
