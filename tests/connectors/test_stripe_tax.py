"""Does Stripe Tax keep the contract of a tax engine, and keep to Stripe's own description while it does?"""

from dataclasses import replace
from datetime import date
from typing import ClassVar, get_args, get_type_hints

import httpx
import pytest
import stripe as sdk

from connectors.tax.stripe_tax import StripeTax
from penstock.conformance import TaxCase, TaxEngineContract, reply
from penstock.conformance.provider import CannedProvider, fresh, standing_clock
from penstock.conformance.sources import ANSWERED
from penstock.connector import Context
from penstock.exemption import Exemption
from penstock.money import Money
from penstock.place import Place
from penstock.tax_engine import TaxableLine, TaxRequest
from penstock.totals import SHIPPING
from tests.connectors.forms import nested
from tests.connectors.held import Held
from tests.connectors.official import Described, description

SETTINGS = {"secret_key": "sk_test_conformanceSECRET0", "tax_codes": ["books=txcd_35010000"]}
SAN_FRANCISCO = Place(country="US", state="CA", postal_code="94080", city="South San Francisco", line1="354 Oyster Pt")
CART = TaxRequest(
    currency="USD",
    on=date(2030, 1, 2),
    lines=(TaxableLine(id="1", amount=1499), TaxableLine(id="2", amount=2000, quantity=2, category="books")),
    destination=SAN_FRANCISCO,
    shipping=300,
)
YEN = replace(CART, currency="JPY", lines=(TaxableLine(id="1", amount=1100),), shipping=0, is_included=True)


def breakdown(amount, *, percent="9.875", level="state", name="California", reason="standard_rated", taxable=None):
    return {
        "amount": amount,
        "jurisdiction": {"country": "US", "display_name": name, "level": level, "state": "CA"},
        "sourcing": "destination",
        "tax_rate_details": {"display_name": "Sales tax", "percentage_decimal": percent, "tax_type": "sales_tax"},
        "taxability_reason": reason,
        "taxable_amount": 0 if taxable is None else taxable,
    }


def line(at, amount, *taxes, behavior="exclusive"):
    return {
        "amount": amount,
        "amount_tax": sum(tax["amount"] for tax in taxes),
        "id": f"tax_li_{at}",
        "livemode": False,
        "metadata": None,
        "object": "tax.calculation_line_item",
        "product": None,
        "quantity": 1,
        "reference": str(at),
        "tax_behavior": behavior,
        "tax_breakdown": list(taxes),
        "tax_code": "txcd_99999999",
    }


def listed(*lines, has_more=False):
    path = "/v1/tax/calculations/taxcalc_1/line_items"
    return {"object": "list", "data": list(lines), "has_more": has_more, "url": path}


def calculation(*lines, shipping=None, has_more=False, currency="usd"):
    return {
        "amount_total": 1,
        "currency": currency,
        "customer": None,
        "customer_details": {"address": {"country": "US"}, "address_source": "shipping", "ip_address": None},
        "expires_at": 1234567890,
        "id": "taxcalc_1",
        "line_items": listed(*lines, has_more=has_more),
        "livemode": False,
        "object": "tax.calculation",
        "shipping_cost": shipping,
        "tax_amount_exclusive": 1,
        "tax_amount_inclusive": 0,
        "tax_breakdown": [],
        "tax_date": 1893585600,
    }


def sent(amount, *taxes, behavior="exclusive"):
    return {
        "amount": amount,
        "amount_tax": sum(tax["amount"] for tax in taxes),
        "tax_behavior": behavior,
        "tax_breakdown": list(taxes),
        "tax_code": "txcd_92010001",
    }


FREE = breakdown(0, percent="0.0", reason="not_collecting")
EXEMPT = breakdown(0, percent="0.0", reason="customer_exempt")
FIRST = line(1, 1499, breakdown(93, percent="6.25"), breakdown(55, percent="3.625", level="county", name="San Mateo"))
SECOND = line(2, 2000, breakdown(198))
GOOD = calculation(FIRST, SECOND, shipping=sent(300, FREE))
SETTLED = {"defaults": {}, "head_office": None, "livemode": False, "object": "tax.settings", "status": "active"}


def error(status, code, **more):
    return reply(status, {"error": {"type": "invalid_request_error", "code": code, "message": "No.", **more}})


class TestStripeTax(Held, TaxEngineContract):
    provider = StripeTax
    settings = SETTINGS
    descriptions = (description("stripe_tax"),)
    cases = (
        TaxCase(CART, reply(200, GOOD), {"1": 148, "2": 198, SHIPPING: 0}),
        TaxCase(
            YEN,
            reply(
                200, calculation(line(1, 1100, breakdown(100, percent="10.0"), behavior="inclusive"), currency="jpy")
            ),
            {"1": 100},
        ),
        TaxCase(
            replace(CART, exemption=Exemption(reason="exempt", reference="CA-77")),
            reply(200, calculation(line(1, 1499, EXEMPT), line(2, 2000, EXEMPT), shipping=sent(300, EXEMPT))),
            {"1": 0, "2": 0, SHIPPING: 0},
        ),
    )
    wire: ClassVar = {
        "incomplete": reply(200, calculation(FIRST, shipping=sent(300, FREE))),
        "untaxed": reply(200, calculation(line(1, 1499, FREE), line(2, 2000, FREE), shipping=sent(300, FREE))),
        "bad_address": error(400, "customer_tax_location_invalid", param="customer_details[address]"),
        "not_served": None,
        "bad_credentials": error(401, None),
        "verified": reply(200, SETTLED | {"status_details": {"active": {}}}),
        "refused_account": error(401, None),
    }
    amounts: ClassVar = {Money(1250, "EUR"): "1250", Money(5, "USD"): "5", Money(1250, "JPY"): "1250"}

    def amount_on_wire(self, request: httpx.Request) -> str:
        return nested(request.content)["line_items"][0]["amount"]


