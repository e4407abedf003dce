"""What the fault tests share: a shop for each database, and the evidence, shown at the end of every run."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.evidence import LINES
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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where several processes share the tests, give what was tried here to the one that reports."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["evidence"] = LINES


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what was tried there."""
    LINES.extend(getattr(node, "workeroutput", {}).get("evidence", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was tried, how often, and how sure that makes us."""
    if LINES:
        terminalreporter.section("evidence")
        for line in LINES:
            terminalreporter.write_line(line)
