"""Part g: how long it takes to calculate a cart of 1 to 1,000 lines. ``python -m tests.bench.totals``

The same random lines are calculated in four ways: bare, with a percentage off, with tax amounts from elsewhere, and with two
compounded rates and the percentage. The last column is the dearest way for one line, and has to stay as it is.
"""

import random
from collections.abc import Callable
from time import process_time_ns

from rich.console import Console
from rich.table import Table

from penstock.totals import (
    SHIPPING,
    Breakdown,
    GivenTax,
    Line,
    Percentage,
    Rate,
    TaxRules,
    compute_totals,
    with_given_taxes,
)

SIZES = (1, 10, 100, 500, 1000)
ROUNDS = 15
TENTH = Percentage(100_000)
GST = Rate(id="gst", name="GST", ppm=50_000)
QST = Rate(id="qst", name="QST", ppm=99_750, is_compound=True, priority=1)


def lines_of(size: int) -> list[Line]:
    """Return random lines."""
    dice = random.Random(size)
    return [
        Line(id=f"line-{n:04}", unit_price=dice.randint(1, 100_000), quantity=dice.randint(1, 9)) for n in range(size)
    ]


def microseconds(calculate: Callable[[], Breakdown], size: int) -> float:
    """Return the least processor time that one calculation takes: the rest is what the neighbours do to the caches."""
    repeat = max(1, 300 // size)
    taken = []
    for _ in range(ROUNDS):
        started = process_time_ns()
        for _ in range(repeat):
            found = calculate()
            if found.totals.total < 0:
                raise SystemExit("a cart costs less than nothing")
        taken.append((process_time_ns() - started) / repeat)
    return min(taken) / 1000


def row(size: int) -> list[str]:
    """Measure one size."""
    lines = lines_of(size)
    given = [GivenTax(part_id=line.id, rate=GST, amount=line.price // 20) for line in lines]
    rules = TaxRules({line.id: [GST, QST] for line in lines} | {SHIPPING: [GST]})
    ways = [
        lambda: compute_totals(lines, shipping=500),
        lambda: compute_totals(lines, shipping=500, reduction=TENTH),
        lambda: with_given_taxes(lines, given, shipping=500),
        lambda: compute_totals(lines, shipping=500, reduction=TENTH, tax=rules),
    ]
    taken = [microseconds(way, size) for way in ways]
    return [f"{size:,}", *(f"{each:,.0f}" for each in taken), f"{taken[-1] / size:.1f}"]


def main() -> None:
    """Print the table."""
    table = Table("lines", "bare, µs", "a tenth off, µs", "given taxes, µs", "two rates, µs", "two rates, µs a line")
    for size in SIZES:
        table.add_row(*row(size))
    Console().print(table)


if __name__ == "__main__":
    main()
