"""The kits for sources are worth what they catch: break an honest engine and an honest source, and count."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "tests/connectors/broken_sources.py"
HONEST = ("TestHonestRates", "TestHonestTaxes")
FAULTS = "test_a_fault_leaves_no_answer"

CAUGHT = [
    ("TestFloatPrices", "test_every_price_is_told_exactly"),
    ("TestAlwaysHundredths", "test_every_price_is_told_exactly"),
    ("TestRelabelsCurrency", "test_a_price_in_another_currency_is_not_told_as_one_in_ours"),
    ("TestNoStatusCheck", "test_a_good_body_under_a_bad_status_is_no_answer"),
    ("TestFreeWhenDown", FAULTS),
    ("TestFallsBackOnSilence", FAULTS),
    ("TestRepeats", FAULTS),
    ("TestFollowsRedirects", FAULTS),
    ("TestHidesMissingCarriers", "test_what_is_missing_among_the_rates_is_said"),
    ("TestForgetsTheWeight", "test_every_weight_reaches_the_provider"),
    ("TestForgetsTheSize", "test_dimensions_reach_the_provider_where_they_are_known"),
    ("TestFirstParcelOnly", "test_every_parcel_reaches_the_provider"),
    ("TestForgetsThePlace", "test_the_places_reach_the_provider"),
    ("TestKeyInTheAddress", "test_no_secret_stands_in_an_address"),
    ("TestRemembers", "test_the_same_question_gets_the_same_answer"),
    ("TestShowsItsKey", "test_secrets_are_in_no_repr"),
    ("TestLeavesATransactionOpen", "test_it_works_in_no_transaction_of_its_own"),
    ("TestEmptyIsAnOffer", "test_an_answer_without_rates_offers_nothing"),
    ("TestOwnWordsForNo", "test_a_no_is_told_in_our_words"),
    ("TestClaimsNothing", "test_it_has_a_name_and_keeps_its_claims"),
    ("TestDownIsBadCredentials", "test_a_failing_provider_says_nothing_about_an_account"),
    ("TestZeroWhenDown", FAULTS),
    ("TestFillsGaps", "test_an_answer_that_leaves_a_part_out_is_no_answer"),
    ("TestByPosition", "test_the_order_of_the_lines_makes_no_difference"),
    ("TestTrustsTheAnswer", "test_an_answer_about_other_prices_is_no_answer"),
    ("TestMinorUnits", "test_every_amount_reaches_the_provider_exactly"),
    ("TestHundredthsOfYen", "test_every_tax_is_told_exactly"),
    ("TestForgetsInclusion", "test_prices_with_tax_are_told_from_prices_without"),
    ("TestForgetsExemptions", "test_an_exemption_reaches_the_provider"),
    ("TestForgetsTheCountry", "test_the_place_reaches_the_provider"),
    ("TestNoReasons", "test_a_part_without_tax_is_told_with_its_reason"),
    ("TestForgetsShipping", "test_shipping_is_answered_for_where_it_costs_something"),
    ("TestTaxStatusBlind", "test_a_good_body_under_a_bad_status_is_no_answer"),
    ("TestUnmarkedSecret", "test_its_secret_settings_are_marked"),
    ("TestLooseSchema", "test_its_settings_schema_is_one_and_knows_required_settings"),
    ("TestUnreachableIsAnAnswer", "test_a_provider_that_cannot_be_reached_gave_no_answer"),
]
"""Which test of the kits catches which broken plugin."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[str]], str]:
    """Run the kits once: all of them over the honest, of them what should catch them over the broken."""
    report = tmp_path_factory.mktemp("kit") / "report.xml"
    nodes = [f"{BROKEN}::{name}::{by}" for name, by in CAUGHT] + [f"{BROKEN}::{name}" for name in HONEST]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *nodes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    found: dict[str, list[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        failed = found.setdefault(case.attrib["classname"].rsplit(".", 1)[-1], [])
        if case.find("failure") is not None:
            failed.append(case.attrib["name"].split("[")[0])
    return found, ran.stdout


def test_honest_plugins_pass(run):
    verdicts, _ = run
    assert {name: verdicts[name] for name in HONEST} == {name: [] for name in HONEST}


@pytest.mark.parametrize(("fault", "by"), CAUGHT)
def test_the_kit_catches_the_fault(run, fault, by):
    assert by in run[0][fault]


def test_every_broken_plugin_is_in_the_list():
    there = re.findall(r"^(?:class )?(Test\w+)\b", BROKEN.read_text(), re.MULTILINE)
    assert {name for name, _ in CAUGHT} == set(there) - set(HONEST)


def test_the_report_says_what_each_claims_and_came_through(run):
    told = run[1]
    assert re.search(r"honest_post: \d+ passed, 0 failed", told)
    assert re.search(r"parcels +5 at the most", told)
    assert re.search(r"honest_tax: \d+ passed, 0 failed", told)
    assert re.search(r"prices +inclusive, exclusive", told)
    assert re.search(r"faults +14 of 14 cells survived", told)
