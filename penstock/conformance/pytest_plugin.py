"""Lets pytest explain the kit's asserts, chooses tests by what is claimed, and reports. Loaded in every pytest run."""

import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

_PARTS: Final = (
    "payments",
    "accounts",
    "bench",
    "charges",
    "follow_ups",
    "live",
    "matrix",
    "messages",
    "operations",
    "provider",
)
_KIT: Final = tuple(f"penstock.conformance.{part}" for part in _PARTS)

for _module in _KIT:
    if _module not in sys.modules:  # too late to rewrite, and pytest would warn
        pytest.register_assert_rewrite(_module)

_LIVE: Final = "test_live_"

_tested: Final = pytest.StashKey[dict[str, Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--live``."""
    parser.getgroup("penstock").addoption(
        "--live",
        metavar="FILE",
        default=None,
        help="run connectors against their providers' own sandboxes, with the accounts in this TOML file",
    )


@pytest.fixture
def live(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Connect to the provider's sandbox; what was said there is added to ``penstock-live-<connector>.txt``."""
    from penstock.conformance.live import connected  # noqa: PLC0415  only where somebody asks for it

    found = connected(request.cls.connector, Path(request.config.getoption("live")))
    yield found
    place = request.config.invocation_params.dir / f"penstock-live-{found.connector.name}.txt"
    with place.open("a") as out:
        out.write("\n".join([f"# {request.node.name}", *found.transcript, ""]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the kit's tests about what a connector does not claim.

    With ``--live`` only the tests that go out are left, without it only those that do not.
    """
    bench = sys.modules.get("penstock.conformance.bench")
    if bench is None:
        return
    is_live = config.getoption("live") is not None
    unclaimed = [
        item
        for item in items
        if _is_kits(item, bench) and (item.name.startswith(_LIVE) != is_live or not _is_claimed(item, bench))
    ]
    if unclaimed:
        config.hook.pytest_deselected(items=unclaimed)
        gone = set(unclaimed)
        items[:] = [item for item in items if item not in gone]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which connectors are about to be tested."""
    bench = sys.modules.get("penstock.conformance.bench")
    session.config.stash[_tested] = {
        item.nodeid.rsplit("::", 1)[0]: getattr(item, "cls").connector  # noqa: B009  only a test in a class has one
        for item in session.items
        if bench is not None and _is_kits(item, bench)
    }


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """Write what each tested connector claims, and how the kit judged it; below the list of what failed."""
    yield
    found = config.stash.get(_tested, {})
    if not found:
        return
    from penstock.conformance import report  # noqa: PLC0415  only where there is something to report

    words = ("passed", "failed", "skipped")
    reports = {word: {r.nodeid: r.longreprtext for r in terminalreporter.getreports(word)} for word in words}
    terminalreporter.section("connectors")
    for place, connector in found.items():
        for line in report.lines(connector, place, reports):
            terminalreporter.line(line)


def _is_kits(item: pytest.Item, bench: Any) -> bool:
    cls = getattr(item, "cls", None)
    return isinstance(cls, type) and issubclass(cls, bench.Bench) and hasattr(cls, "connector")


def _is_claimed(item: Any, bench: Any) -> bool:
    operation = item.callspec.params.get("operation") if hasattr(item, "callspec") else None
    claimed: bool = bench.is_claimed(item.cls.connector, item.function, operation)
    return claimed
