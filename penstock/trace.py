"""Says why a payment goes where it goes, rule by rule: made when somebody asks, from what was kept. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.payment import MAX_ATTEMPTS, Attempt, AttemptState
from penstock.routing import Facts, ListName, Route, Rule
from penstock.verdict import BREAKER_OPEN

Json = dict[str, Any]


def trace_out(
    route: Route, rules: Mapping[ListName, Sequence[Rule]], stops: Sequence[Json], attempts: Sequence[Json]
) -> Json:
    """Return a trace without its payment. ``rules`` are those of the lists that were looked at, decline rules first."""
    facts, decision = route.facts, route.decision
    steps = [step for name, each in rules.items() for step in _steps(name, each, facts)]
    shape = facts.shape()
    return {
        "facts": shape,
        "missing": [name for name, value in shape.items() if value is None],
        "versions": [{"list": name, "number": number} for name, number in decision.versions.items()],
        **decision.shape(),
        "rules": steps,
        "connectors": list(stops),
        "attempts": list(attempts),
    }


def stops_out(route: Route, names: Mapping[str, str], tried: Sequence[str] | None) -> Iterator[Json]:
    """Give the connections of the chosen order. ``names`` has each one's plugin; ``tried`` is None in a simulation."""
    for each in route.taking:
        state = "would_try" if tried is None else "tried" if each in tried else "not_reached"
        yield {"connectorId": each, "connector": names.get(each), "state": state, "reason": None}
    for each, reason in route.passed_over.items():
        yield {"connectorId": each, "connector": names.get(each), "state": "passed_over", "reason": reason}


def attempts_out(attempts: Sequence[Attempt]) -> Iterator[Json]:
    """Give the attempts of a payment, each with what followed from it."""
    for index, attempt in enumerate(attempts):
        went_on = index + 1 < len(attempts)
        yield {
            "number": attempt.number,
            "connectorId": attempt.connection_id,
            "connector": attempt.connector,
            "state": attempt.state.value,
            "kind": attempt.kind,
            "next": "went_on" if went_on else "stopped",
            "reason": _came_to(attempt) if went_on or not _lets_go_on(attempt) else _end(attempts),
        }


def _steps(name: ListName, rules: Sequence[Rule], facts: Facts) -> Iterator[Json]:
    for index, rule in enumerate(rules):
        step: Json = {"list": name, "rule": index, "matched": True, "condition": None, "fact": None, "finding": None}
        for place, condition in enumerate(rule.tests):
            finding = condition.check(facts)
            if finding != "satisfied":
                own = None if condition.is_method else place - len(rule.tests) + len(rule.conditions)
                step |= {"matched": False, "condition": own, "fact": condition.fact, "finding": finding}
                break
        yield step
        if step["matched"]:
            return


def _lets_go_on(attempt: Attempt) -> bool:
    if attempt.state is AttemptState.DECLINED:
        return attempt.kind == "soft"
    return attempt.state in (AttemptState.REJECTED, AttemptState.NOT_SENT)


def _came_to(attempt: Attempt) -> str:
    if attempt.message == BREAKER_OPEN:
        return BREAKER_OPEN
    is_decline = attempt.state is AttemptState.DECLINED and attempt.kind
    return f"declined_{attempt.kind}" if is_decline else attempt.state.value


def _end(attempts: Sequence[Attempt]) -> str:
    asked = sum(attempt.message != BREAKER_OPEN for attempt in attempts)
    return "attempt_limit" if asked >= MAX_ATTEMPTS else "no_more_connectors"
