"""Fifty racers on one discount: however they come and go, no more of them use it than there are places."""

import pytest

from penstock.errors import DiscountInvalid
from penstock.flows.hold_discount import hold_discount, redeem_discount, release_discount
from storage.audit import audit
from storage.audit_rules import RULES
from storage.database import DatabaseUnavailable
from tests import make
from tests.faults.evidence import FULL
from tests.storage.races import race

RACERS, LIMITS = 50, (1, 3, 10)
CODES = 1000 if FULL else 6
OF_DISCOUNTS = [rule for rule in RULES if rule.name.startswith("discount_")]


def offered(work, number, **fields):
    """A discount, and a cart with it for each racer."""
    discount = make.discount(code=f"RACE{number}", **fields)
    discount.tell("discount.created")
    carts = [make.cart(items=1) for _ in range(RACERS)]
    with work(make.SCOPE) as uow:
        assert uow.discounts.add(discount)
        for cart in carts:
            cart.apply_discount(discount.snapshot(), make.NOW)
            uow.carts.add(cart)
    return discount, [cart.id for cart in carts]


def buyer(work, cart_id, key, *, is_declined):
    """Reserve a place, and pay, or be declined. Tells whether the place was used."""

    def change(step):
        with work(make.SCOPE) as uow:
            cart = uow.carts.get_for_update(cart_id)
            step(uow, cart)
            uow.carts.save(cart)

    def buy():
        patiently(lambda: change(lambda uow, cart: hold_discount(uow, cart, key)))
        patiently(lambda: change(release_discount if is_declined else redeem_discount))
        return not is_declined

    return buy


def patiently(block):
    """Ask again while the database has no room: a busy machine is not what is tried here."""
    for _ in range(5):
        try:
            return block()
        except DatabaseUnavailable:
            continue
    return block()


@pytest.mark.parametrize("kind", ["for all together", "for one customer"])
def test_no_more_racers_use_a_discount_than_it_has_places(work, database, kind):
    for number in range(CODES):
        limit = LIMITS[number % len(LIMITS)]
        of_all = kind == "for all together"
        fields = {"usage_limit": limit, "max_per_customer": None} if of_all else {"max_per_customer": limit}
        discount, carts = offered(work, number, **fields)
        key = None if of_all else "mail:ada@example.com"
        ended = race([buyer(work, each, key, is_declined=n % 5 == 0) for n, each in enumerate(carts)])
        used = ended.count(True)
        strange = [each for each in ended if not isinstance(each, bool | DiscountInvalid)]
        assert strange == []
        with work(make.SCOPE, read=True) as uow:
            after = uow.discounts.get(discount.id)
        assert (after.times_reserved, after.times_redeemed) == (0, used)
        assert used <= limit
        assert used + ended.count(False) >= 1
    assert audit(database, OF_DISCOUNTS) == []
