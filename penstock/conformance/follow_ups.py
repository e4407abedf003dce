"""What every connector keeps about captures, voids and refunds, and about looking one up."""

# ruff: noqa: D102  a test's name is its sentence

from collections.abc import Sequence

import httpx
import pytest

from penstock.conformance.bench import KEY, OTHER_KEY, Bench, claiming
from penstock.conformance.operations import FOLLOW_UP_LOOKUPS, FOLLOW_UPS, Operation, asked_of, judge
from penstock.conformance.provider import Heard, text_of
from penstock.money import Money
from penstock.outcome import Declined, Done, Pending, Rejected, check_follow_up
from penstock.request import RefundRequest

_named = pytest.mark.parametrize("operation", FOLLOW_UPS, ids=lambda o: o.name)
_looked_up = pytest.mark.parametrize("operation", FOLLOW_UP_LOOKUPS, ids=asked_of)


def scenario_of(operation: Operation, kind: str) -> str:
    """Return the name of another answer to the same operation: ``refund_refused``."""
    return f"{operation.name}_{kind}"


class FollowUpPromises(Bench):
    """Captures, voids and refunds. Each test runs for what is claimed."""

    def follow_up_on_wire(self, request: httpx.Request) -> object:
        """Return the amount of a capture or refund as this provider was told it; by default as for a charge."""
        return self.amount_on_wire(request)

    @_named
    def test_a_follow_up_is_told_with_a_reference_and_the_money_asked(self, operation: Operation) -> None:
        heard = self.perform(operation)
        assert heard.raised is None, heard.said()
        assert isinstance(heard.returned, Done | Pending), heard.said()
        check_follow_up(heard.returned, heard.request.money)

    @_named
    def test_a_refused_follow_up_is_told_and_keeps_their_word(self, operation: Operation) -> None:
        heard = self._performed(operation, "refused")
        assert heard.raised is None, heard.said()
        assert isinstance(heard.returned, Declined | Rejected), heard.said()
        assert heard.returned.provider_code, "keep the provider's own code for whoever must ask them"
        check_follow_up(heard.returned, heard.request.money)

    @_named
    def test_a_follow_up_that_takes_time_is_told_as_pending(self, operation: Operation) -> None:
        self.need(operation)
        if scenario_of(operation, "pending") not in self.wire:
            pytest.skip("this provider answers at once")
        heard = self._performed(operation, "pending")
        assert isinstance(heard.returned, Pending), heard.said()

    @_named
    def test_a_follow_up_of_a_status_it_does_not_know_is_no_outcome(self, operation: Operation) -> None:
        heard = self._performed(operation, "novel")
        assert heard.is_unknown, f"this status cannot be known, so nobody knows the outcome: {heard.said()}"

    @_named
    def test_a_follow_up_names_the_charge_and_sends_its_own_key(self, operation: Operation) -> None:
        told = " ".join(text_of(request) for request in self.perform(operation).sent)
        assert KEY in told, f"the {operation.name}'s own key is not in the request"
        assert self.ref in told, "the charge's reference is not in the request"
        other = " ".join(text_of(request) for request in self.perform(operation, key=OTHER_KEY).sent)
        assert OTHER_KEY in other, f"the {operation.name}'s own key is not in the request"
        assert KEY not in other, "it sent the key of another follow-up"

    @_named
    def test_a_follow_up_says_the_same_in_the_same_words_when_repeated(self, operation: Operation) -> None:
        first, second = self.perform(operation).writes, self.perform(operation).writes
        assert [(r.url, r.content) for r in first] == [(r.url, r.content) for r in second], (
            f"the same {operation.name} was put into other words: a provider refuses a key with another body"
        )

    @_named
    def test_a_follow_up_is_done_once(self, operation: Operation) -> None:
        self.need(operation)
        silence = httpx.ReadTimeout("silence")
        for answer in (operation.scenario, silence):
            writes = self.perform(operation, answer).writes
            assert len(writes) == 1, f"{len(writes)} writes for one {operation.name}: repeating is the host's business"

    @_named
    def test_every_amount_of_a_follow_up_reaches_the_provider_exactly(self, operation: Operation) -> None:
        self.need(operation)
        if operation.name == "void":
            pytest.skip("a void releases everything, and needs no amount")
        for money, expected in self.amounts.items():
            heard = self.perform(operation, money=money)
            assert heard.writes, f"it sent nothing for {money}: {heard.said()}"
            assert self.follow_up_on_wire(heard.writes[-1]) == expected, f"{money} was told wrongly"

    @_named
    def test_a_part_is_asked_for_as_a_part(self, operation: Operation) -> None:
        self.need(operation)
        if operation.name == "void":
            pytest.skip("a void releases everything")
        part = self.perform(operation, money=Money(self.money.amount // 2, self.money.currency))
        assert part.writes, f"it sent nothing for a part: {part.said()}"
        whole = self.follow_up_on_wire(self.perform(operation).writes[-1])
        assert self.follow_up_on_wire(part.writes[-1]) != whole, f"half a {operation.name} was asked for as all of it"

    @claiming("manual_capture")
    def test_a_refund_of_a_separate_capture_names_it(self) -> None:
        self.need_claim("refund")
        request = RefundRequest(KEY, self.ref, self.money, charge_key=KEY, charged=self.money, capture_ref="cp_conf_77")
        heard = self.ask("refunded", lambda connector: connector.refund(request))
        told = " ".join(text_of(sent) for sent in heard.sent)
        assert "cp_conf_77" in told or self.ref in told, "neither the capture nor the charge is named"

    @_looked_up
    def test_looking_a_follow_up_up_tells_what_became_of_it(self, operation: Operation) -> None:
        heard = self.perform(operation)
        assert heard.raised is None, heard.said()
        assert judge(operation, heard, self.money) in ("done", "pending"), heard.said()

    @_looked_up
    def test_a_follow_up_is_none_only_where_the_provider_says_so(self, operation: Operation) -> None:
        heard = self.perform(operation, self._absent(operation))
        assert heard.raised is None, heard.said()
        assert heard.returned is None, heard.said()

    @_looked_up
    def test_another_follow_up_is_not_taken_for_this_one(self, operation: Operation) -> None:
        self.need(operation)
        if asked_of(operation) == "void":
            pytest.skip("a charge is voided once")
        there = self.replayed(operation)
        heard = self.perform(operation, there, key=OTHER_KEY)
        asked = any(OTHER_KEY in text_of(request) for request in heard.sent)
        is_no = heard.returned is None or isinstance(heard.returned, Rejected)  # done already, so not by this one
        assert is_no or heard.raised is not None or asked, (
            "it took the answer about another follow-up: ask for this one's key, or compare keys"
        )

    @_looked_up
    @pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
    def test_a_failing_look_at_a_follow_up_says_nothing(self, operation: Operation, status: int) -> None:
        self.need(operation)
        for scenario in (operation.scenario, self._absent(operation)):
            answer = self.answer_to(operation, scenario)
            failing = httpx.Response(status, headers=answer.headers, content=answer.content)
            heard = self.perform(operation, failing)
            assert heard.raised is not None, f"a {status} says nothing about it: {heard.said()}"

    @claiming("reverse_by_reference")
    @pytest.mark.parametrize("wire", ["reversed", "not_reversed"])
    def test_a_reversal_is_true_only_once_confirmed(self, wire: str) -> None:
        heard = self.ask(wire, lambda connector: connector.reverse(KEY))
        if wire == "reversed":
            assert heard.returned is True, heard.said()
            assert any(KEY in text_of(request) for request in heard.sent), "it did not name the charge's key"
        else:
            assert heard.returned is not True, f"the provider did not confirm it: {heard.said()}"

    @claiming("reverse_by_reference")
    @pytest.mark.parametrize("status", [302, 400, 401, 429, 500, 503])
    def test_a_failed_reversal_is_never_called_done(self, status: int) -> None:
        heard = self.ask(lambda _: httpx.Response(status, json={}), lambda connector: connector.reverse(KEY))
        assert heard.returned is not True, f"a {status} confirms nothing: {heard.said()}"

    @claiming("reverse_by_reference")
    def test_a_reversal_into_silence_is_never_called_done(self) -> None:
        heard = self.ask(httpx.ReadTimeout("silence"), lambda connector: connector.reverse(KEY))
        assert heard.returned is not True, f"silence confirms nothing: {heard.said()}"

    def _performed(self, operation: Operation, kind: str) -> Heard:
        self.need(operation)
        return self.perform(operation, scenario_of(operation, kind))

    def _absent(self, operation: Operation) -> str:
        names: Sequence[str] = (f"not_{operation.scenario}", "follow_up_not_found")
        return next((name for name in names if name in self.wire), names[-1])
