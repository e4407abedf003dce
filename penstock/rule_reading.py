"""Reads the four lists of rules: says what is wrong with one that is about to be saved, and makes rules of it.

Each fault has a code of its own (the reference names them), so the schema of a condition is wide and the rules stand here.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from penstock import routing_errors as errors
from penstock.checks import check_country
from penstock.errors import Fault, FaultyRequest
from penstock.money import MAX_AMOUNT, exponent, is_currency
from penstock.routing import CARD_METHODS, Condition, ListName, Rule, scheme_of

Json = Mapping[str, Any]
Found = Iterator[tuple[type[FaultyRequest], Fault]]

SCHEMES: Final = frozenset(
    {
        "accel",
        "amex",
        "bancontact",
        "carte-bleue",
        "cartes-bancaires",
        "cirrus",
        "dankort",
        "diners-club",
        "discover",
        "eftpos-australia",
        "elo",
        "girocard",
        "hipercard",
        "jcb",
        "mada",
        "maestro",
        "mastercard",
        "mir",
        "nyce",
        "other",
        "pulse",
        "rupay",
        "star",
        "troy",
        "uatp",
        "unionpay",
        "visa",
    }
)
SOURCES: Final = frozenset({"applepay", "googlepay", "network-token", "raw", "token"})
CARD_TYPES: Final = frozenset({"credit", "debit", "prepaid"})
PAYMENT_SOURCES: Final = frozenset({"ecommerce", "moto", "recurring", "installment", "card_on_file"})

_SETS: Final = ("is_one_of", "is_not_one_of")
_OPS: Final = {"amount": ("gt", "lt", "between"), "metadata": ("includes", "excludes")}
_FIELDS: Final = {"amount": {"currency", "min", "max"}, "metadata": {"key", "values"}}
_BOUNDS: Final = {"gt": ("min",), "lt": ("max",), "between": ("min", "max")}
_CARD: Final = ("cardScheme", "cardSource", "cardType", "cardCountry")
_SHARED: Final = ("country", "currency", "amount", "metadata")
TYPES: Final[Mapping[ListName, tuple[str, ...]]] = {
    "payment-routing": (*_SHARED, *_CARD, "paymentSource"),
    "card-decline": (*_SHARED, *_CARD),
    "other-routing": _SHARED,
    "other-decline": (*_SHARED, "paymentMethod"),
}
"""The types of condition that each list takes: wherever the reference shows one when reading, it is taken (ruling 5.2)."""


class Connectors:
    """What a list may send payments to: the methods of each active connection, by the connection's id."""

    def __init__(self, methods: Mapping[str, Collection[str]]) -> None:
        self._methods = methods

    def __contains__(self, connector_id: str) -> bool:
        return connector_id in self._methods

    def takes(self, connector_id: str, method: str) -> bool:
        """Tell whether a connection takes a method."""
        return method in self._methods.get(connector_id, ())


def check_list(name: ListName, body: Json, connectors: Connectors, at: str = "") -> None:
    """Raise the error of the first thing wrong with a list, with every fault of that code. ``at`` is where it stands."""
    by_error: dict[type[FaultyRequest], list[Fault]] = defaultdict(list)
    for error, fault in _CHECKS[name](body, connectors, at):
        by_error[error].append(fault)
    for error, faults in by_error.items():
        raise error(*faults[:100])


def read_rules(body: Json) -> tuple[Rule, ...]:
    """Return the rules of a list that was checked."""
    return tuple(
        Rule(
            conditions=tuple(_condition(each) for each in rule["conditions"]),
            connector_ids=tuple(rule.get("cascade") or rule.get("connections") or ()),
            method=rule.get("method"),
            error_code=rule.get("errorCode"),
        )
        for rule in body["rules"]
    )


def canonical_list(body: Json) -> dict[str, Any]:
    """Return a checked list as it is kept: card schemes in their one spelling, everything else as it was sent."""
    rules = [{**rule, "conditions": [_canonical(each) for each in rule["conditions"]]} for rule in body["rules"]]
    return {**body, "rules": rules}


def _canonical(condition: Json) -> Json:
    if condition["type"] != "cardScheme":
        return condition
    return {**condition, "values": [scheme_of(each) for each in condition["values"]]}


def _condition(shape: Json) -> Condition:
    kind, op = shape["type"], shape["op"]
    if kind != "amount":
        values = shape["values"]
        known = frozenset(scheme_of(v) or v for v in values) if kind == "cardScheme" else frozenset(values)
        return Condition(kind, op, known, key=shape.get("key") or "")
    currency = shape["currency"]
    low = _minor(shape["min"], currency) if op in ("gt", "between") else None
    high = _minor(shape["max"], currency) if op in ("lt", "between") else None
    if op == "gt" and low is not None:
        low += 1
    if op == "lt" and high is not None:
        high -= 1
    return Condition(kind, op, currency=currency, low=low, high=high)


