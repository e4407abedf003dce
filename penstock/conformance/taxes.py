"""The contract of a tax engine as tests: one class to subclass."""

# ruff: noqa: D102  a test's name is its sentence

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, get_args

import httpx
import pytest

from penstock.conformance.provider import NOON, Answer, Heard, owed
from penstock.conformance.sources import ANSWERED, NOTHING, SourcePromises, over_the_wire, told_to
from penstock.exemption import Exemption, ExemptionReason
from penstock.money import Money
from penstock.tax_engine import RatesFound, TaxClaims, TaxEngine, TaxesCalculated, TaxRequest, check_taxes
from penstock.totals import SHIPPING, Breakdown, Line, compute_totals, with_given_taxes

__all__ = ["NOON", "TaxCase", "TaxEngineContract"]


@dataclass(frozen=True, slots=True)
class TaxCase:
    """A question, the provider's answer to it (None for an engine that calls nobody), and the tax of every part.

    ``taxes`` are minor units, by line id and `SHIPPING`, as they stand after Penstock rounded them by line.
    """

    request: TaxRequest
    answer: Answer | None
    taxes: Mapping[str, int]


class TaxEngineContract(SourcePromises):
    """Subclass it, say what your provider puts on the wire, and run pytest.

    ``provider`` is your class, ``cases`` are questions with the provider's answers: the first is the one that faults
    are made of. ``amounts`` maps what a line costs to what must stand on the wire. ``echoes_amounts`` says that an
    answer repeats the prices that it is about.
    """

    provider: ClassVar[type[TaxEngine]]
    cases: ClassVar[Sequence[TaxCase]] = ()
    amounts: ClassVar[Mapping[Money, Any]] = {}
    echoes_amounts: ClassVar[bool] = True

    def amount_on_wire(self, request: httpx.Request) -> Any:  # noqa: ARG002  subclasses use it
        """Return the first line's amount as this provider was told it."""
        owed("amount_on_wire(self, request): return the amount as your provider was told it")

    def good(self) -> tuple[TaxRequest, Answer]:
        """Return the first case."""
        if not self.cases:
            owed("cases: write a TaxCase")
        first = self.cases[0]
        assert first.answer is not None or self.calls_nobody, "the first case needs the provider's answer"
        return first.request, first.answer or httpx.Response(599)

    def put(self, provider: TaxEngine, request: TaxRequest) -> Any:
        """Ask for taxes."""
        return provider.calculate(request)

    def check(self, answer: object, request: TaxRequest) -> Any:
        """Hold taxes to the contract."""
        return check_taxes(answer, request)

    def test_its_claims_are_those_of_a_tax_engine(self) -> None:
        claims = self.provider.capabilities
        assert isinstance(claims, TaxClaims)
        assert claims.inclusive or claims.exclusive, "it understands neither prices with tax nor prices without"

    def test_the_cases_show_what_it_claims(self) -> None:
        claims = self.provider.capabilities
        asked = [case.request for case in self.cases]
        assert any(request.shipping for request in asked), "cases lack one with shipping"
        assert any(len(request.lines) > 1 for request in asked), "cases lack one with several lines"
        for is_included, claimed in ((True, claims.inclusive), (False, claims.exclusive)):
            kind = "with" if is_included else "without"
            assert not claimed or any(request.is_included is is_included for request in asked), (
                f"it claims to understand prices {kind} tax, and no case has them"
            )
        assert not claims.exemptions or any(request.exemption for request in asked), (
            "it claims to judge exemptions, and no case has an exempt buyer"
        )

    def test_every_tax_is_told_exactly(self) -> None:
        for case in self.cases:
            heard = self.ask(case.answer or httpx.Response(599), case.request)
            assert self.judge(heard) == ANSWERED, heard.said()
            totals = _totals(check_taxes(heard.returned, case.request), case.request)
            assert {part.id: part.tax for part in totals.parts if part.id in case.request.amounts} == dict(case.taxes)

    def test_the_order_of_the_lines_makes_no_difference(self) -> None:
        for case in self.cases:
            if not isinstance(case.answer, httpx.Response | None):
                continue
            turned = replace(case.request, lines=tuple(reversed(case.request.lines)))
            heard = self.ask(case.answer or httpx.Response(599), turned)
            if self.judge(heard) == ANSWERED:
                totals = _totals(check_taxes(heard.returned, turned), turned)
                told = {part.id: part.tax for part in totals.parts if part.id in turned.amounts}
                assert told == dict(case.taxes), "a tax was told of another line"

    @over_the_wire
    def test_an_answer_that_leaves_a_part_out_is_no_answer(self) -> None:
        heard = self.ask(self.scenario("incomplete"))
        assert self.judge(heard) == NOTHING, f"a part without tax has to be told with its reason: {heard.said()}"

    @over_the_wire
    def test_a_part_without_tax_is_told_with_its_reason(self) -> None:
        heard = self.ask(self.scenario("untaxed"))
        assert self.judge(heard) == ANSWERED, heard.said()
        parts = heard.returned.parts
        assert any(not _taxed(part) and part.reason for part in parts), f"say why nothing is taxed: {heard.said()}"

    @over_the_wire
    def test_an_answer_about_other_prices_is_no_answer(self) -> None:
        if not self.echoes_amounts:
            pytest.skip("its answer names no prices")
        request, answer = self.good()
        if not isinstance(answer, httpx.Response):
            pytest.skip("its answer depends on the question")
        first, *others = request.lines
        heard = self.ask(answer, replace(request, lines=(replace(first, amount=first.amount + 1), *others)))
        assert self.judge(heard) == NOTHING, f"the provider spoke of another cart: {heard.said()}"

    @over_the_wire
    def test_the_place_reaches_the_provider(self) -> None:
        heard = self.asked_well()
        told = " ".join(told_to(request) for request in heard.sent)
        place = heard.request.destination
        assert place.country in told, "the country was not told"
        assert place.postal_code.replace(" ", "") in told.replace(" ", ""), "the postal code was not told"

    @over_the_wire
    def test_every_amount_reaches_the_provider_exactly(self) -> None:
        claimed = self.provider.capabilities.currencies
        assert any(money.exponent == 2 for money in self.amounts), "amounts lacks one with two decimals"
        if claimed is None or "JPY" in claimed:
            assert any(money.currency == "JPY" for money in self.amounts), "amounts lacks one in JPY"
        request, answer = self.good()
        for money, expected in self.amounts.items():
            line = replace(request.lines[0], amount=money.amount)
            heard = self.ask(answer, replace(request, currency=money.currency, lines=(line,), shipping=0))
            assert heard.sent, f"it sent nothing for {money}: {heard.said()}"
            assert self.amount_on_wire(heard.sent[0]) == expected, f"{money} was told wrongly"

    @over_the_wire
    def test_prices_with_tax_are_told_from_prices_without(self) -> None:
        claims = self.provider.capabilities
        if not (claims.inclusive and claims.exclusive):
            pytest.skip("it understands one kind of prices")
        request, answer = self.good()
        told = [self._told(answer, replace(request, is_included=is_included)) for is_included in (True, False)]
        assert told[0] != told[1], "it does not pass is_included on"

    @over_the_wire
    def test_an_exemption_reaches_the_provider(self) -> None:
        if not self.provider.capabilities.exemptions:
            pytest.skip("it is not asked about exempt buyers")
        request, answer = self.good()
        reasons: tuple[ExemptionReason, ...] = get_args(ExemptionReason)
        exemptions = [None, *(Exemption(reason=reason) for reason in reasons)]
        told = [self._told(answer, replace(request, exemption=each)) for each in exemptions]
        assert len(set(told)) == len(told), "it does not pass the exemption and its reason on"

    def test_shipping_is_answered_for_where_it_costs_something(self) -> None:
        for case in self.cases:
            heard = self.ask(case.answer or httpx.Response(599), case.request)
            ids = {part.part_id for part in heard.returned.parts}
            assert (SHIPPING in ids) is bool(case.request.shipping), "shipping is a part where it costs something"

    def _told(self, answer: Answer, request: TaxRequest) -> bytes:
        heard: Heard = self.ask(answer, request)
        assert heard.sent, f"it sent nothing: {heard.said()}"
        return heard.sent[0].content + str(heard.sent[0].url).encode()


def _totals(answer: Any, request: TaxRequest) -> Breakdown:
    lines = [Line(id=line.id, unit_price=line.amount, quantity=1) for line in request.lines]
    if isinstance(answer, RatesFound):
        return compute_totals(lines, shipping=request.shipping, tax=answer.rules(is_included=request.is_included))
    assert isinstance(answer, TaxesCalculated)
    return with_given_taxes(lines, answer.given(), shipping=request.shipping, is_included=request.is_included)


def _taxed(part: Any) -> bool:
    return bool(getattr(part, "taxes", None) or getattr(part, "rates", None))
