"""One total, explained line by line. The page is not written: it is calculated, by the rules that calculate every cart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pages.layout import render
from penstock.calculation import Basket, Calculation, Discounted, Goods
from penstock.config_rules import canonical_config
from penstock.explanation import explain
from penstock.flows.calculate_basket import calculate_basket
from penstock.money import Money
from penstock.shipping_tax import read_config
from penstock.totals import Line, Percentage
from penstock.web_page import PageRequest, PageResponse

_CURRENCY: Final = "USD"
_CONFIG: Final[Mapping[str, Any]] = {
    "shipping": {
        "mode": "builtin",
        "zones": [
            {
                "id": "us",
                "name": "United States",
                "countries": ["US"],
                "methods": [
                    {"id": "ground", "name": "Ground", "type": "free_over", "amount": 795, "threshold": 15_000, "currency": "USD"}
                ],
            }
        ],
    },
    "tax": {
        "mode": "builtin",
        "rates": [
            {"id": "ny-state", "country": "US", "state": "NY", "taxType": "sales", "name": "New York State", "rateBps": 400,
             "appliesToShipping": True},
            {"id": "ny-clothing", "country": "US", "state": "NY", "category": "clothing", "taxType": "sales",
             "name": "New York State, clothing", "rateBps": 0},
            {"id": "nyc", "country": "US", "state": "NY", "postalCodePattern": "100..104", "taxType": "sales",
             "name": "New York City", "rateBps": 450, "priority": 1, "appliesToShipping": True},
            {"id": "nyc-clothing", "country": "US", "state": "NY", "postalCodePattern": "100..104", "category": "clothing",
             "taxType": "sales", "name": "New York City, clothing", "rateBps": 0, "priority": 1},
            {"id": "mctd", "country": "US", "state": "NY", "postalCodePattern": "100..104", "taxType": "sales",
             "name": "Metropolitan Commuter District", "ratePpm": 3750, "priority": 2, "appliesToShipping": True},
            {"id": "mctd-clothing", "country": "US", "state": "NY", "postalCodePattern": "100..104", "category": "clothing",
             "taxType": "sales", "name": "Metropolitan Commuter District, clothing", "rateBps": 0, "priority": 2},
        ],
    },
}  # fmt: skip
_ADDRESS: Final = {
    "addressLine1": "350 5th Avenue",
    "city": "New York",
    "stateProvince": "NY",
    "postalCode": "10118",
    "countryCode": "US",
}
_GOODS: Final = (
    ("Teapot", 4_995, 1, None),
    ("Cup", 1_250, 3, None),
    ("Apron", 3_400, 1, "clothing"),
)
_PERCENT_OFF: Final = Percentage(100_000)
_DISCOUNT: Final = Discounted(name="10 % off everything", code="TEATIME", amount=0)


@dataclass(frozen=True, slots=True)
class Row:
    """A tax or an amount of one part, as a reader sees it. ``text`` says how it came to be."""

    what: str
    text: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the total, with the rows that lead to its sum."""

    title: str
    rows: Sequence[Row]
    total: Money


def total_page(_: PageRequest) -> PageResponse:
    """Show the example."""
    calculation = example()
    sections, totals = _sections(calculation)
    whole = _money(calculation.breakdown.total)
    values = {"sections": sections, "totals": totals, "whole": whole, "told": explain(calculation), "address": _ADDRESS}
    return render("total.html", {"here": "/docs/total", **values})


@cache
def example() -> Calculation:
    """Return the example, calculated."""
    goods = [
        Goods(
            line=Line(id=f"{index}", unit_price=price, quantity=count),
            ref=name.upper(),
            name=f"{name}, {count} of them" if count > 1 else name,
            is_shipped=True,
            category=word,
        )
        for index, (name, price, count, word) in enumerate(_GOODS)
    ]
    basket = Basket(
        currency=_CURRENCY,
        goods=goods,
        reduction=_PERCENT_OFF,
        reduced_by=_DISCOUNT,
        shipping_address=_ADDRESS,
        selected_id="ground",
    )
    return calculate_basket(basket, read_config(canonical_config(_CONFIG), 1), kind="checkout_final")


def _sections(calculation: Calculation) -> tuple[list[Section], Sequence[Row]]:
    told = explain(calculation)
    sections = [_line_section(line) for line in told["lines"]]
    sections.append(_shipping_section(told["shipping"]))
    priced = calculation.breakdown
    totals = (
        Row("Subtotal", "the prices of all lines", _money(priced.subtotal)),
        Row("Discount", "what all lines together lose", _money(-priced.discount_total)),
        Row("Shipping", "the method that was chosen", _money(priced.shipping_total)),
        Row("Tax", "every tax of every part, as it was rounded", _money(priced.tax_total)),
    )
    return sections, totals


def _line_section(line: Mapping[str, Any]) -> Section:
    rows = [Row("Price", "unit price times quantity", _money(line["price"]))]
    for each in line["discounts"]:
        text = f"this line's share of {each['name']}, by largest remainder"
        rows.append(Row(f"Discount {each['code']}", text, _money(-each["amount"])))
    rows += [_tax_row(tax) for tax in line["taxes"]]
    return Section(line["name"], rows, _money(line["total"]))


def _shipping_section(shipping: Mapping[str, Any]) -> Section:
    rows = [
        Row(
            "Price",
            f"zone {shipping['zoneId']}, method {shipping['methodId']}: {shipping['rule']}",
            _money(shipping["price"]),
        )
    ]
    rows += [_tax_row(tax) for tax in shipping["taxes"]]
    return Section("Shipping", rows, _money(shipping["total"]))


def _tax_row(tax: Mapping[str, Any]) -> Row:
    rule = tax["rule"]
    bound = {
        "postal": f"postal code {rule['postalCodePattern']}",
        "state": f"state {rule['state']}",
        "country": "country",
    }
    why = f"bound to the {bound[rule['level']]}" + (f" and the category {rule['category']}" if rule["category"] else "")
    rounded = {"no": "nothing to round", "up": "rounded up", "down": "rounded down"}[tax["rounded"]]
    text = f"{_percent(tax['ratePpm'])} of {tax['base']} is {tax['exact']}, {rounded}; rate {tax['rateId']}, {why}"
    return Row(tax["name"], text, _money(tax["amount"]))


def _percent(ppm: int) -> str:
    whole, rest = divmod(ppm, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".") + " %"


def _money(amount: int) -> Money:
    return Money(amount, _CURRENCY)
