"""``penstock jobs``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import typer
from rich.table import Table

from bootstrap import build
from cli import show
from cli.schema import assert_current
from penstock.settings import load
from storage.backlog import FAILING_FROM, Failing, Look

LATE_SECONDS: Final = 60.0
"""A row that has been due for so long should have been done: no worker runs, or too few do."""

app = show.command()


@app.command()
def jobs(*, limit: Annotated[int, typer.Option(help="How many failing rows to show.", min=1, max=1000)] = 20) -> None:
    """Show what is to be done, what is late, and what fails. Exits 1 if something is late by more than a minute.

    Reads only, and may run beside the server.
    """
    with build(load()) as house:
        assert_current(house)
        now = house.clock.now()
        look, failing = house.backlog.look(now), house.backlog.failing(limit=limit)
    out = show.console()
    out.print(_heaps(look) if look.heaps else "Nothing is waiting for its time.")
    waits = f"{look.waiting} events wait to be handed on" + (
        f", the oldest for {span(look.lag)}" if look.waiting else ""
    )
    out.print(waits)
    if failing:
        out.print(f"\nFailed {FAILING_FROM} times in a row or more:")
        out.print(_failing(failing, now))
    if max([look.lag, *(heap.late(now) for heap in look.heaps)]) > LATE_SECONDS:
        out.print("[yellow]Something is late.[/] Does a worker run? Without PENSTOCK_REDIS_URL the server is one.")
        raise typer.Exit(1)


def span(seconds: float) -> str:
    """Return a length of time as people say it: 12 s, 3 min, 5 h, 2 d."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _heaps(look: Look) -> Table:
    table = Table("kind", "rows", "due now", "first", box=None, pad_edge=False)
    for heap in look.heaps:
        late = heap.late(look.at)
        first = f"{span(late)} ago" if late else f"in {span((heap.oldest - look.at).total_seconds())}"
        table.add_row(heap.kind, str(heap.rows), str(heap.due), first)
    return table


def _failing(failing: Sequence[Failing], now: datetime) -> Table:
    table = Table("kind", "of", "failures", "next", box=None, pad_edge=False)
    for each in failing:
        wait = (each.run_at - now).total_seconds()
        table.add_row(each.kind, each.object_id, str(each.failures), f"in {span(wait)}" if wait > 0 else "now")
    return table
