"""The races: each is run against a shop and returns what went wrong, in sentences. The bank is the witness."""

import asyncio
import dataclasses
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from storage import tables
from storage.engine import parse
from tests.faults.town import Shop, penstock
from tests.faults.volley import Answer, Clients

RACERS = 20
HALF_A_DAY = 43_200
Race = Callable[[Shop, int], Coroutine[Any, Any, list[str]]]


def run(race: Race, shop: Shop, count: int) -> list[str]:
    """Run a race so many times and return the faults."""
    return asyncio.run(race(shop, count))


def tally(answers: list[Answer]) -> str:
    """Say which answers came how often."""
    return ", ".join(f"{n} x {status} {code}".strip() for (status, code), n in sorted(_counted(answers).items()))


def _counted(answers: list[Answer]) -> Counter[tuple[int, str]]:
    return Counter((answer.status, answer.code) for answer in answers)


class Prices:
    """Amounts that no other session of this shop has, so that the bank can tell the sessions apart."""

    def __init__(self, shop: Shop) -> None:
        self.next = max((row["amount"] for row in shop.bank.ledger()), default=1000) + 1

    def take(self) -> int:
        """Return one more."""
        self.next += 1
        return self.next


async def completes(shop: Shop, count: int) -> list[str]:
    """Twenty completions of one session: same key, other keys, no key. One charge, one order, one answer."""
    faults, prices, orders = [], Prices(shop), {}
    async with Clients(shop.ports, RACERS) as clients:
        for _ in range(count):
            amount = prices.take()
            session = await shop.session(clients, await shop.cart(clients, amount))
            keys = [f"{session}-same"] * 8 + [f"{session}-{n}" for n in range(8)] + [""] * 4
            answers = await clients.volley([shop.complete(session, again=key) for key in keys])
            answers.append(await clients.ask(shop.complete(session, again=f"{session}-same")))
            told = {answer.json["orderId"] for answer in answers if answer.status == 200}
            if answers[-1].status != 200 or len(told) != 1 or any(a.status not in (200, 409) for a in answers):
                faults.append(f"{len(told)} orders, {tally(answers)}")
            orders[amount] = told
        charges = Counter(row["amount"] for row in shop.bank.executed())
        faults += [f"{charges[amount]} charges of {amount}" for amount in orders if charges[amount] != 1]
        for amount, told in orders.items():
            for each in told:
                order = await shop.need(clients, "GET", f"/orders/{each}")
                if (order["total"], order["paymentStatus"]) != (amount, "captured"):
                    faults.append(f"an order of {amount} says {order['total']} {order['paymentStatus']}")
    return faults


async def unknowns(shop: Shop, count: int) -> list[str]:
    """Twenty completions whose charge goes through and whose answer is lost, then twenty with another card."""
    faults, prices, asked = [], Prices(shop), []
    async with Clients(shop.ports, RACERS) as clients:
        for _ in range(count):
            asked.append(prices.take())
            session = await shop.session(clients, await shop.cart(clients, asked[-1]))
            for token in ("tok_sandbox_outage_after_charge", "tok_sandbox_approve"):
                answers = await clients.volley([shop.complete(session, token=token) for _ in range(RACERS)])
                if any(answer.status not in (200, 202, 409, 422) for answer in answers):
                    faults.append(f"{token}: {tally(answers)}")
    charges = Counter(row["amount"] for row in shop.bank.executed())
    return faults + [f"{charges[amount]} charges of {amount}" for amount in asked if charges[amount] != 1]


