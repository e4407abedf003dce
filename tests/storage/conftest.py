"""What the tests of the storage room share: a database, its units of work, a clock that stands still."""

from collections.abc import Iterator

import pytest

from penstock.clock import StandingClock
from penstock.ports import OpenWork
from storage.database import Database
from storage.engine import open_database
from storage.work import open_work
from tests import make
from tests.make import NOW


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database, once on SQLite and once on PostgreSQL."""
    opened = open_database(database_url, pool_size=40)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> StandingClock:
    """A clock that stands still."""
    return StandingClock(NOW)


@pytest.fixture
def work(database: Database, clock: StandingClock) -> OpenWork:
    """Opens units of work."""
    return open_work(database, clock, cursor_key=b"a key for cursors", vault=make.vault())