def _minor(major: Any, currency: str) -> int | None:
    """Return an amount of major units in minor ones; None if it is finer than the currency."""
    minor = Decimal(str(major)).scaleb(exponent(currency))
    return int(minor) if minor == minor.to_integral_value() else None


def _check_payment_routing(body: Json, connectors: Connectors, at: str) -> Found:
    if not body.get("defaultCascade"):
        fault = Fault(f"{at}/defaultCascade", "required", "name at least one active connector")
        yield errors.RoutingDefaultRequired, fault
    yield from _check_ids(body.get("defaultCascade") or (), f"{at}/defaultCascade", connectors)
    for index, rule in enumerate(body["rules"]):
        place = f"{at}/rules/{index}"
        if not rule["conditions"]:
            yield errors.RoutingRuleNoConditions, Fault(f"{place}/conditions", "required", "a rule needs a condition")
        if not rule["cascade"]:
            yield errors.RoutingEmptyCascade, Fault(f"{place}/cascade", "required", "a rule needs a connector to go to")
        yield from _check_ids(rule["cascade"], f"{place}/cascade", connectors)
        yield from _check_conditions("payment-routing", rule["conditions"], f"{place}/conditions")


def _check_decline(name: ListName) -> Callable[[Json, Connectors, str], Found]:
    def check(body: Json, connectors: Connectors, at: str) -> Found:  # noqa: ARG001  it sends nobody anywhere
        for index, rule in enumerate(body["rules"]):
            place = f"{at}/rules/{index}/conditions"
            if not rule["conditions"]:
                yield errors.DeclineRuleNoConditions, Fault(place, "required", "a decline rule needs a condition")
            yield from _check_conditions(name, rule["conditions"], place)

    return check


def _check_other_routing(body: Json, connectors: Connectors, at: str) -> Found:
    for index, rule in enumerate(body["rules"]):
        place, method = f"{at}/rules/{index}", rule.get("method")
        if not method or method in CARD_METHODS:
            message = "name a method that is not paid by card"
            yield errors.OtherRoutingMethodRequired, Fault(f"{place}/method", "required", message)
        if not rule["connections"]:
            message = "a rule needs a connector to go to"
            yield errors.OtherRoutingEmptyConnections, Fault(f"{place}/connections", "required", message)
        unknown = errors.OtherRoutingUnknownConnector
        yield from _check_ids(rule["connections"], f"{place}/connections", connectors, unknown)
        for position, each in enumerate(rule["connections"]):
            if method and each in connectors and not connectors.takes(each, method):
                fault = Fault(f"{place}/connections/{position}", "method", f"this connector does not take {method}")
                yield errors.OtherRoutingMethodMismatch, fault
        yield from _check_conditions("other-routing", rule["conditions"], f"{place}/conditions")


_CHECKS: Final[Mapping[ListName, Callable[[Json, Connectors, str], Found]]] = {
    "payment-routing": _check_payment_routing,
    "card-decline": _check_decline("card-decline"),
    "other-routing": _check_other_routing,
    "other-decline": _check_decline("other-decline"),
}


def _check_ids(
    ids: Sequence[str],
    at: str,
    connectors: Connectors,
    unknown: type[FaultyRequest] = errors.RoutingUnknownConnector,
) -> Found:
    for index, each in enumerate(ids):
        if each not in connectors:
            yield unknown, Fault(f"{at}/{index}", "unknown", "this is no active connector here", received=each)
        elif each in ids[:index]:
            fault = Fault(f"{at}/{index}", "duplicate", "a connector stands once in a cascade", received=each)
            yield errors.RoutingDuplicateConnector, fault


def _check_conditions(name: ListName, conditions: Sequence[Json], at: str) -> Found:
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        place, kind = f"{at}/{index}", condition["type"]
        if kind not in TYPES[name]:
            message = f"use one of {', '.join(TYPES[name])}"
            yield errors.RoutingInvalidCondition, Fault(f"{place}/type", "enum", message, received=kind)
            continue
        fact = f"metadata.{condition.get('key')}" if kind == "metadata" else kind
        if fact in seen:
            message = "one rule tests one fact once; put the values together or make another rule"
            yield errors.RoutingInvalidCondition, Fault(f"{place}/type", "duplicate", message, received=kind)
        seen.add(fact)
        yield from _check_shape(condition, place)
        yield from _check_amount(condition, place) if kind == "amount" else _check_values(condition, place)


