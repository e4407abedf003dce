"""Estimate shipping and tax for items that a storefront names, without keeping anything."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from penstock.calculation import Basket, Calculation, Goods, Note
from penstock.checks import check_country, require
from penstock.errors import Fault
from penstock.flows.calculate_basket import calculate_basket, outside_of
from penstock.money import MAX_AMOUNT
from penstock.places import check_place
from penstock.ports import Work
from penstock.quoting import Quoter
from penstock.totals import FixedAmount, Line

DEFAULT_CURRENCY: Final = "USD"


def quote_items(work: Work, quoter: Quoter, fields: Mapping[str, Any]) -> Calculation:
    """Return the estimate. Raises `ValidationError` for amounts and addresses that do not fit.

    Which source failed, and why, is the merchant's to know and left out: anybody may read a storefront's page.
    """
    require(_faults(fields))
    basket = _basket(fields)
    with work(read=True) as uow:
        config = uow.shipping_tax.in_force()
        outside = outside_of(uow, quoter, config)
    found = calculate_basket(basket, config, kind="quote", outside=outside)
    return _without_names(found) if any(note.code in _FAILURES for note in found.warnings) else found


def _without_names(found: Calculation) -> Calculation:
    shipped = replace(found.shipped, warnings=list(map(_discreet, found.shipped.warnings)))
    taxed = replace(found.taxed, warnings=list(map(_discreet, found.taxed.warnings)))
    return replace(found, shipped=shipped, taxed=taxed)


def _discreet(note: Note) -> Note:
    message = _FAILURES.get(note.code)
    return note if message is None else replace(note, message=message, source=None)


_FAILURES: Final[Mapping[str, str]] = {
    "shipping_source_failed": "A source of shipping rates gave no answer.",
    "tax_unavailable": "The tax engine gave no answer.",
    "fallback_builtin": "The zones and rates of the configuration stand in for a source that gave no answer.",
}


def _basket(fields: Mapping[str, Any]) -> Basket:
    addresses = fields.get("addresses") or {}
    discount = fields.get("discountsTotal", 0)
    return Basket(
        currency=fields.get("currency", DEFAULT_CURRENCY),
        goods=[_goods(item, index) for index, item in enumerate(fields["items"])],
        reduction=FixedAmount(discount) if discount else None,
        shipping_address=addresses.get("shipping"),
        billing_address=addresses.get("billing"),
        selected_id=fields.get("selectedShippingMethodId"),
    )


def _goods(item: Mapping[str, Any], index: int) -> Goods:
    quantity, weight = item.get("quantity", 1), item.get("weightGrams")
    return Goods(
        # Two lines may be the same item, so the line's own id is its place, with zeros in front to keep the order.
        line=Line(id=f"{index:05}", unit_price=item["subtotalAmount"], quantity=1),
        ref=item["id"],
        name=item["id"],
        is_shipped=item.get("requiresShipping", True),
        category=item.get("taxCategory"),
        weight=None if weight is None else weight * quantity,
    )


def _faults(fields: Mapping[str, Any]) -> Iterator[Fault]:
    whole = sum(item["subtotalAmount"] for item in fields["items"])
    if whole > MAX_AMOUNT:
        yield Fault("/items", "amount_too_large", f"the items together would exceed {MAX_AMOUNT}")
    if fields.get("discountsTotal", 0) > whole:
        yield Fault("/discountsTotal", "discount_exceeds_price", "the discount is larger than the items' price")
    for name, address in (fields.get("addresses") or {}).items():
        yield from check_country((address or {}).get("countryCode"), f"/addresses/{name}/countryCode")
        yield from check_place(address, f"/addresses/{name}")
