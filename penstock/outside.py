"""Shipping and tax from connected sources: what they are asked, and what their answers mean for a calculation.

The one rule: a source that gives no answer never counts as zero. An estimate says so, a final calculation is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from penstock.calculation import (
    Basket,
    Note,
    Shipped,
    Taxed,
    address_prompt,
    choose,
    deciding_address,
    detail_prompt,
    tax_given,
    tax_place,
    untaxed,
)
from penstock.place import Place
from penstock.places import place_of
from penstock.quoting import OfferedRate, Quoter, SourceFailure, TaxFound
from penstock.rate_source import Parcel, RateRequest
from penstock.shipping_tax import Config
from penstock.tax_engine import RatesFound, TaxableLine, TaxRequest
from penstock.totals import compute_totals
from penstock.verdict import Connection
from penstock.zone_rates import Offer

PLUGIN: Final = "plugin"
_FIELDS: Final = {
    "country": "countryCode",
    "state": "stateProvince",
    "postal_code": "postalCode",
    "city": "city",
    "line1": "addressLine1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Whom to ask: the connections that the configuration names, as they stand now, and the day."""

    quoter: Quoter
    connections: Mapping[str, Connection]
    on: date


def ship_outside(basket: Basket, config: Config, outside: Outside) -> Shipped:
    """Ask the connected sources for rates, side by side."""
    if not basket.is_shipped:
        return Shipped(source=PLUGIN)
    destination = told_place(basket.shipping_address)
    if destination is None:
        return Shipped(source=PLUGIN, is_known=False, prompts=[_no_address()])
    parcel = basket.parcel
    if parcel.weight is None:
        note = Note(code="weight_unknown", message="A shipped line has no weight, so nobody can price it.")
        return Shipped(source=PLUGIN, is_known=False, warnings=[note])
    known = [outside.connections[id_] for id_ in config.shipping.connection_ids if id_ in outside.connections]
    gathered = outside.quoter.gather(
        known,
        RateRequest(
            currency=basket.currency,
            on=outside.on,
            destination=destination,
            parcels=(Parcel(weight_g=parcel.weight),),
            origin=told_place(config.origin_address),
            goods=parcel.subtotal,
        ),
        version=str(config.version),
    )
    notes = [Note(code="shipping_source_note", message=note.message, source=note.source) for note in gathered.notes]
    failed = [each for each in gathered.failures if not _is_answer(each)]
    warnings = [*notes, *(_failure_note("shipping_source_failed", each) for each in gathered.failures)]
    found = [_offer(each) for each in gathered.offers]
    is_lost = bool(failed or not known) and all(offer.id != basket.selected_id for offer in found)
    if not found and is_lost:  # whether anybody ships there is not known
        failure = _first(failed)
        return Shipped(source=PLUGIN, is_known=False, failure=failure, warnings=warnings or [failure])
    shipped = choose(found, basket, source=PLUGIN, warnings=warnings)
    return replace(shipped, failure=_first(failed) if is_lost else None)


def _offer(each: OfferedRate) -> Offer:
    rate = each.rate
    return Offer(
        id=each.method_id,
        name=rate.name,
        type="rate",
        amount=rate.money.amount,
        currency=rate.money.currency,
        source=each.source,
        rule=f"{each.source}: {rate.code}" + (", from an answer that was kept" if each.is_cached else ""),
        carrier=rate.carrier or None,
        service_code=rate.code,
        estimated_days=rate.max_days if rate.max_days is not None else rate.min_days,
    )


