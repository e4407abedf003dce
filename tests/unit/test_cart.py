"""What a cart may do, and what it costs."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.cart import CartStatus, ShippingSelection, TaxLine
from penstock.errors import CartNotOpen, CartNotReady, NotFound, ValidationError
from penstock.ids import new_id
from penstock.money import MAX_AMOUNT
from tests import make

LATER = make.NOW + timedelta(minutes=5)


def lines():
    return st.builds(
        lambda price, quantity, share, tax: make.item(
            unit_price=price, quantity=quantity, discount_amount=price * quantity * share // 100, tax_amount=tax
        ),
        st.integers(0, 100_000),
        st.integers(1, 1000),
        st.integers(0, 100),
        st.integers(0, 10_000),
    )


def tax(item, amount=50, **fields):
    given = {"jurisdiction_code": "CA", "tax_type": "sales", "rate": 0.0825, "currency": "USD"}
    return TaxLine(line_item_id=item.id, amount=amount, **{**given, **fields})


def shipping(rate=700, currency="USD"):
    return ShippingSelection(method_id="m", display_name="Post", rate_amount=rate, currency=currency)


def priced(items, taxes=(), rate=0):
    cart = make.cart()
    cart.items, cart.tax_lines, cart.shipping = list(items), list(taxes), shipping(rate)
    return cart.breakdown()


@settings(deadline=None)  # a busy machine is not what is tried here
@given(st.lists(lines(), max_size=20), st.integers(0, 50_000))
def test_the_total_is_subtotal_less_discount_plus_shipping_plus_tax(items, rate):
    totals = priced(items, rate=rate).totals
    assert totals.total == totals.subtotal - totals.discount_total + totals.shipping_total + totals.tax_total
    assert totals.total >= 0
    assert 0 <= totals.discount_total <= totals.subtotal


@settings(deadline=None)  # a busy machine is not what is tried here
@given(st.lists(lines(), max_size=20), st.data())
def test_each_total_is_the_sum_of_its_lines_in_any_order(items, data):
    taxes = [tax(item, data.draw(st.integers(0, 999))) for item in items if data.draw(st.booleans())]
    found = priced(items, taxes)
    assert found.subtotal == sum(item.unit_price * item.quantity for item in items)
    assert found.discount_total == sum(item.discount_amount for item in items)
    assert found.total == sum(part.total for part in found.lines)
    for item, part in zip(items, found.lines, strict=True):
        named = [each.amount for each in taxes if each.line_item_id == item.id]
        assert part.tax == (sum(named) if named else item.tax_amount)
    assert priced(data.draw(st.permutations(items)), taxes[::-1]).totals == found.totals


def test_a_change_of_a_line_is_in_the_next_breakdown():
    cart = make.cart(items=2)
    before = cart.breakdown().total
    cart.update_item(cart.items[0].id, {"quantity": 3}, make.NOW)
    assert cart.breakdown().total == cart.totals.total != before


def test_the_rate_of_a_tax_line_is_told_in_parts_of_a_million():
    cart = make.cart(items=1)
    cart.replace_tax_lines([tax(cart.items[0], 50, rate=0.08875)], make.NOW)
    (part,) = cart.breakdown().lines
    assert [(one.rate.ppm, one.rate.id, one.amount) for one in part.taxes] == [(88_750, "CA:sales", 50)]


def test_tax_lines_replace_the_line_s_own_tax_and_only_that_line_s():
    cart = make.cart()
    first, second = make.item(tax_amount=11), make.item(tax_amount=7)
    cart.add_item(first, make.NOW)
    cart.add_item(second, make.NOW)
    cart.replace_tax_lines([tax(first, 30), tax(first, 5)], make.NOW)
    assert cart.totals.tax_total == 30 + 5 + 7


def test_removing_a_line_removes_its_tax_lines():
    cart = make.cart(items=2)
    cart.replace_tax_lines([tax(cart.items[0]), tax(cart.items[1])], make.NOW)
    cart.remove_item(cart.items[0].id, LATER)
    assert [t.line_item_id for t in cart.tax_lines] == [cart.items[0].id]


def test_a_tax_line_for_another_cart_s_line_is_refused_with_its_place():
    cart = make.cart(items=1)
    with pytest.raises(ValidationError) as caught:
        cart.replace_tax_lines([tax(cart.items[0]), tax(make.item())], LATER)
    assert [f.pointer for f in caught.value.faults] == ["/lines/1/lineItemId"]


def test_shipping_in_another_currency_is_refused():
    with pytest.raises(ValidationError):
        make.cart(items=1).select_shipping(shipping(currency="EUR"), LATER)


def test_a_discount_larger_than_the_line_is_refused():
    with pytest.raises(ValidationError):
        make.cart().add_item(make.item(unit_price=10, quantity=2, discount_amount=21), LATER)


def test_a_total_beyond_the_largest_amount_is_refused():
    with pytest.raises(ValidationError):
        make.cart().add_item(make.item(unit_price=MAX_AMOUNT, quantity=2), LATER)


def test_an_unknown_line_is_not_found():
    with pytest.raises(NotFound):
        make.cart(items=1).remove_item(new_id(), LATER)


def test_every_change_notes_one_event_with_the_next_number():
    cart = make.cart(items=1)
    cart.select_shipping(shipping(), LATER)
    cart.update({"notes": "ring twice"}, LATER)
    drafts = cart.take_drafts()
    assert [d.type for d in drafts] == ["cart.created", "cart.item_added", "cart.shipping_selected", "cart.updated"]
    assert [d.sequence for d in drafts] == [1, 2, 3, 4]
    assert cart.take_drafts() == []


def test_an_empty_cart_is_not_ready():
    with pytest.raises(CartNotReady):
        make.cart().assert_ready()


CHANGES = {
    "add": lambda c: c.add_item(make.item(), LATER),
    "update": lambda c: c.update({"notes": None}, LATER),
    "ship": lambda c: c.select_shipping(shipping(), LATER),
    "tax": lambda c: c.replace_tax_lines([], LATER),
    "remove": lambda c: c.remove_item(c.items[0].id, LATER),
    "item": lambda c: c.update_item(c.items[0].id, {"quantity": 3}, LATER),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_cart_that_a_payment_holds_takes_no_change(change):
    cart = make.cart(items=1)
    cart.enter_payment(new_id(), new_id(), make.NOW)
    before = cart.totals
    with pytest.raises(CartNotOpen):
        change(cart)
    assert cart.totals == before


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_opens_a_cart_again_after_a_declined_payment(change):
    cart = make.cart(items=1)
    cart.enter_payment(new_id(), new_id(), make.NOW)
    cart.leave_payment(LATER)
    assert cart.status is CartStatus.CHECKOUT
    change(cart)
    assert cart.status is CartStatus.OPEN


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_frozen_and_a_converted_cart_take_no_change(change):
    frozen, converted = make.cart(items=1), make.cart(items=1)
    frozen.freeze(new_id(), make.NOW)
    converted.convert(make.NOW)
    for cart in (frozen, converted):
        with pytest.raises(CartNotOpen):
            change(cart)


def test_an_abandoned_cart_opens_again_with_a_change():
    cart = make.cart(items=1)
    cart.status = CartStatus.ABANDONED
    cart.update({"notes": "back"}, LATER)
    assert cart.status is CartStatus.OPEN
