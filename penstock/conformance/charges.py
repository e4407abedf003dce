"""What every connector keeps about charges, and about looking one up."""

# ruff: noqa: D102  a test's name is its sentence

import re
from functools import partial
from typing import Final

import httpx
import pytest

from penstock.conformance.bench import KEY, OTHER_KEY, Bench, claiming
from penstock.conformance.operations import AUTHORIZE, CHARGE, FIND, judge
from penstock.conformance.provider import text_of
from penstock.conformance.settings import SettingsPromises
from penstock.connector import Capabilities, NotSent, PaymentConnector, unkept_claims
from penstock.outcome import DECLINE_KINDS, Approved, Declined, Outcome, Pending, Rejected, check_answer
from penstock.request import ChargeRequest

EXPONENTS: Final = {"JPY": 0, "KWD": 3}

_CARD_NUMBER: Final = re.compile(r"(?<!\d)\d{13,19}(?!\d)")
_SILENCES: Final = (
    httpx.ReadTimeout("silence"),
    httpx.WriteTimeout("silence"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
)


class ChargePromises(SettingsPromises, Bench):
    """Charges, and the class itself."""

    def test_it_has_a_name_and_keeps_its_claims(self) -> None:
        cls = self.connector
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,39}", cls.name), "name: lower case letters, digits, underscores"
        assert cls.display_name.strip(), "display_name is empty: it is what people read"
        assert isinstance(cls.capabilities, Capabilities)
        assert cls.capabilities.methods, "it takes no method of payment"
        assert cls.capabilities.currencies is None or cls.capabilities.currencies, "it takes no currency"
        assert cls.capabilities.redirect_methods <= cls.capabilities.methods, "redirect_methods are among the methods"
        assert not unkept_claims(cls), "; ".join(unkept_claims(cls))

    def test_it_offers_only_methods_it_claims(self) -> None:
        connector, _ = self.built("approved")
        assert {offered.method for offered in connector.payment_methods()} <= connector.capabilities.methods

    def test_approved_is_told_with_a_reference_and_the_money_asked(self) -> None:
        heard = self.charge("approved")
        assert heard.raised is None, heard.said()
        assert isinstance(heard.returned, Approved), heard.said()
        check_answer(heard.returned, heard.request.money, heard.request.capture)

    @claiming("manual_capture")
    def test_authorized_is_told_as_held_and_not_as_taken(self) -> None:
        heard = self.perform(AUTHORIZE)
        assert heard.raised is None, heard.said()
        assert isinstance(heard.returned, Approved), heard.said()
        assert heard.returned.captured.amount == 0, "a manual charge holds the money: captured is nothing yet"
        check_answer(heard.returned, heard.request.money, heard.request.capture)

    @claiming("manual_capture")
    def test_holding_money_is_asked_for_in_other_words_than_taking_it(self) -> None:
        held, taken = self.perform(AUTHORIZE), self.charge("approved")
        assert [text_of(r) for r in held.sent] != [text_of(r) for r in taken.sent], "it does not pass `capture` on"

    def test_declined_is_told_in_our_words_and_keeps_theirs(self) -> None:
        heard = self.charge("declined")
        assert heard.raised is None, heard.said()
        assert isinstance(heard.returned, Declined), heard.said()
        assert heard.returned.kind in DECLINE_KINDS, f"kind is one of {', '.join(DECLINE_KINDS)}"
        assert heard.returned.provider_code, "keep the provider's own code for whoever must ask them"
        check_answer(heard.returned, heard.request.money, heard.request.capture)

    def test_pending_is_told_if_the_provider_knows_it(self) -> None:
        if "pending" not in self.wire:
            pytest.skip("this provider answers at once")
        heard = self.charge("pending")
        assert isinstance(heard.returned, Pending), heard.said()
        check_answer(heard.returned, heard.request.money, heard.request.capture)

    @pytest.mark.parametrize("scenario", ["wrong_amount", "wrong_currency"])
    def test_an_approval_of_something_else_is_no_approval(self, scenario: str) -> None:
        if not self.echoes_amount or scenario not in self.wire:
            pytest.skip("the fault matrix asks for another amount instead")
        heard = self.charge(scenario)
        if heard.raised is None:
            with pytest.raises(Exception, match="asked for"):
                check_answer(heard.returned, heard.request.money, heard.request.capture)
        assert not isinstance(heard.raised, NotSent), "the money may have moved"

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    @pytest.mark.parametrize("scenario", ["approved", "declined"])
    def test_a_failing_provider_is_never_an_outcome(self, scenario: str, status: int) -> None:
        heard = self.charge(self._changed(scenario, status))
        assert heard.is_unknown, f"a {status} is no answer, whatever its body says: {heard.said()}"

    def test_a_status_it_does_not_know_is_never_an_outcome(self) -> None:
        heard = self.charge("novel")
        assert heard.is_unknown, f"this status cannot be known, so nobody knows the outcome: {heard.said()}"

    @pytest.mark.parametrize("body", ["<html>maintenance</html>", "", "{}", "[]", "null", '"approved"'])
    def test_an_answer_it_cannot_read_is_never_an_outcome(self, body: str) -> None:
        heard = self.charge(self._instead_of("approved", body.encode()))
        assert heard.is_unknown, f"{body!r} is no answer: {heard.said()}"

    def test_half_an_answer_is_never_an_outcome(self) -> None:
        whole = self.answer_to(CHARGE).content
        heard = self.charge(self._instead_of("approved", whole[: len(whole) // 2]))
        assert heard.is_unknown, f"half an answer is no answer: {heard.said()}"

    @pytest.mark.parametrize("silence", _SILENCES, ids=lambda exc: type(exc).__name__)
    def test_silence_after_sending_is_never_called_unsent(self, silence: Exception) -> None:
        heard = self.charge(silence)
        assert heard.is_unknown, f"the money may have moved: {heard.said()}"

    def test_a_provider_that_cannot_be_reached_was_not_sent_to(self) -> None:
        heard = self.charge(httpx.ConnectError("refused"))
        assert isinstance(heard.raised, NotSent), f"let NotSent through: {heard.said()}"

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_is_not_followed(self, status: int) -> None:
        moved = self._changed("approved", status)
        moved.headers["location"] = "https://elsewhere.example/charges"
        heard = self.charge(moved)
        assert heard.is_unknown, f"a redirect is no answer: {heard.said()}"
        assert {request.url.host for request in heard.sent} != {"elsewhere.example"}
        assert len(heard.sent) == 1, "it sent the charge again"

    def test_a_provider_that_is_too_busy_did_not_approve(self) -> None:
        heard = self.charge(self._changed("approved", 429))
        assert heard.raised is not None or isinstance(heard.returned, Rejected), f"after a 429 {heard.said()}"

    def test_the_key_is_sent_and_stays_the_same(self) -> None:
        first, second = self.charge("approved"), self.charge("approved")
        assert first.sent, "it sent nothing"
        for request in (*first.sent, *second.sent):
            assert KEY in text_of(request), "the attempt's key is not in the request"

    def test_another_attempt_has_another_key(self) -> None:
        heard = self.charge("approved", key=OTHER_KEY)
        for request in heard.sent:
            assert OTHER_KEY in text_of(request), "the attempt's key is not in the request"
            assert KEY not in text_of(request), "it sent the key of another attempt"

    def test_a_repeat_says_the_same_in_the_same_words(self) -> None:
        first, second = self.charge("approved").writes, self.charge("approved").writes
        assert [(r.url, r.content) for r in first] == [(r.url, r.content) for r in second], (
            "the same attempt was put into other words: a provider refuses a key that comes back with another body"
        )

    def test_it_charges_once(self) -> None:
        for answer in ("approved", "declined", *_SILENCES):
            writes = self.charge(answer).writes
            assert len(writes) == 1, f"{len(writes)} writes for one attempt: repeating is the host's business"

    def test_every_amount_reaches_the_provider_exactly(self) -> None:
        claimed = self.connector.capabilities.currencies
        assert any(money.exponent == 2 for money in self.amounts), "amounts lacks one with two decimals"
        for currency in EXPONENTS:
            if claimed is None or currency in claimed:
                assert any(m.currency == currency for m in self.amounts), f"amounts lacks one in {currency}"
        for money, expected in self.amounts.items():
            assert claimed is None or money.currency in claimed, f"{money.currency} is not claimed"
            heard = self.charge("approved", money)
            assert heard.sent, f"it sent nothing for {money}: {heard.said()}"
            assert self.amount_on_wire(heard.sent[-1]) == expected, f"{money} was told wrongly"

    def test_no_card_number_is_in_an_answer(self) -> None:
        card = getattr(self.charge("approved").returned, "card", None)
        assert card is None or card.last4 is None or re.fullmatch(r"\d{4}", card.last4), "last4 is four digits"
        assert not _CARD_NUMBER.search(repr(card)), "an answer keeps the last four digits of a card and no more"

    @claiming("lookup")
    def test_find_tells_what_became_of_a_charge(self) -> None:
        heard = self.lookup("found")
        assert heard.raised is None, heard.said()
        assert isinstance(heard.returned, Approved), heard.said()
        check_answer(heard.returned, self.money, "automatic")
        assert any(KEY in text_of(request) for request in heard.sent), "it did not ask for the attempt's key"

    @claiming("lookup")
    def test_find_says_none_only_when_told_so(self) -> None:
        heard = self.lookup("not_found")
        assert heard.raised is None, heard.said()
        assert heard.returned is None, heard.said()

    @claiming("lookup")
    @pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
    def test_a_failing_lookup_says_nothing(self, status: int) -> None:
        for scenario in ("found", "not_found"):
            heard = self.lookup(self._changed(scenario, status))
            assert heard.raised is not None, f"a {status} says nothing about the charge: {heard.said()}"

    @claiming("lookup")
    @pytest.mark.parametrize("body", ["<html>maintenance</html>", "", "null"])
    def test_a_lookup_it_cannot_read_says_nothing(self, body: str) -> None:
        heard = self.lookup(self._instead_of("found", body.encode()))
        assert heard.raised is not None, f"{body!r} says nothing about the charge: {heard.said()}"

    def test_secrets_and_tokens_are_in_no_repr(self) -> None:
        connector, _ = self.built("approved")
        shown = repr(connector.ctx) + repr(connector) + str(connector) + repr(self.asked())
        for secret in (*self.secrets(), self.method_token):
            assert secret not in shown, "a setting or token that is secret stands in a repr"

    def test_it_works_in_no_transaction_of_its_own(self) -> None:
        assert not self.charge("approved").left_open

    @claiming("redirect_methods")
    def test_what_it_takes_without_a_token_sends_the_buyer_away(self) -> None:
        for method in sorted(self.connector.capabilities.redirect_methods):
            asked = self.asked(method=method, method_token="")
            heard = self.ask("redirected", partial(_charged, asked))
            assert judge(CHARGE, heard, self.money) == "pending", f"{method}: {heard.said()}"
            assert heard.returned.redirect_url, f"{method} needs no token, so the buyer must be sent somewhere"

    @claiming("step_up")
    def test_asked_for_authentication_it_sends_the_buyer_to_it(self) -> None:
        token = self.step_up_token or self.method_token
        plain, asked = self.asked(method_token=token), self.asked(method_token=token, step_up=True)
        heard = self.ask("stepped_up", partial(_charged, asked))
        assert isinstance(heard.returned, Pending), heard.said()
        assert heard.returned.redirect_url, "step_up asks the buyer: say where"
        without = self.ask("approved", partial(_charged, plain)).sent
        assert [text_of(r) for r in heard.sent] != [text_of(r) for r in without], "it does not pass `step_up` on"

    def _changed(self, scenario: str, status: int) -> httpx.Response:
        answer = self._good(scenario)
        return httpx.Response(status, headers=answer.headers, content=answer.content)

    def _instead_of(self, scenario: str, content: bytes) -> httpx.Response:
        status = self._good(scenario).status_code
        return httpx.Response(status, headers={"content-type": "application/json"}, content=content)

    def _good(self, scenario: str) -> httpx.Response:
        return self.answer_to(FIND if "found" in scenario else CHARGE, scenario)


def _charged(asked: ChargeRequest, connector: PaymentConnector) -> Outcome:
    return connector.charge(asked)
