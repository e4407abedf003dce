"""What goes wrong with a database is said in the house's words, and undoes the whole block."""

import threading
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa

from penstock.clock import StandingClock, monotonic_seconds
from penstock.errors import IdempotencyInProgress, ServiceUnavailable
from storage import postgresql, sqlite
from storage.database import BrokenRule, Collision, DatabaseUnavailable, LockTimeout
from storage.engine import open_database
from storage.fair_lock import FairLock
from storage.retry import again_on_collision
from storage.work import open_work
from tests import make
from tests.storage.races import race


def opened(url, **kw):
    database = open_database(url, **kw)
    return database, open_work(database, StandingClock(make.NOW), cursor_key=b"k", vault=make.vault())


@pytest.fixture
def impatient(monkeypatch):
    """Databases that wait for a tenth of a second only."""
    monkeypatch.setattr(sqlite, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(sqlite, "_SETTINGS", (*sqlite._SETTINGS[:-1], "PRAGMA busy_timeout=100"))
    monkeypatch.setattr(postgresql, "SETTINGS", {**postgresql.SETTINGS, "lock_timeout": "100ms"})


def test_a_row_that_is_held_for_too_long_is_a_lock_timeout(impatient, database_url):
    database, work = opened(database_url)
    cart = make.cart()
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)
    held, release = threading.Event(), threading.Event()

    def hold():
        with work(make.SCOPE) as uow:
            uow.carts.get_for_update(cart.id)
            held.set()
            release.wait(10)

    def want():
        held.wait(10)
        try:
            with work(make.SCOPE) as uow:
                uow.carts.get_for_update(cart.id)
        finally:
            release.set()

    results = race([hold, want])
    assert results[0] is None
    assert isinstance(results[1], LockTimeout)
    assert isinstance(results[1], ServiceUnavailable)
    assert results[1].headers == {"Retry-After": "1"}
    with work(make.SCOPE) as uow:
        assert uow.carts.get_for_update(cart.id) == cart
    database.close()


def test_a_key_that_is_held_for_too_long_is_in_progress(impatient, postgresql_database):
    database, work = opened(postgresql_database)
    held, release = threading.Event(), threading.Event()

    def first():
        with work(make.SCOPE) as uow:
            uow.idempotency.claim("p", "op", "k", "f", 60)
            held.set()
            release.wait(10)

    def second():
        held.wait(10)
        try:
            with work(make.SCOPE) as uow:
                uow.idempotency.claim("p", "op", "k", "f", 60)
        finally:
            release.set()

    results = race([first, second])
    assert isinstance(results[1], IdempotencyInProgress)
    assert results[1].headers == {"Retry-After": "1"}
    database.close()


def test_sqlite_waits_for_another_process_and_then_says_so(impatient, sqlite_url):
    database, work = opened(sqlite_url)
    other = sa.create_engine(sqlite_url)
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(LockTimeout), work(make.SCOPE):
            pass
        with work(make.SCOPE, read=True) as uow:
            assert uow.carts.get(make.cart().id) is None, "readers never wait"
    other.dispose()
    with work(make.SCOPE):
        pass
    database.close()


def test_two_blocks_that_lock_crosswise_collide_and_one_runs_again(postgresql_database):
    database, work = opened(postgresql_database)
    carts = [make.cart(), make.cart()]
    with work(make.SCOPE) as uow:
        for cart in carts:
            uow.carts.add(cart)
    meet, runs = threading.Barrier(2), []

    def cross(order):
        def block():
            runs.append(1)
            with work(make.SCOPE) as uow:
                for cart in order:
                    read = uow.carts.get_for_update(cart.id)
                    read.note("cart.updated", {})
                    uow.carts.save(read)
                    if len(runs) == 2 and cart is order[0]:
                        meet.wait(5)

        again_on_collision(block)

    runs.clear()
    assert race([lambda: cross(carts), lambda: cross(carts[::-1])]) == [None, None]
    assert len(runs) >= 3
    with work(make.SCOPE, read=True) as uow:
        assert [uow.carts.get(cart.id).sequence for cart in carts] == [3, 3]
    database.close()


def test_a_collision_that_does_not_end_is_passed_on():
    tries = []

    def block():
        tries.append(1)
        raise Collision

    with pytest.raises(Collision):
        again_on_collision(block)
    assert len(tries) == 5


