"""Part g: how fast events are delivered. ``python -m tests.bench.deliveries``

Deliveries a second with one and two workers, beside as many bare httpx loops, each a process that posts the same
bodies, signed the same way, to the same receiver, eight at a time; in turns, in the same run. How long a commit takes to be heard of. How many due
rows a relay claims a second, and how many events it hands on.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

import bootstrap
from jobs.chime import Ringer
from jobs.embedded import embedded
from jobs.relay import BATCH, LEASE
from penstock import settings
from penstock.caller import Scope
from penstock.clock import SystemClock
from penstock.flows.open_cart import open_cart
from penstock.ids import new_id
from penstock.webhook import Endpoint
from penstock.webhook_signature import new_secret, signed_headers
from storage import tables
from storage.due import DueTable
from storage.engine import parse
from storage.outgoing import Outgoing
from storage.provision import provision
from tests.faults.town import die_with_parent
from tests.servers import PostgresDatabases, SqliteDatabases, free_port, postgres, redis_server

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a root secret that only benchmarks may ever know 0123456789"
TOGETHER = 8
"""How many posts the bare loop has under way, which is what one endpoint gets of us."""

_plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def process(*command: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of this tree for the length of the block."""
    running = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,  # noqa: PLW1509  one system call
    )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(60)


class Site:
    """A shop with one endpoint at a receiver, on a database of its own."""

    def __init__(self, url: str, folder: str, redis_url: str | None, port: int) -> None:
        self.environ = {
            "PENSTOCK_DATABASE_URL": url,
            "PENSTOCK_SECRET_KEY": SECRET,
            "PENSTOCK_STATE_DIR": folder,
            "PENSTOCK_WEBHOOK_LOOPBACK": "true",
            "PENSTOCK_LOG_LEVEL": "error",
        }
        if redis_url:
            self.environ["PENSTOCK_REDIS_URL"] = redis_url
        given = {name.removeprefix("PENSTOCK_").lower(): value for name, value in self.environ.items()}
        self.house = bootstrap.build(settings.load(**given))
        self.port = port
        now, pepper = SystemClock().now(), self.house.keyring.key("api-keys")
        made = provision(self.house.database, name="Bench", now=now, pepper=pepper)
        self.scope = Scope(made.workspace_id, made.environment_id, made.application_id)
        self.endpoint = Endpoint(
            id=new_id(),
            scope=self.scope,
            url=f"http://127.0.0.1:{port}/hook",
            enabled_events=["cart.created"],
            secret=new_secret(),
            created_at=now,
            updated_at=now,
        )
        with self.house.work(self.scope) as uow:
            uow.webhooks.add_endpoint(self.endpoint)

    def event(self) -> None:
        """Commit one event."""
        with self.house.work(self.scope) as uow:
            open_cart(uow, {"application_id": self.scope.application_id, "currency": "EUR"})

    def seen(self) -> dict[str, list[float]]:
        """Return what came to the receiver since the last look."""
        found: dict[str, list[float]] = json.load(_plain.open(f"http://127.0.0.1:{self.port}/", timeout=10))
        return found

    def wait(self, count: int, seconds: float = 120) -> dict[str, list[float]]:
        """Wait for so many events and return them."""
        seen: dict[str, list[float]] = {}
        until = time.monotonic() + seconds
        while len(seen) < count:
            if time.monotonic() > until:
                raise SystemExit(f"{len(seen)} of {count} events came")
            time.sleep(0.2)
            seen |= self.seen()
        return seen


def rate(seen: dict[str, list[float]]) -> float:
    """Return arrivals a second, from the first to the last."""
    times = sorted(at for each in seen.values() for at in each)
    return (len(times) - 1) / (times[-1] - times[0])


def delivered(site: Site, events: int, workers: int) -> float:
    """Return deliveries a second with so many workers, all events being committed before they start."""
    for _ in range(events):
        site.event()
    with ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(process("-m", "penstock", "worker", **site.environ))
        return rate(site.wait(events))


def posted(site: Site, events: int, loops: int) -> float:
    """Return how many of the same bodies so many bare httpx loops post a second, each in a process of its own."""
    order = {
        "port": site.port,
        "secret": site.endpoint.secret,
        "database": str(parse(site.environ["PENSTOCK_DATABASE_URL"]).render_as_string(hide_password=False)),
        "events": events,
        "loops": loops,
    }
    with ExitStack() as stack:
        for own in range(loops):
            environ = {"PENSTOCK_BENCH_ORDER": json.dumps({**order, "own": own})}
            stack.enter_context(process("-m", "tests.bench.deliveries", "--floor", **environ))
        return rate(site.wait(events))