async def edits(shop: Shop, count: int) -> list[str]:
    """Ten completions and ten edits of the cart: quantity, code, tax, shipping. What is charged is the locked snapshot."""
    faults, charged = [], Counter[int]()
    prices = Prices(shop)
    async with Clients(shop.ports, RACERS) as clients:
        code = await _tenth(shop, clients)
        for _ in range(count):
            cart = await shop.cart(clients, prices.take() * 1000)
            item = (await shop.need(clients, "GET", f"/carts/{cart}"))["lineItems"][0]["id"]
            session = await shop.session(clients, cart)
            pays = [shop.complete(session, again=f"{session}-{n}") for n in range(10)]
            changes = _changes(shop, cart, item, code)
            answers = await clients.volley([one for pair in zip(changes, pays, strict=True) for one in pair])
            paid = await clients.ask(shop.complete(session))
            if paid.status != 200 or any(answer.status not in (200, 409) for answer in answers):
                faults.append(f"{paid.status}, {tally(answers)}")
                continue
            order = await shop.need(clients, "GET", f"/orders/{paid.json['orderId']}")
            after = await shop.need(clients, "GET", f"/carts/{cart}")
            charged[order["total"]] += 1
            says = [paid.json["amount"], order["total"], _sum(order), after["total"], _sum(after)]
            same = ("discountTotal", "taxTotal", "shippingTotal", "appliedDiscount")
            if len(set(says)) != 1 or any(order[name] != after[name] for name in same):
                faults.append(f"charged {says[0]}, the order says {says[1:3]}, the cart {says[3:]}")
    bank = Counter(row["amount"] for row in shop.bank.executed())
    return faults + [
        f"{bank[amount]} charges of {amount}, {n} orders" for amount, n in charged.items() if bank[amount] != n
    ]


async def _tenth(shop: Shop, clients: Clients) -> str:
    """Return the code of a discount that everybody may use as often as they like."""
    code = f"EDITS{Prices(shop).next}"
    body = {"code": code, "name": "A tenth", "type": "percentage", "value": 10, "maxRedemptionsPerCustomer": None}
    await shop.need(clients, "POST", "/discounts", body)
    return code


def _changes(shop: Shop, cart: str, item: str, code: str) -> list[bytes]:
    tax = {"lineItemId": item, "jurisdictionCode": "DE", "taxType": "vat", "rate": 0.19, "amount": 777}
    rate = {"methodId": "m", "displayName": "Post", "rateAmount": 333}
    quantities = [shop.ask("PATCH", f"/carts/{cart}/items/{item}", {"quantity": n}) for n in range(2, 6)]
    codes = [shop.ask("POST", f"/carts/{cart}/apply-discount", {"code": code}) for _ in range(2)]
    taxes = [
        shop.ask("PUT", f"/carts/{cart}/tax-lines", {"lines": [tax]}),
        shop.ask("DELETE", f"/carts/{cart}/tax-lines"),
    ]
    others = [shop.ask("DELETE", f"/carts/{cart}/discount"), shop.ask("POST", f"/carts/{cart}/shipping", rate)]
    return [*quantities, *codes, *taxes, *others]


def _sum(priced: dict[str, Any]) -> int:
    return sum(line["total"] for line in priced["lineItems"]) + priced["shippingTotal"]


async def writers(shop: Shop, count: int) -> list[str]:
    """Twenty clients add a line to one cart. Its events count 1, 2, 3 and so on, and no line is lost."""
    faults = []
    async with Clients(shop.ports, RACERS) as clients:
        for _ in range(count):
            cart = await shop.cart(clients)
            line = {"name": "A thing", "unitPrice": 1}
            answers = await clients.volley([shop.ask("POST", f"/carts/{cart}/items", line) for _ in range(RACERS)])
            events = await shop.need(clients, "GET", f"/carts/{cart}/events?limit=100")
            after = await shop.need(clients, "GET", f"/carts/{cart}")
            numbers = [event["sequence"] for event in events["data"]]
            if numbers != list(range(1, RACERS + 2)) or {answer.status for answer in answers} != {201}:
                faults.append(f"events {numbers}, {tally(answers)}")
            if after["total"] != RACERS:
                faults.append(f"{after['total']} of {RACERS} lines are in the total")
    return faults


async def tellings(shop: Shop, count: int) -> list[str]:
    """Five slow completions beside fifteen quick carts: ids are not committed in their order. Every event is told."""
    prices = Prices(shop)
    async with Clients(shop.ports, RACERS) as clients:
        for _ in range(count):
            sessions = [await shop.session(clients, await shop.cart(clients, prices.take())) for _ in range(5)]
            carts = [shop.ask("POST", "/carts", {"applicationId": shop.application}) for _ in range(15)]
            answers = await clients.volley([*(shop.complete(each) for each in sessions), *carts])
            if any(answer.status not in (200, 201) for answer in answers):
                return [tally(answers)]
        written = _events_of(shop)
        seen: list[int] = []
        until = time.monotonic() + 15
        while len(seen) < written and time.monotonic() < until:
            after = seen[-1] if seen else 0
            page = await shop.need(clients, "GET", f"/events?afterSequence={after}&limit=200")
            seen += [event["streamSequence"] for event in page["data"]]
            await asyncio.sleep(0 if page["data"] else 0.2)
    faults = [] if seen == list(range(1, len(seen) + 1)) else ["the numbers have gaps"]
    return faults + ([f"{written - len(seen)} of {written} events were never told"] if len(seen) != written else [])


