"""Fifty buyers, one discount: sessions and completions race for its places, some are declined, and servers are killed.

Run as ``python -m tests.faults.redemptions`` in a tree, it does everything that is due within the next days, as workers
would that were never killed: sessions expire, open outcomes are settled. The bank is the witness of what was paid.
"""

import asyncio
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from bootstrap import build
from penstock.caller import Caller, Scope, Standing
from penstock.cart import LineItem, new_cart
from penstock.flows.apply_discount import apply_discount
from penstock.flows.open_session import open_session
from penstock.ids import new_id
from penstock.ports import UnitOfWork, Work
from penstock.session import Collect
from penstock.settings import load
from storage.engine import parse
from tests.faults.town import Shop, _await_health, die_with_parent, founded, penstock
from tests.faults.volley import Answer, Clients, Line
from tests.servers import free_port

RACERS = 50
LIMITS = (1, 3, 10)
PATIENCE = 10
FIRST_PRICE = 100_000
"""Prices are ten apart, so that no discounted one is another's full one within a run."""

PAUSES = "discount.reserved=sleep:0.005"
LOOKS = (2, 10, 60, 26 * 60, 50 * 60)
"""How many minutes after the races everything that is due then is done."""


@dataclass
class Town:
    """A shop whose servers can be killed and started again."""

    shop: Shop
    processes: list[subprocess.Popen[bytes]]
    folder: Path
    failpoints: str = PAUSES
    deaths: int = 0
    """How many servers were killed while they were asked."""

    def start(self, number: int) -> None:
        """Start a server on its port, and wait until it answers."""
        armed = self.shop.environ | {"PENSTOCK_TEST_FAILPOINTS": "1", "PENSTOCK_FAILPOINTS": self.failpoints}
        port = self.shop.ports[number]
        command = [sys.executable, "-m", "penstock", "serve", "--port", str(port)]
        with (self.folder / "server.log").open("a") as out:
            process = subprocess.Popen(
                command,
                cwd=self.shop.tree,
                env=armed,
                stdout=out,
                stderr=out,
                preexec_fn=die_with_parent,  # noqa: PLW1509  one system call
            )
        self.processes[number : number + 1] = [process]
        _await_health(process, port)

    def kill(self, number: int) -> None:
        """End a server as a power cut would."""
        self.processes[number].kill()
        self.processes[number].wait()


@contextmanager
def open_town(tree: Path, url: str, folder: Path, *, servers: int, failpoints: str = PAUSES) -> Iterator[Town]:
    """Set a shop up and run so many servers over its database, with these failpoints armed in each."""
    with ExitStack() as stack:
        shop = stack.enter_context(founded(tree, url, folder))
        town = Town(replace(shop, ports=[free_port() for _ in range(servers)]), [], folder, failpoints)
        try:
            for number in range(servers):
                town.start(number)
            yield town
        finally:
            for process in town.processes:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class Prize:
    """What is raced for: a discount of a tenth with ``limit`` places, for all together or for the one customer."""

    number: int
    limit: int
    is_of_customer: bool
    discount: str

    @property
    def code(self) -> str:
        """The code."""
        return f"RUSH{self.number}"

    @property
    def price(self) -> int:
        """What a cart costs without it."""
        return FIRST_PRICE + 10 * self.number

    @property
    def reduced(self) -> int:
        """What a cart costs with it."""
        return self.price - self.price // 10


TOGETHER = 10
"""How many discounts are raced for at once where a server is killed: each death then falls into so many races."""


async def rush(town: Town, numbers: range, *, kills: bool) -> list[Prize]:
    """Run a race for each number and return what was raced for. Where servers are killed, half of the races see one die."""
    dice = random.Random(numbers.start)
    prizes = []
    with backroom(town.shop) as work:
        for first in range(numbers.start, numbers.stop, 2 * TOGETHER):
            some = numbers[first - numbers.start :][: 2 * TOGETHER]
            for batch, is_struck in _batches(some, kills=kills):
                victim = dice.randrange(len(town.processes)) if is_struck else None
                prizes += await _races(town, work, batch, victim, dice.uniform(0.02, 0.4))
                if victim is not None:
                    town.start(victim)
    return prizes


