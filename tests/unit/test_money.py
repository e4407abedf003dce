"""Money adds up, in every currency, whatever is split."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.money import CurrencyMismatch, Money, currencies, exponent, is_currency, split

AMOUNTS = st.integers(0, 99_999_999_999)
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=40).filter(any)


@given(AMOUNTS, WEIGHTS)
def test_the_parts_of_a_split_sum_to_the_whole(amount, weights):
    assert sum(split(amount, weights)) == amount


@given(AMOUNTS, WEIGHTS)
def test_each_part_is_within_one_unit_of_its_exact_share(amount, weights):
    for part, weight in zip(split(amount, weights), weights, strict=True):
        assert abs(Decimal(part) - Decimal(amount) * weight / sum(weights)) < 1


@given(AMOUNTS, WEIGHTS)
def test_a_weight_of_zero_gets_nothing(amount, weights):
    assert all(part == 0 for part, weight in zip(split(amount, weights), weights, strict=True) if weight == 0)


@given(AMOUNTS, WEIGHTS, st.randoms())
def test_a_split_does_not_depend_on_the_order_of_distinct_weights(amount, weights, random):
    weights = list(dict.fromkeys(weights))
    shuffled = list(weights)
    random.shuffle(shuffled)
    by_weight = dict(zip(weights, split(amount, weights), strict=True))
    remainders = [amount * w % sum(weights) for w in weights]
    if len(set(remainders)) == len(remainders):
        assert dict(zip(shuffled, split(amount, shuffled), strict=True)) == by_weight


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1]])
def test_a_split_needs_weights_that_mean_something(weights):
    with pytest.raises(ValueError):
        split(100, weights)


@given(AMOUNTS, st.sampled_from(sorted(currencies())))
def test_the_major_text_has_the_currency_s_decimals_and_the_same_value(amount, currency):
    text = Money(amount, currency).major()
    assert Decimal(text).scaleb(exponent(currency)) == amount
    assert len(text.partition(".")[2]) == exponent(currency)


@pytest.mark.parametrize(("currency", "text"), [("JPY", "1999"), ("USD", "19.99"), ("KWD", "1.999"), ("CLF", "0.1999")])
def test_exponents_are_those_of_iso_4217(currency, text):
    assert Money(1999, currency).major() == text


@pytest.mark.parametrize("code", ["usd", "USD\n", "XXX", "XAU", "XTS", "HRK", "", "ＵＳＤ"])
def test_what_no_buyer_can_be_charged_in_is_no_currency(code):
    assert not is_currency(code)


def test_amounts_in_two_currencies_never_meet():
    with pytest.raises(CurrencyMismatch):
        Money(1, "EUR") + Money(1, "USD")


@pytest.mark.parametrize("amount", [1.0, True, "1", None, Decimal(1)])
def test_an_amount_is_an_int_and_nothing_like_one(amount):
    with pytest.raises(TypeError):
        Money(amount, "EUR")
