"""Every fault test is shown to fail: each bug here is planted in a copy of the tree, and must be caught."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from storage.engine import parse
from tests.faults import races, steps
from tests.faults.evidence import evidence
from tests.faults.test_crashes import run_crashes
from tests.faults.town import PAUSES, founded, open_shop
from tests.faults.tree import bug, plant

RACES = 5
LONG_PAUSES = "attempt.before_insert=sleep:0.002,order.before_commit=sleep:0.02"
"""Longer than the tests' own: a bug must not only be found often, but every time."""

SLOW_ORDERS = "order.before_commit=sleep:0.2"
"""So long that a relay looks meanwhile."""

TELLINGS = 6
KILLS = 100


def prepare(name: str, url: str, folder: Path) -> Path:
    """Plant a bug in a copy of the tree and in the database."""
    engine = sa.create_engine(parse(url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for sql in bug(name).SQL:
            connection.exec_driver_sql(sql)
    return plant(name, folder)


@pytest.mark.services
@pytest.mark.parametrize(
    ("name", "race"),
    [
        ("lock_dropped", races.completes),
        ("late_cart_lock", races.edits),
        ("unlocked_sequence", races.writers),
        ("unheld_clock", races.advances),
    ],
)
def test_a_lock_that_is_missing_is_caught_by_its_race(name: str, race: races.Race, postgres_databases, tmp_path: Path):
    with postgres_databases.fresh() as url:
        tree = prepare(name, url, tmp_path)
        with (
            open_shop(tree, url, tmp_path, servers=2, failpoints=LONG_PAUSES) as shop,
            evidence(f"planted: {name}", "postgresql", clients=races.RACERS) as trial,
        ):
            faults = trial.hunt(lambda count: races.run(race, shop, count), RACES)
    assert faults


@pytest.mark.services
def test_polling_behind_the_last_id_is_caught_by_late_commits(postgres_databases, tmp_path: Path):
    with postgres_databases.fresh() as url:
        tree = prepare("poll_behind_last", url, tmp_path)
        with (
            open_shop(tree, url, tmp_path, servers=2, failpoints=SLOW_ORDERS) as shop,
            evidence("planted: poll_behind_last", "postgresql", clients=races.RACERS) as trial,
        ):
            faults = trial.hunt(lambda count: races.run(races.tellings, shop, count), TELLINGS)
    assert faults


@pytest.mark.parametrize(
    ("name", "race"),
    [
        ("unknown_as_declined", races.unknowns),
        ("shared_keys", races.keys),
        ("blind_refunds", steps.refunds),
        ("capture_beside_void", steps.captures_and_voids),
    ],
)
def test_a_wrong_decision_is_caught_by_its_race(name: str, race: races.Race, sqlite_databases, tmp_path: Path):
    with sqlite_databases.fresh() as url:
        tree = prepare(name, url, tmp_path)
        with (
            open_shop(tree, url, tmp_path, servers=1, failpoints=PAUSES) as shop,
            evidence(f"planted: {name}", "sqlite", clients=races.RACERS) as trial,
        ):
            faults = trial.hunt(lambda count: races.run(race, shop, count), RACES)
    assert faults


@pytest.mark.parametrize("name", ["call_before_commit", "event_after_commit", "forgotten_step"])
def test_a_wrong_order_is_caught_by_kills(name: str, sqlite_databases, tmp_path: Path):
    with sqlite_databases.fresh() as url:
        tree = prepare(name, url, tmp_path)
        with founded(tree, url, tmp_path) as shop, evidence(f"planted: {name}", "sqlite") as trial:
            report = run_crashes(shop, KILLS)
            trial.trials, trial.failures = report["trials"], len(report["faults"])
            trial.remark = f"caught: {report['faults'][:1]}"
    assert report["faults"]
