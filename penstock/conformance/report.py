"""What stands at the end of a run: for each class what it claims, and how many faults it came through."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from penstock.conformance.provider import OWED
from penstock.connector import CLAIMED_VERBS, Capabilities, PaymentConnector, Provider, unkept_claims, unkept_verify
from penstock.rate_source import RateClaims
from penstock.tax_engine import TaxClaims

_CELL: Final = (
    "::test_a_fault_leaves_only_one_thing_to_say[",
    "::test_a_fault_makes_a_look_at_a_follow_up_say_nothing[",
    "::test_a_fault_leaves_no_answer[",
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


def _claims(claims: Any) -> Sequence[tuple[str, str]]:
    match claims:
        case Capabilities():
            return _of_payments(claims)
        case TaxClaims():
            prices = [word for word in ("inclusive", "exclusive") if getattr(claims, word)]
            return (
                ("verbs", _asked("calculate", claims)),
                ("countries", _every(claims.countries)),
                ("currencies", _every(claims.currencies)),
                ("prices", ", ".join(prices)),
                ("needs", ", ".join(sorted(claims.needs))),
            )
        case RateClaims():
            return (
                ("verbs", _asked("quote", claims)),
                ("from, to", f"{_every(claims.origins)}, {_every(claims.destinations)}"),
                ("currencies", _every(claims.currencies)),
                ("parcels", f"{claims.most_parcels} at the most"),
                ("needs", ", ".join(sorted(claims.needs))),
            )
    return ()


def _asked(verb: str, claims: TaxClaims | RateClaims) -> str:
    return f"{verb}, verify_account" if claims.verify else verb


def _every(held: frozenset[str] | None) -> str:
    return "every one" if held is None else ", ".join(sorted(held))


def _of_payments(claims: Capabilities) -> Sequence[tuple[str, str]]:
    away = [f"{m} (redirect)" if m in claims.redirect_methods else m for m in sorted(claims.methods)]
    more = [name for name in ("idempotent_create", "step_up") if getattr(claims, name)]
    return (
        ("verbs", ", ".join(_verbs(claims))),
        ("methods", ", ".join(away)),
        ("currencies", _every(claims.currencies)),
        ("lookup", _lookup(claims)),
        ("promises", ", ".join(more)),
    )


def _verbs(claims: Capabilities) -> Sequence[str]:
    found = ["find"] if claims.lookup else []
    return ["charge", *found, *(verb for claim, verb in CLAIMED_VERBS if getattr(claims, claim))]


def _lookup(claims: Capabilities) -> str:
    if claims.is_settled_by_resume:
        return "no: a charge that waits for its buyer is asked after by resume, any other needs a person"
    if not claims.lookup:
        return "no: an open outcome needs a person"
    after = claims.lookup_is_authoritative_after
    return "not found proves nothing" if after is None else f"not found is a proof after {after} s"


def _owed(tried: type[Provider], failed: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    unkept = unkept_claims(tried) if issubclass(tried, PaymentConnector) else unkept_verify(tried)
    claimed = [("to write", sentence) for sentence in unkept]
    times = Counter(said.removeprefix(OWED) for said in failed.values() if said.startswith(OWED))
    return claimed + [
        ("to write", f"{what} ({many} {'test' if many == 1 else 'tests'})") for what, many in times.items()
    ]


def _faults(mine: Mapping[str, Mapping[str, str]]) -> str:
    def cells(word: str) -> int:
        return sum(any(mark in node for mark in _CELL) for node in mine[word])

    passed, failed, skipped = cells("passed"), cells("failed"), cells("skipped")
    without = f"; {skipped} {'cell does' if skipped == 1 else 'cells do'} not apply" if skipped else ""
    return f"{passed} of {passed + failed} cells survived{without}" if passed + failed else ""
