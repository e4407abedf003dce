"""Do tax engines and rate sources, however broken, keep from the buyer no more than their own answer?"""

import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from connectors import http
from penstock.boundary import CalledInsideTransaction, transaction
from penstock.clock import StandingClock
from penstock.connector import NotSent
from penstock.hooks import hookimpl
from penstock.money import Money
from penstock.outcome import BrokenPromise
from penstock.place import Place
from penstock.quoting import GatheredRates, SourceFailure, TaxFound
from penstock.rate_source import Parcel, RateClaims, RateRequest, RatesOffered, RateSource, ShippingRate, check_rates
from penstock.source import Refused
from penstock.tax_engine import (
    PartRates,
    PartTaxes,
    RatesFound,
    TaxableLine,
    TaxClaims,
    TaxEngine,
    TaxesCalculated,
    TaxRequest,
    check_taxes,
)
from penstock.totals import SHIPPING, Line, Rate, compute_totals, with_given_taxes
from penstock.verdict import Connection
from plugins.answers import Answers
from plugins.manager import BrokenPlugin, load
from plugins.quoting import MOST_SOURCES, Quoting
from plugins.registry import Engines, Sources, every_class

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
SECRET = "sk_live_VERYSECRET42"
BERLIN = Place(country="DE", postal_code="10115", city="Berlin", line1="Chausseestr. 1")
VAT = Rate(id="DE-standard", name="Umsatzsteuer", ppm=190_000, jurisdiction="DE", tax_type="vat")
CART = TaxRequest(
    currency="EUR",
    on=date(2030, 1, 2),
    lines=(TaxableLine(id="line-b", amount=2000), TaxableLine(id="line-a", amount=500, category="books")),
    destination=BERLIN,
    shipping=490,
)
BOX = RateRequest(
    currency="EUR", on=date(2030, 1, 2), destination=BERLIN, origin=BERLIN, parcels=(Parcel(weight_g=1200),)
)
STANDARD = ShippingRate("std", "Standard", Money(490, "EUR"), carrier="Post", min_days=2, max_days=4)
EXPRESS = ShippingRate("exp", "Express", Money(1190, "EUR"))


class Engine(TaxEngine):
    name = "engine"
    display_name = "Engine"
    capabilities = TaxClaims(None)
    settings_schema = {"type": "object", "properties": {"api_key": {"type": "string"}}}  # noqa: RUF012
    script = staticmethod(lambda engine, asked: everything_at(VAT, asked))

    def calculate(self, request):
        return self.script(self, request)


class Source(RateSource):
    name = "source"
    display_name = "Source"
    capabilities = RateClaims()
    settings_schema = {"type": "object", "properties": {"api_key": {"type": "string"}}}  # noqa: RUF012
    script = staticmethod(lambda source, asked: RatesOffered((EXPRESS, STANDARD)))

    def quote(self, request):
        return self.script(self, request)


class Offering:
    def __init__(self, engines=(), sources=()):
        self.engines, self.sources = engines, sources

    @hookimpl
    def penstock_tax_engines(self):
        return self.engines

    @hookimpl
    def penstock_rate_sources(self):
        return self.sources


def everything_at(rate, asked):
    return RatesFound(tuple(PartRates(part_id=part, rates=(rate,)) for part in asked.amounts))


def scripted(root, name, script, **claims):
    members = {"name": name, "script": staticmethod(script)}
    if claims:
        members["capabilities"] = type(root.capabilities)(**claims)
    return type(name.capitalize(), (root,), members)


def quoting(engines=(), sources=(), clock=None, **options):
    clock = clock or StandingClock(NOON)
    pm = load((Offering(engines, sources),), entry_points=False)
    return Quoting(Engines(pm, clock=clock), Sources(pm, clock=clock), clock, **{"seconds": 2, **options})


def account(connector, number=1, **changes):
    return Connection(
        **{"id": f"{connector}-{number}", "connector": connector, "settings": {"api_key": SECRET}, **changes}
    )