def tax_outside(basket: Basket, config: Config, shipped: Shipped, outside: Outside) -> Taxed:
    """Ask the connected engine for the taxes of every part."""
    basis, place = tax_place(basket, config, shipped.selected)
    destination = told_place(deciding_address(basket, config, basis))
    if destination is None:
        return untaxed(basket, shipped, source=PLUGIN, prompts=[address_prompt(basis)])
    connection = outside.connections.get(config.tax.connection_id or "")
    if connection is None:
        gone = Note(
            code="tax_unavailable", message="The tax engine that is configured is not connected.", source=PLUGIN
        )
        return replace(untaxed(basket, shipped, source=PLUGIN, warnings=[gone]), failure=gone)
    answer = outside.quoter.tax(
        connection, _request(basket, config, shipped, outside, destination), version=str(config.version)
    )
    if isinstance(answer, SourceFailure):
        return _unanswered(basket, shipped, answer, basis)
    taxed = replace(_answered(basket, config, shipped, answer), basis=basis, place=place)
    if basket.exemption is not None and any(part.tax for part in taxed.breakdown.parts):
        message = "The tax engine was told of the exemption, and taxes this buyer all the same."
        return replace(taxed, warnings=[Note(code="exemption_not_applied", message=message, source=answer.source)])
    return taxed


def _request(basket: Basket, config: Config, shipped: Shipped, outside: Outside, destination: Place) -> TaxRequest:
    priced = compute_totals(basket.lines, reduction=basket.reduction)
    nets = {part.id: part.net for part in priced.lines}
    return TaxRequest(
        currency=basket.currency,
        on=outside.on,
        lines=tuple(
            TaxableLine(
                id=each.line.id, amount=nets[each.line.id], quantity=each.line.quantity, category=each.category or ""
            )
            for each in basket.goods
        ),
        destination=destination,
        origin=told_place(config.origin_address),
        shipping=shipped.amount,
        is_included=config.tax.are_prices_gross,
        exemption=basket.exemption,
    )


def _answered(basket: Basket, config: Config, shipped: Shipped, found: TaxFound) -> Taxed:
    answer, is_included = found.answer, config.tax.are_prices_gross
    reasons = {part.part_id: part.reason for part in answer.parts if part.reason}
    if isinstance(answer, RatesFound):
        rules = replace(answer.rules(is_included=is_included, rounding=config.tax.rounding), ties=config.tax.ties)
        priced = compute_totals(basket.lines, reduction=basket.reduction, shipping=shipped.amount, tax=rules)
        return Taxed(source=found.source, breakdown=priced, reasons=reasons)
    given = tax_given(basket, shipped, answer.given(), source=found.source, is_included=is_included)
    return replace(given, reasons=reasons)


def _unanswered(basket: Basket, shipped: Shipped, failure: SourceFailure, basis: str) -> Taxed:
    if failure.kind == "address":
        return untaxed(basket, shipped, source=failure.source, prompts=list(_address_prompts(failure, basis)))
    note = _failure_note("tax_unavailable", failure)
    return replace(untaxed(basket, shipped, source=failure.source, warnings=[note]), failure=note)


def _address_prompts(failure: SourceFailure, basis: str) -> Iterator[Note]:
    for detail in failure.missing:
        yield detail_prompt(basis, _FIELDS[detail], source=failure.source)
    if not failure.missing:
        yield Note(code="address_invalid", message=failure.message, field=f"addresses.{basis}", source=failure.source)


def _is_answer(failure: SourceFailure) -> bool:
    """Whether a source said for certain that it has nothing for this place: that is no failure of the source."""
    return failure.kind in ("address", "not_served")


def _failure_note(code: str, failure: SourceFailure) -> Note:
    return Note(code=code, message=failure.message[:500], source=failure.source)


def _first(failed: Sequence[SourceFailure]) -> Note:
    if not failed:
        return Note(
            code="shipping_source_failed", message="None of the configured sources is connected.", source=PLUGIN
        )
    return _failure_note("shipping_source_failed", failed[0])


def _no_address() -> Note:
    return Note(code="address_required", message="Shipping needs an address.", field="addresses.shipping")


def told_place(address: Mapping[str, Any] | None) -> Place | None:
    """Return an address as sources are told it; None without a country."""
    place = place_of(address)
    if place is None or address is None:
        return None
    return Place(
        country=place.country,
        state=place.state or "",
        postal_code=str(address.get("postalCode") or ""),
        city=str(address.get("city") or ""),
        line1=str(address.get("addressLine1") or ""),
        line2=str(address.get("addressLine2") or ""),
    )