def _events_of(shop: Shop) -> int:
    """How many events the shop's database holds."""
    engine = sa.create_engine(parse(shop.environ["PENSTOCK_DATABASE_URL"]))
    with engine.connect() as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.events))
    engine.dispose()
    return count or 0


async def keys(shop: Shop, count: int) -> list[str]:
    """One idempotency key, used by ten racers of one tenant and ten of another. Each tenant has one cart, its own."""
    faults = []
    other = _second_tenant(shop)
    async with Clients(shop.ports, RACERS) as clients:
        for number in range(count):
            asks = [
                tenant.ask(
                    "POST", "/carts", {"applicationId": tenant.application}, again=f"{other.application}-{number}"
                )
                for tenant in (shop, other)
            ]
            answers = await clients.volley([asks[n % 2] for n in range(RACERS)])
            again = await clients.volley(asks)
            for own, (tenant, repeat) in enumerate(zip((shop, other), again, strict=True)):
                made = {answer.body for answer in answers[own::2] if answer.status == 201}
                if any(answer.status not in (201, 409) for answer in answers) or made != {repeat.body}:
                    faults.append(f"{len(made)} carts, the repeat {repeat.status}, {tally(answers[own::2])}")
                elif repeat.json["applicationId"] != tenant.application:
                    faults.append("one tenant was given the other's cart")
    return faults


async def advances(shop: Shop, count: int) -> list[str]:
    """Twenty clients move one test clock: it goes as far as those were told whom it obeys, and what is due is done on time."""
    faults, tenant = [], _second_tenant(shop)
    async with Clients(shop.ports, RACERS) as clients:
        await tenant.need(clients, "POST", "/test-clock")
        for _ in range(count):
            before = await _ready_clock(tenant, clients)
            cart = await tenant.cart(clients, 1000)
            asks = [tenant.ask("POST", "/test-clock/advance", {"seconds": HALF_A_DAY + n}) for n in range(RACERS)]
            answers = await clients.volley(asks)
            moved = sum(HALF_A_DAY + n for n, answer in enumerate(answers) if answer.status in (200, 202))
            after = await _ready_clock(tenant, clients)
            if after - before != timedelta(seconds=moved) or any(a.status not in (200, 202, 409) for a in answers):
                faults.append(f"moved by {after - before}, {tally(answers)}")
            faults += await _left(tenant, clients, cart, before, after)
        gone = await clients.ask(tenant.ask("DELETE", "/test-clock"))
    return faults if gone.status == 204 else [*faults, f"the clock did not go: {gone}"]


async def _ready_clock(tenant: Shop, clients: Clients) -> datetime:
    """Return where the clock stands once it has arrived."""
    until = time.monotonic() + 60
    while (clock := await tenant.need(clients, "GET", "/test-clock"))["status"] != "ready":
        assert time.monotonic() < until, clock
        await asyncio.sleep(0.02)
    return datetime.fromisoformat(clock["now"])


async def _left(tenant: Shop, clients: Clients, cart: str, made_at: datetime, now: datetime) -> list[str]:
    """Return whether a cart was given up too early, too late or not at all."""
    due = made_at + timedelta(days=1)
    page = await tenant.need(clients, "GET", "/abandoned-carts?limit=100")
    left = [each["abandonedAt"] for each in page["data"] if each["id"] == cart]
    expected = [due] if due <= now else []
    return [] if [datetime.fromisoformat(at) for at in left] == expected else [f"given up at {left}, due at {due}"]


def _second_tenant(shop: Shop) -> Shop:
    # The races of one file share a database, and each wants a tenant that nobody else has.
    name = f"Another shop {uuid.uuid4().hex}"
    done = penstock(shop.tree, shop.environ, "init", "--json", "--name", name)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return dataclasses.replace(shop, application=made["applicationId"], key=made["secretKey"])