@pytest.mark.parametrize("read", [True, False])
def test_connections_that_died_while_idle_are_replaced_unseen(postgresql_database, read):
    database, work = opened(postgresql_database)

    def use():
        with work(make.SCOPE, read=read) as uow:
            assert uow.carts.get(make.cart().id) is None

    race([use] * 4)
    with psycopg.connect(postgresql_database, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )
    assert race([use] * 4) == [None] * 4
    database.close()


def test_a_connection_that_dies_within_a_block_undoes_it(postgresql_database):
    database, work = opened(postgresql_database)
    cart = make.cart()

    def die():
        with work(make.SCOPE) as uow:
            uow.carts.add(cart)
            assert uow.carts.get_for_update(cart.id) == cart
            with psycopg.connect(postgresql_database, autocommit=True) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                    "AND datname = current_database()"
                )
            uow.carts.save(cart)

    with pytest.raises(DatabaseUnavailable):
        die()
    with work(make.SCOPE) as uow:
        assert uow.carts.get(cart.id) is None
    database.close()


def test_an_error_that_is_swallowed_does_not_pass_for_success(postgresql_database):
    database, work = opened(postgresql_database)
    cart = make.cart()

    def swallow():
        with work(make.SCOPE) as uow:
            uow.carts.add(cart)
            uow.carts.add(cart)
            with pytest.raises(BrokenRule, match="pk_carts"):
                uow.carts.get(cart.id)

    with pytest.raises(DatabaseUnavailable):
        swallow()
    with work(make.SCOPE, read=True) as uow:
        assert uow.carts.get(cart.id) is None
    database.close()


def test_more_blocks_than_connections_wait_for_their_turn(postgresql_database):
    database, work = opened(postgresql_database, pool_size=2)

    def use():
        for _ in range(5):
            with work(make.SCOPE) as uow:
                uow.carts.add(make.cart())

    assert race([use] * 8) == [None] * 8
    with psycopg.connect(postgresql_database) as admin:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert admin.execute(query).fetchone()[0] <= 2
    database.close()


def test_a_server_that_is_not_there_is_unavailable():
    _, work = opened("postgresql://nobody@127.0.0.1:1/nothing")
    started = monotonic_seconds()
    for read in (True, False):
        with pytest.raises(DatabaseUnavailable), work(make.SCOPE, read=read):
            pass
    assert monotonic_seconds() - started < 5


def test_a_file_that_is_not_there_is_unavailable(tmp_path):
    _, work = opened(f"sqlite:///{tmp_path}/no/such/folder/shop.db")
    for read in (True, False):
        with pytest.raises(DatabaseUnavailable), work(make.SCOPE, read=read):
            pass


def test_a_full_disk_is_unavailable_and_readers_go_on(sqlite_url):
    database, work = opened(sqlite_url)
    connect = database._writer._connect

    def small():
        cursor = connect()
        cursor.execute("PRAGMA max_page_count=1")  # SQLite takes it as: no page more than there are
        return cursor

    database._writer._connect = small
    kept, lost = [], None
    while lost is None:
        cart = make.cart()
        cart.update({"notes": "x" * 5000}, make.NOW)
        try:
            with work(make.SCOPE) as uow:
                uow.carts.add(cart)
        except DatabaseUnavailable:
            lost = cart
        else:
            kept.append(cart)
    with work(make.SCOPE, read=True) as uow:
        assert [uow.carts.get(cart.id) == cart for cart in kept] == [True] * len(kept)
        assert uow.carts.get(lost.id) is None
    database._writer._drop()
    database._writer._connect = connect
    with work(make.SCOPE) as uow:
        uow.carts.add(make.cart())
    database.close()


def test_writers_are_served_in_the_order_in_which_they_came():
    lock, served = FairLock(), []
    assert lock.acquire(1)
    waiting = []
    for index in range(8):
        thread = threading.Thread(target=lambda index=index: (lock.acquire(5), served.append(index), lock.release()))
        thread.start()
        waiting.append(thread)
        while len(lock._waiting) <= index:
            threading.Event().wait(0.001)
    lock.release()
    for thread in waiting:
        thread.join(5)
    assert served == list(range(8))


def test_who_gave_up_waiting_is_passed_over():
    lock = FairLock()
    assert lock.acquire(1)
    assert not lock.acquire(0.01)
    lock.release()
    assert lock.acquire(0.01)
    lock.release()


def test_a_closed_database_keeps_no_connection(database_url):
    database, work = opened(database_url)
    with work(make.SCOPE) as uow:
        uow.due.add("expire_session", "x", make.NOW + timedelta(hours=1))
        database.close()
    assert not database._idle
