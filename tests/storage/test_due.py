"""Due rows: one for each kind and object, claimed by one at a time, and given up by whoever lost the claim."""

from datetime import timedelta

import pytest

from jobs.crew import _do_chore
from penstock.clock import StandingClock
from penstock.ids import new_id
from storage.backlog import Backlog
from storage.due import PARKED, DueTable
from storage.retention import CHORES, ensure
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


def failing(database):
    return [(row.object_id, row.failures) for row in Backlog(database).failing(limit=10)]


def test_a_chore_that_went_well_ten_times_is_not_failing(database, table):
    ensure(database, make.NOW, ["forget_keys"])
    clock = StandingClock(make.NOW)
    for number in range(10):
        [row] = claim(table, clock.now())
        assert row.attempt == number + 1
        _do_chore(database, clock, table, row)
        clock.advance(CHORES["forget_keys"].every)
    assert failing(database) == []


def test_a_row_that_failed_three_times_in_a_row_is_failing_until_it_goes_well(database, work, table):
    add(work, "a", make.NOW)
    for number in (1, 2, 3):
        assert failing(database) == []
        [row] = claim(table, make.NOW)
        assert table.retry(row, make.NOW), number
    assert failing(database) == [("a", 3)]
    [row] = claim(table, make.NOW)
    assert failing(database) == [("a", 3)]
    assert table.put_off(row, make.NOW)
    assert failing(database) == []


def test_a_row_whose_workers_were_lost_three_times_is_failing(database, work, table):
    add(work, "a", make.NOW)
    for number in range(4):
        [row] = claim(table, make.NOW + number * LEASE)
        assert row.failures == number
    assert failing(database) == [("a", 3)]


def test_what_looks_again_and_again_at_what_is_still_open_is_not_failing(database, work, table):
    add(work, "a", make.NOW)
    for _ in range(10):
        [row] = claim(table, make.NOW)
        table.put_off(row, make.NOW)
    assert failing(database) == []


def test_a_row_that_waits_for_a_test_clock_is_not_failing(database, work, table):
    add(work, "a", make.NOW)
    for run_at in (make.NOW, make.NOW, PARKED):
        [row] = claim(table, make.NOW)
        table.put_off(row, run_at, went_well=False)
    assert failing(database) == []


def test_a_lost_claim_cannot_say_of_a_row_how_it_went(database, work, table):
    add(work, "a", make.NOW)
    [first] = claim(table, make.NOW)
    [second] = claim(table, make.NOW + LEASE)
    assert table.put_off(second, make.NOW)
    [third] = claim(table, make.NOW)
    assert [row.attempt for row in (first, second, third)] == [1, 2, 3], "no number is given twice"
    assert not table.retry(first, make.NOW)
    assert not table.put_off(second, make.NOW)
    assert table.read(third.id, third.attempt) == third
