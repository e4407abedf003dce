"""Lets pytest explain the kit's asserts, chooses tests by what is claimed, and reports. Loaded in every pytest run."""

import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from pkgutil import resolve_name
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
    "rates",
    "returns",
    "settings",
    "sources",
    "taxes",
)
_KIT: Final = tuple(f"penstock.conformance.{part}" for part in _PARTS)

for _module in _KIT:
    if _module not in sys.modules:  # too late to rewrite, and pytest would warn
        pytest.register_assert_rewrite(_module)

_LIVE: Final = "test_live_"

_OUTPUT: Final = "penstock-connectors"

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
    """Leave out the kit's tests about what is not claimed.

    With ``--live`` only the tests that go out are left, without it only those that do not.
    """
    is_live = config.getoption("live") is not None
    unclaimed = [item for item in items if not _is_wanted(item, is_live=is_live)]
    if unclaimed:
        config.hook.pytest_deselected(items=unclaimed)
        gone = set(unclaimed)
        items[:] = [item for item in items if item not in gone]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which connectors, engines and sources are about to be tested."""
    found = {item.nodeid.rsplit("::", 1)[0]: _tried(item) for item in session.items}
    tested = {place: cls for place, cls in found.items() if cls is not None}
    session.config.stash[_tested] = tested
    # One of several processes that share the tests, with pytest-xdist: the one that reports collects nothing itself.
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_OUTPUT] = {place: f"{cls.__module__}:{cls.__qualname__}" for place, cls in tested.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Note what was tested there, as far as it can be found here."""
    tested = node.config.stash.setdefault(_tested, {})
    for place, name in getattr(node, "workeroutput", {}).get(_OUTPUT, {}).items():
        with suppress(ImportError, AttributeError):
            tested[place] = resolve_name(name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """Write what each of them claims, and how the kit judged it; below the list of what failed."""
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


def _tried(item: Any) -> Any:
    """Return the class that a test of the kit tries, or None for a test that is none of the kit's."""
    cls = getattr(item, "cls", None)
    for part, root, attribute in (("bench", "Bench", "connector"), ("sources", "SourceBench", "provider")):
        loaded = sys.modules.get(f"penstock.conformance.{part}")
        if loaded is not None and isinstance(cls, type) and issubclass(cls, getattr(loaded, root)):
            return getattr(cls, attribute, None)
    return None


def _is_wanted(item: Any, *, is_live: bool) -> bool:
    tried = _tried(item)
    if tried is None:
        return True
    if item.name.startswith(_LIVE) != is_live:
        return False
    sources = sys.modules.get("penstock.conformance.sources")
    if sources is not None and issubclass(item.cls, sources.SourceBench):
        return bool(sources.is_wanted(item.cls, item.function))
    operation = item.callspec.params.get("operation") if hasattr(item, "callspec") else None
    return bool(sys.modules["penstock.conformance.bench"].is_claimed(tried, item.function, operation))
