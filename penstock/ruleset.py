"""The lists of rules that are in force, compiled, and the decision about one payment that follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.chooser import Chooser
from penstock.routing import GENERIC_DECLINE, Decision, Facts, ListName, Rule, needs_card
from penstock.rule_reading import read_rules


@dataclass(frozen=True, slots=True)
class RuleList:
    """One version of one list, compiled. ``number`` is the version's, 0 for a draft or a list that was never set."""

    name: ListName
    number: int
    rules: tuple[Rule, ...]
    chooser: Chooser = field(repr=False)
    default: tuple[str, ...] = ()
    needs_card: bool = False
    """Whether a rule looks at what only the card's token knows."""


def compile_list(name: ListName, number: int, body: Mapping[str, Any]) -> RuleList:
    """Return a list that was checked, ready to choose from."""
    rules = read_rules(body)
    default = tuple(body.get("defaultCascade") or ())
    return RuleList(name, number, rules, Chooser(rules), default, needs_card(rules))


def decide(lists: Mapping[ListName, RuleList], facts: Facts) -> Decision:
    """Return where a payment goes: decline rules first, then routing; the first rule of each that matches.

    A rule that matched is never fallen through. Where none did, cards take the default cascade, and everything else,
    or a card without a list, the application's order.
    """
    decline, routing = names_for(facts)
    versions: dict[ListName, int] = {name: lists[name].number if name in lists else 0 for name in (decline, routing)}
    declining, list_ = lists.get(decline), lists.get(routing)
    index = declining.chooser.choose(facts) if declining else None
    if declining is not None and index is not None:
        code = declining.rules[index].error_code or GENERIC_DECLINE
        return Decision(way="declined", list_name=decline, rule=index, error_code=code, versions=versions)
    index = list_.chooser.choose(facts) if list_ else None
    if list_ is not None and index is not None:
        ids = list_.rules[index].connector_ids
        return Decision(way="rule", list_name=routing, rule=index, connector_ids=ids, versions=versions)
    if list_ is not None and list_.default:
        return Decision(way="default", list_name=routing, connector_ids=list_.default, versions=versions)
    return Decision(way="application_order", versions=versions)


def names_for(facts: Facts) -> tuple[ListName, ListName]:
    """Return the decline list and the routing list that decide about such a payment."""
    return ("card-decline", "payment-routing") if facts.is_card else ("other-decline", "other-routing")