def _check_shape(condition: Json, at: str) -> Found:
    kind, op = condition["type"], condition["op"]
    ops = _OPS.get(kind, _SETS)
    if op not in ops:
        fault = Fault(f"{at}/op", "enum", f"{kind} takes {', '.join(ops)}", received=op)
        yield errors.RoutingInvalidCondition, fault
    for field in sorted(condition.keys() - _FIELDS.get(kind, {"values"}) - {"type", "op"}):
        yield errors.RoutingInvalidCondition, Fault(f"{at}/{field}", "unexpected", f"{kind} has no {field}")
    if kind == "metadata" and not condition.get("key"):
        yield errors.RoutingInvalidCondition, Fault(f"{at}/key", "required", "name the metadata key")


def _check_values(condition: Json, at: str) -> Found:
    kind, values = condition["type"], condition.get("values")
    if not values:
        yield errors.RoutingEmptyConditionValues, Fault(f"{at}/values", "required", "give at least one value")
        return
    error, fits, message = _VOCABULARIES[kind]
    for index, value in enumerate(values):
        if not fits(value):
            yield error, Fault(f"{at}/values/{index}", "enum", message, received=value)


def _check_amount(condition: Json, at: str) -> Found:
    currency, needed = condition.get("currency"), _BOUNDS.get(condition["op"], ())
    if currency is None or not is_currency(currency):
        message = "an amount needs an ISO 4217 currency"
        yield errors.RoutingInvalidCurrency, Fault(f"{at}/currency", "currency", message, received=currency)
        return
    if (spare := {"min", "max"} & condition.keys() - {*needed}) and needed:
        field = spare.pop()
        message = f"{condition['op']} looks at {' and '.join(needed)} alone"
        yield errors.RoutingInvalidCondition, Fault(f"{at}/{field}", "unexpected", message)
    bounds = [_bound(condition.get(name), currency) for name in needed]
    for name, (_, message) in zip(needed, bounds, strict=True):
        if message:
            received = condition.get(name)
            yield errors.RoutingInvalidAmount, Fault(f"{at}/{name}", "amount", message, received=received)
    low, high = (minor for minor, _ in bounds) if len(bounds) > 1 else (None, None)
    if low is not None and high is not None and low >= high:
        yield errors.RoutingAmountRangeInvalid, Fault(f"{at}/max", "range", "max has to be more than min")


def _bound(major: Any, currency: str) -> tuple[int | None, str]:
    """Return a bound in minor units, or None and what is wrong with it."""
    if major is None:
        return None, "this operator needs it"
    if isinstance(major, bool) or major <= 0:
        return None, "an amount is a positive number"
    minor = _minor(major, currency)
    if minor is None:
        return None, f"{currency} has {exponent(currency)} decimal places"
    return (minor, "") if minor <= MAX_AMOUNT else (None, "the amount is too large")


def _is_country(value: str) -> bool:
    return not any(check_country(value, ""))


def _among(vocabulary: Iterable[str]) -> Callable[[str], bool]:
    return frozenset(vocabulary).__contains__


def _one_of(vocabulary: Iterable[str]) -> str:
    return f"use one of {', '.join(sorted(vocabulary))}"


_COUNTRY: Final = (errors.RoutingInvalidCountry, _is_country, "use ISO 3166-1 alpha-2 codes in upper case")
_VOCABULARIES: Final[Mapping[str, tuple[type[FaultyRequest], Callable[[str], bool], str]]] = {
    "country": _COUNTRY,
    "cardCountry": _COUNTRY,
    "currency": (errors.RoutingInvalidCurrency, is_currency, "use ISO 4217 codes in upper case"),
    "cardScheme": (errors.RoutingInvalidScheme, lambda value: scheme_of(value) in SCHEMES, _one_of(SCHEMES)),
    "cardSource": (errors.RoutingInvalidCardSource, _among(SOURCES), _one_of(SOURCES)),
    "cardType": (errors.RoutingInvalidCardType, _among(CARD_TYPES), _one_of(CARD_TYPES)),
    "paymentSource": (errors.RoutingInvalidCondition, _among(PAYMENT_SOURCES), _one_of(PAYMENT_SOURCES)),
    "paymentMethod": (
        errors.RoutingInvalidCondition,
        lambda value: bool(value) and value not in CARD_METHODS,
        "name methods that are not paid by card",
    ),
    "metadata": (errors.RoutingInvalidCondition, lambda _: True, ""),
}
