"""The benchmarks, one command and one table: ``python -m tests.bench --help``.

Part a: each hot operation against a floor, plain Starlette and orjson doing the same SQL by hand with no validation,
in turns. Part b: the whole guest checkout in flows a second. Part c: how part a grows with the orders in the database.
"""

import argparse
import os
import sys

from rich.console import Console
from rich.table import Table

from tests.bench import parts

_DEFAULT_SIZES = "1000,100000,1000000"


def numbers(text: str) -> list[int]:
    """Read ``1,8,32``."""
    return [int(part) for part in text.split(",")]


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--parts", default="a,b,c", help="which parts to run (default: %(default)s)")
    parser.add_argument("--databases", default="sqlite,postgresql", help="which databases (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind, in turns; medians (default: 5)")
    parser.add_argument("--clients", type=numbers, default=[1, 8, 32], help="clients in part b (default: 1,8,32)")
    parser.add_argument("--sizes", type=numbers, default=numbers(_DEFAULT_SIZES), help="orders in part c")
    parser.add_argument("--operations", default="", help="only operations whose name contains this, in a and c")
    parser.add_argument("--set", action="append", default=[], help="a setting of ours, PENSTOCK_NAME=value; repeatable")
    return parser.parse_args()


def main() -> None:
    """Run what was asked for, say what is running, and print one table."""
    chosen = options()
    progress = Console(stderr=True)
    if (os.cpu_count() or 1) < 2:
        sys.exit("The server and the load need a core each.")
    rows: list[parts.Row] = []
    for database in chosen.databases.split(","):
        for part in chosen.parts.split(","):
            progress.print(f"[bold]part {part}, {database}")
            run = {"a": parts.against_floor, "b": parts.checkouts, "c": parts.growth}[part]
            rows += run(plan_of(chosen, database, progress))
    Console(width=None if sys.stdout.isatty() else 140).print(table_of(rows))


def plan_of(chosen: argparse.Namespace, database: str, progress: Console) -> parts.Plan:
    """Return what one part is told."""
    kept = {name: value for name, value in vars(chosen).items() if name not in ("parts", "databases", "set")}
    settings = dict(each.split("=", 1) for each in chosen.set)
    return parts.Plan(database=database, progress=progress, settings=settings, **kept)


def table_of(rows: "list[parts.Row]") -> Table:
    """Return all rows as one table."""
    table = Table("part", "database", "what", "rounds/s", "p50 ms", "p95 ms", "p99 ms", "cpu µs", "compared with")
    for row in rows:
        figures = (f"{row.per_second:,.0f}", f"{row.p50:.2f}", f"{row.p95:.2f}", f"{row.p99:.2f}", f"{row.cpu_us:,.0f}")
        table.add_row(row.part, row.database, row.what, *figures, row.compared)
    return table


if __name__ == "__main__":
    main()
