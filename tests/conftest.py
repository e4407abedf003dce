"""What every test may have: databases of its own, and no network beyond this machine. What fault tests tried is shown."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import servers
from tests.faults.evidence import LINES

DATABASES = ("sqlite", "postgresql")
LONGEST = ("tests/fuzz/test_fuzz.py", "tests/e2e/test_planted.py")
"""Files that take minutes with few tests: they go first, or one process would be left with them while the others idle."""


class InPieces(LoadScopeScheduling):
    """Where several processes share the tests, each file is one process's; the contract's files, which are judged
    together, are all one's."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::", 1)[0]
        return "tests/contract" if path.startswith("tests/contract/") else path

    def _assign_work_unit(self, node: Any) -> None:
        for path in reversed(LONGEST):
            if path in self.workqueue:
                self.workqueue.move_to_end(path, last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> InPieces:
    """Say which tests stay together."""
    return InPieces(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing here may reach beyond the loopback interface, unless a test marks itself.

    What was heard during the contract's tests is judged behind them.
    """
    items.sort(key=lambda item: item.path.name == "test_emits.py")
    for item in items:
        if item.get_closest_marker("allow_hosts") is None:
            item.add_marker(pytest.mark.allow_hosts(["127.0.0.1", "::1"]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What a file left open is told at the file's end, not in whichever innocent test the collector comes to run."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server's URL. Its databases are shared: use `postgresql_database` for one of your own."""
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server's URL."""
    with servers.redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> servers.SqliteDatabases:
    """Makes migrated SQLite databases."""
    return servers.SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_databases(postgres_url: str) -> Iterator[servers.PostgresDatabases]:
    """Makes migrated PostgreSQL databases."""
    made = servers.PostgresDatabases(postgres_url)
    yield made
    made.close()


@pytest.fixture
def sqlite_url(sqlite_databases: servers.SqliteDatabases) -> Iterator[str]:
    """A fresh, migrated SQLite database."""
    with sqlite_databases.fresh() as url:
        yield url


@pytest.fixture
def postgresql_database(postgres_databases: servers.PostgresDatabases) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database."""
    with postgres_databases.fresh() as url:
        yield url


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.services) if name != "sqlite" else name for name in DATABASES]
)
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database, once on each of the two."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgresql_database")


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
