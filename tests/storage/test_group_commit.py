"""Blocks that share a trip to the disk are still transactions of their own."""

import sqlite3
import threading
from contextlib import ExitStack

import pytest

from penstock.clock import StandingClock
from storage.database import DatabaseUnavailable
from storage.engine import open_database
from storage.work import open_work
from tests import make
from tests.storage.races import race


@pytest.fixture
def database(sqlite_url):
    opened = open_database(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def work(database):
    return open_work(database, StandingClock(make.NOW), cursor_key=b"k", vault=make.vault())


@pytest.fixture
def commands(database):
    """What the one writer does: its words of transaction control, in order."""
    seen = []
    connect = database._writer._connect

    def traced():
        cursor = connect()
        cursor.connection.set_trace_callback(lambda sql: seen.append(sql.split(" ", 1)[0]))
        return cursor

    database._writer._connect = traced
    return seen


def in_line(database, *blocks):
    """Run blocks one after the other on threads of their own, all waiting in line before the first one ends."""
    line = database._writer._line
    everyone_waits = threading.Event()

    def first():
        with database.writing():
            everyone_waits.wait(10)

    def enter(index, block):
        while len(line._waiting) < index or not line._is_held:
            threading.Event().wait(0.001)
        return block()

    def watch():
        while len(line._waiting) < len(blocks):
            threading.Event().wait(0.001)
        everyone_waits.set()

    runners = [first, watch, *(lambda i=i, b=b: enter(i, b) for i, b in enumerate(blocks))]
    return race(runners)[2:]


def adding(work, cart, *, then=None):
    def block():
        with work(make.SCOPE) as uow:
            uow.carts.add(cart)
            if then is not None:
                then(uow)

    return block


def kept(work, carts):
    with work(make.SCOPE, read=True) as uow:
        return [uow.carts.get(cart.id) is not None for cart in carts]


def test_those_in_line_share_one_commit(database, work, commands):
    carts = [make.cart() for _ in range(6)]
    assert in_line(database, *(adding(work, cart) for cart in carts)) == [None] * 6
    assert kept(work, carts) == [True] * 6
    assert commands.count("COMMIT") == 1
    assert commands.count("SAVEPOINT") == 6


def test_one_that_comes_alone_commits_at_once(work, commands):
    carts = [make.cart() for _ in range(3)]
    for cart in carts:
        adding(work, cart)()
    assert (commands.count("COMMIT"), commands.count("SAVEPOINT")) == (3, 0)


def test_one_that_fails_is_undone_alone(database, work):
    def fail(_):
        raise KeyError

    carts = [make.cart() for _ in range(6)]
    blocks = [adding(work, cart, then=fail if index in (0, 3, 5) else None) for index, cart in enumerate(carts)]
    results = in_line(database, *blocks)
    assert [type(result) for result in results] == [KeyError, type(None), type(None), KeyError, type(None), KeyError]
    assert kept(work, carts) == [False, True, True, False, True, False]


def test_each_sees_what_those_before_it_wrote(database, work):
    cart = make.cart()
    adding(work, cart)()
    seen = []

    def grow():
        with work(make.SCOPE) as uow:
            read = uow.carts.get_for_update(cart.id)
            seen.append(read.sequence)
            read.note("cart.updated", {})
            uow.carts.save(read)

    in_line(database, *[grow] * 5)
    assert seen == [1, 2, 3, 4, 5]


def test_nobody_returns_before_the_disk_has_it(database, work):
    """A reader on another connection finds a cart as soon as the block that wrote it has returned."""
    carts, missing = [make.cart() for _ in range(8)], []

    def add(cart):
        adding(work, cart)()
        if kept(work, [cart]) != [True]:
            missing.append(cart)

    in_line(database, *(lambda c=c: add(c) for c in carts))
    assert missing == []


def test_a_transaction_that_is_lost_is_lost_for_all_of_its_blocks(database, work):
    def lose(uow):
        uow._connection._connection._cursor.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    carts = [make.cart() for _ in range(5)]
    blocks = [adding(work, cart, then=lose if index == 2 else None) for index, cart in enumerate(carts)]
    results = in_line(database, *blocks)
    assert [isinstance(result, DatabaseUnavailable) for result in results[:2]] == [True, True]
    assert isinstance(results[2], sqlite3.OperationalError)
    assert results[3:] == [None, None]
    assert kept(work, carts) == [False, False, False, True, True]


def test_a_commit_that_fails_fails_for_all_of_its_blocks(database, work):
    carts = [make.cart() for _ in range(3)]

    def close(uow):
        uow._connection._connection._cursor.connection.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK
        )

    blocks = [adding(work, carts[0]), adding(work, carts[1]), adding(work, carts[2], then=close)]
    results = in_line(database, *blocks)
    assert [isinstance(result, DatabaseUnavailable) for result in results] == [True] * 3
    assert kept(work, carts) == [False] * 3
    adding(work, carts[0])()
    assert kept(work, carts) == [True, False, False]


