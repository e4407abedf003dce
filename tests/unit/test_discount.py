"""Which carts a discount is for, when it can be used, and which of several is best."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.discount import (
    MESSAGES,
    Conditions,
    DiscountState,
    DiscountType,
    Misfit,
    applied_of,
    best_of,
    conditions_of,
    customer_key,
    normal_code,
)
from penstock.money import exponent
from tests import make
from tests.faults.evidence import FULL

HOUR = timedelta(hours=1)


def applied(**fields):
    return make.discount(**fields).snapshot()


@pytest.mark.parametrize(
    ("conditions", "misfit"),
    [
        (Conditions(), None),
        (Conditions(min_order=5000), None),
        (Conditions(min_order=5001), Misfit.MINIMUM_ORDER),
        (Conditions(min_quantity=4), None),
        (Conditions(min_quantity=5), Misfit.MINIMUM_QUANTITY),
        (Conditions(currency="USD"), None),
        (Conditions(currency="EUR"), Misfit.CURRENCY),
        (Conditions(item_types=("product",)), None),
        (Conditions(item_types=("ticket",)), Misfit.NO_ELIGIBLE_ITEMS),
        (Conditions(reference_ids=("A",), min_quantity=2), None),
        (Conditions(reference_ids=("A",), min_quantity=3), Misfit.MINIMUM_QUANTITY),
    ],
    ids=str,
)
def test_a_cart_meets_a_condition_or_not(conditions, misfit):
    items = [make.item(reference_id="A"), make.item()]
    assert applied(conditions=conditions).misfit("USD", items) is misfit


def test_conditions_are_kept_by_the_names_of_the_wire_and_read_back():
    conditions = Conditions(min_order=1, min_quantity=2, currency="EUR", item_types=("ticket",), reference_ids=("A",))
    assert conditions_of(conditions.kept()) == conditions
    assert set(conditions.kept()) == {"minOrder", "minQuantity", "currency", "itemTypes", "referenceIds"}
    assert Conditions().kept() == {}


def test_what_is_applied_is_kept_and_read_back():
    kept = applied(conditions=Conditions(min_order=1))
    assert applied_of(kept.kept()) == kept
    assert applied_of(None) is None


def test_a_window_begins_at_its_start_and_is_over_at_its_end():
    discount = make.discount(starts_at=make.NOW, ends_at=make.NOW + HOUR)
    moments = (make.NOW - HOUR, make.NOW, make.NOW + HOUR - timedelta(microseconds=1), make.NOW + HOUR)
    assert [discount.state(moment).value for moment in moments] == ["scheduled", "active", "active", "ended"]


def test_who_holds_a_place_does_not_need_another():
    discount = make.discount(usage_limit=2, times_reserved=1, times_redeemed=1)
    assert discount.state(make.NOW) is DiscountState.EXHAUSTED
    assert discount.misfit(make.NOW) is Misfit.EXHAUSTED
    assert discount.misfit(make.NOW, holds_place=True) is None
    assert replace(discount, is_active=False).misfit(make.NOW, holds_place=True) is Misfit.INACTIVE


def test_the_offer_that_takes_most_off_is_best_and_of_equals_the_first():
    items = [make.item(unit_price=1000, quantity=1)]
    ten, hundred = applied(name="ten"), applied(name="hundred", type=DiscountType.FIXED_AMOUNT, value=100)
    two = applied(name="two", type=DiscountType.FIXED_AMOUNT, value=200)
    assert best_of([ten, hundred], "USD", items) == ten
    assert best_of([hundred, ten], "USD", items) == hundred
    assert best_of([ten, two, hundred], "USD", items) == two
    assert best_of([applied(conditions=Conditions(min_order=9999))], "USD", items) is None
    assert best_of([ten], "USD", []) is None


def test_a_code_and_a_customer_are_compared_without_case():
    assert normal_code(" spring-1 ") == "SPRING-1"
    assert normal_code("\N{LATIN SMALL LETTER SHARP S}" * 64) == "\N{LATIN SMALL LETTER SHARP S}" * 64
    assert customer_key(None, "Ada@Example.COM") == customer_key(None, "ada@example.com") == "mail:ada@example.com"
    assert customer_key("1", "ada@example.com") == "id:1"
    assert customer_key(None, None) is None


def test_every_misfit_has_words_for_the_buyer():
    assert set(MESSAGES) == set(Misfit)


CURRENCIES = ["USD", "EUR", "JPY", "KRW", "KWD", "BHD", "CLF", "UYW", "GBP", "CHF"]


@st.composite
def carts(draw):
    """A cart in a currency with 0, 2, 3 or 4 decimals, with anything that may be on it."""
    cart = make.cart(currency=draw(st.sampled_from(CURRENCIES)))
    for _ in range(draw(st.integers(1, 8))):
        price, quantity = draw(st.integers(0, 10**6)), draw(st.integers(1, 50))
        own = draw(st.integers(0, price * quantity))
        kind = draw(st.sampled_from(["product", "ticket"]))
        tax = draw(st.integers(0, 10**4))
        cart.add_item(
            make.item(unit_price=price, quantity=quantity, discount_amount=own, type=kind, tax_amount=tax), make.NOW
        )
    types = draw(st.sampled_from([(), ("ticket",)]))
    kind = draw(st.sampled_from(DiscountType))
    value = draw(st.integers(1, 100) if kind is DiscountType.PERCENTAGE else st.integers(1, 10**8))
    conditions = Conditions(item_types=types, min_order=draw(st.none() | st.integers(0, 10**7)))
    cart.apply_discount(applied(type=kind, value=value, conditions=conditions), make.NOW)
    return cart


@settings(max_examples=10_000 if FULL else 100, deadline=None)
@given(carts(), st.randoms(use_true_random=False))
def test_every_cart_adds_up_and_the_order_of_its_lines_is_nothing_to_it(cart, chance):
    totals, parts = cart.totals, cart.breakdown().lines
    assert totals.total == totals.subtotal - totals.discount_total + totals.shipping_total + totals.tax_total
    assert totals.total == sum(part.total for part in parts) + totals.shipping_total
    assert totals.discount_total == sum(item.discount_amount for item in cart.items) + cart.applied_amount
    assert 0 <= cart.applied_amount <= totals.subtotal
    assert all(part.net >= 0 for part in parts)
    fits = cart.applied.misfit(cart.currency, cart.items) is None
    assert fits or cart.applied_amount == 0
    order = make.order(currency=cart.currency)
    order.take_snapshot(cart, make.NOW)
    assert sum(line.total for line in order.lines) + totals.shipping_total == order.totals.total == totals.total
    assert exponent(cart.currency) in (0, 2, 3, 4)
    shuffled = make.cart(currency=cart.currency)
    shuffled.items, shuffled.applied = chance.sample(cart.items, len(cart.items)), cart.applied
    assert {part.id: part for part in shuffled.breakdown().lines} == {part.id: part for part in parts}
