"""Part d: how long it takes to choose among 1 to 10,000 rules. ``python -m tests.bench.routing``

Every rule has five conditions: country, scheme, currency, amount and one key of the metadata. The same random rules are
asked in three ways: a payment that only the last rule matches, one that none matches, and a mixture of a thousand in dollars. The
column beside them is one rule after the other, which is what the tests hold the chooser against.
"""

import random
import statistics
from time import perf_counter_ns

from rich.console import Console
from rich.table import Table

from penstock.chooser import Chooser
from penstock.routing import Facts, Rule, first_match
from penstock.rule_reading import read_rules

SIZES = (1, 10, 100, 1000, 10_000)
ROUNDS = 2000
COUNTRIES = [f"{a}{b}" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJ"]
SCHEMES = ["visa", "mastercard", "amex", "discover", "jcb", "unionpay"]
CURRENCIES = ["USD", "EUR", "GBP", "JPY"]


def rule(dice: random.Random, country: str = "") -> dict[str, object]:
    """Return a random rule in the wire's shape."""
    low = dice.randint(1, 900)
    return {
        "conditions": [
            {"type": "country", "op": "is_one_of", "values": [country] if country else dice.sample(COUNTRIES, 4)},
            {"type": "cardScheme", "op": "is_one_of", "values": SCHEMES if country else dice.sample(SCHEMES, 2)},
            {"type": "currency", "op": "is_not_one_of", "values": [dice.choice(CURRENCIES[1:])]},
            {"type": "amount", "op": "between", "currency": "USD", "min": low, "max": low + dice.randint(1, 100)}
            if not country
            else {"type": "amount", "op": "gt", "currency": "USD", "min": 1},
            {
                "type": "metadata",
                "op": "excludes",
                "key": "channel",
                "values": [f"c{dice.randint(0, 9)}" if not country else "x"],
            },
        ],
        "cascade": ["a"],
    }


def payment(dice: random.Random, country: str = "") -> Facts:
    """Return a random payment."""
    return Facts(
        amount=dice.randint(1, 100_000),
        currency="USD",
        payment_method="card",
        country=country or dice.choice(COUNTRIES),
        card_scheme=dice.choice(SCHEMES),
        card_source="token",
        metadata={"channel": f"c{dice.randint(0, 9)}", "throttle_order_type": "one_off"},
    )


def microseconds(chooser: Chooser, payments: list[Facts]) -> float:
    """Return the median of what one choice takes."""
    taken = []
    for index in range(ROUNDS):
        facts = payments[index % len(payments)]
        started = perf_counter_ns()
        chooser.choose(facts)
        taken.append(perf_counter_ns() - started)
    return statistics.median(taken) / 1000


def one_by_one(rules: tuple[Rule, ...], facts: Facts) -> float:
    """Return what trying one rule after the other takes."""
    times = []
    for _ in range(5):
        started = perf_counter_ns()
        first_match(rules, facts)
        times.append(perf_counter_ns() - started)
    return statistics.median(times) / 1000


def row(size: int) -> list[str]:
    """Measure one number of rules."""
    dice = random.Random(size)
    rules = read_rules({"rules": [*(rule(dice) for _ in range(size - 1)), rule(dice, "ZZ")]})
    started = perf_counter_ns()
    chooser = Chooser(rules)
    compiled = (perf_counter_ns() - started) / 1e6
    last = Facts(
        amount=5000, currency="USD", payment_method="card", country="ZZ", card_scheme="visa", metadata={"channel": "c1"}
    )
    nobody = Facts(amount=5000, currency="USD", payment_method="card", country="YY", card_scheme="visa")
    if chooser.choose(last) != size - 1 or chooser.choose(nobody) is not None:
        raise SystemExit("the chooser chose wrongly")
    mixed = [payment(dice) for _ in range(1000)]
    asked = [microseconds(chooser, each) for each in ([last], [nobody], mixed)]
    return [f"{size:,}", *(f"{each:.1f}" for each in asked), f"{one_by_one(rules, last):,.0f}", f"{compiled:.1f}"]


def main() -> None:
    """Print the table."""
    table = Table("rules", "the last matches, µs", "none matches, µs", "mixed, µs", "one by one, µs", "compiled in ms")
    for size in SIZES:
        table.add_row(*row(size))
    Console().print(table)


if __name__ == "__main__":
    main()