async def floor(order: dict[str, Any]) -> None:
    """Post this loop's share of the bodies that are kept, and nothing else."""
    engine = sa.create_engine(order["database"])
    with engine.connect() as connection:
        kept = tables.webhook_messages
        wanted = sa.select(kept.c.id, kept.c.type, kept.c.body).order_by(kept.c.id).limit(order["events"])
        rows = connection.execute(wanted).all()[order["own"] :: order["loops"]]
    clock, url = SystemClock(), f"http://127.0.0.1:{order['port']}/hook"
    waiting = iter(rows)
    async with httpx.AsyncClient(trust_env=False) as client:

        async def post() -> None:
            for row in waiting:
                headers = signed_headers(row.id, row.type, bytes(row.body), [order["secret"]], clock.now())
                (await client.post(url, content=bytes(row.body), headers=headers)).raise_for_status()

        await asyncio.gather(*(post() for _ in range(TOGETHER)))


def heard(site: Site, events: int, redis_url: str | None) -> list[float]:
    """Return the milliseconds from each commit to its arrival. With Redis the worker is another process."""
    with ExitStack() as stack:
        if redis_url:
            stack.enter_context(process("-m", "penstock", "worker", **site.environ))
            ringer = stack.enter_context(Ringer(redis_url))
            site.house.bell.listen(ringer.ring)
        else:
            stack.enter_context(embedded(site.house))
        site.event()
        site.wait(1)
        committed = []
        for number in range(events):
            time.sleep(0.01 * (number % 7 + 1))
            site.event()
            committed.append(time.monotonic())
        arrived = sorted(times[0] for times in site.wait(events).values())
    return sorted(1000 * (came - left) for came, left in zip(arrived, committed, strict=True))


def claimed(site: Site, rows: int) -> float:
    """Return how many due rows one relay claims a second."""
    with site.house.work(site.scope) as uow:
        for _ in range(rows):
            uow.due.add("never", new_id(), uow.now)
    table, now, began, count = DueTable(site.house.database), SystemClock().now(), time.perf_counter(), 0
    while found := table.claim(now, limit=BATCH, lease=LEASE):
        count += len(found)
    return count / (time.perf_counter() - began)


def handed_on(site: Site, events: int) -> float:
    """Return how many events, each for one endpoint, one relay hands on a second."""
    for _ in range(events):
        site.event()
    outgoing, now, began = Outgoing(site.house.database, site.house.vault), SystemClock().now(), time.perf_counter()
    while outgoing.hand_on(now):
        pass
    return events / (time.perf_counter() - began)


def measure(database: str, url: str, redis_url: str | None, chosen: argparse.Namespace) -> Iterator[Sequence[str]]:
    """Yield the rows of one database."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        port = free_port()
        stack.enter_context(process("-m", "tests.bench.receiver", str(port)))
        site = Site(url, folder, redis_url, port)
        for count in (1, 2):
            ours, bare = [], []
            for _ in range(chosen.rounds):
                ours.append(delivered(site, chosen.events, count))
                bare.append(posted(site, chosen.events, count))
            middle, floor = statistics.median(ours), statistics.median(bare)
            yield database, f"deliveries, workers: {count}", f"{middle:,.0f} /s", f"{middle / floor:.2f} of bare"
            yield database, f"bare httpx, loops: {count}", f"{floor:,.0f} /s", ""
        waits = heard(site, chosen.heard, redis_url)
        cuts = statistics.quantiles(waits, n=100)
        how = "two processes" if redis_url else "one process"
        yield database, f"commit to receiver, {how}", f"p50 {cuts[49]:.0f} ms", f"p99 {cuts[98]:.0f} ms"
        yield database, "events handed on", f"{handed_on(site, chosen.events):,.0f} /s", ""
        yield database, "due rows claimed", f"{claimed(site, chosen.claims):,.0f} /s", ""
        site.house.close()


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.deliveries", description=__doc__)
    parser.add_argument("--databases", default="sqlite,postgresql", help="which databases (default: %(default)s)")
    parser.add_argument("--events", type=int, default=2000, help="events of one run (default: %(default)s)")
    parser.add_argument("--heard", type=int, default=300, help="commits that are timed (default: %(default)s)")
    parser.add_argument("--claims", type=int, default=10_000, help="due rows to claim (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind, in turns; medians (default: 3)")
    parser.add_argument("--floor", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    chosen = options()
    if chosen.floor:
        asyncio.run(floor(json.loads(os.environ["PENSTOCK_BENCH_ORDER"])))
        return
    table = Table("database", "what", "", "")
    with ExitStack() as stack:
        for database in chosen.databases.split(","):
            redis_url = None
            if database == "sqlite":
                databases: Any = SqliteDatabases(Path(stack.enter_context(TemporaryDirectory())))
            else:
                databases = PostgresDatabases(stack.enter_context(postgres()))
                redis_url = stack.enter_context(redis_server())
            for row in measure(database, stack.enter_context(databases.fresh()), redis_url, chosen):
                table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
