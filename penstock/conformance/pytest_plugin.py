"""Lets pytest explain the kit's asserts, and sums up what the tested connectors claim. Loaded in every pytest run."""

import sys
from typing import Any, Final

import pytest

_KIT: Final = ("penstock.conformance.payments", "penstock.conformance.provider")

for _module in _KIT:
    if _module not in sys.modules:  # too late to rewrite, and pytest would warn
        pytest.register_assert_rewrite(_module)

_tested: Final = pytest.StashKey[dict[str, Any]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which connectors are about to be tested."""
    kit = sys.modules.get(_KIT[0])
    found: dict[str, Any] = {}
    for item in session.items:
        cls = getattr(item, "cls", None)
        if kit is not None and isinstance(cls, type) and issubclass(cls, kit.PaymentConnectorContract):
            found[item.nodeid.rsplit("::", 1)[0]] = cls
    session.config.stash[_tested] = found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write what each tested connector claims, and how the kit judged it."""
    found = config.stash.get(_tested, {})
    if not found:
        return
    terminalreporter.section("connectors")
    for place, cls in found.items():
        counts = [
            f"{len([r for r in terminalreporter.getreports(word) if r.nodeid.startswith(f'{place}::')])} {word}"
            for word in ("passed", "failed", "skipped")
        ]
        terminalreporter.line(f"{cls.connector.name}: {', '.join(counts)}")
        terminalreporter.line(f"    {_claims(cls.connector.capabilities)}")


def _claims(claims: Any) -> str:
    currencies = "every currency" if claims.currencies is None else ", ".join(sorted(claims.currencies))
    flags = [name for name in type(claims).__slots__ if getattr(claims, name) is True]
    return f"{', '.join(sorted(claims.methods))} in {currencies}; claims {', '.join(flags) or 'nothing more'}"
