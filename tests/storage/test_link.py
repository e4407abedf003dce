"""Statements go to PostgreSQL in few trips, and a failure among several undoes all and spoils nothing."""

import psycopg
import pytest

from penstock.clock import StandingClock
from storage import link
from storage.database import BrokenRule
from storage.engine import open_database
from storage.link import Link
from storage.work import open_work
from tests import make


@pytest.fixture
def database(postgresql_database):
    opened = open_database(postgresql_database, pool_size=2)
    yield opened
    opened.close()


@pytest.fixture
def work(database):
    return open_work(database, StandingClock(make.NOW), cursor_key=b"k", vault=make.vault())


@pytest.fixture
def trips(monkeypatch):
    """How many statements each trip took along."""
    counted, send = [], Link.send

    def counting(self, steps):
        counted.append(len(steps))
        return send(self, steps)

    monkeypatch.setattr(Link, "send", counting)
    return counted


def test_writes_leave_with_the_next_question_and_with_the_commit(work, trips):
    cart = make.cart()
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)
        assert trips == []
        read = uow.carts.get_for_update(cart.id)
        read.note("cart.updated", {})
        uow.carts.save(read)
    assert trips == [6, 3]  # begin, cart, its due row, event, and the two questions; then cart, event, commit


def test_a_block_in_which_nothing_happens_asks_nothing(work, trips):
    with work(make.SCOPE):
        pass
    assert trips == []


def test_a_write_that_breaks_a_rule_undoes_the_block_when_it_ends(work):
    cart, other = make.cart(), make.cart()
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)

    def add_both():
        with work(make.SCOPE) as uow:
            uow.carts.add(other)
            uow.carts.add(cart)

    with pytest.raises(BrokenRule, match="pk_carts"):
        add_both()
    with work(make.SCOPE, read=True) as uow:
        assert uow.carts.get(other.id) is None
        assert uow.carts.get(cart.id) == cart


def test_a_block_that_fails_before_it_asked_anything_sends_nothing(work, trips):
    cart = make.cart()

    def add_and_fail():
        with work(make.SCOPE) as uow:
            uow.carts.add(cart)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        add_and_fail()
    assert trips == []
    with work(make.SCOPE, read=True) as uow:
        assert uow.carts.get(cart.id) is None


def test_only_writes_are_kept_over_a_connection_that_died_while_idle(work, postgresql_database):
    cart = make.cart()
    with work(make.SCOPE, read=True) as uow:
        uow.carts.get(cart.id)
    with psycopg.connect(postgresql_database, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'penstock'")
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)
    with work(make.SCOPE, read=True) as uow:
        assert uow.carts.get(cart.id) == cart


@pytest.fixture
def wire(database):
    taken = database.take()
    yield taken
    taken.connection.close()


def test_the_first_failure_counts_and_the_statements_behind_it_do_not_run(wire):
    wire.send([("CREATE TEMP TABLE t (n int PRIMARY KEY)", ())])
    add = "INSERT INTO t VALUES (%s)"
    with pytest.raises(psycopg.errors.UniqueViolation):
        wire.send([(add, (1,)), (add, (1,)), (add, (2,)), ("SELECT 1/0", ())])
    assert wire.rows(wire.send([("SELECT count(*) FROM t", ())])[0]) == [(0,)]
    wire.send([(add, (1,)), (add, (2,)), ("SELECT 1", ())])
    assert wire.rows(wire.send([("SELECT n FROM t ORDER BY n", ())])[0]) == [(1,), (2,)]


def test_a_percent_sign_and_every_kind_of_value_arrive_as_they_are(wire):
    values = ("é'\\", 2**62, True, False, None, b"\x00\xff", make.NOW)
    kinds = ("text", "bigint", "boolean", "boolean", "text", "bytea", "timestamptz")
    asked = "SELECT " + ", ".join(f"CAST(%s AS {kind})" for kind in kinds) + ", '%%'"
    assert wire.rows(wire.send([(asked, values)])[0]) == [(*values, "%")]


def test_more_statements_than_are_kept_still_run(wire, monkeypatch):
    monkeypatch.setattr(link, "_STATEMENTS_KEPT", 2)
    asked = [(f"SELECT {number} + %s::int", (1,)) for number in range(5)]
    for _ in range(2):
        assert [wire.rows(one) for one in wire.send(asked)] == [[(number + 1,)] for number in range(5)]


def test_a_batch_that_is_larger_than_the_socket_takes_at_once_goes_through(wire):
    text = "x" * 1_000_000
    results = wire.send([("SELECT %s::text", (text,))] * 8)
    assert {len(wire.rows(one)[0][0]) for one in results} == {len(text)}


def test_a_value_that_no_column_takes_leaves_no_half_sent_batch(database):
    with pytest.raises(KeyError), database.reading() as connection:
        connection.first("SELECT %s, %s", (1, object()))
    assert database.first("SELECT 1", ()) == (1,)


def test_threads_that_meet_a_statement_at_the_same_moment_give_it_one_name(database):
    """A second name would be asked for on connections that have prepared the statement under the first."""
    sql = "SELECT 1 + %s::int"
    with database.writing() as block:
        before = block.first(sql, [1])
        link._worded(sql)  # what a thread does that has not seen the first one's name either
        assert [before, block.first(sql, [2])] == [(2,), (3,)]
