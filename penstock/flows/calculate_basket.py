"""Calculate shipping and tax of a basket, each axis by the mode that the merchant configured."""

from collections.abc import Iterator, Mapping

from penstock.calculation import (
    Basket,
    Calculation,
    Kind,
    Note,
    Shipped,
    Status,
    Taxed,
    ship_builtin,
    ship_own,
    tax_builtin,
    tax_own,
    tax_place,
)
from penstock.checks import require
from penstock.errors import Fault
from penstock.money import MAX_AMOUNT
from penstock.places import check_place
from penstock.shipping_tax import CALCULATING, Config


def calculate_basket(basket: Basket, config: Config, *, kind: Kind) -> Calculation:
    """Return what a basket costs. Raises `ValidationError` where it would cost more than an amount can be.

    A final calculation fails where anything that it needs is missing; an estimate leaves that out and says so.
    """
    shipped = ship_builtin(basket, config) if config.shipping.mode == "builtin" else ship_own(basket)
    taxed = tax_builtin(basket, config, shipped) if config.tax.mode == "builtin" else tax_own(basket, shipped)
    if taxed.breakdown.total > MAX_AMOUNT:
        require([Fault("", "amount_too_large", f"the total would exceed {MAX_AMOUNT}")])
    errors = list(_missing(basket, config, shipped, taxed)) if kind == "checkout_final" else []
    return Calculation(
        kind=kind,
        status=_status(kind, errors),
        basket=basket,
        config=config,
        shipped=shipped,
        taxed=taxed,
        errors=errors,
    )


def _status(kind: Kind, errors: list[Note]) -> Status:
    if kind != "checkout_final":
        return "estimated"
    return "failed" if errors else "final"


def _missing(basket: Basket, config: Config, shipped: Shipped, taxed: Taxed) -> Iterator[Note]:
    """Yield what a final calculation cannot do without."""
    yield from shipped.prompts
    yield from taxed.prompts
    needed: dict[str, Mapping[str, str] | None] = {}
    if config.shipping.mode in CALCULATING and basket.is_shipped:
        needed["shipping"] = basket.shipping_address
    if config.tax.mode in CALCULATING:
        basis, _ = tax_place(basket, config, shipped.selected)
        if basis != "origin":
            needed[basis] = basket.shipping_address if basis == "shipping" else basket.billing_address
    for name, address in needed.items():
        for fault in check_place(address, "", is_complete=True):
            message = f"The {name} address is not complete: {fault.field}."
            yield Note(code=fault.code, message=message, field=f"addresses.{name}.{fault.field}")
