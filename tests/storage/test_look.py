"""A row that was looked at is as good as before exactly as long as nobody committed anything."""

import sqlite3

import pytest

from storage.engine import open_database
from tests import make

COUNT = "SELECT count(*) FROM carts"


def counting(database):
    return lambda before: database.look(COUNT, (), before)


@pytest.fixture
def local(sqlite_url):
    opened = open_database(sqlite_url)
    yield opened
    opened.close()


def test_what_was_seen_is_seen_again_after_a_commit_of_this_process(database, work):
    count = counting(database)
    first = count(None)
    with work(make.SCOPE) as uow:
        uow.carts.add(make.cart())
        assert count(first).row == first.row
    again = count(first)
    assert (again is not first, again.row[0]) == (True, first.row[0] + 1)


def test_nothing_is_asked_on_sqlite_while_nobody_commits(local):
    count = counting(local)
    first = count(None)
    assert count(first) is first
    with local.reading():
        assert count(first) == (first.row, count(first).mark)


def test_a_commit_of_another_program_counts_as_well(local):
    count = counting(local)
    first = count(None)
    other = sqlite3.connect(local.url.database)
    other.execute("CREATE TABLE strangers (id INTEGER)")
    other.commit()
    other.close()
    assert count(first) is not first
    assert count(first).row == first.row
