"""The kit is worth what it catches: break a good connector in every way we could think of, and count."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BROKEN = [ROOT / "tests/connectors" / name for name in ("broken_connectors.py", "whole_connectors.py")]
HONEST = ("TestHonest", "TestWhole", "TestResuming")
FAULTS = "test_a_fault_leaves_only_one_thing_to_say"
LOOKS = "test_a_fault_makes_a_look_at_a_follow_up_say_nothing"


CAUGHT = [
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
    ("TestFollowUpSilenceIsARefusal", FAULTS),
    ("TestFollowUpBelievesWhatItAsked", FAULTS),
    ("TestFollowUpNoStatusCheck", FAULTS),
    ("TestFollowUpTakesTheChargesKey", "test_a_follow_up_names_the_charge_and_sends_its_own_key"),
    ("TestFollowUpSaysItAnew", "test_a_follow_up_says_the_same_in_the_same_words_when_repeated"),
    ("TestFollowUpTwice", "test_a_follow_up_is_done_once"),
    ("TestFollowUpNovelIsDone", "test_a_follow_up_of_a_status_it_does_not_know_is_no_outcome"),
    ("TestRefundsEverything", "test_a_part_is_asked_for_as_a_part"),
    ("TestTakesAtOnce", "test_holding_money_is_asked_for_in_other_words_than_taking_it"),
    ("TestHeldIsTaken", "test_authorized_is_told_as_held_and_not_as_taken"),
    ("TestFindsAnother", "test_another_follow_up_is_not_taken_for_this_one"),
    ("TestFailedFollowUpLookupIsNone", LOOKS),
    ("TestReversesBlindly", "test_a_failed_reversal_is_never_called_done"),
    ("TestBelievesTheBuyer", "test_what_the_buyers_browser_says_proves_nothing"),
    ("TestGivesUpUnasked", "test_a_buyer_who_is_given_up_is_refused_on_the_providers_word"),
    ("TestGivesUpOnSilence", "test_a_fault_while_giving_up_is_never_an_outcome"),
    ("TestGivesUpAnybody", "test_a_buyer_who_decided_is_not_given_up"),
    ("TestGivesUpEarly", "test_a_buyer_who_has_not_decided_still_has_time"),
    ("TestCancelsBlindly", "test_a_fault_while_giving_up_is_never_an_outcome"),
    ("TestAsksElsewhere", "test_a_buyer_who_is_given_up_is_refused_on_the_providers_word"),
    ("TestReadsUnsigned", "test_a_message_of_another_account_is_forged"),
    ("TestReadsOldMessages", "test_an_old_message_is_forged"),
    ("TestExplodesOnSignatures", "test_a_signature_it_cannot_read_is_forged"),
    ("TestNumbersMessages", "test_a_repeated_message_gives_the_same_hints"),
    ("TestRemembersMessages", FAULTS),
    ("TestDownIsBadCredentials", "test_a_failing_provider_says_nothing_about_an_account"),
    ("TestShowsItsKey", "test_refused_credentials_are_told_without_the_secret"),
    ("TestAsksAboutTokens", "test_a_token_is_judged_without_asking_anybody"),
    ("TestKeepsTheNumber", "test_a_described_token_gives_facts_and_no_number"),
    ("TestFailedWidgetIsNone", "test_a_failing_look_at_a_widget_payment_says_nothing"),
    ("TestOpensForAnybody", "test_its_widget_is_opened_for_this_session_only"),
    ("TestOpensForAnyAmount", "test_another_amount_opens_another_widget"),
    ("TestOpensAnyway", "test_a_failing_provider_opens_no_widget"),
    ("TestIgnoresStepUp", "test_asked_for_authentication_it_sends_the_buyer_to_it"),
    ("TestSendsNobodyAway", "test_what_it_takes_without_a_token_sends_the_buyer_away"),
    ("TestNoReference", "test_approved_is_told_with_a_reference_and_the_money_asked"),
]
"""Which test of the kit catches which broken connector."""


def classes():
    """Every class of connectors to try, with the file in which it is."""
    return {
        name: file for file in BROKEN for name in re.findall(r"^(?:class )?(Test\w+)\b", file.read_text(), re.MULTILINE)
    }


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run the kit once: all of it over the honest, of it what should catch them over the broken. Failures by class."""
    report = tmp_path_factory.mktemp("kit") / "report.xml"
    files = classes()
    nodes = [f"{files[name]}::{name}::{by}" for name, by in CAUGHT] + [f"{files[name]}::{name}" for name in HONEST]
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
    return found


def test_an_honest_connector_passes(verdicts):
    assert verdicts["TestHonest"] == []
    assert verdicts["TestWhole"] == []
    assert verdicts["TestResuming"] == []


@pytest.mark.parametrize(("fault", "by"), CAUGHT)
def test_the_kit_catches_the_fault(verdicts, fault, by):
    assert by in verdicts[fault]


def test_every_broken_connector_is_in_the_list():
    assert {name for name, _ in CAUGHT} == set(classes()) - set(HONEST)
