"""Routing: what a merchant's rules look at, and what they decide. Pure: no clock, no database.

The one rule: what is not known satisfies no condition, neither a positive nor a negative one (semantics 2.4).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

ListName = Literal["payment-routing", "card-decline", "other-routing", "other-decline"]
Finding = Literal["satisfied", "not_satisfied", "attribute_missing"]
Way = Literal["declined", "rule", "default", "application_order", "not_routed"]

LIST_NAMES: Final[tuple[ListName, ...]] = get_args(ListName)
ORDER_TYPE_KEY: Final = "throttle_order_type"
"""The metadata key that we stamp on every payment: ``one_off`` or ``recurring``."""

GENERIC_DECLINE: Final = "flow_decline"
"""The code of a decline rule that names none."""

CARD_METHODS: Final = frozenset(
    {"card", "network-token", "network_token", "applepay", "apple_pay", "googlepay", "google_pay"}
)
"""Methods that are paid with a card, so that the two card lists decide about them."""

_SOURCES: Final = {
    "network-token": "network-token",
    "network_token": "network-token",
    "applepay": "applepay",
    "apple_pay": "applepay",
    "googlepay": "googlepay",
    "google_pay": "googlepay",
}
_SCHEMES: Final = {
    "american-express": "amex",
    "americanexpress": "amex",
    "cartesbancaires": "cartes-bancaires",
    "cb": "cartes-bancaires",
    "diners": "diners-club",
    "dinersclub": "diners-club",
    "master-card": "mastercard",
    "mc": "mastercard",
    "union-pay": "unionpay",
    "cup": "unionpay",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one fact. ``low`` and ``high`` are minor units of ``currency``, both inclusive, None for no bound.

    ``is_method`` marks the test that a rule's own ``method`` stands for.
    """

    type: str
    op: str
    values: frozenset[str] = frozenset()
    key: str = ""
    currency: str = ""
    low: int | None = None
    high: int | None = None
    is_method: bool = False

    @property
    def fact(self) -> str:
        """The name of the fact it looks at: its type, or ``metadata.<key>``."""
        return f"metadata.{self.key}" if self.type == "metadata" else self.type

    @property
    def is_negative(self) -> bool:
        """Whether it is satisfied by what it does not name."""
        return self.op in ("is_not_one_of", "excludes")

    def check(self, facts: "Facts") -> Finding:
        """Return whether the facts satisfy it, or that its fact is missing."""
        if self.type == "amount":
            in_range = (self.low is None or facts.amount >= self.low) and (
                self.high is None or facts.amount <= self.high
            )
            return "satisfied" if facts.currency == self.currency and in_range else "not_satisfied"
        known = facts.known(self.fact)
        if known is None:
            return "attribute_missing"
        names_it = any(value in self.values for value in known)
        return "satisfied" if names_it != self.is_negative else "not_satisfied"


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions that must all be satisfied, and what follows: connections to try in order, or a decline's code."""

    conditions: tuple[Condition, ...]
    connector_ids: tuple[str, ...] = ()
    method: str | None = None
    error_code: str | None = None

    @property
    def tests(self) -> tuple[Condition, ...]:
        """The conditions, after the one that the rule's method stands for."""
        if self.method is None:
            return self.conditions
        method = Condition("paymentMethod", "is_one_of", frozenset({self.method}), is_method=True)
        return (method, *self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about one payment when it begins; None is "not known". ``amount`` is minor units of ``currency``."""

    amount: int
    currency: str
    payment_method: str
    country: str | None = None
    card_scheme: str | None = None
    card_source: str | None = None
    card_type: str | None = None
    card_country: str | None = None
    payment_source: str | None = "ecommerce"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_card(self) -> bool:
        """Whether the two card lists decide, and not the two others."""
        return self.payment_method in CARD_METHODS

    def known(self, fact: str) -> tuple[str, ...] | None:
        """Return the values of a fact: one, or several for a list in the metadata; None where it is missing."""
        if fact.startswith("metadata."):
            return texts(self.metadata.get(fact.removeprefix("metadata.")))
        value = getattr(self, _FIELDS[fact])
        return None if value is None else (value,)

    def shape(self) -> dict[str, Any]:
        """Return the facts as the wire and the row have them."""
        named = {name: getattr(self, attribute) for name, attribute in _FIELDS.items()}
        return {**named, "amount": self.amount, "metadata": dict(self.metadata)}

    @classmethod
    def read(cls, shape: Mapping[str, Any]) -> "Facts":
        """Return the facts of a shape, in the spelling that conditions are compared in."""
        given = {attribute: shape.get(name) for name, attribute in _FIELDS.items()}
        given["card_scheme"] = scheme_of(given["card_scheme"])
        return cls(**{**given, "amount": shape["amount"], "metadata": shape.get("metadata") or {}})


_FIELDS: Final = {
    "country": "country",
    "cardScheme": "card_scheme",
    "cardSource": "card_source",
    "cardType": "card_type",
    "cardCountry": "card_country",
    "paymentSource": "payment_source",
    "paymentMethod": "payment_method",
    "currency": "currency",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingVersion:
    """One version of one list as it was saved. ``body`` is its wire shape; ``number`` counts from 1 in its list."""

    id: str
    list_name: ListName
    number: int
    body: Mapping[str, Any] = field(repr=False)
    created_at: datetime
    created_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a payment goes. ``connector_ids`` is None for the application's own order.

    ``rule`` counts from 0 in ``list_name``. ``versions`` names the version of each list that was looked at, 0 for a
    list that was never set.
    """

    way: Way
    list_name: ListName | None = None
    rule: int | None = None
    error_code: str | None = None
    connector_ids: tuple[str, ...] | None = None
    versions: Mapping[ListName, int] = field(default_factory=dict)

    @property
    def is_declined(self) -> bool:
        """Whether a decline rule matched: nobody is asked."""
        return self.way == "declined"

    def shape(self) -> dict[str, Any]:
        """Return the decision as the row and the wire have it."""
        ids = None if self.connector_ids is None else list(self.connector_ids)
        return {
            "outcome": self.way,
            "list": self.list_name,
            "rule": self.rule,
            "errorCode": self.error_code,
            "connectorIds": ids,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A payment's facts and the decision that followed from them, as they are kept with the payment.

    ``taking`` are the connections that could take it, in the order in which they are tried; ``passed_over`` says of the
    others why not.
    """

    facts: Facts
    decision: Decision
    taking: tuple[str, ...] = ()
    passed_over: Mapping[str, str] = field(default_factory=dict)


def texts(value: Any) -> tuple[str, ...] | None:
    """Return a metadata value as texts to compare: a list's elements, or the one value. None and objects are missing."""
    if isinstance(value, list | tuple):
        found = [text for each in value for text in texts(each) or ()]
        return tuple(found) or None
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, str):
        return (value,)
    return None if value is None or isinstance(value, Mapping) else (str(value),)


def scheme_of(name: str | None) -> str | None:
    """Return a card scheme in the one spelling: lower case, with a dash, whatever a provider or a merchant calls it."""
    if name is None:
        return None
    plain = name.strip().lower().replace("_", "-").replace(" ", "-")
    return _SCHEMES.get(plain, plain)


def source_of(method: str) -> str | None:
    """Return the card source of a payment method; a card comes as a token, for numbers never reach us."""
    return _SOURCES.get(method, "token") if method in CARD_METHODS else None


def needs_card(rules: Iterable[Rule]) -> bool:
    """Tell whether any rule looks at what only the card's token knows."""
    return any(c.type in ("cardScheme", "cardType", "cardCountry") for rule in rules for c in rule.conditions)


def first_match(rules: Sequence[Rule], facts: Facts) -> int | None:
    """Return the place of the first rule that matches, by trying one after the other; `Chooser` does it at once."""
    for index, rule in enumerate(rules):
        if all(condition.check(facts) == "satisfied" for condition in rule.tests):
            return index
    return None
