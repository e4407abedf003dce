"""Take totals that another system worked out, hold them against each other and the cart, and mirror them there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from penstock.calculation import Basket, Calculation, Goods
from penstock.cart import Cart, ShippingSelection, TaxLine
from penstock.cart_lines import other_currency
from penstock.checks import require
from penstock.errors import Fault
from penstock.flows.calculate_basket import calculate_basket
from penstock.flows.calculate_cart import basket_of
from penstock.flows.change_cart import locked_cart
from penstock.ids import new_id
from penstock.ports import UnitOfWork
from penstock.rounding import allocate
from penstock.shipping_tax import Config, Shipping, Taxing
from penstock.snapshot import Calculated, Snapshot
from penstock.tax_errors import ExternalSnapshotNotAllowed, StoreNotFound
from penstock.totals import SHIPPING, GivenTax, Line, Rate, Totals
from penstock.zone_rates import Offer

Render = Callable[[Calculation, str], dict[str, Any]]
_DEFAULT_CURRENCY: Final = "USD"
_ALL: Final = "all"
"""The id of the one line that stands for everything where there is no cart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What another system hands in. ``totals`` are its own sums, ``total`` its own total, in minor units.

    ``is_gross``: the prices contain the tax, by the configuration or the cart, whoever hands it in.
    """

    application_id: str
    totals: Totals
    total: int
    currency: str | None = None
    cart_id: str | None = None
    session_ref: str | None = None
    order_id: str | None = None
    shipping: Mapping[str, Any] | None = None
    tax_lines: Sequence[Mapping[str, Any]] | None = None
    source: str = "external"
    principal_id: str | None = None
    is_gross: bool = False

    @property
    def tax(self) -> int:
        """All tax, on top of the prices or in them."""
        return self.totals.tax_total if self.tax_lines is None else sum(line["amount"] for line in self.tax_lines)

    @property
    def sums(self) -> Totals:
        """The sums as a cart has them, whose tax is what comes on top. Other systems also tell the tax in the prices so."""
        return replace(self.totals, tax_total=0) if self.is_gross else self.totals


def take_snapshot(uow: UnitOfWork, handed: Handed, render: Render) -> dict[str, Any]:
    """Keep the totals, mirror them onto the cart if one is named, and return the answer that ``render`` makes.

    Raises `StoreNotFound`, `ExternalSnapshotNotAllowed` where neither axis is in the mode ``byo``, `CartNotFound`,
    `CartNotOpen`, and `ValidationError` for totals that do not add up, or do not fit the cart.
    """
    if handed.application_id != uow.scope.application_id:
        raise StoreNotFound
    config = uow.shipping_tax.in_force()
    if not config.takes_snapshots:
        raise ExternalSnapshotNotAllowed
    snapshot_id = new_id()
    cart = None if handed.cart_id is None else locked_cart(uow, handed.cart_id)
    handed = replace(handed, is_gross=_is_gross(config, cart))
    require([*_sums(handed), *_references(uow, handed)])
    if cart is None:
        require([*_foreign(handed, handed.currency or _DEFAULT_CURRENCY), *_overtaxed(handed)])
        calculation = _alone(handed, config)
    else:
        _mirror(uow, cart, handed, config, snapshot_id)
        calculation = calculate_basket(basket_of(cart, None), _by_others(handed, config), kind="external")
    answer = render(calculation, snapshot_id)
    uow.calculations.add(
        Snapshot(
            id=snapshot_id,
            kind=calculation.kind,
            status=calculation.status,
            body=answer,
            created_at=uow.now,
            created_by=handed.principal_id,
            cart_id=handed.cart_id,
            session_ref=handed.session_ref,
            order_id=handed.order_id,
        )
    )
    return answer


def _is_gross(config: Config, cart: Cart | None) -> bool:
    """Tell whether the prices contain the tax. What the cart's own taxes are counts where they are not handed in."""
    if cart is None or config.tax.mode == "byo":
        return config.tax.are_prices_gross and config.tax.mode != "off"
    return cart.charges().is_tax_included


def _by_others(handed: Handed, config: Config) -> Config:
    """Return the configuration with both axes left to others: nothing is worked out here."""
    tax = Taxing(mode="byo", are_prices_gross=handed.is_gross)
    return replace(config, shipping=Shipping(mode="byo"), tax=tax)


