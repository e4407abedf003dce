"""Twenty racers on one row: one at a time, none lost, whoever else runs."""

from datetime import timedelta

import pytest

from penstock.errors import IdempotencyConflict, IdempotencyInProgress
from penstock.ids import new_id
from penstock.ports import DueRow, StoredAnswer
from storage.database import BrokenRule
from storage.due import DueTable
from tests import make
from tests.storage.races import race

RACERS = 20


def test_twenty_writers_on_one_cart_lose_nothing(work):
    cart = make.cart()
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)

    def write():
        for _ in range(5):
            with work(make.SCOPE) as uow:
                read = uow.carts.get_for_update(cart.id)
                read.add_item(item := make.item(unit_price=1, quantity=1), uow.now)
                uow.carts.add_item(read.id, item)
                uow.carts.save(read)

    assert race([write] * RACERS) == [None] * RACERS
    with work(make.SCOPE, read=True) as uow:
        found = uow.carts.get(cart.id)
        events = uow.carts.events(cart.id, after=0, limit=1000)
    assert (len(found.items), found.totals.total, found.sequence) == (100, 100, 101)
    assert [event["sequence"] for event in events] == list(range(1, 102)), "in commit order, no gap, no repeat"


def test_one_of_twenty_takes_what_only_one_may_take(work):
    session = make.session()
    with work(make.SCOPE) as uow:
        uow.sessions.add(session)

    def take():
        with work(make.SCOPE) as uow:
            read = uow.sessions.get_for_update(session.id)
            if read.live_payment_id is not None:
                return None
            read.begin_payment(payment_id=new_id(), order_id=new_id(), digest="d", now=uow.now)
            uow.sessions.save(read)
            return read.live_payment_id

    taken = [won for won in race([take] * RACERS) if won is not None]
    with work(make.SCOPE, read=True) as uow:
        assert taken == [uow.sessions.get(session.id).live_payment_id]


def test_the_database_lets_one_live_payment_of_a_session_in_even_without_a_lock(work):
    orders = [make.order(number=f"ORD-{n}") for n in range(RACERS)]
    with work(make.SCOPE) as uow:
        for order in orders:
            uow.orders.add(order)

    def pay(order):
        with work(make.SCOPE) as uow:
            uow.payments.add(make.payment(order_id=order.id, session_id="cs_one"))

    refused = [type(r) for r in race([lambda o=o: pay(o) for o in orders]) if r is not None]
    assert refused == [BrokenRule] * (RACERS - 1)


def test_the_database_lets_one_open_attempt_of_a_payment_in(work):
    order = make.order()
    payment = make.payment(order_id=order.id)
    payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="one", now=make.NOW)
    second = make.payment(id=payment.id, order_id=order.id)
    second.begin(attempt_id=new_id(), connection_id=new_id(), connector="two", now=make.NOW).number = 2
    with work(make.SCOPE) as uow:
        uow.orders.add(order)
        uow.payments.add(payment)
    with pytest.raises(BrokenRule), work(make.SCOPE) as uow:
        uow.payments.save(second)


def test_readers_see_whole_blocks_only(work):
    carts = [make.cart() for _ in range(2)]
    with work(make.SCOPE) as uow:
        for cart in carts:
            uow.carts.add(cart)

    def write():
        for _ in range(20):
            with work(make.SCOPE) as uow:
                cart = uow.carts.get_for_update(carts[0].id)
                cart.add_item(item := make.item(unit_price=1, quantity=1), uow.now)
                uow.carts.add_item(cart.id, item)
                uow.carts.save(cart)

    def read():
        for _ in range(40):
            with work(make.SCOPE, read=True) as uow:
                cart = uow.carts.get(carts[0].id)
                seen = len(uow.carts.events(cart.id, after=0, limit=100))
                assert seen >= cart.sequence
                assert len(cart.items) >= cart.totals.total

    assert race([write, write, *[read] * 6]) == [None] * 8


def test_ten_racers_with_one_key_do_the_work_once(work):
    done = []

    def ask():
        with work(make.SCOPE) as uow:
            stored = uow.idempotency.claim("p", "carts.create_cart", "key", "f", 60)
            if stored is None:
                done.append(1)
                uow.carts.add(make.cart())
                uow.idempotency.store("p", "carts.create_cart", "key", StoredAnswer(201, b"made", {"A": "b"}))
                return b"made"
            return stored.body

    assert race([ask] * 10) == [b"made"] * 10
    assert done == [1]


def test_ten_racers_with_one_key_in_blocks_of_their_own_are_told_to_wait(work):
    def ask():
        with work(make.SCOPE) as uow:
            return uow.idempotency.claim("p", "op", "key", "f", 60)

    results = race([ask] * 10)
    assert results.count(None) == 1
    assert sum(isinstance(result, IdempotencyInProgress) for result in results) == 9


def test_a_racer_with_another_request_is_in_conflict(work):
    def ask(fingerprint):
        with work(make.SCOPE) as uow:
            stored = uow.idempotency.claim("p", "op", "key", fingerprint, 60)
            if stored is None:
                uow.idempotency.store("p", "op", "key", StoredAnswer(200, fingerprint.encode()))

    results = race([lambda f=f: ask(f) for f in "abcdefgh"])
    assert results.count(None) == 1
    assert sum(isinstance(result, IdempotencyConflict) for result in results) == 7


def test_two_relays_claim_each_row_once(work, database):
    objects = [new_id() for _ in range(60)]
    with work(make.SCOPE) as uow:
        for each in objects:
            uow.due.add("reconcile_payment", each, uow.now)
    table = DueTable(database)

    def relay():
        claimed = []
        while rows := table.claim(make.NOW, limit=7, lease=timedelta(seconds=90)):
            claimed += rows
        return claimed

    claims = [row for rows in race([relay] * 4) for row in rows]
    assert all(isinstance(row, DueRow) for row in claims)
    assert sorted(row.object_id for row in claims) == sorted(objects)
    assert {row.attempt for row in claims} == {1}
