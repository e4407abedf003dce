"""Due rows: one for each kind and object, claimed by one at a time, and given up by whoever lost the claim."""

from datetime import timedelta

import pytest

from penstock.ids import new_id
from storage.due import DueTable
from tests import make

LEASE = timedelta(seconds=90)
SECOND = timedelta(seconds=1)


@pytest.fixture
def table(database):
    return DueTable(database)


def add(work, object_id, run_at, kind="reconcile_payment"):
    with work(make.SCOPE) as uow:
        uow.due.add(kind, object_id, run_at)


def claim(table, now, limit=10):
    return table.claim(now, limit=limit, lease=LEASE)


def test_a_row_is_claimed_when_its_time_has_come(work, table):
    add(work, "a", make.NOW + SECOND)
    assert claim(table, make.NOW) == []
    [row] = claim(table, make.NOW + SECOND)
    assert (row.scope, row.kind, row.object_id, row.attempt) == (make.SCOPE, "reconcile_payment", "a", 1)


def test_the_oldest_are_claimed_first(work, table):
    for index in (3, 1, 2):
        add(work, str(index), make.NOW + index * SECOND)
    assert [row.object_id for row in claim(table, make.NOW + LEASE, limit=2)] == ["1", "2"]


def test_a_claimed_row_is_left_alone_until_its_lease_is_over(work, table):
    add(work, "a", make.NOW)
    [first] = claim(table, make.NOW)
    assert claim(table, make.NOW + LEASE - SECOND) == []
    [second] = claim(table, make.NOW + LEASE)
    assert (second.id, second.attempt) == (first.id, 2)
    assert table.read(first.id, 1) is None
    assert table.read(first.id, 2) == second


def test_only_the_last_claim_may_put_a_row_off(work, table):
    add(work, "a", make.NOW)
    [first] = claim(table, make.NOW)
    [second] = claim(table, make.NOW + LEASE)
    assert not table.put_off(first, make.NOW)
    assert table.put_off(second, make.NOW + LEASE + SECOND)
    assert claim(table, make.NOW + LEASE) == []
    [third] = claim(table, make.NOW + LEASE + SECOND)
    assert third.attempt == 3


def test_a_row_that_is_done_is_gone(work, table):
    add(work, "a", make.NOW)
    [row] = claim(table, make.NOW)
    with work(make.SCOPE) as uow:
        uow.due.done(row.kind, row.object_id)
        uow.due.done(row.kind, row.object_id)
    assert table.read(row.id, 1) is None
    assert not table.put_off(row, make.NOW)
    assert claim(table, make.NOW + 2 * LEASE) == []


def test_adding_again_moves_the_row(work, table):
    object_id = new_id()
    add(work, object_id, make.NOW + LEASE)
    add(work, object_id, make.NOW)
    add(work, object_id, make.NOW, kind="expire_session")
    rows = claim(table, make.NOW)
    assert sorted(row.kind for row in rows) == ["expire_session", "reconcile_payment"]


def test_moving_a_claimed_row_takes_it_from_nobody(work, table):
    add(work, "a", make.NOW)
    [row] = claim(table, make.NOW)
    add(work, "a", make.NOW + SECOND)
    assert claim(table, make.NOW + SECOND) == []
    assert table.put_off(row, make.NOW + 2 * SECOND)
    assert [r.attempt for r in claim(table, make.NOW + 2 * SECOND)] == [2]
