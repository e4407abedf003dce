"""Twenty clients on one row, behind a barrier, with a pause between read and write."""

from tests.faults import races
from tests.faults.evidence import FULL, evidence
from tests.faults.town import Shop

COUNTS = {"sqlite": 25, "postgresql": 60}
FULL_COUNT = 500


def hold(name: str, race: races.Race, shop: Shop, database: str, full: int = FULL_COUNT) -> None:
    """Run a race, write the evidence line, and want no fault."""
    count = full if FULL else COUNTS[database]
    with evidence(name, database, clients=races.RACERS) as trial:
        trial.trials = count
        faults = races.run(race, shop, count)
        trial.failures = len(faults)
    assert not faults


def test_racing_completes_charge_once(shop: Shop, database: str):
    hold("racing completes charge once", races.completes, shop, database)


def test_a_lost_answer_never_leads_to_a_second_charge(shop: Shop, database: str):
    hold("racing completes whose answer is lost", races.unknowns, shop, database)


def test_no_edit_of_a_cart_lands_between_the_snapshot_and_the_charge(shop: Shop, database: str):
    hold("cart edits racing completes", races.edits, shop, database, full=2000)


def test_twenty_writers_on_one_cart_leave_events_without_gap_or_repeat(shop: Shop, database: str):
    hold("twenty writers on one cart", races.writers, shop, database)


def test_what_commits_late_is_told_all_the_same(shop: Shop, database: str):
    hold("late commits beside quick ones are told", races.tellings, shop, database)


def test_one_key_raced_by_two_tenants_makes_one_cart_for_each(shop: Shop, database: str):
    hold("one idempotency key, two tenants", races.keys, shop, database)


def test_twenty_who_move_one_test_clock_move_it_as_far_as_they_were_told(shop: Shop, database: str):
    hold("twenty movers of one test clock", races.advances, shop, database, full=100)
