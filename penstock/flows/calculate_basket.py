"""Calculate shipping and tax of a basket, each axis by the mode that the merchant configured."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from penstock.calculation import (
    Basket,
    Calculation,
    Kind,
    Note,
    Shipped,
    Status,
    Taxed,
    deciding_address,
    detail_prompt,
    is_taxed_by_table,
    once,
    ship_builtin,
    ship_own,
    tax_builtin,
    tax_own,
    tax_place,
)
from penstock.checks import require
from penstock.errors import Fault
from penstock.money import MAX_AMOUNT
from penstock.outside import PLUGIN, Outside, ship_outside, tax_outside
from penstock.places import check_place
from penstock.ports import UnitOfWork
from penstock.quoting import Quoter
from penstock.shipping_tax import CALCULATING, Config
from penstock.tax_errors import TaxProviderError


def calculate_basket(basket: Basket, config: Config, *, kind: Kind, outside: Outside | None = None) -> Calculation:
    """Return what a basket costs.

    A final calculation fails where anything that it needs is missing; an estimate leaves that out and says so. Raises
    `TaxProviderError` for a final one whose source gave no answer, and `ValidationError` where the total would be more
    than an amount can be. ``outside`` is needed where an axis is in the mode ``plugin``.
    """
    shipped = _shipped(basket, config, outside)
    taxed = _taxed(basket, config, shipped, outside)
    if taxed.breakdown.total > MAX_AMOUNT:
        require([Fault("", "amount_too_large", f"the total would exceed {MAX_AMOUNT}")])
    errors: list[Note] = []
    if kind == "checkout_final":
        _refuse_failures(shipped, taxed)
        errors = once(_missing(basket, config, shipped, taxed))
    return Calculation(
        kind=kind,
        status=_status(kind, errors),
        basket=basket,
        config=config,
        shipped=shipped,
        taxed=taxed,
        errors=errors,
    )


def outside_of(uow: UnitOfWork, quoter: Quoter, config: Config) -> Outside:
    """Return whom a configuration has to be asked, with its connections as they stand now."""
    ids = [] if config.shipping.mode != "plugin" else list(config.shipping.connection_ids)
    if config.tax.mode == "plugin" and config.tax.connection_id is not None:
        ids.append(config.tax.connection_id)
    found = {id_: connection for id_ in ids if (connection := uow.connections.get_kept(id_)) and connection.is_active}
    return Outside(quoter=quoter, connections=found, on=uow.now.date())


def _shipped(basket: Basket, config: Config, outside: Outside | None) -> Shipped:
    if config.shipping.mode == "builtin":
        return ship_builtin(basket, config)
    if config.shipping.mode != "plugin" or outside is None:
        return ship_own(basket)
    shipped = ship_outside(basket, config, outside)
    if shipped.failure is None or not config.falls_back:
        return shipped
    instead = ship_builtin(basket, config)
    return replace(instead, warnings=[*shipped.warnings, _instead(shipped.failure), *instead.warnings])


def _taxed(basket: Basket, config: Config, shipped: Shipped, outside: Outside | None) -> Taxed:
    if basket.exemption is None or config.tax.are_exemptions_allowed or config.tax.mode not in CALCULATING:
        return _taxed_by_mode(basket, config, shipped, outside)
    taxed = _taxed_by_mode(replace(basket, exemption=None), config, shipped, outside)
    message = "The configuration allows no exemptions, so this buyer is taxed like any other."
    return replace(taxed, warnings=[*taxed.warnings, Note(code="exemption_not_allowed", message=message)])


def _taxed_by_mode(basket: Basket, config: Config, shipped: Shipped, outside: Outside | None) -> Taxed:
    if config.tax.mode == "builtin":
        return tax_builtin(basket, config, shipped)
    if config.tax.mode != "plugin" or outside is None:
        return tax_own(basket, shipped)
    taxed = tax_outside(basket, config, shipped, outside)
    if taxed.failure is None or not config.falls_back:
        return taxed
    instead = tax_builtin(basket, config, shipped)
    if basket.exemption is None and not is_taxed_by_table(basket, config, shipped):
        return taxed  # a table that says nothing of this place would be a silent zero
    return replace(instead, warnings=[*taxed.warnings, _instead(taxed.failure), *instead.warnings])


def _instead(failure: Note) -> Note:
    message = "The zones and rates of the configuration stand in for it."
    return Note(code="fallback_builtin", message=message, source=failure.source)


def _refuse_failures(shipped: Shipped, taxed: Taxed) -> None:
    failure = shipped.failure or taxed.failure
    if failure is not None:
        details = {"source": failure.source, "reason": failure.message}
        message = failure.message if failure.source == PLUGIN else f"{failure.source} gave no answer."
        raise TaxProviderError(message, details=details)


def _status(kind: Kind, errors: list[Note]) -> Status:
    if kind == "external":
        return "final"
    if kind != "checkout_final":
        return "estimated"
    return "failed" if errors else "final"


def _missing(basket: Basket, config: Config, shipped: Shipped, taxed: Taxed) -> Iterator[Note]:
    """Yield what a final calculation cannot do without."""
    yield from shipped.prompts
    yield from taxed.prompts
    if not shipped.is_known and not shipped.prompts:
        yield from shipped.warnings
    needed: dict[str, Mapping[str, str] | None] = {}
    if config.shipping.mode in CALCULATING and basket.is_shipped:
        needed["shipping"] = basket.shipping_address
    if config.tax.mode in CALCULATING:
        basis, _ = tax_place(basket, config, shipped.selected)
        if basis != "origin":
            needed[basis] = deciding_address(basket, config, basis)
    for name, address in needed.items():
        for fault in check_place(address, "", is_complete=True):
            yield detail_prompt(name, fault.field, code=fault.code)
