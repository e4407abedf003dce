"""What a cart costs: whatever the lines, rates and rounding, the parts sum to the whole and nothing is negative."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.rounding import allocate, half_even
from penstock.totals import (
    SHIPPING,
    Breakdown,
    FixedAmount,
    GivenTax,
    Line,
    Percentage,
    Rate,
    TaxRules,
    compute_totals,
    with_given_taxes,
)

VAT = Rate(id="vat", name="VAT", ppm=200_000)
IDS = [f"line-{n:03}" for n in range(12)]


@st.composite
def carts(draw):
    lines = []
    for name in IDS[: draw(st.integers(0, 12))]:
        price = draw(st.integers(0, 1_000_000))
        quantity = draw(st.integers(1, 50))
        own = draw(st.integers(0, price * quantity))
        lines.append(
            Line(id=name, unit_price=price, quantity=quantity, own_discount=own, is_discountable=draw(st.booleans()))
        )
    return lines


reductions = (
    st.none() | st.builds(Percentage, st.integers(0, 1_000_000)) | st.builds(FixedAmount, st.integers(0, 10**8))
)
rates = st.builds(
    Rate,
    id=st.sampled_from(["a", "b", "c", "d"]),
    name=st.just("tax"),
    ppm=st.integers(0, 400_000),
    is_compound=st.booleans(),
    priority=st.integers(0, 3),
)


@st.composite
def tax_rules(draw):
    by_id = {rate.id: rate for rate in draw(st.lists(rates, max_size=4))}
    chosen = st.lists(st.sampled_from(sorted(by_id)), unique=True) if by_id else st.just([])
    per_part = {key: [by_id[name] for name in draw(chosen)] for key in [*IDS, SHIPPING]}
    return TaxRules(per_part, is_included=draw(st.booleans()), rounding=draw(st.sampled_from(["line", "invoice"])))


def assert_sound(found: Breakdown) -> None:
    assert found.total == found.subtotal - found.discount_total + found.shipping_total + found.tax_total
    assert found.total == sum(part.total for part in found.parts)
    assert 0 <= found.discount_total <= found.subtotal
    for part in found.parts:
        assert part.net >= 0
        assert all(tax.amount >= 0 for tax in part.taxes)
        assert part.tax <= part.net or not part.is_included


@given(carts(), reductions, st.integers(0, 100_000), tax_rules())
def test_the_parts_sum_to_the_whole_and_nothing_is_negative(lines, reduction, shipping, rules):
    assert_sound(compute_totals(lines, reduction=reduction, shipping=shipping, tax=rules))


@given(carts(), reductions, st.integers(0, 100_000), tax_rules(), st.randoms(use_true_random=False))
def test_the_order_of_lines_makes_no_difference(lines, reduction, shipping, rules, chance):
    shuffled = chance.sample(lines, len(lines))
    one = compute_totals(lines, reduction=reduction, shipping=shipping, tax=rules)
    other = compute_totals(shuffled, reduction=reduction, shipping=shipping, tax=rules)
    assert sorted(one.lines, key=lambda part: part.id) == sorted(other.lines, key=lambda part: part.id)
    assert one.shipping == other.shipping


@given(carts(), st.integers(0, 100_000), tax_rules())
def test_no_tax_is_a_whole_unit_away_from_its_exact_value(lines, shipping, rules):
    for part in compute_totals(lines, shipping=shipping, tax=rules).parts:
        for tax in part.taxes:
            assert abs(tax.amount - tax.exact) < 1
            assert rules.rounding == "invoice" or abs(tax.amount - tax.exact) <= Fraction(1, 2)


@given(carts(), tax_rules())
def test_rounded_once_the_whole_tax_of_a_rate_is_within_half_a_unit(lines, rules):
    found = compute_totals(lines, tax=TaxRules(rules.rates, is_included=rules.is_included, rounding="invoice"))
    sums: dict[str, tuple[int, Fraction]] = {}
    for part in found.parts:
        for tax in part.taxes:
            amount, exact = sums.get(tax.rate.id, (0, Fraction(0)))
            sums[tax.rate.id] = (amount + tax.amount, exact + tax.exact)
    assert all(abs(amount - exact) <= Fraction(1, 2) for amount, exact in sums.values())


@given(carts(), reductions)
def test_a_discount_never_exceeds_the_lines_it_may_touch(lines, reduction):
    found = compute_totals(lines, reduction=reduction)
    for line, part in zip(lines, found.lines, strict=True):
        assert part.discount <= line.price - line.own_discount
        assert line.is_discountable or part.discount == 0


@given(st.integers(0, 10**9), st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 10**6), min_size=1))
def test_an_allocation_sums_to_what_is_shared(amount, weights):
    if sum(weights.values()):
        parts = allocate(amount, weights)
        assert sum(parts.values()) == amount
        whole = sum(weights.values())
        assert all(abs(parts[key] - Fraction(amount * weight, whole)) < 1 for key, weight in weights.items())


def line(price: int, name: str = "line-000") -> Line:
    return Line(id=name, unit_price=price, quantity=1)


def test_tax_comes_on_top_of_net_prices():
    found = compute_totals([line(10_000)], shipping=500, tax=TaxRules({"line-000": [VAT], SHIPPING: [VAT]}))
    assert (found.tax_total, found.included_tax_total, found.total) == (2100, 0, 12_600)


def test_tax_is_taken_out_of_inclusive_prices_and_the_total_stays():
    found = compute_totals([line(12_000)], tax=TaxRules({"line-000": [VAT]}, is_included=True))
    assert (found.tax_total, found.included_tax_total, found.total) == (0, 2000, 12_000)


def test_a_compound_tax_is_taken_on_price_and_the_tax_before_it():
    gst = Rate(id="gst", name="GST", ppm=50_000, priority=0)
    qst = Rate(id="qst", name="QST", ppm=95_000, is_compound=True, priority=1)
    found = compute_totals([line(10_000)], tax=TaxRules({"line-000": [qst, gst]}))
    assert [tax.exact for tax in found.lines[0].taxes] == [500, Fraction(9975, 10)]
    assert [tax.amount for tax in found.lines[0].taxes] == [500, 998]


def test_a_compound_tax_within_the_price_adds_up_to_the_price():
    gst = Rate(id="gst", name="GST", ppm=50_000, priority=0)
    qst = Rate(id="qst", name="QST", ppm=95_000, is_compound=True, priority=1)
    (part,) = compute_totals([line(11_498)], tax=TaxRules({"line-000": [gst, qst]}, is_included=True)).lines
    assert sum(tax.exact for tax in part.taxes) + part.taxes[0].base == 11_498


def test_halves_go_to_the_even_unit():
    assert [half_even(Fraction(n, 2)) for n in (1, 3, 5, 7)] == [0, 2, 2, 4]


def test_three_lines_of_a_third_share_a_discount_of_one_hundred():
    found = compute_totals([line(100, name) for name in IDS[:3]], reduction=FixedAmount(100))
    assert [part.discount for part in found.lines] == [34, 33, 33]


def test_invoice_rounding_taxes_the_sum_where_line_rounding_taxes_each_line():
    lines = [line(1_02, name) for name in IDS[:4]]
    rules = {each.id: [Rate(id="t", name="t", ppm=50_000)] for each in lines}
    assert compute_totals(lines, tax=TaxRules(rules)).tax_total == 20
    assert compute_totals(lines, tax=TaxRules(rules, rounding="invoice")).tax_total == 20
    cheap = [line(9, name) for name in IDS[:4]]
    assert compute_totals(cheap, tax=TaxRules(rules)).tax_total == 0
    assert compute_totals(cheap, tax=TaxRules(rules, rounding="invoice")).tax_total == 2


def test_taxes_from_elsewhere_are_taken_as_they_are():
    found = with_given_taxes([line(1000)], [GivenTax(part_id="line-000", rate=VAT, amount=123)], shipping=50)
    assert (found.tax_total, found.total) == (123, 1173)


@pytest.mark.parametrize(
    "lines",
    [
        [line(-1)],
        [Line(id="a", unit_price=1, quantity=-1)],
        [Line(id="a", unit_price=1, quantity=1, own_discount=2)],
        [Line(id="a", unit_price=1, quantity=1, own_discount=-1)],
        [line(1), line(2)],
        [line(1, SHIPPING)],
    ],
    ids=["price", "quantity", "discount above price", "negative discount", "one id twice", "shipping's id"],
)
def test_what_cannot_be_a_cart_is_refused(lines):
    with pytest.raises(ValueError, match=r"not negative|larger|of its own"):
        compute_totals(lines)


def test_a_tax_on_nothing_is_refused():
    with pytest.raises(ValueError, match="a tax of 5 on 'other'"):
        with_given_taxes([line(1)], [GivenTax(part_id="other", rate=VAT, amount=5)])


# The worked examples of docs/discounts.md


def shares(reduction, *prices, is_covered=lambda index: True):
    lines = [
        Line(id=IDS[n], unit_price=price, quantity=1, is_discountable=is_covered(n)) for n, price in enumerate(prices)
    ]
    return [part.discount for part in compute_totals(lines, reduction=reduction).lines]


def test_ten_percent_of_two_lines_goes_to_the_larger_remainder():
    assert shares(Percentage(100_000), 1999, 501) == [200, 50]


def test_halves_of_a_percentage_go_to_the_even_unit():
    assert shares(Percentage(100_000), 25) == [2]
    assert shares(Percentage(100_000), 35) == [4]


def test_a_sum_is_at_most_what_the_covered_lines_still_cost():
    book = Line(id=IDS[0], unit_price=300, quantity=1, own_discount=100)
    mug = Line(id=IDS[1], unit_price=900, quantity=1, is_discountable=False)
    assert [part.discount for part in compute_totals([book, mug], reduction=FixedAmount(500)).lines] == [200, 0]


def test_fifteen_percent_of_333_yen_is_50():
    assert shares(Percentage(150_000), 333) == [50]
