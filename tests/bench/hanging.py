"""Part f: what others lose while one provider hangs. ``python -m tests.bench.hanging``

One server, two shops. One shop's provider answers at once; its payments are counted. The other shop's provider takes
each request and is silent. The breaker only watches, or it would end this in seconds. The share is the median of the
rounds' own shares, each of two runs that follow one another: on a machine that others use, no two rounds are alike.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tests.bench import parts, till
from tests.bench.load import Order
from tests.bench.site import ROOT, Measured, Server, press, serve

COMMAND = [sys.executable, "-m", "tests.bench.till", "{port}"]
CLIENTS = 8
PATIENT = 30
"""Clients of the provider that hangs: more than a server has request threads, fewer than a provider has places."""


def plan_of(database: str, seconds: float, rounds: int) -> parts.Plan:
    """Return what `parts.site` wants to know."""
    console = Console(stderr=True)
    settings = {"PENSTOCK_BREAKER": "dry_run", "PENSTOCK_LOG_LEVEL": "error"}
    return parts.Plan(database, console, seconds, rounds, (), (), "", settings)


def order(server: Server, shop: till.Shop, clients: int, seconds: float, *, cpu: int | None = 1) -> Order:
    """Return a load of payments."""
    return Order(
        server.port, "payment", clients, seconds, 1.0, cpu, {"key": shop.key, "application": shop.scope.application_id}
    )


@contextmanager
def pressed(load: Order) -> Iterator[None]:
    """Keep a load on for the length of the block; how it ends does not matter."""
    command = [sys.executable, "-m", "tests.bench.load"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    if process.stdin is None:
        raise SystemExit("the load takes no order")
    process.stdin.write(json.dumps(asdict(load)))
    process.stdin.close()
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure(database: str, seconds: float, rounds: int) -> list[tuple[str, Measured]]:
    """Return the runs, in turns: alone, and beside the provider that hangs."""
    found: list[tuple[str, Measured]] = []
    with parts.site(plan_of(database, seconds, rounds)) as at:
        swift, hanging = till.founded(at, "swift"), till.founded(at, "hanging")
        for _ in range(rounds):
            with serve(COMMAND, at.environ, cores={0}) as server:
                found.append(("alone", press(server, order(server, swift, CLIENTS, seconds))))
                with pressed(order(server, hanging, PATIENT, 600)):
                    beside = order(server, swift, CLIENTS, seconds)
                    found.append(("beside", press(server, beside)))
    return found


def _figures(runs: Sequence[Measured]) -> tuple[list[float], list[float], list[float]]:
    """Return payments a second, their 95th percentile in ms, and the processor time of each in µs."""
    return (
        [run.result.per_second for run in runs],
        [run.result.p95 for run in runs],
        [run.cpu_us for run in runs],
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hanging", description=__doc__)
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind, in turns; medians (default: 3)")
    chosen = parser.parse_args()
    table = Table(
        "database", "payments a second", "p95 ms", "cpu µs", "beside one that hangs", "p95 ms", "cpu µs", "share"
    )
    for database in chosen.databases.split(","):
        found = measure(database, chosen.seconds, chosen.rounds)
        alone, beside = ([run for name, run in found if name == kind] for kind in ("alone", "beside"))
        row = [statistics.median(each) for runs in (alone, beside) for each in _figures(runs)]
        shares = [two.result.per_second / one.result.per_second for one, two in zip(alone, beside, strict=True)]
        told = f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"
        table.add_row(database, *(f"{each:,.1f}" for each in row), told)
    Console().print(table)


if __name__ == "__main__":
    main()
