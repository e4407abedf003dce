"""What the fault tests share: a shop for each database."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.town import PAUSES, Shop, open_shop
from tests.faults.tree import ROOT

DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.services))
SERVERS = {"sqlite": 1, "postgresql": 2}


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """The kind of database of this run."""
    return request.param


@pytest.fixture(scope="module")
def databases(request: pytest.FixtureRequest, database: str) -> Any:
    """Makes fresh databases of that kind."""
    return request.getfixturevalue("sqlite_databases" if database == "sqlite" else "postgres_databases")


@pytest.fixture(scope="module")
def shop(database: str, databases: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with one server on SQLite and two on PostgreSQL, all pausing between read and write."""
    folder = tmp_path_factory.mktemp(f"races-{database}")
    with (
        databases.fresh() as url,
        open_shop(ROOT, url, folder, servers=SERVERS[database], failpoints=PAUSES) as opened,
    ):
        yield opened
