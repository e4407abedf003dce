"""Twenty clients refund, capture and void one payment at the same moment. The bank is the witness."""

from tests.faults import steps
from tests.faults.test_races import hold
from tests.faults.town import Shop


def test_racing_refunds_never_give_back_more_than_was_captured(shop: Shop, database: str):
    hold("racing refunds of 60 %", steps.refunds, shop, database)


def test_small_refunds_racing_full_ones_never_give_back_more_than_was_captured(shop: Shop, database: str):
    hold("small refunds racing full ones", steps.mixed_refunds, shop, database)


def test_refunds_whose_answer_is_lost_never_give_back_more_than_was_captured(shop: Shop, database: str):
    hold("racing refunds whose answer is lost", steps.lost_refunds, shop, database)


def test_a_capture_and_a_void_never_both_happen(shop: Shop, database: str):
    hold("captures racing voids", steps.captures_and_voids, shop, database)
