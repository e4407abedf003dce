"""Whatever the basket, rates and methods: totals add up, nothing is negative, and a source that fails is no zero."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock._roots import root
from penstock.calculation import Basket, Goods
from penstock.config_rules import canonical_config, config_faults
from penstock.explanation import explain, text_of
from penstock.flows.calculate_basket import calculate_basket
from penstock.money import Money
from penstock.outside import Outside
from penstock.quoting import GatheredRates, OfferedRate, SourceFailure, TaxFound
from penstock.rate_source import ShippingRate
from penstock.shipping_tax import read_config
from penstock.tax_engine import PartRates, PartTaxes, RatesFound, TaxesCalculated
from penstock.tax_errors import TaxProviderError
from penstock.totals import SHIPPING, FixedAmount, Line, Percentage, Rate
from penstock.verdict import Connection

HOME = {"countryCode": "US", "stateProvince": "NY", "postalCode": "10001", "city": "New York", "addressLine1": "1 A St"}
ZONE = {
    "id": "us",
    "name": "US",
    "countries": ["US"],
    "methods": [{"id": "std", "name": "Std", "type": "flat", "amount": 500, "currency": "USD"}],
}
RATE = {
    "id": "ny",
    "country": "US",
    "state": "NY",
    "taxType": "sales",
    "name": "NY",
    "rateBps": 400,
    "appliesToShipping": True,
}
CONNECTION = "0199f3a2-6c41-7b52-9d0e-3f1c5a7b9e21"


def config(**axes):
    body = {"shipping": {"mode": "builtin", "zones": [ZONE]}, "tax": {"mode": "builtin", "rates": [RATE]}, **axes}
    canonical = canonical_config(body)
    assert list(config_faults(canonical)) == []
    return read_config(canonical, 1)


def basket(*prices, **fields):
    goods = [
        Goods(line=Line(id=f"{i:03}", unit_price=price, quantity=1), ref=f"{i}", name="x", is_shipped=True, weight=100)
        for i, price in enumerate(prices)
    ]
    return Basket(**{"currency": "USD", "goods": goods, "shipping_address": HOME, "selected_id": "std", **fields})


@st.composite
def calculations(draw):
    prices = draw(st.lists(st.integers(0, 10**7), min_size=1, max_size=8))
    reduction = draw(
        st.none() | st.builds(Percentage, st.integers(0, 10**6)) | st.builds(FixedAmount, st.integers(0, 10**8))
    )
    rates = [
        {**RATE, "id": f"r{i}", "priority": i, "compound": draw(st.booleans()), "rateBps": draw(st.integers(0, 5000))}
        for i in range(draw(st.integers(1, 4)))
    ]
    tax = {
        "mode": "builtin",
        "rates": rates,
        "pricesIncludeTax": draw(st.booleans()),
        "roundingLevel": draw(st.sampled_from(["line", "invoice"])),
        "roundingMode": draw(st.sampled_from(["half_up", "half_even"])),
        "shippingTaxedBy": draw(st.sampled_from(["rates", "goods"])),
    }
    return basket(*prices, reduction=reduction), config(tax=tax)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the first address data is read from a file
@given(calculations(), st.randoms())
def test_totals_add_up_nothing_is_negative_and_the_order_of_lines_is_nothing(given_, dice):
    goods, how = given_
    found = calculate_basket(goods, how, kind="checkout_final")
    priced = found.breakdown
    assert found.status == "final"
    assert priced.total == priced.subtotal - priced.discount_total + priced.shipping_total + priced.tax_total
    assert priced.total == sum(part.total for part in priced.parts)
    assert all(tax.amount >= 0 for part in priced.parts for tax in part.taxes)
    assert all(part.net >= 0 for part in priced.parts)
    shuffled = list(goods.goods)
    dice.shuffle(shuffled)
    again = calculate_basket(replace(goods, goods=shuffled), how, kind="checkout_final").breakdown
    assert {part.id: part for part in again.parts} == {part.id: part for part in priced.parts}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the first address data is read from a file
@given(calculations())
def test_the_explanation_says_the_very_amounts(given_):
    found = calculate_basket(*given_, kind="quote")
    told = explain(found)
    parts = [*told["lines"], told["shipping"]]
    assert sum(part["total"] for part in parts) == found.breakdown.total
    for tax in (tax for part in parts for tax in part["taxes"]):
        assert abs(Fraction(tax["exact"]) - tax["amount"]) < 1 + Fraction(1, 10**6)
        assert (tax["rounded"] == "no") == (Fraction(tax["exact"]) == tax["amount"]) or len(
            tax["exact"].partition(".")[2]
        ) == 6


@pytest.mark.parametrize(
    ("exact", "text"),
    [(0, "0"), (10, "10"), (Fraction(1, 3), "0.333333"), (Fraction(5, 2), "2.5"), (10**15, "1" + "0" * 15)],
)
def test_an_exact_sum_is_told_with_six_places(exact, text):
    assert text_of(exact) == text


class Asked:
    """A quoter that answers what the test says."""

    def __init__(self, *, rates=None, taxes=None):
        self.rates, self.taxes, self.requests = rates, taxes, []

    def gather(self, connections, request, *, version=""):
        self.requests.append(request)
        return self.rates

    def tax(self, connection, request, *, version=""):
        self.requests.append(request)
        return self.taxes(request) if callable(self.taxes) else self.taxes


def failure(kind="timeout"):
    return SourceFailure(connection_id=CONNECTION, source="acme", kind=kind, message="it did not answer")


def outside(**answers):
    quoter = Asked(**answers)
    connection = Connection(id=CONNECTION, connector="acme", settings={})
    return Outside(quoter=quoter, connections={CONNECTION: connection}, on=date(2026, 3, 1))


TAX_PLUGIN = {"mode": "plugin", "connectionId": CONNECTION, "rates": [RATE]}
SHIP_PLUGIN = {"mode": "plugin", "connectionIds": [CONNECTION], "zones": [ZONE]}
EXPRESS = OfferedRate(connection_id=CONNECTION, source="acme", rate=ShippingRate("exp", "Express", Money(900, "USD")))
FOREIGN = Rate(id="eu", name="VAT", ppm=200_000, jurisdiction="US-NY", tax_type="vat")


def test_an_engine_s_rates_are_applied_and_rounded_as_the_merchant_configured():
    def answer(request):
        parts = tuple(PartRates(part_id=part, rates=(FOREIGN,)) for part in request.amounts)
        return TaxFound(connection_id=CONNECTION, source="acme", answer=RatesFound(parts))

    asked = outside(taxes=answer)
    found = calculate_basket(basket(1002), config(tax=TAX_PLUGIN), kind="checkout_final", outside=asked)
    assert (found.status, found.taxed.source) == ("final", "acme")
    assert [tax.amount for part in found.breakdown.parts for tax in part.taxes] == [200, 100]
    request = asked.quoter.requests[0]
    assert (request.shipping, request.lines[0].amount, request.destination.state) == (500, 1002, "NY")


def test_an_engine_s_amounts_are_taken_as_they_are_and_its_reasons_told():
    parts = (PartTaxes(part_id="000", taxes=((FOREIGN, 77),)), PartTaxes(part_id=SHIPPING, reason="not_taxable"))
    answer = TaxFound(connection_id=CONNECTION, source="acme", answer=TaxesCalculated(parts))
    found = calculate_basket(basket(1000), config(tax=TAX_PLUGIN), kind="checkout_final", outside=outside(taxes=answer))
    assert found.breakdown.tax_total == 77
    assert found.taxed.reasons == {SHIPPING: "not_taxable"}


@pytest.mark.parametrize(
    "kind", ["timeout", "unreachable", "contract", "failed", "configuration", "rate_limited", "not_served"]
)
def test_an_engine_that_fails_is_told_of_and_never_counts_as_zero(kind):
    asked = outside(taxes=failure(kind))
    estimate = calculate_basket(basket(1000), config(tax=TAX_PLUGIN), kind="cart_estimate", outside=asked)
    assert not estimate.taxed.is_known
    assert [note.code for note in estimate.warnings] == ["tax_unavailable"]
    with pytest.raises(TaxProviderError) as told:
        calculate_basket(basket(1000), config(tax=TAX_PLUGIN), kind="checkout_final", outside=asked)
    assert told.value.details["source"] == "acme"


def test_a_fallback_that_was_configured_stands_in_and_is_told_of():
    how = config(tax=TAX_PLUGIN, onProviderError="fallback_builtin")
    found = calculate_basket(basket(1000), how, kind="checkout_final", outside=outside(taxes=failure()))
    assert (found.status, found.breakdown.tax_total, found.taxed.source) == ("final", 60, "builtin")
    assert [note.code for note in found.warnings] == ["tax_unavailable", "fallback_builtin"]


def test_a_table_without_a_rate_for_the_place_stands_in_for_no_engine():
    how = config(tax=TAX_PLUGIN, onProviderError="fallback_builtin")
    texas = {**HOME, "stateProvince": "TX", "postalCode": "78701", "city": "Austin"}
    goods = basket(1000, shipping_address=texas)
    with pytest.raises(TaxProviderError):
        calculate_basket(goods, how, kind="checkout_final", outside=outside(taxes=failure()))
    estimate = calculate_basket(goods, how, kind="cart_estimate", outside=outside(taxes=failure()))
    assert not estimate.taxed.is_known
    assert [note.code for note in estimate.warnings] == ["tax_unavailable"]


@pytest.mark.parametrize(
    ("axes", "known", "prompts", "warnings"),
    [
        ({}, (True, False), [("address_incomplete", "stateProvince")], []),
        ({"tax": {"mode": "builtin", "rates": [RATE, {**RATE, "id": "us", "state": None}]}}, (True, True), [], ["stateProvince"]),
        ({"shipping": {"mode": "builtin", "zones": [{**ZONE, "states": ["NY"]}]}, "tax": {"mode": "off"}}, (False, True),
         [("address_incomplete", "stateProvince")], []),
    ],
)  # fmt: skip
def test_what_of_an_address_decides_and_is_not_known_is_asked_for(axes, known, prompts, warnings):
    axes = {
        axis: {**how, "rates": [{k: v for k, v in one.items() if v} for one in how["rates"]]} if "rates" in how else how
        for axis, how in axes.items()
    }
    found = calculate_basket(basket(1000, shipping_address={"countryCode": "US"}), config(**axes), kind="quote")
    assert (found.shipped.is_known, found.taxed.is_known) == known
    assert [(note.code, note.field) for note in found.prompts] == [
        (code, f"addresses.shipping.{name}") for code, name in prompts
    ]
    assert [note.field for note in found.warnings] == [f"addresses.shipping.{name}" for name in warnings]


def test_an_engine_that_needs_more_of_the_address_asks_for_it():
    lacking = replace(failure("address"), missing=("postal_code",))
    found = calculate_basket(
        basket(1000), config(tax=TAX_PLUGIN), kind="checkout_final", outside=outside(taxes=lacking)
    )
    assert found.status == "failed"
    assert [note.field for note in found.errors] == ["addresses.shipping.postalCode"]


def test_rates_of_sources_are_offered_and_what_fails_beside_them_is_a_warning():
    asked = outside(rates=GatheredRates(offers=(EXPRESS,), failures=(failure(),)))
    goods = basket(1000, selected_id=EXPRESS.method_id)
    found = calculate_basket(goods, config(shipping=SHIP_PLUGIN), kind="checkout_final", outside=asked)
    assert (found.status, found.breakdown.shipping_total) == ("final", 900)
    assert [note.code for note in found.warnings] == ["shipping_source_failed"]
    assert asked.quoter.requests[0].parcels[0].weight_g == 100


def test_no_rate_at_all_is_no_free_shipping():
    asked = outside(rates=GatheredRates(failures=(failure(),)))
    how = config(shipping=SHIP_PLUGIN)
    estimate = calculate_basket(basket(1000), how, kind="cart_estimate", outside=asked)
    assert not estimate.shipped.is_known
    assert estimate.prompts == []  # nobody knows that nothing ships there
    with pytest.raises(TaxProviderError):
        calculate_basket(basket(1000), how, kind="checkout_final", outside=asked)
    falling = config(shipping=SHIP_PLUGIN, onProviderError="fallback_builtin")
    found = calculate_basket(basket(1000), falling, kind="checkout_final", outside=asked)
    assert (found.status, found.breakdown.shipping_total) == ("final", 500)


def test_a_selected_rate_whose_source_fails_now_is_a_failure_of_the_source():
    asked = outside(rates=GatheredRates(offers=(EXPRESS,), failures=(failure(),)))
    goods = basket(1000, selected_id="other:slow")
    with pytest.raises(TaxProviderError):
        calculate_basket(goods, config(shipping=SHIP_PLUGIN), kind="checkout_final", outside=asked)


def test_what_weighs_nobody_knows_what_is_priced_by_nobody():
    goods = basket(1000)
    goods = replace(goods, goods=[replace(goods.goods[0], weight=None)])
    found = calculate_basket(goods, config(shipping=SHIP_PLUGIN), kind="checkout_final", outside=outside())
    assert found.status == "failed"
    assert [note.code for note in found.errors] == ["weight_unknown"]


def test_a_connection_that_is_gone_is_a_failure_too():
    gone = Outside(quoter=Asked(), connections={}, on=date(2026, 3, 1))
    with pytest.raises(TaxProviderError):
        calculate_basket(basket(1000), config(tax=TAX_PLUGIN), kind="checkout_final", outside=gone)


def test_the_examples_of_the_documentation_are_what_the_rules_give():
    from handlers.tax_wire import calculation_out
    from penstock.flows.quote_items import _basket

    folder = root() / "spec" / "components" / "examples"
    given = yaml.safe_load((folder / "shipping_tax.yaml").read_text())
    how = read_config(canonical_config(given["ShippingTaxConfig"]["value"]), 3)
    found = calculation_out(calculate_basket(_basket(given["RequestQuote"]["value"]), how, kind="quote"))
    assert found == yaml.safe_load((folder / "calculations.yaml").read_text())["Quote"]["value"]
