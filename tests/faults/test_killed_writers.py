"""Twenty writers change one cart while its servers are killed: its events count 1, 2, 3 … and each change is there once."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storage import tables
from storage.engine import parse
from tests.faults.evidence import FULL, evidence
from tests.faults.redemptions import Town, open_town
from tests.faults.test_planted import prepare
from tests.faults.tree import ROOT
from tests.faults.volley import Answer, Clients, Line

WRITERS = 20
KILLS = 40 if FULL else 2
SERVERS = {"sqlite": 1, "postgresql": 2}
BETWEEN_SECONDS = (0.3, 1.5)
"""How long a server that answers is left alone before it is killed."""

PATIENCE_SECONDS = 60
"""After so long a change that has no answer never gets one; a server is back sooner."""

SLOW = "event.before_insert=sleep:0.01"


@dataclass
class Writer:
    """Who changes one line of the cart again and again. ``done`` counts the changes that were answered."""

    number: int
    town: Town
    cart: str
    item: str
    done: int = 0
    broken: int = 0
    faults: list[str] = field(default_factory=list)
    line: Line | None = None

    async def write(self, ended: asyncio.Event) -> None:
        """Change the line until everybody has ended; whatever was not answered is asked again under its key."""
        while not ended.is_set() and not self.faults:
            answer = await self._insist(self.done + 1)
            if answer.status == 200:
                self.done += 1
            else:
                self.faults.append(f"a change was answered with {answer.status} {answer.code}")
        self._hang_up()

    async def _insist(self, quantity: int) -> Answer:
        path = f"/carts/{self.cart}/items/{self.item}"
        request = self.town.shop.ask("PATCH", path, {"quantity": quantity}, again=f"{self.number}-{quantity}")
        until = time.monotonic() + PATIENCE_SECONDS
        answer = Answer(0, b"")
        while time.monotonic() < until:
            try:
                answer = await self._ask(request)
            except OSError:  # the server is gone, perhaps with the change and perhaps without
                self._hang_up()
                self.broken += 1
            else:
                if (answer.status, answer.code) != (409, "idempotency_in_progress"):
                    return answer
            await asyncio.sleep(0.05)
        return answer

    def _hang_up(self) -> None:
        if self.line is not None:
            self.line.transport.close()
            self.line = None

    async def _ask(self, request: bytes) -> Answer:
        if self.line is None:
            ports = self.town.shop.ports
            port = ports[(self.number + self.broken) % len(ports)]
            _, self.line = await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", port)
        return await asyncio.wait_for(self.line.ask(request), 60)


async def opened(town: Town) -> list[Writer]:
    """Make a cart with a line for each writer."""
    async with Clients(town.shop.ports, 1) as clients:
        cart = await town.shop.cart(clients, *range(1, WRITERS + 1))
        lines = (await town.shop.need(clients, "GET", f"/carts/{cart}"))["lineItems"]
    # Each change has to be one: a line begins with a quantity that no writer asks for.
    return [Writer(number, town, cart, line["id"], done=1) for number, line in enumerate(lines)]


async def strike(town: Town, kills: int, ended: asyncio.Event) -> None:
    """Kill one server after the other, and start it again."""
    dice = random.Random(kills)
    try:
        for number in range(kills):
            await asyncio.sleep(dice.uniform(*BETWEEN_SECONDS))
            victim = number % len(town.processes)
            town.kill(victim)
            await asyncio.to_thread(town.start, victim)
        await asyncio.sleep(BETWEEN_SECONDS[0])
    finally:
        ended.set()


async def run(town: Town, kills: int) -> tuple[list[Writer], dict[str, int]]:
    """Write and kill; return the writers once each has had its last answer, and the quantities that the cart has then.

    The servers started meanwhile end with the loop, whose threads are their parents.
    """
    writers, ended = await opened(town), asyncio.Event()
    await asyncio.gather(strike(town, kills, ended), *(writer.write(ended) for writer in writers))
    async with Clients(town.shop.ports, 1) as clients:
        cart = await town.shop.need(clients, "GET", f"/carts/{writers[0].cart}")
    return writers, {line["id"]: line["quantity"] for line in cart["lineItems"]}


def judge(town: Town, writers: list[Writer], quantities: dict[str, int]) -> tuple[list[str], int]:
    """Return what is wrong, in sentences, and how many events there are."""
    cart = writers[0].cart
    faults = [fault for writer in writers for fault in writer.faults]
    engine = sa.create_engine(parse(town.shop.environ["PENSTOCK_DATABASE_URL"]), poolclass=sa.NullPool)
    wanted = sa.select(tables.events.c.sequence).where(tables.events.c.object_id == cart)
    with engine.connect() as connection:
        numbers = sorted(connection.execute(wanted).scalars())
    # The cart was made, each line was added, and each answered change has its own event.
    expected = 1 + WRITERS + sum(writer.done - 1 for writer in writers)
    if numbers != list(range(1, len(numbers) + 1)):
        faults.append(f"{len(numbers)} events end at {numbers[-1]}")
    if len(numbers) != expected:
        faults.append(f"{len(numbers)} events of {expected} changes")
    faults += [f"a line has {quantities[w.item]} of {w.done}" for w in writers if quantities[w.item] != w.done]
    return faults, len(numbers)


def test_killed_servers_leave_the_events_of_a_cart_without_gap_or_repeat(
    database: str, databases: Any, tmp_path: Path
) -> None:
    with (
        databases.fresh() as url,
        open_town(ROOT, url, tmp_path, servers=SERVERS[database], failpoints="") as town,
        evidence("twenty writers on one cart, servers killed", database, clients=WRITERS) as trial,
    ):
        writers, quantities = asyncio.run(run(town, KILLS))
        faults, trial.trials = judge(town, writers, quantities)
        trial.failures = len(faults)
        trial.remark = f"{KILLS} servers killed, {sum(writer.broken for writer in writers)} times nobody answered"
    assert not faults
    assert trial.trials > WRITERS + 1 + KILLS


@pytest.mark.parametrize(
    ("name", "kind", "failpoints"),
    [
        ("event_after_commit", "sqlite", SLOW),
        ("early_answer", "sqlite", ""),
        pytest.param("unlocked_sequence", "postgresql", SLOW, marks=pytest.mark.services),
    ],
)
def test_events_that_are_written_told_or_counted_apart_are_caught(
    name: str, kind: str, failpoints: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    databases = request.getfixturevalue("sqlite_databases" if kind == "sqlite" else "postgres_databases")

    def written(count: int) -> list[str]:
        folder = tmp_path / str(trial.trials)
        folder.mkdir()
        with databases.fresh() as url:
            tree = prepare(name, url, folder)
            with open_town(tree, url, folder, servers=SERVERS[kind], failpoints=failpoints) as town:
                faults, _ = judge(town, *asyncio.run(run(town, count)))
        return [fault for fault in faults if "events" in fault]

    with evidence(f"planted, servers killed: {name}", kind, clients=WRITERS) as trial:
        assert trial.hunt(written, 1, rounds=5)
