"""What every connector keeps about the buyer's return, and about a buyer who never returns."""

# ruff: noqa: D102  a test's name is its sentence

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import httpx
import pytest

from penstock.conformance.bench import KEY, Bench, claiming
from penstock.conformance.faults import FAULTS, Fault, faulty
from penstock.conformance.operations import CHARGE, judge
from penstock.conformance.provider import Answer, Heard, fresh, text_of
from penstock.outcome import Approved, Declined
from penstock.request import ResumeRequest

_FAILING: Final = pytest.mark.parametrize("status", [302, 429, 500, 503])
_WIRE_FAULTS: Final = tuple(fault for fault in FAULTS if fault.make is not None)
_OUTCOMES: Final = frozenset({"approved", "declined"})


class ReturnPromises(Bench):
    """Resume. The tests about giving up are for those whose open charges can be settled by nothing else."""

    @claiming("resume")
    def test_a_buyer_who_came_back_is_told_of_as_the_provider_says(self) -> None:
        heard = self._resumed("resumed")
        assert isinstance(heard.returned, Approved), heard.said()
        assert judge(CHARGE, heard, self.money) == "approved", "it must be the money that was asked"
        told = " ".join(text_of(request) for request in heard.sent)
        assert KEY in told or self.ref in told, "it named neither the charge's key nor its reference"

    @claiming("resume")
    def test_what_the_buyers_browser_says_proves_nothing(self) -> None:
        heard = self._resumed("resume_declined")
        assert isinstance(heard.returned, Declined), f"the query said yes and the provider no: {heard.said()}"

    @claiming("resume")
    @_FAILING
    def test_a_failing_return_is_never_an_outcome(self, status: int) -> None:
        good = self._answered("resumed")
        heard = self._resumed(lambda _: httpx.Response(status, headers=good.headers, content=good.content))
        assert heard.raised is not None or judge(CHARGE, heard, self.money) == "rejected", (
            f"a {status} is no answer: {heard.said()}"
        )
        assert status == 429 or heard.raised is not None, f"a {status} is no answer: {heard.said()}"

    @claiming("resume")
    def test_silence_at_the_return_is_never_an_outcome(self) -> None:
        heard = self._resumed(httpx.ReadTimeout("silence"))
        assert heard.is_unknown, f"the money may have moved: {heard.said()}"

    @claiming("is_settled_by_resume")
    def test_a_buyer_who_has_not_decided_still_has_time(self) -> None:
        heard = self._resumed("resume_waiting", self._late(give_up=False))
        assert judge(CHARGE, heard, self.money) == "pending", f"nobody gave the buyer up yet: {heard.said()}"

    @claiming("is_settled_by_resume")
    def test_a_buyer_who_is_given_up_is_refused_on_the_providers_word(self) -> None:
        heard = self._resumed("resume_waiting", self._late())
        verdict = judge(CHARGE, heard, self.money)
        assert verdict in ("declined", "pending"), f"nothing was taken, and the provider was reached: {heard.said()}"
        if verdict == "declined":
            assert heard.sent, (
                "it asked nobody: the buyer may have paid just now. Without a way to make sure, say Pending"
            )
            assert not heard.returned.may_go_elsewhere, "a buyer who left is no reason to ask somebody else: not soft"

    @claiming("is_settled_by_resume")
    def test_a_buyer_who_decided_is_not_given_up(self) -> None:
        heard = self._resumed("resumed", self._late())
        verdict = judge(CHARGE, heard, self.money)
        assert verdict in ("approved", "pending"), f"the provider says yes, however late it is asked: {heard.said()}"

    @claiming("is_settled_by_resume")
    @pytest.mark.parametrize("fault", _WIRE_FAULTS, ids=lambda fault: fault.name)
    def test_a_fault_while_giving_up_is_never_an_outcome(self, fault: Fault) -> None:
        for number, _ in enumerate(self._resumed("resume_waiting", self._late()).sent):
            heard = self._resumed(self._failing_at(number, fault), self._late())
            assert judge(CHARGE, heard, self.money) not in _OUTCOMES, (
                f"request {number + 1}: {fault.story}. Nobody knows whether the buyer can still pay: {heard.said()}"
            )

    def _late(self, *, give_up: bool = True) -> ResumeRequest:
        return replace(self.resumed(), query={}, give_up=give_up)

    def _failing_at(self, number: int, fault: Fault) -> Callable[[httpx.Request], httpx.Response]:
        """Return a provider for whose request with this number (from 0) something goes wrong."""
        answer = self.scenario("resume_waiting")
        assert not isinstance(answer, Exception), 'wire["resume_waiting"] must be an answer'
        heard: list[httpx.Request] = []

        def good(request: httpx.Request) -> httpx.Response:
            return fresh(answer if isinstance(answer, httpx.Response) else answer(request))

        def failing(request: httpx.Request) -> httpx.Response:
            heard.append(request)
            return faulty(fault, good)(request) if len(heard) == number + 1 else good(request)

        return failing

    def _resumed(self, answer: Answer | str, asked: ResumeRequest | None = None) -> Heard:
        self.need_claim("resume")
        request = asked or self.resumed()
        heard = self.ask(answer, lambda connector: connector.resume(request))
        heard.request = request
        return heard

    def _answered(self, scenario: str) -> httpx.Response:
        answer = self.scenario(scenario)
        if isinstance(answer, httpx.Response):
            return answer
        assert not isinstance(answer, Exception), f'wire["{scenario}"] must be an answer'
        return answer(self._resumed(lambda _: httpx.Response(200, json={})).sent[-1])
