"""A calculation of shipping and tax: what it is made from, what came of it, and what is missing for a final one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from typing import Any, Final, Literal

from penstock.exemption import Exemption
from penstock.places import Locality, lacking, place_of
from penstock.rate_tables import Wanting, rates_for
from penstock.rate_tables import wanting as rates_wanting
from penstock.shipping_tax import Config, TaxRate
from penstock.totals import (
    SHIPPING,
    Breakdown,
    GivenTax,
    Line,
    Reduction,
    TaxRules,
    compute_totals,
    with_given_taxes,
)
from penstock.zone_rates import Offer, Parcel, offers, zone_for
from penstock.zone_rates import wanting as zones_wanting

Kind = Literal["quote", "cart_estimate", "checkout_final", "external"]
Status = Literal["estimated", "final", "failed"]

BUILTIN: Final = "builtin"
OWN: Final = "cart"
"""The source of amounts that the merchant put on the cart."""


BY_HAND: Final = "By hand"
"""What a discount is called that the merchant gave on one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discounted:
    """What one discount took off a line, in minor units, under the name and the code that the merchant gave it."""

    name: str
    amount: int
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """One line: its price, and what rates ask about it. ``ref`` is the id that the caller knows it by."""

    line: Line
    ref: str
    name: str
    is_shipped: bool
    category: str | None = None
    weight: int | None = None
    """Grams of the whole line."""
    discounts: Sequence[Discounted] = ()
    """What ``line.own_discount`` consists of, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """What is to be calculated. ``own`` values are those that the cart has for an axis that Penstock leaves alone."""

    currency: str
    goods: Sequence[Goods]
    reduction: Reduction | None = None
    reduced_by: Discounted = field(default_factory=lambda: Discounted(name="Discount", amount=0))
    """What ``reduction`` is called; its amounts follow from the calculation."""
    shipping_address: Mapping[str, str] | None = None
    billing_address: Mapping[str, str] | None = None
    selected_id: str | None = None
    own_shipping: Offer | None = None
    own_taxes: Sequence[GivenTax] = ()
    is_own_tax_included: bool = False
    exemption: Exemption | None = None
    """Why the buyer pays no tax, where that may count."""

    @property
    def lines(self) -> list[Line]:
        """The lines as the totals take them."""
        return [each.line for each in self.goods]

    @property
    def is_shipped(self) -> bool:
        """Whether anything is to be shipped."""
        return any(each.is_shipped for each in self.goods)

    @property
    def parcel(self) -> Parcel:
        """What is to be shipped, as zones price it."""
        weights = [each.weight for each in self.goods if each.is_shipped]
        known = [weight for weight in weights if weight is not None]
        weight = sum(known) if len(known) == len(weights) else None
        net = compute_totals(self.lines, reduction=self.reduction)
        return Parcel(currency=self.currency, subtotal=net.subtotal - net.discount_total, weight=weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something to be told: a prompt for what is missing, a warning, or an error. ``field`` is what it is about."""

    code: str
    message: str
    field: str | None = None
    source: str | None = None

    def shape(self) -> dict[str, Any]:
        """Return the note as the wire has it."""
        return {"code": self.code, "message": self.message, "field": self.field, "source": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What came of shipping. Where it is not known, its price in the totals is nothing, and a note says so."""

    source: str
    offers: Sequence[Offer] = ()
    selected: Offer | None = None
    is_known: bool = True
    failure: Note | None = None
    """Why a source gave no answer, where that leaves the axis without one."""
    prompts: Sequence[Note] = ()
    warnings: Sequence[Note] = ()

    @property
    def amount(self) -> int:
        """The price of shipping in minor units."""
        return self.selected.amount if self.selected else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxed:
    """What came of tax. ``rules`` names the rate of the merchant's own table behind each tax, by the rate's id."""

    source: str
    breakdown: Breakdown
    basis: str | None = None
    place: Locality | None = None
    is_known: bool = True
    failure: Note | None = None
    rules: Mapping[str, TaxRate] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why a part is not taxed, by its id, where the engine said so."""
    prompts: Sequence[Note] = ()
    warnings: Sequence[Note] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculation:
    """A whole calculation."""

    kind: Kind
    status: Status
    basket: Basket
    config: Config
    shipped: Shipped
    taxed: Taxed
    errors: Sequence[Note] = ()

    @property
    def breakdown(self) -> Breakdown:
        """All amounts, part by part."""
        return self.taxed.breakdown

    @property
    def prompts(self) -> list[Note]:
        """What the buyer has to be asked for, each once: both axes may need one thing."""
        return once([*self.shipped.prompts, *self.taxed.prompts])

    @property
    def warnings(self) -> list[Note]:
        """What an estimate leaves uncertain."""
        return [*self.shipped.warnings, *self.taxed.warnings]


def once(notes: Iterable[Note]) -> list[Note]:
    """Return notes without those that have the code and the field of one before."""
    return list({(note.code, note.field or note.message): note for note in reversed([*notes])}.values())[::-1]


def ship_builtin(basket: Basket, config: Config) -> Shipped:
    """Price shipping by the merchant's own zones."""
    place = place_of(basket.shipping_address)
    if not basket.is_shipped:
        return Shipped(source=BUILTIN)
    if place is None:
        note = Note(code="address_required", message="Shipping needs an address.", field="addresses.shipping")
        return Shipped(source=BUILTIN, is_known=False, prompts=[note])
    zone = zone_for(config.shipping.zones, place)
    wanted = zones_wanting(config.shipping.zones, place)
    wanted = wanted and wanted & lacking(basket.shipping_address)
    if zone is None and wanted:
        prompts = [detail_prompt("shipping", name) for name in sorted(wanted)]
        return Shipped(source=BUILTIN, is_known=False, prompts=prompts)
    found = offers(zone, basket.parcel) if zone else []
    return choose(found, basket, source=BUILTIN, warnings=_detail_warnings("zone", "shipping", wanted))


def detail_prompt(basis: str, name: str, *, code: str = "address_incomplete", source: str | None = None) -> Note:
    """Return the prompt for one field of an address, by its name on the wire."""
    message = f"The {basis} address is not complete: {name}."
    return Note(code=code, message=message, field=f"addresses.{basis}.{name}", source=source)


def _detail_warnings(what: str, basis: str, wanted: Iterable[str]) -> list[Note]:
    """Tell what an estimate may depend on: something applies, and something narrower may once more is known."""
    message = f"Another {what} may apply once this is known."
    return [
        Note(code="address_incomplete", message=message, field=f"addresses.{basis}.{name}", source=BUILTIN)
        for name in sorted(wanted)
    ]


def choose(found: Sequence[Offer], basket: Basket, *, source: str, warnings: Sequence[Note] = ()) -> Shipped:
    """Take the selected one of the methods that are offered, and ask for a selection where it is not among them."""
    if not found:
        note = Note(
            code="shipping_unavailable",
            message="Nothing ships these goods to this address.",
            field="addresses.shipping",
        )
        return Shipped(source=source, is_known=False, prompts=[note], warnings=warnings)
    selected = next((offer for offer in found if offer.id == basket.selected_id), None)
    if selected is not None:
        return Shipped(source=source, offers=found, selected=selected, warnings=warnings)
    if basket.selected_id is None:
        note = Note(code="shipping_method_required", message="Choose a way to ship.", field="selectedShippingMethodId")
    else:
        note = Note(
            code="shipping_method_unavailable",
            message="The way to ship that was chosen is not offered any more.",
            field="selectedShippingMethodId",
        )
    return Shipped(source=source, offers=found, is_known=False, prompts=[note], warnings=warnings)


def ship_own(basket: Basket) -> Shipped:
    """Take the shipping that the cart has: the merchant looks after it."""
    own = basket.own_shipping
    return Shipped(source=OWN, offers=[own] if own else [], selected=own)


def tax_place(basket: Basket, config: Config, selected: Offer | None) -> tuple[str, Locality | None]:
    """Return whose place decides about tax, and the place.

    Goods that are picked up are taxed where they are picked up; where nothing is shipped and nobody said where to, the
    billing address stands in.
    """
    basis = config.tax.basis
    if basis == "shipping" and selected is not None and selected.is_pickup and config.origin is not None:
        basis = "origin"
    if basis == "shipping" and not basket.is_shipped and not basket.shipping_address:
        basis = "billing"
    return basis, config.origin if basis == "origin" else place_of(deciding_address(basket, config, basis))


def deciding_address(basket: Basket, config: Config, basis: str) -> Mapping[str, str] | None:
    """Return the address of a basis as it was given."""
    addresses = {
        "shipping": basket.shipping_address,
        "billing": basket.billing_address,
        "origin": config.origin_address,
    }
    return addresses[basis]


def tax_builtin(basket: Basket, config: Config, shipped: Shipped) -> Taxed:
    """Tax by the merchant's own table of rates."""
    basis, place = tax_place(basket, config, shipped.selected)
    if place is None:
        return untaxed(basket, shipped, source=BUILTIN, prompts=[address_prompt(basis)])
    if basket.exemption is not None:
        found = untaxed(basket, shipped, source=BUILTIN)
        reasons = {part.id: basket.exemption.reason for part in found.breakdown.parts}
        return replace(found, is_known=True, basis=basis, place=place, reasons=reasons)
    wanted = _rates_wanting(basket, config, place)
    open_ = lacking(deciding_address(basket, config, basis)) if wanted.needed or wanted.useful else frozenset()
    if needed := sorted(wanted.needed & open_):
        return untaxed(basket, shipped, source=BUILTIN, prompts=[detail_prompt(basis, name) for name in needed])
    category = shipped.selected.tax_category if shipped.selected else None
    chosen = {each.line.id: rates_for(config.tax.rates, place, each.category) for each in basket.goods}
    chosen[SHIPPING] = rates_for(config.tax.rates, place, category, is_shipping=True) if shipped.amount else []
    rules = TaxRules(
        rates={part: [each.rate for each in found] for part, found in chosen.items()},
        is_included=config.tax.are_prices_gross,
        rounding=config.tax.rounding,
        ties=config.tax.ties,
        carried=_carried(basket) if config.tax.is_shipping_as_goods and category is None else (),
    )
    priced = compute_totals(basket.lines, reduction=basket.reduction, shipping=shipped.amount, tax=rules)
    used = {each.rate.id: each for found in chosen.values() for each in found}
    warning = Note(code="no_tax_rate", message="No rate of this configuration applies here.", source=BUILTIN)
    warnings = _detail_warnings("rate", basis, wanted.useful & open_) if used else [warning]
    return Taxed(source=BUILTIN, breakdown=priced, basis=basis, place=place, rules=used, warnings=warnings)


def _rates_wanting(basket: Basket, config: Config, place: Locality) -> Wanting:
    categories = {each.category for each in basket.goods}
    return reduce(or_, (rates_wanting(config.tax.rates, place, category) for category in categories), Wanting())


def is_taxed_by_table(basket: Basket, config: Config, shipped: Shipped) -> bool:
    """Whether the merchant's table has a rate for every line, be it 0 %: only then can it stand in for an engine."""
    _, place = tax_place(basket, config, shipped.selected)
    return place is not None and all(rates_for(config.tax.rates, place, each.category) for each in basket.goods)


def _carried(basket: Basket) -> frozenset[str]:
    """Return the lines that shipping is for: those that are shipped, or all where a price is asked for none of them."""
    return frozenset(each.line.id for each in basket.goods if each.is_shipped or not basket.is_shipped)


def address_prompt(basis: str) -> Note:
    """Return the prompt for the address that decides about tax."""
    return Note(code="address_required", message=f"Tax needs the {basis} address.", field=f"addresses.{basis}")


def tax_own(basket: Basket, shipped: Shipped) -> Taxed:
    """Take the taxes that the cart has: the merchant looks after them."""
    return tax_given(basket, shipped, basket.own_taxes, source=OWN, is_included=basket.is_own_tax_included)


def tax_given(
    basket: Basket,
    shipped: Shipped,
    given: Sequence[GivenTax],
    *,
    source: str,
    is_included: bool = False,
    basis: str | None = None,
    place: Locality | None = None,
    warnings: Sequence[Note] = (),
) -> Taxed:
    """Take taxes that somebody else worked out, by part."""
    priced = with_given_taxes(
        basket.lines, given, reduction=basket.reduction, shipping=shipped.amount, is_included=is_included
    )
    return Taxed(source=source, breakdown=priced, basis=basis, place=place, warnings=warnings)


def untaxed(
    basket: Basket,
    shipped: Shipped,
    *,
    source: str,
    prompts: Sequence[Note] = (),
    warnings: Sequence[Note] = (),
) -> Taxed:
    """Return the amounts without any tax, and say that it is not known."""
    priced = compute_totals(basket.lines, reduction=basket.reduction, shipping=shipped.amount)
    return Taxed(source=source, breakdown=priced, is_known=False, prompts=prompts, warnings=warnings)