def _sums(handed: Handed) -> Iterator[Fault]:
    totals = handed.totals
    if handed.sums.total != handed.total:
        formula = "subtotal - discountTotal + shippingTotal" + ("" if handed.is_gross else " + taxTotal")
        why = ", for the prices contain the tax" if handed.is_gross else ""
        yield Fault("/totals/total", "inconsistent", f"{formula} is {handed.sums.total}{why}", handed.total)
    if handed.shipping is not None and handed.shipping["rateAmount"] != totals.shipping_total:
        yield Fault("/selectedShipping/rateAmount", "inconsistent", f"totals say {totals.shipping_total}")
    if handed.shipping is None and totals.shipping_total and handed.cart_id is not None:
        yield Fault("/selectedShipping", "required", "say what was selected, where shipping costs something")
    if totals.discount_total > totals.subtotal:
        yield Fault("/totals/discountTotal", "inconsistent", "the discount is larger than the subtotal")
    is_left_out = handed.is_gross and totals.tax_total == 0  # as our own totals leave out what is in the prices
    if handed.tax != totals.tax_total and not is_left_out:
        yield Fault("/taxLines", "inconsistent", f"they sum to {handed.tax}, and taxTotal is {totals.tax_total}")


def _foreign(handed: Handed, currency: str) -> Iterator[Fault]:
    for index, line in enumerate(handed.tax_lines or ()):
        if line.get("currency", currency) != currency:
            message = f"all amounts are in one currency, and this is {currency}"
            yield Fault(f"/taxLines/{index}/currency", "currency_mismatch", message, line["currency"])


def _overtaxed(handed: Handed, nets: Mapping[str, int] | None = None) -> Iterator[Fault]:
    """Yield where more tax is said to be in a price than the price is. ``nets`` has what each part of a cart costs."""
    if not handed.is_gross:
        return
    if nets is None or handed.tax_lines is None:
        if handed.tax > handed.sums.total:
            pointer = "/taxLines" if handed.tax_lines else "/totals/taxTotal"
            yield Fault(pointer, "inconsistent", "the prices contain the tax, and are less", handed.tax)
        return
    found: dict[str, int] = {}
    for index, line in enumerate(handed.tax_lines):
        part = line.get("lineItemId") or SHIPPING
        found[part] = found.get(part, 0) + line["amount"]
        if found[part] > nets.get(part, 0):
            message = f"the price contains the tax, and is {nets.get(part, 0)}"
            yield Fault(f"/taxLines/{index}/amount", "inconsistent", message, line["amount"])


def _references(uow: UnitOfWork, handed: Handed) -> Iterator[Fault]:
    if handed.session_ref is not None and uow.sessions.get(handed.session_ref) is None:
        yield Fault("/checkoutSessionId", "unknown_session", "this credential knows no session with this id")
    if handed.order_id is not None and uow.orders.shown(handed.order_id) is None:
        yield Fault("/orderId", "unknown_order", "this credential knows no order with this id")


def _mirror(uow: UnitOfWork, cart: Cart, handed: Handed, config: Config, snapshot_id: str) -> None:
    """Put the handed-in axes on the cart, and refuse everything with which its totals would not be those handed in."""
    require(_cart_faults(cart, handed, config))
    has_taxes = config.tax.mode == "byo"
    cart.take_calculation(
        Calculated(snapshot_id=snapshot_id, is_final=False, has_taxes=has_taxes),
        shipping=_selection(cart, handed) if config.shipping.mode == "byo" else cart.shipping,
        tax_lines=_tax_lines(cart, handed) if has_taxes else cart.tax_lines,
        now=uow.now,
    )
    if cart.totals != handed.sums:
        require([Fault("/totals", "inconsistent", f"with these the cart's total would be {cart.totals.total}")])
    uow.carts.save(cart)


