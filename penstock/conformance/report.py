"""What stands at the end of a run: for each connector what it claims, and how many faults it came through."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from penstock.conformance.provider import OWED
from penstock.connector import CLAIMED_VERBS, Capabilities, PaymentConnector, unkept_claims

_CELL: Final = (
    "::test_a_fault_leaves_only_one_thing_to_say[",
    "::test_a_fault_makes_a_look_at_a_follow_up_say_nothing[",
)


def lines(connector: Any, place: str, reports: Mapping[str, Mapping[str, str]]) -> Sequence[str]:
    """Return the report on one connector.

    ``reports`` has, by what tests came to, their ids and what was said of each.
    """
    mine = {
        word: {node: said for node, said in tests.items() if node.startswith(f"{place}::")}
        for word, tests in reports.items()
    }
    counts = ", ".join(f"{len(mine[word])} {word}" for word in ("passed", "failed", "skipped"))
    told = [f"{connector.name}: {counts}"]
    rows = [*_claims(connector.capabilities), ("faults", _faults(mine)), *_owed(connector, mine["failed"])]
    return [*told, *(f"    {label:11} {text}" for label, text in rows if text)]


def _claims(claims: Capabilities) -> Sequence[tuple[str, str]]:
    currencies = "every one" if claims.currencies is None else ", ".join(sorted(claims.currencies))
    away = [f"{m} (redirect)" if m in claims.redirect_methods else m for m in sorted(claims.methods)]
    more = [name for name in ("idempotent_create", "step_up") if getattr(claims, name)]
    return (
        ("verbs", ", ".join(_verbs(claims))),
        ("methods", ", ".join(away)),
        ("currencies", currencies),
        ("lookup", _lookup(claims)),
        ("promises", ", ".join(more)),
    )


def _verbs(claims: Capabilities) -> Sequence[str]:
    found = ["find"] if claims.lookup else []
    return ["charge", *found, *(verb for claim, verb in CLAIMED_VERBS if getattr(claims, claim))]


def _lookup(claims: Capabilities) -> str:
    if not claims.lookup:
        return "no: an open outcome needs a person"
    after = claims.lookup_is_authoritative_after
    return "not found proves nothing" if after is None else f"not found is a proof after {after} s"


def _owed(connector: type[PaymentConnector], failed: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    claimed = [("to write", sentence) for sentence in unkept_claims(connector)]
    times = Counter(said.removeprefix(OWED) for said in failed.values() if said.startswith(OWED))
    return claimed + [
        ("to write", f"{what} ({many} {'test' if many == 1 else 'tests'})") for what, many in times.items()
    ]


def _faults(mine: Mapping[str, Mapping[str, str]]) -> str:
    def cells(word: str) -> int:
        return sum(any(mark in node for mark in _CELL) for node in mine[word])

    passed, failed, skipped = cells("passed"), cells("failed"), cells("skipped")
    without = f"; {skipped} cells do not apply" if skipped else ""
    return f"{passed} of {passed + failed} cells survived{without}" if passed + failed else ""