def taxed(script, request=CART, **claims):
    return quoting([scripted(Engine, "engine", script, **claims)]).tax(account("engine"), request)


def gathered(script, request=BOX, **claims) -> GatheredRates:
    return quoting(sources=[scripted(Source, "source", script, **claims)]).gather([account("source")], request)


def raising(exc):
    def script(provider, asked):
        raise exc

    return script


def answering(value):
    return lambda provider, asked: value


def test_rates_come_back_under_the_carts_own_line_ids():
    by_category = {"": VAT, "books": replace(VAT, id="DE-reduced", ppm=70_000)}

    def script(engine, asked):
        lines = [PartRates(part_id=line.id, rates=(by_category[line.category],)) for line in asked.lines]
        return RatesFound((*lines, PartRates(part_id=SHIPPING, rates=(VAT,))))

    found = taxed(script)
    assert isinstance(found, TaxFound)
    assert {part.part_id: part.rates[0].ppm for part in found.answer.parts} == {
        "line-a": 70_000,
        "line-b": 190_000,
        SHIPPING: 190_000,
    }
    lines = [Line(id=line.id, unit_price=line.amount, quantity=1) for line in CART.lines]
    totals = compute_totals(lines, shipping=490, tax=found.answer.rules(is_included=False))
    assert totals.tax_total == 380 + 35 + 93


