"""What stands at the end of a run: for each connector what it claims, and how many faults it came through."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from penstock.connector import CLAIMED_VERBS, Capabilities

_CELL: Final = (
    "::test_a_fault_leaves_only_one_thing_to_say[",
    "::test_a_fault_makes_a_look_at_a_follow_up_say_nothing[",
)


def lines(connector: Any, place: str, reports: Mapping[str, Iterable[str]]) -> Sequence[str]:
    """Return the report on one connector; ``reports`` has the ids of tests by what they came to."""
    mine = {word: [node for node in nodes if node.startswith(f"{place}::")] for word, nodes in reports.items()}
    counts = ", ".join(f"{len(mine[word])} {word}" for word in ("passed", "failed", "skipped"))
    told = [f"{connector.name}: {counts}"]
    rows = [*_claims(connector.capabilities), ("faults", _faults(mine))]
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


def _faults(mine: Mapping[str, Sequence[str]]) -> str:
    def cells(word: str) -> int:
        return sum(any(mark in node for mark in _CELL) for node in mine[word])

    passed, failed, skipped = cells("passed"), cells("failed"), cells("skipped")
    without = f"; {skipped} cells do not apply" if skipped else ""
    return f"{passed} of {passed + failed} cells survived{without}" if passed + failed else ""
