"""Calculate shipping and tax of a cart, and lock what came of it if that is asked for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.calculation import BY_HAND, Basket, Calculation, Discounted, Goods, Kind, tax_place
from penstock.cart import Cart, CartStatus, LineItem, ShippingSelection, TaxLine
from penstock.checks import check_address, require
from penstock.discount import AppliedDiscount
from penstock.errors import CartNotReady
from penstock.exemption import Exemption
from penstock.flows.calculate_basket import calculate_basket, outside_of
from penstock.flows.change_cart import locked_cart
from penstock.ids import new_id
from penstock.places import check_place
from penstock.ports import UnitOfWork, Work
from penstock.quoting import Quoter
from penstock.shipping_tax import CALCULATING, Config
from penstock.snapshot import Calculated, Snapshot
from penstock.totals import MILLION, Line, Part
from penstock.zone_rates import Offer

TAX_TYPES: Final = frozenset({"sales", "vat", "gst", "pst", "hst", "service", "excise"})
"""The kinds of taxes that a cart knows; whatever else an engine says is ``other``."""

_TRIES: Final = 3
"""How often a cart that changes while a source is asked is calculated anew."""

Render = Callable[[Calculation, str | None], dict[str, Any]]
"""Makes the answer of a calculation and the id of its snapshot, if it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for. ``addresses`` and ``exemption`` hold the cart's fields that are to be set first, by their names."""

    kind: Kind
    is_kept: bool
    selected_id: str | None
    addresses: Mapping[str, Any]
    exemption: Mapping[str, Exemption | None] = field(default_factory=dict)
    principal_id: str | None = None


def calculate_cart(work: Work, quoter: Quoter, cart_id: str, wanted: Wanted, render: Render) -> dict[str, Any]:
    """Return the answer that ``render`` makes. Addresses are kept before anything is calculated.

    Raises `CartNotFound`, `CartNotOpen` for a cart that may not change, `ValidationError`, `TaxProviderError`, and
    `CartNotReady` where the cart changes faster than sources answer.
    """
    check_addresses(wanted.addresses)
    for _ in range(_TRIES):
        with work() as uow:
            cart = locked_cart(uow, cart_id)
            _take_addresses(uow, cart, wanted)
            _refresh(uow, cart)
            config = uow.shipping_tax.in_force()
            basket, seen = basket_of(cart, wanted.selected_id), cart.sequence
            outside = outside_of(uow, quoter, config)
            if "plugin" not in (config.shipping.mode, config.tax.mode):
                # Nobody is asked, so one block does.
                calculation = calculate_basket(basket, config, kind=wanted.kind)
                return render(calculation, _keep(uow, cart, calculation, wanted, render))
        calculation = calculate_basket(basket, config, kind=wanted.kind, outside=outside)
        with work() as uow:
            cart = locked_cart(uow, cart_id)
            if cart.sequence == seen:
                return render(calculation, _keep(uow, cart, calculation, wanted, render))
    raise CartNotReady("The cart kept changing while it was calculated: ask again.", details={"missing": ["rest"]})


def basket_of(cart: Cart, selected_id: str | None) -> Basket:
    """Return a cart as it is calculated; without a selection, the one that the cart has.

    What is off each line the cart has worked out already, so the calculation takes it over and shares nothing out again.
    """
    charges, own = cart.charges(), cart.shipping
    return Basket(
        currency=cart.currency,
        goods=[_goods(item, part, cart.applied) for item, part in zip(cart.items, cart.breakdown().lines, strict=True)],
        shipping_address=cart.shipping_address,
        billing_address=cart.billing_address,
        selected_id=selected_id or (own.method_id if own else None),
        own_shipping=_own_offer(own) if own else None,
        own_taxes=charges.taxes,
        exemption=cart.tax_exemption,
        is_own_tax_included=charges.is_tax_included,
    )


def _goods(item: LineItem, part: Part, applied: AppliedDiscount | None) -> Goods:
    return Goods(
        line=Line(
            id=item.id,
            unit_price=item.unit_price,
            quantity=item.quantity,
            own_discount=part.own_discount + part.discount,
        ),
        ref=item.id,
        name=item.name,
        is_shipped=item.ships,
        category=item.tax_category,
        weight=None if item.weight_grams is None else item.weight_grams * item.quantity,
        discounts=tuple(_discounts(part, applied)),
    )