def test_amounts_come_back_as_the_totals_take_them():
    def script(engine, asked):
        return TaxesCalculated(
            tuple(PartTaxes(part_id=part, taxes=((VAT, amount // 5),)) for part, amount in asked.amounts.items()),
            ref="calc_1",
        )

    found = taxed(script)
    lines = [Line(id=line.id, unit_price=line.amount, quantity=1) for line in CART.lines]
    assert with_given_taxes(lines, found.answer.given(), shipping=490).tax_total == 400 + 100 + 98
    assert found.answer.ref == "calc_1"


def test_an_engine_never_sees_the_carts_own_ids():
    seen = []
    taxed(lambda engine, asked: seen.append(asked) or everything_at(VAT, asked))
    assert "line-" not in repr(seen)


def test_equal_carts_are_one_question_whatever_the_order_of_their_lines():
    asked = []
    desk = quoting([scripted(Engine, "engine", lambda engine, ask: asked.append(ask) or everything_at(VAT, ask))])
    first = desk.tax(account("engine"), CART)
    renamed = tuple(replace(line, id=f"other-{at}") for at, line in enumerate(reversed(CART.lines)))
    second = desk.tax(account("engine"), replace(CART, lines=renamed))
    assert len(asked) == 1
    assert (first.is_cached, second.is_cached) == (False, True)
    assert {part.part_id for part in second.answer.parts} == {"other-0", "other-1", SHIPPING}


OTHER_QUESTIONS = {
    "the day": {"on": date(2030, 1, 3)},
    "the currency": {"currency": "USD"},
    "an amount": {"lines": (replace(CART.lines[0], amount=2001), CART.lines[1])},
    "a category": {"lines": (replace(CART.lines[0], category="food"), CART.lines[1])},
    "a quantity": {"lines": (replace(CART.lines[0], quantity=2), CART.lines[1])},
    "shipping": {"shipping": 0},
    "inclusion": {"is_included": True},
    "the street": {"destination": replace(BERLIN, line1="Elsewhere 2")},
    "the origin": {"origin": BERLIN},
}


@pytest.mark.parametrize("change", OTHER_QUESTIONS.values(), ids=OTHER_QUESTIONS)
def test_an_answer_depends_on(change):
    asked = []
    desk = quoting([scripted(Engine, "engine", lambda engine, ask: asked.append(ask) or everything_at(VAT, ask))])
    desk.tax(account("engine"), CART)
    desk.tax(account("engine"), replace(CART, **change))
    assert len(asked) == 2


def test_an_answer_depends_on_the_accounts_settings_and_the_configurations_version():
    asked = []
    desk = quoting(
        sources=[scripted(Source, "source", lambda source, ask: asked.append(1) or RatesOffered((STANDARD,)))]
    )
    here = account("source")
    for connection, version in (
        (here, "1"),
        (here, "1"),
        (here, "2"),
        (replace(here, settings={"api_key": "sk_another"}), "1"),
        (account("source", 2), "1"),
    ):
        desk.gather([connection], BOX, version=version)
    assert len(asked) == 4


def test_an_answer_is_kept_for_its_time_and_no_longer():
    clock, asked = StandingClock(NOON), []
    source = scripted(Source, "source", lambda source, ask: asked.append(1) or RatesOffered((STANDARD,)))
    desk = quoting(sources=[source], clock=clock, answers=Answers(clock, lifetime=timedelta(seconds=60)))
    for _ in range(3):
        desk.gather([account("source")], BOX)
        clock.advance(timedelta(seconds=30))
    assert len(asked) == 2


def test_a_process_keeps_only_so_many_answers():
    clock = StandingClock(NOON)
    kept = Answers(clock, most=3)
    desk = quoting(sources=[Source], clock=clock, answers=kept)
    for grams in range(1, 10):
        desk.gather([account("source")], replace(BOX, parcels=(Parcel(weight_g=grams),)))
    assert len(kept) == 3


def test_a_source_that_fails_again_and_again_is_left_alone_for_a_while_and_then_tried():
    clock, asked, is_down = StandingClock(NOON), [], [True]

    def script(source, ask):
        asked.append(ask)
        if is_down[0]:
            raise httpx.ReadTimeout("silence")
        return RatesOffered((STANDARD,))

    desk = quoting(
        sources=[scripted(Source, "source", script), scripted(Source, "other", answering(STANDARD))], clock=clock
    )

    def kinds():
        return [failure.kind for failure in desk.gather([account("source")], BOX).failures]

    assert [kinds() for _ in range(5)] == [["timeout"], ["timeout"], ["timeout"], ["busy"], ["busy"]]
    assert len(asked) == 3
    assert desk.gather([account("source", 2)], BOX).failures[0].kind == "timeout", "another account is another source"
    clock.advance(timedelta(seconds=15))
    assert kinds() == ["timeout"], "one trial"
    assert kinds() == ["busy"]
    clock.advance(timedelta(seconds=15))
    is_down[0] = False
    assert [kinds(), kinds()] == [[], []]


@pytest.mark.parametrize("kind", ["address", "not_served", "configuration"])
def test_a_no_is_an_answer_and_pauses_nobody(kind):
    desk = quoting(sources=[scripted(Source, "source", answering(Refused(kind, "no")))])
    for _ in range(6):
        assert desk.gather([account("source")], BOX).failures[0].kind == kind


def test_a_failure_is_not_kept():
    answers = iter([RuntimeError("once"), RatesOffered((STANDARD,))])

    def script(source, asked):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    desk = quoting(sources=[scripted(Source, "source", script)])
    assert desk.gather([account("source")], BOX).failures
    assert desk.gather([account("source")], BOX).offers


def test_no_address_stays_in_memory():
    clock = StandingClock(NOON)
    kept = Answers(clock)
    quoting(sources=[Source], clock=clock, answers=kept).gather([account("source")], BOX)
    assert len(kept) == 1
    assert "Chausseestr" not in repr(kept._kept)
    assert SECRET not in repr(kept._kept)


def test_sources_are_asked_side_by_side_and_the_cheapest_comes_first():
    together = threading.Barrier(3)

    def slow(price):
        def script(source, asked):
            together.wait(2)
            return RatesOffered((ShippingRate("only", "Only", Money(price, "EUR")),), notes=("one carrier is away",))

        return script

    classes = [scripted(Source, f"source_{at}", slow(price)) for at, price in enumerate((900, 300, 600))]
    found = quoting(sources=classes).gather([account(cls.name) for cls in classes], BOX)
    assert [offer.rate.money.amount for offer in found.offers] == [300, 600, 900]
    assert [note.source for note in found.notes] == ["source_0", "source_1", "source_2"]
    assert found.offer("source_1-1:only").rate.money == Money(300, "EUR")
    assert found.offer("source_1-1:else") is None


def test_one_deadline_covers_all_sources_and_the_rest_is_given():
    hang = threading.Event()

    def hanging(source, asked):
        hang.wait(20)
        return RatesOffered((STANDARD,))

    stuck = [scripted(Source, f"stuck_{at}", hanging) for at in range(3)]
    desk = quoting(sources=[*stuck, Source], seconds=0.3)
    began = time.monotonic()
    found = desk.gather([account(cls.name) for cls in (*stuck, Source)], BOX)
    took = time.monotonic() - began
    hang.set()
    assert [(failure.source, failure.kind) for failure in found.failures] == [
        ("stuck_0", "timeout"),
        ("stuck_1", "timeout"),
        ("stuck_2", "timeout"),
    ]
    assert [offer.rate.code for offer in found.offers] == ["std", "exp"]
    assert took < 1.5


def test_a_source_that_hangs_takes_only_its_own_places():
    hang = threading.Event()
    stuck = scripted(Source, "stuck", lambda source, asked: hang.wait(20))
    desk = quoting(sources=[stuck, Source], seconds=0.05, places=2)
    kinds = [desk.gather([account("stuck")], BOX).failures[0].kind for _ in range(3)]
    hang.set()
    assert kinds == ["timeout", "timeout", "busy"]
    assert desk.gather([account("source")], BOX).offers


def test_more_sources_than_one_question_may_have_are_told_of():
    found = quoting(sources=[Source]).gather([account("source", at) for at in range(MOST_SOURCES + 2)], BOX)
    assert [failure.kind for failure in found.failures] == ["busy", "busy"]
    assert len(found.offers) == 2 * MOST_SOURCES


class Rude(BaseException):
    pass


FAILURES = {
    "a bug": (raising(ZeroDivisionError("oops")), "failed"),
    "an exit": (raising(SystemExit(3)), "failed"),
    "a base exception": (raising(Rude("no")), "failed"),
    "never sent": (raising(NotSent("ConnectError at api.example")), "unreachable"),
    "nothing": (answering(None), "contract"),
    "zero": (answering(0), "contract"),
    "a text": (answering("free"), "contract"),
    "refused": (answering(Refused("not_served", "no")), "not_served"),
    "bad address": (answering(Refused("address", "no such postal code")), "address"),
    "refused in a word of its own": (answering(Refused("whatever", "no")), "contract"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("script", "kind"), FAILURES.values(), ids=FAILURES)
def test_what_is_no_answer_is_a_failure_with_a_name(script, kind):
    tax, rates = taxed(script), gathered(script)
    assert isinstance(tax, SourceFailure)
    assert (tax.kind, tax.source, tax.connection_id) == (kind, "engine", "engine-1")
    assert [failure.kind for failure in rates.failures] == [kind]
    assert rates.offers == ()


def test_a_failure_shows_no_secret():
    for script in (raising(ValueError(f"401 for {SECRET}")), answering(Refused("configuration", f"bad key {SECRET}"))):
        assert SECRET not in repr(taxed(script))
        assert SECRET not in repr(gathered(script))


def test_a_missing_plugin_and_wrong_settings_are_failures_too():
    desk = quoting([Engine], [Source])
    assert desk.tax(account("nobody"), CART).kind == "configuration"
    assert desk.tax(account("engine", settings={"api_key": 7}), CART).kind == "configuration"
    assert desk.tax(account("engine", is_readable=False), CART).kind == "configuration"
    assert desk.gather([account("nobody")], BOX).failures[0].kind == "configuration"


def test_nobody_is_asked_inside_a_transaction():
    desk = quoting([Engine], [Source])
    with transaction():
        with pytest.raises(CalledInsideTransaction):
            desk.tax(account("engine"), CART)
        with pytest.raises(CalledInsideTransaction):
            desk.gather([account("source")], BOX)


def test_a_5xx_is_no_zero_through_the_client_that_a_source_is_lent():
    def script(source, asked):
        client = http.client(
            timeout=1, transport=httpx.MockTransport(lambda _: httpx.Response(503, json={"rates": []}))
        )
        return RatesOffered(tuple(client.get("https://post.example/rates").raise_for_status().json()["rates"]))

    assert gathered(script).failures[0].kind == "failed"


UNASKED_RATES = {
    "currency": ({"currencies": frozenset({"USD"})}, {}, "not_served"),
    "destination": ({"destinations": frozenset({"FR"})}, {}, "not_served"),
    "origin's country": ({"origins": frozenset({"FR"})}, {}, "not_served"),
    "no origin": ({"origins": frozenset({"DE"})}, {"origin": None}, "configuration"),
    "incomplete origin": ({"needs_of_origin": frozenset({"state"})}, {}, "configuration"),
    "incomplete destination": ({"needs": frozenset({"postal_code", "state"})}, {}, "address"),
    "too many parcels": ({}, {"parcels": BOX.parcels * 2}, "not_served"),
    "no parcel": ({}, {"parcels": ()}, "not_served"),
}


@pytest.mark.parametrize(("claims", "change", "kind"), UNASKED_RATES.values(), ids=UNASKED_RATES)
def test_a_source_is_not_asked_about_what_it_does_not_claim(claims, change, kind):
    asked = []
    found = gathered(lambda source, ask: asked.append(ask), replace(BOX, **change), **claims)
    assert [failure.kind for failure in found.failures] == [kind]
    assert asked == []


UNASKED_TAXES = {
    "currency": ({"countries": None, "currencies": frozenset({"USD"})}, {}, "not_served"),
    "country": ({"countries": frozenset({"FR"})}, {}, "not_served"),
    "prices with tax": ({"countries": None, "inclusive": False}, {"is_included": True}, "not_served"),
    "prices without": ({"countries": None, "exclusive": False}, {}, "not_served"),
    "incomplete destination": ({"countries": None, "needs": frozenset({"state"})}, {}, "address"),
    "no origin": ({"countries": None, "needs_origin": True}, {}, "configuration"),
}


@pytest.mark.parametrize(("claims", "change", "kind"), UNASKED_TAXES.values(), ids=UNASKED_TAXES)
def test_an_engine_is_not_asked_about_what_it_does_not_claim(claims, change, kind):
    asked = []
    found = taxed(lambda engine, ask: asked.append(ask), replace(CART, **change), **claims)
    assert found.kind == kind
    assert asked == []


def test_what_is_missing_of_an_address_is_named():
    found = taxed(answering(None), countries=None, needs=frozenset({"state", "postal_code"}))
    assert found.missing == ("state",)


BAD_TAXES = {
    "a part left out": lambda parts: RatesFound(parts[1:]),
    "a part twice": lambda parts: RatesFound((*parts, parts[0])),
    "a part of another cart": lambda parts: RatesFound((*parts, PartRates(part_id="else", rates=(VAT,)))),
    "nothing without a reason": lambda parts: RatesFound((PartRates(part_id=parts[0].part_id), *parts[1:])),
    "a float": lambda parts: everywhere(parts, replace(VAT, ppm=190_000.0)),
    "a negative rate": lambda parts: everywhere(parts, replace(VAT, ppm=-1)),
    "a rate beyond belief": lambda parts: everywhere(parts, replace(VAT, ppm=10_000_001)),
    "no id": lambda parts: everywhere(parts, replace(VAT, id="")),
    "no rate": lambda parts: everywhere(parts, "19 %"),
    "half compound": lambda parts: everywhere(parts, replace(VAT, is_compound=None)),
    "one id twice": lambda parts: RatesFound(tuple(replace(part, rates=(VAT, VAT)) for part in parts)),
    "a negative tax": lambda parts: amounts(parts, -1),
    "a float tax": lambda parts: amounts(parts, 1.0),
    "a tax beyond belief": lambda parts: amounts(parts, 20_001),
    "a blank reference": lambda parts: replace(amounts(parts, 1), ref=" "),
}


def everywhere(parts, rate):
    return RatesFound(tuple(replace(part, rates=(rate,)) for part in parts))


def amounts(parts, amount):
    return TaxesCalculated(tuple(PartTaxes(part_id=part.part_id, taxes=((VAT, amount),)) for part in parts))


@pytest.mark.parametrize("spoil", BAD_TAXES.values(), ids=BAD_TAXES)
def test_a_tax_answer_is_refused_for(spoil):
    good = everything_at(VAT, CART)
    assert check_taxes(good, CART) == good
    with pytest.raises(BrokenPromise):
        check_taxes(spoil(good.parts), CART)


def test_an_included_tax_is_never_more_than_the_price():
    parts = everything_at(VAT, CART).parts
    with pytest.raises(BrokenPromise):
        check_taxes(amounts(parts, 501), replace(CART, is_included=True))


def test_a_part_without_tax_says_why():
    answer = RatesFound(tuple(PartRates(part_id=part, reason="not_collecting") for part in CART.amounts))
    assert check_taxes(answer, CART) == answer


BAD_RATES = {
    "nothing": (),
    "a zero that is not said to be free": (replace(STANDARD, money=Money(0, "EUR")),),
    "a negative price": (replace(STANDARD, money=Money(-1, "EUR")),),
    "another currency": (replace(STANDARD, money=Money(490, "USD")),),
    "no money": (replace(STANDARD, money=490),),  # type: ignore[arg-type]
    "one code twice": (STANDARD, replace(EXPRESS, code="std")),
    "a blank code": (replace(STANDARD, code=" "),),
    "no name": (replace(STANDARD, name=""),),
    "days of a float": (replace(STANDARD, min_days=1.5),),  # type: ignore[arg-type]
    "days the wrong way round": (replace(STANDARD, min_days=5, max_days=2),),
    "too many": tuple(replace(STANDARD, code=str(at)) for at in range(101)),
    "no rate": ("free",),
}


@pytest.mark.parametrize("rates", BAD_RATES.values(), ids=BAD_RATES)
def test_a_rate_answer_is_refused_for(rates):
    with pytest.raises(BrokenPromise):
        check_rates(RatesOffered(rates), BOX)


def test_a_rate_that_is_free_says_so():
    free = RatesOffered((replace(STANDARD, money=Money(0, "EUR"), is_free=True),))
    assert check_rates(free, BOX) == free


def test_two_plugins_of_different_kinds_cannot_have_one_name():
    engine, source = scripted(Engine, "same", answering(None)), scripted(Source, "same", answering(None))
    with pytest.raises(BrokenPlugin, match="'same'"):
        every_class(load((Offering([engine], [source]),), entry_points=False))


BROKEN = {
    "not a subclass": type("Loose", (), {"name": "loose"}),
    "no calculate()": type(
        "Idle",
        (TaxEngine,),
        {"name": "idle", "display_name": "Idle", "capabilities": TaxClaims(None), "settings_schema": {}},
    ),
    "claims of another kind": type("Mixed", (Engine,), {"capabilities": RateClaims()}),
    "a claim without its verb": type("Boast", (Engine,), {"capabilities": TaxClaims(None, verify=True)}),
    "a verb without its claim": type("Modest", (Engine,), {"verify_account": lambda self: None}),
}


@pytest.mark.parametrize("cls", BROKEN.values(), ids=BROKEN)
def test_the_server_does_not_start_with_an_engine_that_is(cls):
    with pytest.raises(BrokenPlugin):
        quoting([cls])
