"""The contract of a rate source as tests: one class to subclass."""

# ruff: noqa: D102  a test's name is its sentence

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, Final

import httpx
import pytest

from penstock.conformance.provider import NOON, Answer, Heard, owed
from penstock.conformance.sources import ANSWERED, SourcePromises, over_the_wire, told_to
from penstock.money import Money
from penstock.rate_source import Parcel, RateClaims, RateRequest, RatesOffered, RateSource, check_rates

_OTHERS: Final = ("CHF", "SEK")


@dataclass(frozen=True, slots=True)
class RateCase:
    """A question, the provider's answer to it, and the prices by code that are in that answer."""

    request: RateRequest
    answer: Answer
    rates: Mapping[str, Money]


class RateSourceContract(SourcePromises):
    """Subclass it, say what your provider puts on the wire, and run pytest.

    ``provider`` is your class, ``cases`` are questions with the provider's answers: the first is the one that faults
    are made of. ``weights`` maps grams to what must stand on the wire.
    """

    provider: ClassVar[type[RateSource]]
    cases: ClassVar[Sequence[RateCase]] = ()
    weights: ClassVar[Mapping[int, Any]] = {}

    def weight_on_wire(self, request: httpx.Request) -> Any:  # noqa: ARG002  subclasses use it
        """Return the weight of the first parcel as this provider was told it."""
        owed("weight_on_wire(self, request): return the weight as your provider was told it")

    def good(self) -> tuple[RateRequest, Answer]:
        """Return the first case."""
        if not self.cases:
            owed("cases: write a RateCase")
        return self.cases[0].request, self.cases[0].answer

    def put(self, provider: RateSource, request: RateRequest) -> Any:
        """Ask for rates."""
        return provider.quote(request)

    def check(self, answer: object, request: RateRequest) -> Any:
        """Hold rates to the contract."""
        return check_rates(answer, request)

    def test_its_claims_are_those_of_a_rate_source(self) -> None:
        assert isinstance(self.provider.capabilities, RateClaims)
        assert self.provider.capabilities.most_parcels >= 1, "it takes no parcel"

    def test_every_price_is_told_exactly(self) -> None:
        claimed = self.provider.capabilities.currencies
        asked = {case.request.currency for case in self.cases}
        assert any(Money(0, currency).exponent == 2 for currency in asked), "cases lack a currency with two decimals"
        if claimed is None or "JPY" in claimed:
            assert "JPY" in asked, "cases lack one in JPY, which has no decimals"
        for case in self.cases:
            heard = self.ask(case.answer, case.request)
            assert isinstance(heard.returned, RatesOffered), heard.said()
            check_rates(heard.returned, case.request)
            assert {rate.code: rate.money for rate in heard.returned.rates} == dict(case.rates)

    @over_the_wire
    def test_a_price_in_another_currency_is_not_told_as_one_in_ours(self) -> None:
        request, answer = self.good()
        claimed = self.provider.capabilities.currencies
        others = [each for each in _OTHERS if each != request.currency and (claimed is None or each in claimed)]
        if not others:
            pytest.skip("it takes one currency")
        if not isinstance(answer, httpx.Response):
            pytest.skip("its answer depends on the question")
        heard = self.ask(answer, replace(request, currency=others[0]))
        assert self.judge(heard) != ANSWERED, f"{request.currency} was told as {others[0]}: {heard.said()}"

    @over_the_wire
    def test_an_answer_without_rates_offers_nothing(self) -> None:
        heard = self.ask(self.scenario("no_rates"))
        assert self.judge(heard) != ANSWERED, f"return Refused('not_served'), not an empty list: {heard.said()}"

    @over_the_wire
    def test_what_is_missing_among_the_rates_is_said(self) -> None:
        heard = self.ask(self.scenario("partial"))
        assert self.judge(heard) == ANSWERED, heard.said()
        assert heard.returned.notes, "some carriers did not answer: say so in notes"

    @over_the_wire
    def test_the_places_reach_the_provider(self) -> None:
        heard = self.asked_well()
        told = " ".join(told_to(request) for request in heard.sent)
        for place in (heard.request.destination, heard.request.origin):
            if place is not None:
                wanted = place.postal_code.replace(" ", "")
                assert wanted in told.replace(" ", ""), f"the postal code {place.postal_code} was not told"

    @over_the_wire
    def test_every_weight_reaches_the_provider(self) -> None:
        if not self.weights:
            owed("weights: what must stand on the wire for so many grams")
        request, answer = self.good()
        for grams, expected in self.weights.items():
            heard = self.ask(answer, replace(request, parcels=(Parcel(weight_g=grams),)))
            assert heard.sent, f"it sent nothing: {heard.said()}"
            assert self.weight_on_wire(heard.sent[-1]) == expected, f"{grams} g were told wrongly"

    @over_the_wire
    def test_every_parcel_reaches_the_provider(self) -> None:
        most = min(self.provider.capabilities.most_parcels, 3)
        if most == 1:
            pytest.skip("it takes one parcel")
        request, answer = self.good()
        bodies = [self._told(answer, replace(request, parcels=request.parcels[:1] * n)) for n in range(1, most + 1)]
        assert len(set(bodies)) == most, "more parcels were not told as more"

    @over_the_wire
    def test_dimensions_reach_the_provider_where_they_are_known(self) -> None:
        request, answer = self.good()
        bare = self._told(answer, replace(request, parcels=(Parcel(weight_g=900),)))
        box = Parcel(weight_g=900, length_mm=300, width_mm=200, height_mm=100)
        assert self._told(answer, replace(request, parcels=(box,))) != bare, "the dimensions were not told"

    def _told(self, answer: Answer, request: RateRequest) -> bytes:
        heard: Heard = self.ask(answer, request)
        assert heard.sent, f"it sent nothing: {heard.said()}"
        return heard.sent[-1].content + str(heard.sent[-1].url).encode()


TOMORROW: Final = (NOON + timedelta(days=1)).date()
"""A day for a parcel to leave, in the kit's own time."""
