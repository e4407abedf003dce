"""However many buyers race for a discount's places, no more get it than there are, and no place is lost."""

import asyncio
from pathlib import Path

from tests.faults.evidence import FULL, evidence
from tests.faults.redemptions import RACERS, judge, open_town, rush, settle
from tests.faults.tree import ROOT, plant

CODES = 1000 if FULL else 8
SERVERS = {"sqlite": 1, "postgresql": 2}


def test_no_discount_is_used_more_often_than_it_may_be_and_no_place_is_lost(database: str, databases, tmp_path: Path):
    with (
        databases.fresh() as url,
        open_town(ROOT, url, tmp_path, servers=SERVERS[database]) as town,
        evidence("buyers racing for a discount's places", database, clients=RACERS) as trial,
    ):
        prizes = asyncio.run(rush(town, range(CODES), kills=True))
        for number in range(len(town.processes)):
            town.kill(number)
        settle(town.shop)
        faults, used = judge(town.shop, prizes)
        trial.trials, trial.failures = len(prizes), len(faults)
        trial.remark = f"{RACERS} each, {used} places used, {town.deaths} servers killed"
    assert not faults
    assert used >= len(prizes) // 2


def test_a_place_that_is_taken_without_a_look_at_the_limit_is_caught(sqlite_databases, tmp_path: Path):
    tree = plant("place_without_limit", tmp_path)
    with (
        sqlite_databases.fresh() as url,
        open_town(tree, url, tmp_path, servers=1) as town,
        evidence("planted: place_without_limit", "sqlite", clients=RACERS) as trial,
    ):

        def rushed(count: int) -> list[str]:
            prizes = asyncio.run(rush(town, range(trial.trials, trial.trials + count), kills=False))
            settle(town.shop)
            return [fault for fault in judge(town.shop, prizes)[0] if "places" in fault]

        assert trial.hunt(rushed, 3)
