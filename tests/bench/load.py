"""The load: closed-loop clients on kept-alive connections, in a process of their own, as lean as Python allows.

Run as ``python -m tests.bench.load`` with an order (JSON, see `Order`) on standard input; prints a `Result` as JSON.
A client is a generator that yields requests as bytes and is sent (status, body) back.
"""

import asyncio
import itertools
import json
import os
import random
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field

import uvloop

from tests.bench.checkout import open_and_pay, request, walk

Script = Generator[bytes, tuple[bytes, bytes], str | None]


@dataclass
class Order:
    """What to run. ``seconds`` are measured after ``warmup`` seconds; ``cpu`` pins this process to one core."""

    port: int
    script: str
    clients: int = 1
    seconds: float = 3.0
    warmup: float = 0.5
    cpu: int | None = None
    arguments: dict = field(default_factory=dict)


@dataclass
class Result:
    """What came of it. Times are in milliseconds; ``rounds`` are requests, or whole flows where a script is one."""

    rounds: int
    rounds_with_warmup: int
    seconds: float
    per_second: float
    p50: float
    p95: float
    p99: float
    failures: int
    statuses: dict[str, int]
    first_failure: str = ""


class Tally:
    """What all clients of a run count together."""

    def __init__(self) -> None:
        self.counting = False
        self.rounds = 0
        self.latencies: list[float] = []
        self.statuses: dict[str, int] = {}
        self.failures = 0
        self.first_failure = ""

    def round(self, began: float) -> None:
        self.rounds += 1
        if self.counting:
            self.latencies.append(time.perf_counter() - began)

    def fail(self, what: str) -> None:
        self.failures += 1
        self.first_failure = self.first_failure or what


class Client(asyncio.Protocol):
    """One connection that runs its script over and over until it is told to stop."""

    def __init__(self, scripts: Callable[[], Script], tally: Tally) -> None:
        self.scripts, self.tally = scripts, tally
        self.buffer = b""
        self.stopped = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.begin()

    def begin(self) -> None:
        self.began = time.perf_counter()
        self.script = self.scripts()
        self.transport.write(next(self.script))

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer + data if self.buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            self.buffer = buffer
            return
        at = buffer.find(b"content-length: ", 0, end)
        length = int(buffer[at + 16 : buffer.find(b"\r", at + 16)]) if at > 0 else 0
        if len(buffer) < end + 4 + length:
            self.buffer = buffer
            return
        self.buffer = b""
        self.answered(buffer[9:12], buffer[end + 4 :])

    def answered(self, status: bytes, body: bytes) -> None:
        try:
            following = self.script.send((status, body))
        except StopIteration as stop:
            if stop.value:
                self.tally.fail(stop.value)
            else:
                self.tally.round(self.began)
            if self.stopped:
                self.finish()
            else:
                self.begin()
            return
        self.transport.write(following)

    def finish(self) -> None:
        self.transport.close()
        if not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc) -> None:
        if not self.done.done():
            self.tally.fail(f"connection lost: {exc}")
            self.done.set_result(None)


def letters(number: int) -> str:
    """Return a number in letters, for names that no server takes for a card's number."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def requests_script(tally: Tally, arguments: dict) -> Callable[[], Script]:
    """Send one request a round. Arguments: method, path, key, body (text), idempotent, fill, expect.

    ``{n}`` in the path or body is a number never used before, ``{id}`` a random entry of ``fill``.
    """
    method, path, key = arguments["method"], arguments["path"], arguments["key"]
    body, expect, fill = arguments.get("body", ""), arguments["expect"].encode(), arguments.get("fill") or [""]
    run, counter, choose = letters(time.time_ns()), itertools.count(), random.Random(1).choice

    def script() -> Script:
        n = f"{run}-{letters(next(counter))}"
        target = path.replace("{id}", choose(fill))
        again = n if arguments.get("idempotent") else ""
        status, answer = yield request(
            method, target, key=key, body=body.replace("{n}", n) if body else None, again=again
        )
        tally.statuses[status.decode()] = tally.statuses.get(status.decode(), 0) + 1
        return None if status == expect else f"{method} {target}: {status.decode()} {answer[:300]!r}"

    return script


def checkout_script(_: Tally, arguments: dict) -> Callable[[], Script]:
    """Walk through a guest checkout, from an empty cart to the paid order. Arguments: key, application."""
    counter = itertools.count()
    run = letters(time.time_ns())
    return lambda: walk(arguments["key"], arguments["application"], f"{run}-{letters(next(counter))}")


def payment_script(tally: Tally, arguments: dict) -> Callable[[], Script]:
    """Open a session and pay it, whatever comes of that. Arguments: key, application."""
    counter = itertools.count()
    run = letters(time.time_ns())

    def script() -> Script:
        name = f"{run}-{letters(next(counter))}"
        status, answer = yield from open_and_pay(arguments["key"], arguments["application"], name)
        tally.statuses[status.decode()] = tally.statuses.get(status.decode(), 0) + 1
        return None if status in (b"200", b"202", b"422") else f"payment: {status.decode()} {answer[:300]!r}"

    return script


SCRIPTS = {"requests": requests_script, "checkout": checkout_script, "payment": payment_script}


async def run(order: Order) -> Result:
    """Run an order in this process."""
    tally = Tally()
    loop = asyncio.get_running_loop()
    scripts = SCRIPTS[order.script](tally, order.arguments)
    clients = []
    for _ in range(order.clients):
        _, client = await loop.create_connection(lambda: Client(scripts, tally), "127.0.0.1", order.port)
        clients.append(client)
    await asyncio.sleep(order.warmup)
    tally.counting, began = True, time.perf_counter()
    await asyncio.sleep(order.seconds)
    tally.counting, seconds = False, time.perf_counter() - began
    for client in clients:
        client.stopped = True
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), 30)
    return result_of(tally, seconds)


def result_of(tally: Tally, seconds: float) -> Result:
    """Sum up a run."""
    spans = sorted(tally.latencies) or [0.0]

    def at(share: float) -> float:
        return round(spans[min(int(len(spans) * share), len(spans) - 1)] * 1000, 3)

    count = len(tally.latencies)
    rate = round(count / seconds, 1)
    known = (tally.failures, tally.statuses, tally.first_failure)
    return Result(count, tally.rounds, round(seconds, 3), rate, at(0.5), at(0.95), at(0.99), *known)


def main() -> None:
    """Read an order, run it, print the result."""
    order = Order(**json.load(sys.stdin))
    if order.cpu is not None:
        os.sched_setaffinity(0, {order.cpu})
    print(json.dumps(asdict(uvloop.run(run(order)))))


if __name__ == "__main__":
    main()