def test_what_a_failure_may_follow_from_is_lost_with_it(database, work):
    """A repeat that finds its answer in a block that is not on the disk yet must not tell of it."""
    cart, found = make.cart(), []

    def repeat(uow):
        found.append(uow.carts.get(cart.id) is not None)
        uow._connection._connection._cursor.connection.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK
        )
        raise KeyError

    results = in_line(database, adding(work, cart), adding(work, make.cart(), then=repeat))
    assert [type(result) for result in results] == [DatabaseUnavailable, DatabaseUnavailable]
    assert (found, kept(work, [cart])) == ([True], [False])


def test_what_a_failure_of_a_stretch_may_follow_from_is_in_its_receipt(database, work):
    cart = make.cart()
    with database.together() as stretch:
        adding(work, cart)()
        first = stretch.receipt()
        with pytest.raises(KeyError):
            adding(work, make.cart(), then=_fail)()
        second = stretch.receipt()
        database._writer._cursor.execute("ROLLBACK")
    for each in (first, second):
        with pytest.raises(DatabaseUnavailable):
            each()
    assert kept(work, [cart]) == [False]


def test_a_crowd_under_failures_keeps_exactly_what_returned(work):
    def writer(number):
        kept_here = []
        for turn in range(10):
            cart = make.cart()
            try:
                adding(work, cart, then=_fail if (number + turn) % 3 == 0 else None)()
            except KeyError:
                kept_here.append((cart, False))
            else:
                kept_here.append((cart, True))
        return kept_here

    told = [each for result in race([lambda n=n: writer(n) for n in range(12)]) for each in result]
    assert kept(work, [cart for cart, _ in told]) == [is_kept for _, is_kept in told]


def _fail(_):
    raise KeyError


def test_blocks_of_a_stretch_share_one_commit_at_its_end(database, work, commands):
    carts = [make.cart() for _ in range(3)]
    with database.together() as stretch:
        for cart in carts:
            adding(work, cart)()
        told = stretch.receipt()
        assert commands.count("COMMIT") == 0
        assert kept(work, carts) == [False] * 3
    assert kept(work, carts) == [True] * 3
    assert (commands.count("COMMIT"), told()) == (1, None)
    adding(work, make.cart())()
    assert commands.count("COMMIT") == 2


def test_a_stretch_that_wrote_nothing_leaves_the_line_free(database, work, commands):
    with database.together() as stretch:
        assert kept(work, [make.cart()]) == [False]
        told = stretch.receipt()
    assert (told(), commands) == (None, [])
    adding(work, make.cart())()


def test_one_of_a_stretch_that_fails_is_undone_alone(database, work):
    carts, told = [make.cart() for _ in range(4)], []
    with database.together() as stretch:
        for index, cart in enumerate(carts):
            if index in (0, 2):
                with pytest.raises(KeyError):
                    adding(work, cart, then=_fail)()
            else:
                adding(work, cart)()
            told.append(stretch.receipt())
    assert kept(work, carts) == [False, True, False, True]
    assert [each() for each in told] == [None] * 4


def test_a_stretch_takes_turns_with_those_who_wait(database, work):
    mine, theirs = [make.cart() for _ in range(40)], [make.cart() for _ in range(40)]
    begun = threading.Event()

    def stretch():
        with database.together() as stretch:
            for cart in mine:
                adding(work, cart)()
                begun.set()
            told = stretch.receipt()
        return told()

    def others(part):
        begun.wait(10)
        for cart in part:
            adding(work, cart)()
            assert kept(work, [cart]) == [True]

    results = race([stretch, *(lambda n=n: others(theirs[n::4]) for n in range(4))])
    assert results == [None] * 5
    assert kept(work, [*mine, *theirs]) == [True] * 80


def test_a_lost_commit_is_told_to_those_whose_blocks_it_held(database, work):
    carts, told = [make.cart() for _ in range(3)], []

    def close(uow):
        uow._connection._connection._cursor.connection.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK
        )

    with database.together() as stretch:
        told.append(stretch.receipt())
        for cart in carts[:2]:
            adding(work, cart, then=close if cart is carts[1] else None)()
            told.append(stretch.receipt())
    assert told[0]() is None
    for each in told[1:]:
        with pytest.raises(DatabaseUnavailable):
            each()
    adding(work, carts[2])()
    assert kept(work, carts) == [False, False, True]


def test_the_jobs_are_nudged_when_a_stretch_is_on_the_disk(database):
    cart, found = make.cart(), []
    plain = open_work(database, StandingClock(make.NOW), cursor_key=b"k", vault=make.vault())
    rung = open_work(
        database,
        StandingClock(make.NOW),
        cursor_key=b"k",
        vault=make.vault(),
        ring=lambda: found.append(kept(plain, [cart])),
    )
    with database.together():
        adding(rung, cart)()
        assert found == []
    assert found == [[True]]


def test_closing_waits_for_nobody(database, work):
    with ExitStack() as stack:
        uow = stack.enter_context(work(make.SCOPE))
        uow.carts.add(make.cart())
        database.close()
    assert database._writer._cursor is None
