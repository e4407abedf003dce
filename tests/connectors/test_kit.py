"""The kit is worth what it catches: break a good connector in every way we could think of, and count."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "tests/connectors/broken_connectors.py"


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run the kit over the broken connectors once; the names of failed tests by class."""
    report = tmp_path_factory.mktemp("kit") / "report.xml"
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(BROKEN)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    found: dict[str, list[str]] = {}
    for case in ET.parse(report).iter("testcase"):
        failed = found.setdefault(case.attrib["classname"].rsplit(".", 1)[-1], [])
        if case.find("failure") is not None:
            failed.append(case.attrib["name"].split("[")[0])
    return found


def test_an_honest_connector_passes(verdicts):
    assert verdicts["TestHonest"] == []


@pytest.mark.parametrize(
    ("fault", "by"),
    [
        ("TestFloatAmounts", "test_every_amount_reaches_the_provider_exactly"),
        ("TestMinorUnits", "test_every_amount_reaches_the_provider_exactly"),
        ("TestNoStatusCheck", "test_a_failing_provider_is_never_an_outcome"),
        ("TestNoKey", "test_the_key_is_sent_and_stays_the_same"),
        ("TestSameKeyAlways", "test_another_attempt_has_another_key"),
        ("TestNovelIsApproved", "test_a_status_it_does_not_know_is_never_an_outcome"),
        ("TestNovelIsDeclined", "test_a_status_it_does_not_know_is_never_an_outcome"),
        ("TestDropsTheirCode", "test_declined_is_told_in_our_words_and_keeps_theirs"),
        ("TestOwnKinds", "test_declined_is_told_in_our_words_and_keeps_theirs"),
        ("TestSilenceIsUnsent", "test_silence_after_sending_is_never_called_unsent"),
        ("TestSilenceIsADecline", "test_silence_after_sending_is_never_called_unsent"),
        ("TestFollowsRedirects", "test_a_redirect_is_not_followed"),
        ("TestRepeatsItself", "test_it_charges_once"),
        ("TestBelievesWhatItAsked", "test_an_approval_of_something_else_is_no_approval"),
        ("TestShowsItsSettings", "test_secrets_and_tokens_are_in_no_repr"),
        ("TestLooseSettings", "test_its_settings_schema_is_one_and_knows_required_settings"),
        ("TestOpenSecrets", "test_its_secret_settings_are_marked"),
        ("TestFailedLookupIsNone", "test_a_failing_lookup_says_nothing"),
        ("TestBusyIsADecline", "test_a_provider_that_is_too_busy_did_not_approve"),
        ("TestClaimsTooMuch", "test_it_has_a_name_and_keeps_its_claims"),
        ("TestLeavesATransactionOpen", "test_it_works_in_no_transaction_of_its_own"),
        ("TestReadsGarbageAsDeclined", "test_an_answer_it_cannot_read_is_never_an_outcome"),
        ("TestHalfIsEnough", "test_half_an_answer_is_never_an_outcome"),
        ("TestUnreachableIsADecline", "test_a_provider_that_cannot_be_reached_was_not_sent_to"),
        ("TestNoReference", "test_approved_is_told_with_a_reference_and_the_money_asked"),
    ],
)
def test_the_kit_catches_the_fault(verdicts, fault, by):
    assert by in verdicts[fault]


def test_every_broken_connector_is_expected_to_fail(verdicts):
    assert {name for name, failed in verdicts.items() if not failed} == {"TestHonest"}