def _discounts(part: Part, applied: AppliedDiscount | None) -> Iterator[Discounted]:
    if part.own_discount:
        yield Discounted(name=BY_HAND, amount=part.own_discount)
    if part.discount and applied is not None:
        yield Discounted(name=applied.name, code=applied.code, amount=part.discount)


def _own_offer(own: ShippingSelection) -> Offer:
    return Offer(
        id=own.method_id,
        name=own.display_name,
        type="selected",
        amount=own.rate_amount,
        currency=own.currency,
        source="cart",
        rule="the cart says so",
        carrier=own.carrier,
        service_code=own.service_code,
        estimated_days=own.estimated_delivery_days,
    )


def check_addresses(addresses: Mapping[str, Any]) -> None:
    """Raise `ValidationError` for addresses, by the cart's names for them, that do not fit the rules of their country."""
    names = {"shipping_address": "/shippingAddress", "billing_address": "/billingAddress"}
    require(
        fault
        for name, address in addresses.items()
        for found in (check_address(address, names[name]), check_place(address, names[name]))
        for fault in found
    )


def _take_addresses(uow: UnitOfWork, cart: Cart, wanted: Wanted) -> None:
    given = {**wanted.addresses, **wanted.exemption}
    changed = {name: value for name, value in given.items() if value != getattr(cart, name)}
    if changed:
        cart.update(changed, uow.now)
        uow.carts.save(cart)


def _refresh(uow: UnitOfWork, cart: Cart) -> None:
    """Let the discount count that counts now, so that what is calculated is what would be checked out."""
    if cart.status is CartStatus.OPEN:
        cart.refresh_discount(uow.now)
        uow.carts.save(cart)


def _keep(uow: UnitOfWork, cart: Cart, calculation: Calculation, wanted: Wanted, render: Render) -> str | None:
    """Keep a calculation and put it on the cart; return its snapshot's id, or None where it is not kept."""
    if not wanted.is_kept or calculation.status == "failed":
        return None
    snapshot_id = new_id()
    config = calculation.config
    cart.take_calculation(
        Calculated(
            snapshot_id=snapshot_id,
            is_final=calculation.status == "final",
            has_taxes=config.tax.mode in CALCULATING,
            watched=_watched(calculation),
        ),
        shipping=_selection(calculation) if config.shipping.mode in CALCULATING else cart.shipping,
        tax_lines=tax_lines_of(calculation) if config.tax.mode in CALCULATING else cart.tax_lines,
        now=uow.now,
    )
    uow.carts.save(cart)
    uow.calculations.add(
        Snapshot(
            id=snapshot_id,
            kind=calculation.kind,
            status=calculation.status,
            body=render(calculation, snapshot_id),
            created_at=uow.now,
            created_by=wanted.principal_id,
            cart_id=cart.id,
        )
    )
    return snapshot_id


def _watched(calculation: Calculation) -> list[str]:
    config: Config = calculation.config
    if not config.is_calculating:
        return []
    basis, _ = tax_place(calculation.basket, config, calculation.shipped.selected)
    return ["shipping_address", *(["billing_address"] if basis == "billing" else [])]


def _selection(calculation: Calculation) -> ShippingSelection | None:
    chosen = calculation.shipped.selected
    if chosen is None:
        return None
    return ShippingSelection(
        method_id=chosen.id,
        display_name=chosen.name,
        rate_amount=chosen.amount,
        currency=chosen.currency,
        carrier=chosen.carrier,
        service_code=chosen.service_code,
        estimated_delivery_days=chosen.estimated_days,
    )


def tax_lines_of(calculation: Calculation) -> list[TaxLine]:
    """Return the taxes of a calculation as a cart keeps them."""
    return [
        TaxLine(
            line_item_id=part.id,
            jurisdiction_code=(tax.rate.jurisdiction or tax.rate.id)[:64],
            jurisdiction_name=tax.rate.name,
            tax_type=tax.rate.tax_type if tax.rate.tax_type in TAX_TYPES else "other",
            rate=tax.rate.ppm / MILLION,
            amount=tax.amount,
            currency=calculation.basket.currency,
            is_included=part.is_included,
        )
        for part in calculation.breakdown.parts
        for tax in part.taxes
    ]