def _cart_faults(cart: Cart, handed: Handed, config: Config) -> Iterator[Fault]:
    now, told = cart.totals, handed.totals
    if handed.currency is not None and handed.currency != cart.currency:
        yield other_currency("/currency", cart.currency)
    yield from _foreign(handed, cart.currency)
    kept = {"subtotal": (now.subtotal, told.subtotal), "discountTotal": (now.discount_total, told.discount_total)}
    if config.shipping.mode != "byo":
        kept["shippingTotal"] = (now.shipping_total, told.shipping_total)
    if config.tax.mode != "byo":
        kept["taxTotal"] = _kept_tax(cart, handed)
    for name, (has, given) in kept.items():
        if has != given:
            yield Fault(f"/totals/{name}", "inconsistent", f"the cart's is {has}", given)
    known = {item.id for item in cart.items}
    for index, line in enumerate(handed.tax_lines or ()):
        if line.get("lineItemId") is not None and line["lineItemId"] not in known:
            yield Fault(f"/taxLines/{index}/lineItemId", "unknown_line_item", "no line of this cart has this id")
    if told.tax_total and handed.tax_lines is None and not _nets(cart, handed):
        yield Fault("/taxLines", "required", "say what is taxed, where nothing costs anything")
    elif config.tax.mode == "byo":
        yield from _overtaxed(handed, _nets(cart, handed))


def _kept_tax(cart: Cart, handed: Handed) -> tuple[int, int]:
    """Return the tax of a cart that is not handed in, and what was told of it."""
    if handed.is_gross and handed.tax:
        return cart.breakdown().included_tax_total, handed.tax
    return cart.totals.tax_total, handed.sums.tax_total


def _selection(cart: Cart, handed: Handed) -> ShippingSelection | None:
    given = handed.shipping
    if given is None:
        return None
    return ShippingSelection(
        method_id=given["methodId"],
        display_name=given["displayName"],
        rate_amount=given["rateAmount"],
        currency=cart.currency,
        carrier=given.get("carrier"),
        service_code=given.get("serviceCode"),
        estimated_delivery_days=given.get("estimatedDeliveryDays"),
    )


def _nets(cart: Cart, handed: Handed) -> dict[str, int]:
    nets = {part.id: part.net for part in cart.breakdown().lines} | {SHIPPING: handed.totals.shipping_total}
    return {part: net for part, net in nets.items() if net}


def _tax_lines(cart: Cart, handed: Handed) -> list[TaxLine]:
    """Return the tax lines as they were given; without any, the tax is shared out by what the parts cost."""
    if handed.tax_lines is not None:
        return [
            TaxLine(
                line_item_id=line.get("lineItemId") or SHIPPING,
                jurisdiction_code=line["jurisdictionCode"],
                jurisdiction_name=line.get("jurisdictionName"),
                tax_type=line["taxType"],
                rate=line["rate"],
                amount=line["amount"],
                currency=cart.currency,
                is_included=handed.is_gross,
            )
            for line in handed.tax_lines
        ]
    shares = allocate(handed.tax, _nets(cart, handed))
    return [
        TaxLine(
            line_item_id=part,
            jurisdiction_code=handed.source,
            tax_type="other",
            rate=0,
            amount=amount,
            currency=cart.currency,
            is_included=handed.is_gross,
        )
        for part, amount in shares.items()
        if amount
    ]


def _alone(handed: Handed, config: Config) -> Calculation:
    """Return handed-in totals without a cart as a calculation of one line."""
    totals = handed.totals
    line = Line(id=_ALL, unit_price=totals.subtotal, quantity=1, own_discount=totals.discount_total)
    rate = Rate(id=handed.source, name=handed.source, ppm=0, jurisdiction=handed.source, tax_type="other")
    shipping = Offer(
        id=(handed.shipping or {}).get("methodId", SHIPPING),
        name=(handed.shipping or {}).get("displayName", handed.source),
        type="selected",
        amount=totals.shipping_total,
        currency=handed.currency or _DEFAULT_CURRENCY,
        source=handed.source,
        rule="it was handed in",
    )
    basket = Basket(
        currency=handed.currency or _DEFAULT_CURRENCY,
        goods=[Goods(line=line, ref=_ALL, name="Everything", is_shipped=bool(totals.shipping_total))],
        own_shipping=shipping,
        own_taxes=[GivenTax(part_id=_ALL, rate=rate, amount=handed.tax)] if handed.tax else [],
        is_own_tax_included=handed.is_gross,
    )
    return calculate_basket(basket, _by_others(handed, config), kind="external")
