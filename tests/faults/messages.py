"""The race of a provider's messages against its own answers. The bank is the witness of what was charged.

Whoever sends a message knows the charge's key from the bank's books, so a message may come before the charge is executed.
"""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import sqlalchemy as sa

from connectors.payments import sandbox_messages
from penstock.clock import SystemClock
from storage import tables
from storage.engine import parse
from tests.bench.checkout import API
from tests.faults.races import RACERS, Prices, tally
from tests.faults.town import Shop
from tests.faults.volley import Answer, Clients

SECRET = "whsec_of_the_fault_tests"
SETTLED_SECONDS = 20
"""How long the last outcomes may take. Far less than the 30 s after which the schedule would ask by itself."""

OPEN = "tok_sandbox_pending"
KINDS = (
    ("tok_sandbox_delay_30", True),
    ("tok_sandbox_timeout_after_charge", True),
    ("tok_sandbox_outage_after_charge", True),
    (OPEN, True),
    (OPEN, False),
)
"""Each charge's token, and whether its money is taken in the end."""


async def messages(shop: Shop, count: int) -> list[str]:
    """Five completions race messages about their charge, told twice and in any order. One outcome, each event once."""
    faults, prices, sessions, told = [], Prices(shop), {}, set()
    async with Clients(shop.ports, RACERS) as clients:
        path = await _connected(shop, clients)
        for number in range(count):
            token, is_paid = KINDS[number % len(KINDS)]
            price = prices.take()
            session = await shop.session(clients, await shop.cart(clients, price))
            sessions[session] = (price, is_paid)
            told |= {f"{session}-{n}" for n in range(4)}
            pays = [shop.complete(session, token=token, again=f"{session}-{n % 2}") for n in range(5)]
            decision = is_paid if token == OPEN else None
            answers, taken = await asyncio.gather(clients.volley(pays), _told(shop, clients, path, session, decision))
            if decision is False:
                told |= await _told_of_others(shop, clients, path, session)
            if any(answer.status not in (200, 202, 402, 409) for answer in answers):
                faults.append(f"{token}: {tally(answers)}")
            if any(answer.status != 200 for answer in taken):
                faults.append(f"messages about {token}: {tally(taken)}")
        await _settled(shop, clients)
    return faults + _judged(shop, sessions, told)


@dataclass(frozen=True)
class Told:
    """A payment that the bank left open and has decided since: its session, its price, and the bank's message of it."""

    session: str
    price: int
    message: bytes


async def decided(shop: Shop) -> Told:
    """Make such a payment."""
    async with Clients(shop.ports, 1) as clients:
        path = await _connected(shop, clients)
        session = await shop.session(clients, await shop.cart(clients, 700))
        waiting = await clients.ask(shop.complete(session, token=OPEN))
        assert waiting.status == HTTPStatus.ACCEPTED, waiting
        key = await _heard(shop, session)
        await _decided(shop, key, approve=True)
        return Told(session, 700, _message(path, "evt_kept", key))


async def tell(shop: Shop, told: Told) -> Answer:
    """Send the bank's message."""
    async with Clients(shop.ports, 1) as clients:
        return await clients.ask(told.message)


async def settled(shop: Shop, told: Told) -> list[str]:
    """Wait until the payment is no longer open; return what is wrong with it then."""
    async with Clients(shop.ports, 1) as clients:
        await _settled(shop, clients)
    return _judged(shop, {told.session: (told.price, True)}, {"evt_kept"})


async def _connected(shop: Shop, clients: Clients) -> str:
    """Give the shop's connection a secret, and return where its messages go."""
    (connection,) = (await shop.need(clients, "GET", "/connectors"))["data"]
    await shop.need(clients, "PATCH", f"/connectors/{connection['id']}", {"settings": {"webhook_secret": SECRET}})
    return f"/inbound/sandbox/{connection['id']}"


async def _told(shop: Shop, clients: Clients, path: str, session: str, decision: bool | None) -> list[Answer]:
    """Tell of a session's charge when the bank has heard of it, when it decides, and later; each event twice."""
    lines = clients.lines[10:]
    key = await _heard(shop, session)

    def tell(*numbers: int) -> list[Coroutine[Any, Any, Answer]]:
        asks = [_message(path, f"{session}-{n}", key) for n in numbers for _ in range(2)]
        return [_asked(line, ask) for line, ask in zip(lines, asks, strict=False)]

    first = await asyncio.gather(*tell(0, 1))
    if decision is not None:
        await _decided(shop, key, approve=decision)
    return first + await asyncio.gather(*tell(2, 1, 3, 0))


