"""How a merchant ships and taxes: who calculates on each axis, zones with their methods, and tax rates.

A configuration is JSON on the wire and in its row; `read_config` turns one that was checked into these objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from penstock.places import Locality, place_of, state_code
from penstock.postal import PostalPattern, read_pattern
from penstock.rounding import Ties
from penstock.totals import Rate, Rounding

Mode = Literal["builtin", "plugin", "byo", "off"]
Basis = Literal["shipping", "billing", "origin"]
MethodType = Literal["flat", "free_over", "weight", "price_tiers", "pickup"]

CALCULATING: Final = frozenset({"builtin", "plugin"})
"""The modes in which Penstock works amounts out itself, so that a cart needs a final calculation to be paid for."""

EVERYWHERE: Final = "*"
"""Stands in a zone's countries for every place that no other zone fits."""

_PPM_OF_BPS: Final = 100


@dataclass(frozen=True, slots=True)
class Tier:
    """A price up to and including ``up_to`` (minor units or grams); None in the last tier: without an end."""

    up_to: int | None
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to ship or pick up. Amounts are minor units of ``currency``; a cart in another one is not offered it.

    ``minimum`` and ``maximum`` bound the discounted subtotal for which it is offered, both included.
    """

    id: str
    name: str
    type: MethodType
    currency: str
    amount: int = 0
    threshold: int = 0
    tiers: tuple[Tier, ...] = ()
    minimum: int = 0
    maximum: int | None = None
    tax_category: str | None = None
    estimated_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Places that are shipped to alike. Where states or patterns are given, a place has to fit one of each."""

    id: str
    name: str
    countries: frozenset[str]
    states: frozenset[str] = frozenset()
    patterns: tuple[PostalPattern, ...] = ()
    methods: tuple[Method, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRate:
    """A tax of one place, perhaps for one category of goods. Of those with one priority, the most specific applies."""

    rate: Rate
    country: str
    state: str | None = None
    pattern: PostalPattern | None = None
    category: str | None = None
    is_on_shipping: bool = False

    @property
    def level(self) -> str:
        """What the rate is bound to: ``postal``, ``state`` or ``country``."""
        if self.pattern is not None:
            return "postal"
        return "state" if self.state is not None else "country"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipping:
    """The axis of shipping. ``connection_ids`` name the connected sources that are asked side by side."""

    mode: Mode = "off"
    connection_ids: tuple[str, ...] = ()
    zones: tuple[Zone, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxing:
    """The axis of tax. ``basis`` says whose address decides, ``connection_id`` which connected engine is asked."""

    mode: Mode = "off"
    are_prices_gross: bool = False
    basis: Basis = "shipping"
    rounding: Rounding = "line"
    ties: Ties = "up"
    connection_id: str | None = None
    rates: tuple[TaxRate, ...] = ()
    is_shipping_as_goods: bool = False
    """Whether shipping is taxed in the mixture of the goods that it carries, rather than by rates that say so."""
    are_exemptions_allowed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A published configuration. ``version`` is 0 for an application that never published one: both axes are off."""

    version: int = 0
    shipping: Shipping = field(default_factory=Shipping)
    tax: Taxing = field(default_factory=Taxing)
    origin: Locality | None = None
    origin_address: Mapping[str, str] | None = None
    falls_back: bool = False
    """Whether a failing source is replaced by the built-in zones and rates, even in a final calculation."""

    @property
    def is_calculating(self) -> bool:
        """Whether Penstock works out an axis itself."""
        return bool(CALCULATING & {self.shipping.mode, self.tax.mode})

    @property
    def takes_snapshots(self) -> bool:
        """Whether another system may hand in totals."""
        return "byo" in (self.shipping.mode, self.tax.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigVersion:
    """One version that was published. ``restored_from`` is the number of the version that it repeats."""

    id: str
    number: int
    body: Mapping[str, Any]
    created_at: datetime
    created_by: str | None = None
    restored_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigHead:
    """Where a configuration stands. ``revision`` grows with every change of the draft or of what is published."""

    revision: int = 0
    draft: Mapping[str, Any] | None = None
    number: int = 0
    version_id: str | None = None
    is_calculating: bool = False
    drafted_at: datetime | None = None
    drafted_by: str | None = None


def read_config(body: Mapping[str, Any], version: int = 0) -> Config:
    """Return a configuration that was checked, as the engines take it."""
    shipping, tax = body["shipping"], body["tax"]
    return Config(
        version=version,
        shipping=Shipping(
            mode=shipping["mode"],
            connection_ids=tuple(shipping.get("connectionIds", ())),
            zones=tuple(map(_zone, shipping.get("zones", ()))),
        ),
        tax=Taxing(
            mode=tax["mode"],
            are_prices_gross=tax.get("pricesIncludeTax", False),
            basis=tax.get("basis", "shipping"),
            rounding=tax.get("roundingLevel", "line"),
            ties="even" if tax.get("roundingMode") == "half_even" else "up",
            connection_id=tax.get("connectionId"),
            rates=tuple(map(_tax_rate, tax.get("rates", ()))),
            are_exemptions_allowed=tax.get("exemptionsAllowed", False),
            is_shipping_as_goods=tax.get("shippingTaxedBy") == "goods",
        ),
        origin=place_of(body.get("origin")),
        origin_address=body.get("origin"),
        falls_back=body.get("onProviderError") == "fallback_builtin",
    )


def ppm_of(rate: Mapping[str, Any]) -> int:
    """Return a rate in parts of a million: it was given as ``ratePpm``, or in hundredths of a percent as ``rateBps``."""
    given: int | None = rate.get("ratePpm")
    return rate["rateBps"] * _PPM_OF_BPS if given is None else given


def _zone(raw: Mapping[str, Any]) -> Zone:
    countries = frozenset(raw["countries"])
    states = {state_code(country, name) for name in raw.get("states", ()) for country in countries}
    return Zone(
        id=raw["id"],
        name=raw["name"],
        countries=countries,
        states=frozenset(states),
        patterns=tuple(map(read_pattern, raw.get("postalCodePatterns", ()))),
        methods=tuple(map(_method, raw.get("methods", ()))),
    )


def _method(raw: Mapping[str, Any]) -> Method:
    return Method(
        id=raw["id"],
        name=raw["name"],
        type=raw["type"],
        currency=raw["currency"],
        amount=raw.get("amount", 0),
        threshold=raw.get("threshold", 0),
        tiers=tuple(Tier(tier.get("upTo"), tier["amount"]) for tier in raw.get("tiers", ())),
        minimum=raw.get("min", 0),
        maximum=raw.get("max"),
        tax_category=raw.get("taxCategory"),
        estimated_days=raw.get("estimatedDays"),
    )


def _tax_rate(raw: Mapping[str, Any]) -> TaxRate:
    country, state, pattern = raw["country"], raw.get("state"), raw.get("postalCodePattern")
    code = state_code(country, state) if state else None
    rate = Rate(
        id=raw["id"],
        name=raw["name"],
        ppm=ppm_of(raw),
        jurisdiction=f"{country}-{code}" if code else country,
        tax_type=raw["taxType"],
        is_compound=raw.get("compound", False),
        priority=raw.get("priority", 0),
    )
    return TaxRate(
        rate=rate,
        country=country,
        state=code,
        pattern=read_pattern(pattern).within(country) if pattern else None,
        category=raw.get("category"),
        is_on_shipping=raw.get("appliesToShipping", False),
    )
