"""A worker that dies in the middle of a sweep leaves nothing undone and does nothing twice."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from jobs.relay import LEASE
from penstock.flows.open_cart import open_cart
from storage import tables
from storage.engine import parse
from tests.faults.evidence import evidence
from tests.faults.town import environ_of
from tests.faults.tree import ROOT, plant
from tests.make import scope
from tests.shops import SECRET, opened_house

CARTS = 4
TWO_DAYS = 2 * 24 * 3600
POINTS = ("abandon.before_commit", "abandon.after_commit")
AGAIN = int(LEASE.total_seconds()) + 1


def fill(house) -> list[str]:
    mine = scope()
    with house.work(mine) as uow:
        fields = {"application_id": mine.application_id, "currency": "EUR"}
        return [open_cart(uow, fields).id for _ in range(CARTS)]


def sweep(tree: Path, environ: dict[str, str], seconds: int, failpoints: str = "") -> int:
    """Do what is due so many seconds from now, in a process of its own; return how it ended."""
    armed = environ | {"PENSTOCK_TEST_FAILPOINTS": "1", "PENSTOCK_FAILPOINTS": failpoints}
    command = [sys.executable, "-m", "tests.faults.sweep", str(seconds)]
    done = subprocess.run(command, cwd=tree, env=armed, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-4000:]
    return done.returncode


def told(url: str, carts: Sequence[str]) -> list[tuple[str, int]]:
    """How each cart stands, and how many events say that it was abandoned."""
    engine = sa.create_engine(parse(url), poolclass=sa.NullPool)
    is_abandonment = sa.and_(tables.events.c.object_id == sa.cast(tables.carts.c.id, sa.String(64)))
    count = sa.select(sa.func.count(tables.events.c.id)).where(is_abandonment, tables.events.c.type == "cart.abandoned")
    rows = sa.select(tables.carts.c.id, tables.carts.c.status, count.scalar_subquery().label("told"))
    with engine.connect() as connection:
        found = {str(row.id): (row.status, row.told) for row in connection.execute(rows)}
    return [found[cart] for cart in carts]


def killed_sweeps(tree: Path, databases, folder: Path, *points: str) -> list[tuple[str, int]]:
    """Sweep, killed at each of the points in turn, until a sweep comes through; then say how the carts stand."""
    with opened_house(databases, folder) as house:
        carts, url = fill(house), house.settings.database_url
        environ = environ_of(tree, url, PENSTOCK_SECRET_KEY=SECRET, PENSTOCK_STATE_DIR=str(folder))
        at = TWO_DAYS
        for point in points:
            assert sweep(tree, environ, at, f"{point}=kill") == -signal.SIGKILL
            at += AGAIN
        for _ in range(2):
            assert sweep(tree, environ, at) == 0
            at += AGAIN
        return told(url, carts)


def test_a_sweep_that_is_killed_abandons_each_cart_once(database: str, databases, tmp_path: Path):
    with evidence("sweeps killed midway", database) as trial:
        found = killed_sweeps(ROOT, databases, tmp_path, *POINTS)
        trial.trials, trial.failures = CARTS, sum(each != ("abandoned", 1) for each in found)
    assert found == [("abandoned", 1)] * CARTS


def test_a_row_that_is_done_before_its_work_is_caught(sqlite_databases, tmp_path: Path):
    with evidence("planted: forgotten_row", "sqlite") as trial:
        found = killed_sweeps(plant("forgotten_row", tmp_path), sqlite_databases, tmp_path, POINTS[0])
        trial.trials, trial.failures = CARTS, sum(each != ("abandoned", 1) for each in found)
    assert found != [("abandoned", 1)] * CARTS
