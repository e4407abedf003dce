"""Chooses among rules at once, however many there are: one bit for each rule, one table for each fact.

For each fact a table knows the set of rules that a value lets through, as the bits of one integer. The sets of all facts
are met with ``&``; the lowest bit that is left is the first rule that matches. A rule that cannot match costs its bit.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from penstock.routing import Condition, Facts, Rule

_FEW: Final = 8
"""Up to how many rules a value keeps as a list: the bits of a late rule alone are as long as those of all."""

Places = Iterable[tuple[int, Condition]]


class Chooser:
    """Rules, compiled. It never changes, so threads may share it."""

    __slots__ = ("_all", "_amounts", "_tables", "count")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.count = len(rules)
        self._all = (1 << self.count) - 1
        by_fact: dict[str, list[tuple[int, Condition]]] = defaultdict(list)
        for index, rule in enumerate(rules):
            for condition in rule.tests:
                by_fact[condition.fact].append((index, condition))
        amounts = by_fact.pop("amount", None)
        self._amounts = _Amounts(amounts, self._all) if amounts else None
        # Those that let the fewest rules through come first: a short integer makes the next meeting cheap.
        tables = [_Table(fact, places, self._all) for fact, places in by_fact.items()]
        self._tables = sorted(tables, key=lambda table: table.absent.bit_count())

    def choose(self, facts: Facts) -> int | None:
        """Return the place of the first rule of which every condition is satisfied, or None."""
        left = self._all
        if self._amounts is not None:
            left &= self._amounts.rules_for(facts)
        for table in self._tables:
            if not left:
                return None
            left &= table.rules_for(facts)
        return (left & -left).bit_length() - 1 if left else None


class _Table:
    """Which rules a fact's values let through. ``absent`` is the set where the fact is missing."""

    __slots__ = ("_base", "_fact", "_turned", "absent")

    def __init__(self, fact: str, places: Places, every: int) -> None:
        looking = negative = 0
        named: dict[str, set[int]] = defaultdict(set)
        for index, condition in places:
            looking |= 1 << index
            negative |= (1 << index) if condition.is_negative else 0
            for value in condition.values:
                named[value].add(index)
        self._fact = fact
        self.absent = every & ~looking
        self._base = self.absent | negative
        self._turned = {value: _kept(indices) for value, indices in named.items()}

    def rules_for(self, facts: Facts) -> int:
        """Return the rules that the fact lets through.

        A value turns the rules that name it: positive ones on, negative ones off. Several values turn each rule once.
        """
        known = facts.known(self._fact)
        if known is None:
            return self.absent
        turned = 0
        for value in known:
            kept = self._turned.get(value)
            if kept is not None:
                turned |= kept if isinstance(kept, int) else _bits(kept)
        return self._base ^ turned


class _Amounts:
    """Which rules an amount lets through: for each currency the ranges between all bounds, found by bisection."""

    __slots__ = ("_by_currency", "_indifferent")

    def __init__(self, places: Places, every: int) -> None:
        looking = 0
        steps: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for index, condition in places:
            looking |= 1 << index
            low, high = condition.low or 0, condition.high
            if high is not None and high < low:
                continue
            steps[condition.currency][low] ^= 1 << index
            if high is not None:
                steps[condition.currency][high + 1] ^= 1 << index
        self._indifferent = every & ~looking
        self._by_currency = {currency: self._ranges(turns) for currency, turns in steps.items()}

    def _ranges(self, turns: dict[int, int]) -> tuple[list[int], list[int]]:
        bounds = sorted(turns)
        rules, left = [self._indifferent], self._indifferent
        for bound in bounds:
            left ^= turns[bound]
            rules.append(left)
        return bounds, rules

    def rules_for(self, facts: Facts) -> int:
        """Return the rules that the amount lets through; in a currency that no rule names, those without an amount."""
        found = self._by_currency.get(facts.currency)
        if found is None:
            return self._indifferent
        bounds, rules = found
        return rules[bisect_right(bounds, facts.amount)]


def _kept(indices: set[int]) -> int | tuple[int, ...]:
    return tuple(sorted(indices)) if len(indices) <= _FEW else _bits(indices)


def _bits(indices: Iterable[int]) -> int:
    bits = 0
    for index in indices:
        bits |= 1 << index
    return bits
