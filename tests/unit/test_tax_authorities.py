"""Worked examples from the guidance of tax authorities, in minor units. Each names where the figures come from."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

import pytest

from penstock.calculation import Basket, Goods
from penstock.config_rules import canonical_config, config_faults
from penstock.flows.calculate_basket import calculate_basket
from penstock.shipping_tax import read_config
from penstock.totals import Line
from penstock.zone_rates import Offer

TEXAS = "Texas Comptroller, Sales and Use Tax FAQ, Sales Tax Collection"
QUEBEC = "Revenu Québec, Calculating the Taxes"
NEW_ZEALAND = "Inland Revenue New Zealand, Calculating GST"
AUSTRALIA = "A New Tax System (Goods and Services Tax) Act 1999, s 9-90, and the ATO's explanation of it"
NEW_YORK = "City of New York, Sales Tax Information; NYS Publication 718"
EUROPE = "Directive 2006/112/EC, Article 6: what is not within the territory of the tax"
CALIFORNIA = "CDTFA, Sales and Use Tax Annotation 557.0111: groceries of which a third is taxable, delivered for 3.50"
SOUTH_DAKOTA = "South Dakota Administrative Rule 64:06:01:70: delivery of taxable and exempt property"
UNITED_KINGDOM = "HMRC, VAT guide (Notice 700): the VAT fraction"


def rate(id_, country, ppm, **more):
    return {"id": id_, "country": country, "taxType": "other", "name": id_, "ratePpm": ppm, **more}


@dataclass
class Example:
    """A sale: prices of its lines, the rates, and the tax that the authority says."""

    source: str
    prices: list
    rates: list
    tax: object
    to: dict
    tax_options: dict = field(default_factory=dict)
    categories: list = field(default_factory=list)


EXAMPLES = {
    "a half of a cent goes up in Texas": Example(
        TEXAS, [25_000], [rate("tx", "US", 82_500)], 2_063, {"countryCode": "US", "stateProvince": "TX"}
    ),
    "Texas takes its rate on the sum of an invoice": Example(
        TEXAS,
        [1_000, 2_500, 5_000],
        [rate("tx", "US", 62_500)],
        531,
        {"countryCode": "US"},
        {"roundingLevel": "invoice"},
    ),
    "a price of 20 dollars in Austin contains the tax": Example(
        TEXAS, [2_000], [rate("tx", "US", 82_500)], 152, {"countryCode": "US"}, {"pricesIncludeTax": True}
    ),
    "Québec takes its tax on the price without the federal one": Example(
        QUEBEC,
        [10_000],
        [rate("gst", "CA", 50_000), rate("qst", "CA", 99_750, state="QC", priority=1)],
        [500, 998],
        {"countryCode": "CA", "stateProvince": "QC"},
    ),
    "Québec in one stage": Example(
        QUEBEC, [10_000], [rate("both", "CA", 149_750)], 1_498, {"countryCode": "CA", "stateProvince": "QC"}
    ),
    "until 2012 Québec took its tax on the federal one too": Example(
        QUEBEC + ", rates before 2013",
        [10_000],
        [rate("gst", "CA", 50_000), rate("qst", "CA", 95_000, state="QC", priority=1, compound=True)],
        [500, 998],
        {"countryCode": "CA", "stateProvince": "QC"},
    ),
    "1,500 dollars and 15 % in New Zealand": Example(
        NEW_ZEALAND, [150_000], [rate("gst", "NZ", 150_000)], 22_500, {"countryCode": "NZ"}
    ),
    "three twenty-thirds of 1,725 dollars in New Zealand": Example(
        NEW_ZEALAND, [172_500], [rate("gst", "NZ", 150_000)], 22_500, {"countryCode": "NZ"}, {"pricesIncludeTax": True}
    ),
    "an eleventh of a price in Australia": Example(
        AUSTRALIA, [11_000], [rate("gst", "AU", 100_000)], 1_000, {"countryCode": "AU"}, {"pricesIncludeTax": True}
    ),
    "one supply of 0.05 dollars: half a cent goes up": Example(
        AUSTRALIA, [5], [rate("gst", "AU", 100_000)], 1, {"countryCode": "AU"}
    ),
    "several supplies are rounded once for the invoice": Example(
        AUSTRALIA, [4, 4, 4], [rate("gst", "AU", 100_000)], 1, {"countryCode": "AU"}, {"roundingLevel": "invoice"}
    ),
    "the city's, the state's and the district's rates are 8.875 %": Example(
        NEW_YORK,
        [10_000],
        [
            rate("state", "US", 40_000, state="NY"),
            rate("city", "US", 45_000, state="NY", postalCodePattern="100*", priority=1),
            rate("mctd", "US", 3_750, state="NY", postalCodePattern="100*", priority=2),
        ],
        888,
        {"countryCode": "US", "stateProvince": "NY", "postalCode": "10001"},
        {"roundingLevel": "invoice"},
    ),
    "clothing below 110 dollars is exempt in the city": Example(
        NEW_YORK,
        [10_000, 10_000],
        [rate("all", "US", 88_750, state="NY"), rate("clothing", "US", 0, state="NY", category="clothing")],
        [888, 0],
        {"countryCode": "US", "stateProvince": "NY", "postalCode": "10001"},
        {},
        [None, "clothing"],
    ),
    "Heligoland is Germany without its tax, for books too": Example(
        EUROPE,
        [11_900, 10_700],
        [
            rate("de", "DE", 190_000),
            rate("books", "DE", 70_000, category="books"),
            rate("heligoland", "DE", 0, postalCodePattern="27498"),
        ],
        [0, 0],
        {"countryCode": "DE", "postalCode": "27498"},
        {},
        [None, "books"],
    ),
    "a sixth of a price at 20 % in the United Kingdom": Example(
        UNITED_KINGDOM, [24_000], [rate("vat", "GB", 200_000)], 4_000, {"countryCode": "GB"}, {"pricesIncludeTax": True}
    ),
    "a twenty-first of a price at 5 % in the United Kingdom": Example(
        UNITED_KINGDOM, [21_000], [rate("vat", "GB", 50_000)], 1_000, {"countryCode": "GB"}, {"pricesIncludeTax": True}
    ),
}


def calculated(example, *, delivery=0):
    body = canonical_config(
        {"shipping": {"mode": "off"}, "tax": {"mode": "builtin", "rates": example.rates, **example.tax_options}}
    )
    assert list(config_faults(body)) == []
    categories = example.categories or [None] * len(example.prices)
    goods = [
        Goods(
            line=Line(id=f"{i:03}", unit_price=price, quantity=1), ref=f"{i}", name="x", is_shipped=True, category=word
        )
        for i, (price, word) in enumerate(zip(example.prices, categories, strict=True))
    ]
    own = Offer(
        id="own", name="Delivery", type="flat", amount=delivery, currency="USD", source="cart", rule="asked for"
    )
    basket = Basket(currency="USD", goods=goods, shipping_address=example.to, own_shipping=own)
    return calculate_basket(basket, read_config(body), kind="quote").breakdown


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_tax_is_what_the_authority_says(name):
    example = EXAMPLES[name]
    priced = calculated(example)
    whole = priced.tax_total + priced.included_tax_total
    if isinstance(example.tax, list):
        assert [tax.amount for part in priced.lines for tax in part.taxes] == example.tax, example.source
    else:
        assert whole == example.tax, example.source
    is_included = example.tax_options.get("pricesIncludeTax", False)
    assert priced.total == sum(example.prices) + (0 if is_included else whole)


@pytest.mark.parametrize(
    ("source", "taxable", "exempt", "delivery", "base"),
    [
        (CALIFORNIA, 500, 1_000, 350, Fraction(350, 3)),
        (SOUTH_DAKOTA, 4_000, 6_000, 1_000, Fraction(400)),
        (SOUTH_DAKOTA + ", nothing of it taxable", 0, 6_000, 1_000, Fraction(0)),
    ],
)
@pytest.mark.parametrize("is_included", [False, True])
def test_delivery_is_taxed_in_the_proportion_of_the_taxable_goods(
    source, taxable, exempt, delivery, base, *, is_included
):
    rates = [rate("tax", "US", 72_500), rate("food", "US", 0, category="food")]
    options = {"shippingTaxedBy": "goods", "pricesIncludeTax": is_included}
    example = Example(source, [taxable, exempt], rates, None, {"countryCode": "US"}, options, [None, "food"])
    priced = calculated(example, delivery=delivery)
    found = {tax.rate.id: tax for tax in priced.shipping.taxes}
    net = base / (1 + Fraction(72_500, 1_000_000)) if is_included else base
    assert found["tax"].base == net, source
    assert found["food"].base == delivery - base
    assert sum(tax.amount for tax in priced.shipping.taxes) == floor(net * Fraction(72_500, 1_000_000) + Fraction(1, 2))


def test_delivery_of_presents_is_shared_out_evenly():
    rates = [rate("tax", "US", 100_000), rate("food", "US", 0, category="food")]
    example = Example("", [0, 0], rates, None, {"countryCode": "US"}, {"shippingTaxedBy": "goods"}, [None, "food"])
    assert [(tax.base, tax.amount) for tax in calculated(example, delivery=500).shipping.taxes] == [(250, 0), (250, 25)]


def test_halves_to_the_even_unit_would_miss_what_texas_says():
    example = EXAMPLES["a half of a cent goes up in Texas"]
    bankers = Example(**{**vars(example), "tax_options": {"roundingMode": "half_even"}})
    assert calculated(bankers).tax_total == example.tax - 1