def _batches(numbers: range, *, kills: bool) -> list[tuple[range, bool]]:
    """Half of the races one by one, so that all fifty are at one discount; the others together, with a death among them."""
    if not kills:
        return [(range(n, n + 1), False) for n in numbers]
    half = len(numbers) // 2
    return [*((range(n, n + 1), False) for n in numbers[half:]), (numbers[:half], True)]


async def _races(town: Town, work: Work, numbers: range, victim: int | None, after: float) -> list[Prize]:
    async with Clients(town.shop.ports, RACERS * len(numbers)) as clients:
        prizes = [await _prize(town.shop, clients, number) for number in numbers]
        places = [place for prize in prizes for place in ready(work, prize)]
        racers = [_race(town.shop, clients, n, place, prizes[n // RACERS]) for n, place in enumerate(places)]
        killer = [_kill(town, victim, after)] if victim is not None else []
        for ended in await asyncio.gather(*racers, *killer, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, ConnectionError):
                raise ended
    return prizes


async def _kill(town: Town, number: int, after: float) -> None:
    await asyncio.sleep(after)
    town.kill(number)
    town.deaths += 1


async def _prize(shop: Shop, clients: Clients, number: int) -> Prize:
    limit, is_of_customer = LIMITS[number % len(LIMITS)], number % 4 == 3
    body = {"code": f"RUSH{number}", "name": "Rush", "type": "percentage", "value": 10}
    body |= (
        {"maxRedemptionsPerCustomer": limit}
        if is_of_customer
        else {"usageLimit": limit, "maxRedemptionsPerCustomer": None}
    )
    made = await shop.need(clients, "POST", "/discounts", body)
    return Prize(number, limit, is_of_customer, made["id"])


@contextmanager
def backroom(shop: Shop) -> Iterator[Work]:
    """Open the shop's database in this process: what stands before a race is put there without a server's help."""
    environ = shop.environ
    given = load(
        database_url=environ["PENSTOCK_DATABASE_URL"],
        secret_key=environ["PENSTOCK_SECRET_KEY"],
        state_dir=environ["PENSTOCK_STATE_DIR"],
    )
    with build(given) as house:
        yield partial(house.work, Scope(*shop.scope))


def ready(work: Work, prize: Prize) -> list[tuple[str, str]]:
    """Give each racer a cart with the code on it; every other one has had a session since before that."""
    with work() as uow:
        carts = [new_cart(cart_id=new_id(), scope=uow.scope, currency="EUR", now=uow.now) for _ in range(RACERS)]
        for cart in carts:
            cart.add_item(LineItem(id=new_id(), name="A thing", unit_price=prize.price), uow.now)
            uow.carts.add(cart)
        sessions = {cart.id: _session(uow, cart.id) for cart in carts[::2]}
    with work() as uow:
        for cart in carts:
            apply_discount(uow, cart.id, prize.code)
    return [(cart.id, sessions.get(cart.id, "")) for cart in carts]


def _session(uow: UnitOfWork, cart_id: str) -> str:
    caller = Caller(uow.scope, "secret", "races", "sandbox", is_production=False, standing=Standing(True, True, False))
    session, _ = open_session(uow, caller, {"application_id": uow.scope.application_id, "cart_id": cart_id, **_FIELDS})
    return session.id


_FIELDS: Final = {
    "return_url": "https://shop.example/thanks",
    "cancel_url": "https://shop.example/cart",
    "collect": Collect(shipping_address=False),
}


def _opening(shop: Shop, cart: str) -> bytes:
    urls = {"returnUrl": _FIELDS["return_url"], "cancelUrl": _FIELDS["cancel_url"]}
    wanted = {"applicationId": shop.application, "cartId": cart, "collect": {"shippingAddress": False}, **urls}
    return shop.ask("POST", "/checkout/sessions", wanted)


async def _race(shop: Shop, clients: Clients, number: int, place: tuple[str, str], prize: Prize) -> None:
    """Open a session if there is none yet, and pay; a fifth of the buyers are declined first, and try again."""
    cart, session = place
    line = clients.lines[number]
    if not session:
        opened = await _patient(line, _opening(shop, cart))
        if opened.status != 201:
            assert (opened.status, opened.code) == (422, "discount_invalid"), opened
            return
        session = opened.json["id"]
    email = "ada@example.com" if prize.is_of_customer else f"buyer{number}@example.com"
    tokens = ["tok_sandbox_decline_hard"] if number % 5 == 0 else []
    for token in [*tokens, "tok_sandbox_approve"]:
        body = {"paymentMethod": "card", "paymentToken": token, "email": email}
        path = f"/checkout-sessions/{session}/complete"
        paid = await _patient(line, shop.ask("POST", path, body, with_key=False))
        if (paid.status, paid.code) == (422, "discount_invalid"):
            return
        assert paid.status in (200, 402), paid


async def _patient(line: Line, asking: bytes) -> Answer:
    """Ask, and ask again while the server says that it is too busy, as a shop does that reads ``Retry-After``."""
    for _ in range(PATIENCE):
        answer = await asyncio.wait_for(line.ask(asking), 60)
        if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
            return answer
        await asyncio.sleep(1)
    raise AssertionError(f"busy {PATIENCE} times: {answer}")


def settle(shop: Shop) -> None:
    """Do everything that is due within the next days."""
    environ = shop.environ | {"PENSTOCK_TEST_FAILPOINTS": "1", "PENSTOCK_THREADS": "1"}
    command = [sys.executable, "-m", "tests.faults.redemptions"]
    done = subprocess.run(command, cwd=shop.tree, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def judge(shop: Shop, prizes: list[Prize]) -> tuple[list[str], int]:
    """Return what is wrong, in sentences, and how many places were used in all."""
    url, faults, used = shop.environ["PENSTOCK_DATABASE_URL"], [], 0
    charged = Counter(row["amount"] for row in shop.bank.executed())
    engine = sa.create_engine(parse(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        counts = {row.code: row for row in connection.execute(sa.text("SELECT * FROM discounts"))}
        paid = Counter(connection.execute(sa.text(_PAID)).scalars())
    for prize in prizes:
        row, bank = counts[prize.code], charged[prize.reduced]
        used += bank
        if bank > prize.limit:
            faults.append(f"{prize.code}: {bank} charges for {prize.limit} places")
        if row.times_reserved:
            faults.append(f"{prize.code}: {row.times_reserved} places are still reserved")
        if not row.times_redeemed == paid[prize.code] == bank:
            faults.append(f"{prize.code}: {row.times_redeemed} redeemed, {paid[prize.code]} orders, {bank} charges")
    told = penstock(shop.tree, shop.environ, "audit")
    if told.returncode:
        faults.append(told.stdout[-1000:])
    return faults, used


_PAID = "SELECT discount_code FROM orders WHERE payment_status = 'captured' AND applied_amount > 0"


def main() -> None:
    """Do what is due, at one moment after the other."""
    from handlers import logs
    from jobs.actors import Runner
    from jobs.relay import LEASE
    from storage.due import DueTable
    from tests.faults.crash import ShiftedClock

    logs.configure("error", "json")
    clock = ShiftedClock()
    with build(load(), clock=clock) as house:
        rows = DueTable(house.database)
        runner: Any = Runner(house, rows)
        for minutes in LOOKS:
            clock.ahead = timedelta(minutes=minutes)
            while claimed := rows.claim(clock.now(), limit=100, lease=LEASE):
                for row in claimed:
                    runner.run_due(row.id, row.attempt)


if __name__ == "__main__":
    main()