async def _told_of_others(shop: Shop, clients: Clients, path: str, session: str) -> set[str]:
    """Decide and tell of a session's later charges; returns the messages' ids.

    A completion that comes by after the first payment has failed is a buyer's next try, and begins another one.
    """
    later = await asyncio.to_thread(lambda: shop.bank.calls(session)[1:])
    told = {f"{session}-later-{number}": str(call["key"]) for number, call in enumerate(later)}
    for event_id, key in told.items():
        await _decided(shop, key, approve=False)
        answer = await clients.ask(_message(path, event_id, key))
        assert answer.status == HTTPStatus.OK, answer
    return set(told)


async def _heard(shop: Shop, session: str) -> str:
    """Return the key of a session's charge as soon as the bank was asked for it."""
    calls = await _until(lambda: shop.bank.calls(session))
    return str(calls[0]["key"])


async def _decided(shop: Shop, key: str, *, approve: bool) -> None:
    """Decide a charge that the bank leaves open, as soon as it stands in its books."""
    (row,) = await _until(lambda: [each for each in shop.bank.ledger() if each["key"] == key])
    await asyncio.to_thread(lambda: shop.bank.settle(row["ref"], approve=approve))


async def _until(look: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Look until there is something. Raises TimeoutError after 30 seconds."""
    async with asyncio.timeout(30):
        while not (found := await asyncio.to_thread(look)):  # noqa: ASYNC110  the bank is another process
            await asyncio.sleep(0.002)
    return found


async def _asked(line: Any, request: bytes) -> Answer:
    return await asyncio.wait_for(line.ask(request), 30)


def _message(path: str, event_id: str, key: str) -> bytes:
    body = json.dumps({"id": event_id, "type": "charge.updated", "key": key}).encode()
    ((name, value),) = sandbox_messages.signed(body, SECRET, SystemClock().now()).items()
    head = f"POST {API}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{name}: {value}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _settled(shop: Shop, clients: Clients) -> None:
    """Wait until no payment is open and every message was followed."""
    until = time.monotonic() + SETTLED_SECONDS
    unfollowed = sa.select(sa.func.count()).select_from(tables.inbox).where(tables.inbox.c.handled_at.is_(None))
    while time.monotonic() < until:
        waiting = await shop.need(clients, "GET", "/payments?status=pending&limit=1")
        if not waiting["data"] and not _rows(shop, unfollowed)[0][0]:
            return
        await asyncio.sleep(0.1)


def _rows(shop: Shop, statement: Any) -> Any:
    engine = sa.create_engine(parse(shop.environ["PENSTOCK_DATABASE_URL"]), poolclass=sa.NullPool)
    with engine.connect() as beside:
        return beside.execute(statement).all()


def _judged(shop: Shop, sessions: dict[str, tuple[int, bool]], told: set[str]) -> list[str]:
    """Compare what the database says of each session with the bank's books, and count events and messages."""
    faults = []
    executed = Counter(row["amount"] for row in shop.bank.executed())
    payments = defaultdict(list)
    for row in _rows(shop, sa.select(tables.payments)):
        payments[row.session_id].append(row)
    events = Counter((str(row.object_id), row.type) for row in _rows(shop, sa.select(tables.events)))
    sales = Counter(str(row.payment_id) for row in _rows(shop, sa.select(tables.transactions)))
    for session, (price, is_paid) in sessions.items():
        made = [payment.status for payment in payments[session]]
        if executed[price] != int(is_paid) or set(made) != {"captured" if is_paid else "failed"}:
            faults.append(f"the bank took {price} {executed[price]} times, and its payments are {made}")
        if is_paid and len(made) > 1:
            faults.append(f"{price} was paid, and asked for {len(made)} times")
        for own in (str(payment.id) for payment in payments[session]):
            ends = {kind: events[own, f"payment.{kind}"] for kind in ("captured", "failed")}
            if ends != {"captured": int(is_paid), "failed": int(not is_paid)} or events[own, "payment.pending"] > 1:
                faults.append(f"a payment of {price} has the events {ends}")
            if sales[own] != int(is_paid):
                faults.append(f"a payment of {price} has {sales[own]} transactions")
    kept = Counter(row.event_id for row in _rows(shop, sa.select(tables.inbox)) if row.event_id in told)
    if kept != Counter(told):
        faults.append(f"{len(told)} messages were told and {kept.total()} kept")
    return faults
