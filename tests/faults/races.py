"""The races: each is run against a shop and returns what went wrong, in sentences. The bank is the witness."""

import asyncio
import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from tests.faults.town import Shop, penstock
from tests.faults.volley import Answer, Clients

RACERS = 20
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
    """Ten completions and ten edits of the cart's one line. What is charged is what the order and the cart say."""
    faults, charged = [], Counter[int]()
    prices = Prices(shop)
    async with Clients(shop.ports, RACERS) as clients:
        for _ in range(count):
            cart = await shop.cart(clients, prices.take() * 1000)
            item = (await shop.need(clients, "GET", f"/carts/{cart}"))["lineItems"][0]["id"]
            session = await shop.session(clients, cart)
            changes = [shop.ask("PATCH", f"/carts/{cart}/items/{item}", {"quantity": n}) for n in range(2, 12)]
            pays = [shop.complete(session, again=f"{session}-{n}") for n in range(10)]
            answers = await clients.volley([one for pair in zip(changes, pays, strict=True) for one in pair])
            paid = await clients.ask(shop.complete(session))
            if paid.status != 200 or any(answer.status not in (200, 409) for answer in answers):
                faults.append(f"{paid.status}, {tally(answers)}")
                continue
            order = await shop.need(clients, "GET", f"/orders/{paid.json['orderId']}")
            after = await shop.need(clients, "GET", f"/carts/{cart}")
            charged[order["total"]] += 1
            says = [order["total"], _sum(order), after["total"], _sum(after)]
            if len(set(says)) != 1:
                faults.append(f"the order says {says[0]}, its lines {says[1]}, the cart {says[2]}, its lines {says[3]}")
    bank = Counter(row["amount"] for row in shop.bank.executed())
    return faults + [
        f"{bank[amount]} charges of {amount}, {n} orders" for amount, n in charged.items() if bank[amount] != n
    ]


def _sum(priced: dict[str, Any]) -> int:
    return sum(line["total"] for line in priced["lineItems"])


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


async def keys(shop: Shop, count: int) -> list[str]:
    """One idempotency key, used by ten racers of one tenant and ten of another. Each tenant has one cart, its own."""
    faults = []
    other = _second_tenant(shop)
    async with Clients(shop.ports, RACERS) as clients:
        for number in range(count):
            asks = [
                tenant.ask("POST", "/carts", {"applicationId": tenant.application}, again=f"race-{number}")
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


def _second_tenant(shop: Shop) -> Shop:
    done = penstock(shop.tree, shop.environ, "init", "--json", "--name", "Another shop")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return dataclasses.replace(shop, application=made["applicationId"], key=made["secretKey"])
