"""A provider's messages race its answers to the same charge, in every order. The bank is the witness."""

from pathlib import Path

import pytest

from tests.faults import messages, races
from tests.faults.evidence import evidence
from tests.faults.test_planted import RACES, prepare
from tests.faults.test_races import hold
from tests.faults.town import PAUSES, Shop, open_shop

SLOW_COMMITS = f"{PAUSES},result.before_commit=sleep:0.03"
"""Between the news and its commit: long enough for somebody else to bring the same news."""


def test_messages_racing_answers_end_in_one_outcome(shop: Shop, database: str):
    hold("messages racing answers", messages.messages, shop, database)


def test_a_message_that_is_followed_too_early_is_caught(sqlite_databases, tmp_path: Path):
    with sqlite_databases.fresh() as url:
        caught("early_look", "sqlite", url, tmp_path, servers=1, failpoints=PAUSES)


@pytest.mark.services
def test_a_message_that_is_followed_without_locks_is_caught(postgres_databases, tmp_path: Path):
    with postgres_databases.fresh() as url:
        caught("unlocked_news", "postgresql", url, tmp_path, servers=2, failpoints=SLOW_COMMITS)


def caught(name: str, database: str, url: str, folder: Path, *, servers: int, failpoints: str) -> None:
    """Plant a bug, run the race, and want faults."""
    tree = prepare(name, url, folder)
    with (
        open_shop(tree, url, folder, servers=servers, failpoints=failpoints) as shop,
        evidence(f"planted: {name}", database, clients=races.RACERS) as trial,
    ):
        faults = trial.hunt(lambda count: races.run(messages.messages, shop, count), RACES)
    assert faults