def engine(*answers, settings=SETTINGS, environment="sandbox"):
    given = iter(answers)
    canned = CannedProvider(lambda _: fresh(next(given)), lambda _: None)
    http = httpx.Client(transport=Described(canned, description("stripe_tax")), trust_env=False)
    return StripeTax(Context(settings, http, standing_clock(), environment)), canned


def test_both_directions_are_as_stripe_describes_them():
    made, _ = engine(*(case.answer for case in TestStripeTax.cases))
    assert [made.calculate(case.request).ref for case in TestStripeTax.cases] == ["taxcalc_1"] * 3


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        (sdk.tax.CalculationLineItem, FIRST),
        (sdk.tax.CalculationLineItem.TaxBreakdown, FREE),
        (sdk.tax.CalculationLineItem.TaxBreakdown.Jurisdiction, FREE["jurisdiction"]),
        (sdk.tax.CalculationLineItem.TaxBreakdown.TaxRateDetails, FREE["tax_rate_details"]),
        (sdk.tax.Calculation.ShippingCost, sent(300, FREE)),
    ],
)
def test_what_we_read_is_what_stripes_own_library_reads(official, ours):
    # The published slice stops above the line items.
    known = get_type_hints(official)
    assert set(ours) <= set(known)
    assert [name for name, value in ours.items() if value is None and type(None) not in get_args(known[name])] == []


@pytest.mark.parametrize(("reason", "told"), [("exempt", "customer_exempt"), ("reverse_charge", "reverse_charge")])
def test_stripe_is_told_why_a_buyer_pays_no_tax(reason, told):
    made, canned = engine(reply(200, GOOD))
    made.calculate(replace(CART, exemption=Exemption(reason=reason)))
    assert nested(canned.sent[0].content)["customer_details"]["taxability_override"] == told


def test_taxes_keep_where_they_are_due_and_at_which_rate():
    made, _ = engine(reply(200, GOOD))
    state, county = next(part for part in made.calculate(CART).parts if part.part_id == "1").taxes
    assert (state[0].ppm, state[0].jurisdiction, state[0].tax_type, state[1]) == (62_500, "California", "sales_tax", 93)
    assert (county[0].ppm, county[0].jurisdiction, county[1]) == (36_250, "San Mateo", 55)


def test_categories_become_stripes_codes_and_the_day_is_told():
    made, canned = engine(reply(200, GOOD))
    made.calculate(CART)
    form = nested(canned.sent[0].content)
    assert "tax_code" not in form["line_items"][0]
    assert form["line_items"][1]["tax_code"] == "txcd_35010000"
    assert form["shipping_cost"]["tax_code"] == "txcd_92010001"
    assert form["tax_date"] == "1893585600"


def test_lines_beyond_the_first_page_are_fetched():
    first = calculation(FIRST, shipping=sent(300, FREE), has_more=True)
    made, canned = engine(reply(200, first), reply(200, listed(SECOND)))
    found = made.calculate(CART)
    assert {part.part_id for part in found.parts} == {"1", "2", SHIPPING}
    assert canned.sent[1].url.params["starting_after"] == "tax_li_1"


def test_a_part_that_costs_nothing_is_not_sent_and_has_nothing_to_tax():
    asked = replace(CART, lines=(CART.lines[0], TaxableLine(id="2", amount=0)), shipping=0)
    made, canned = engine(reply(200, calculation(FIRST)))
    found = made.calculate(asked)
    assert {part.part_id: part.reason for part in found.parts} == {"1": "", "2": "nothing_to_tax"}
    assert len(nested(canned.sent[0].content)["line_items"]) == 1
    nobody, silent = engine()
    free = replace(asked, lines=(TaxableLine(id="1", amount=0),))
    assert [part.reason for part in nobody.calculate(free).parts] == ["nothing_to_tax"]
    assert silent.sent == []


def test_taxes_that_do_not_sum_to_the_tax_are_no_answer():
    wrong = GOOD | {"line_items": listed(FIRST | {"amount_tax": 149}, SECOND)}
    made, _ = engine(reply(200, wrong))
    with pytest.raises(ValueError, match="sum"):
        made.calculate(CART)


def test_two_taxes_of_one_place_and_kind_are_told_apart():
    twice = line(1, 1499, breakdown(10), breakdown(20))
    made, _ = engine(reply(200, calculation(twice, SECOND, shipping=sent(300, FREE))))
    assert (
        TestStripeTax().judge(TestStripeTax().ask(reply(200, calculation(twice, SECOND, shipping=sent(300, FREE)))))
        == ANSWERED
    )
    ids = [rate.id for rate, _ in made.calculate(CART).parts[0].taxes]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("status", ["pending", "unheard_of"])
def test_an_account_that_does_not_calculate_yet_is_not_accepted(status):
    details = {"active": None, "pending": {"missing_fields": ["head_office"]}}
    answer = reply(200, SETTLED | {"status": status, "status_details": details})
    canned = CannedProvider(answer, lambda _: None)
    made = StripeTax(Context(SETTINGS, httpx.Client(transport=canned), standing_clock(), "sandbox"))
    with pytest.raises(Exception, match="not set up" if status == "pending" else "unheard_of"):
        made.verify_account()


def test_a_live_key_is_for_production_alone():
    with pytest.raises(ValueError, match="mode"):
        engine(settings={"secret_key": "sk_live_conformanceSECRET0"})
