"""The built-in source of shipping prices: the methods of the most specific zone that a place belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from penstock.places import Locality
from penstock.postal import EVERY_CODE
from penstock.shipping_tax import EVERYWHERE, Method, Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is to be shipped: its discounted subtotal in minor units of ``currency``, and its weight in grams."""

    currency: str
    subtotal: int
    weight: int | None = None
    """None where a line that ships has no weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A method that a buyer may choose, with its price in minor units and the rule that made the price."""

    id: str
    name: str
    type: str
    amount: int
    currency: str
    source: str
    rule: str
    zone_id: str | None = None
    carrier: str | None = None
    service_code: str | None = None
    estimated_days: int | None = None
    tax_category: str | None = None
    is_pickup: bool = False


def zone_for(zones: Sequence[Zone], place: Locality) -> Zone | None:
    """Return the most specific zone of a place: by postal pattern, then state, then country; the first of equals."""
    found = [(precision, -index) for index, zone in enumerate(zones) if (precision := _precision(zone, place))]
    return zones[-max(found)[1]] if found else None


def wanting(zones: Sequence[Zone], place: Locality) -> frozenset[str]:
    """Return what of a place is not known but could lead to a narrower zone: ``stateProvince``, ``postalCode``."""
    if place.state is not None and place.postal is not None:
        return frozenset()
    found = max((precision for zone in zones if (precision := _precision(zone, place))), default=None)
    wanted: set[str] = set()
    for zone in zones:
        lacks = _lacks(zone, place)
        if lacks and (found is None or _narrowest(zone, place) > found):
            wanted |= lacks
    return frozenset(wanted)


def offers(zone: Zone, parcel: Parcel) -> list[Offer]:
    """Return the methods of a zone that can be chosen, in the merchant's order."""
    priced = ((method, _price(method, parcel)) for method in zone.methods if _is_open(method, parcel))
    return [_offer(zone, method, *price) for method, price in priced if price is not None]


def _offer(zone: Zone, method: Method, amount: int, rule: str) -> Offer:
    return Offer(
        id=method.id,
        name=method.name,
        type=method.type,
        amount=amount,
        currency=method.currency,
        source="builtin",
        rule=rule,
        zone_id=zone.id,
        estimated_days=method.estimated_days,
        tax_category=method.tax_category,
        is_pickup=method.type == "pickup",
    )


_Precision = tuple[float, int, int]


def _precision(zone: Zone, place: Locality) -> _Precision | Literal[False]:
    """Return how closely a zone fits a place, or False where it does not."""
    is_named = place.country in zone.countries
    if not is_named and EVERYWHERE not in zone.countries:
        return False
    if zone.states and place.state not in zone.states:
        return False
    patterns = [each.within(place.country) for each in zone.patterns]
    matching = [each.precision for each in patterns if place.postal is not None and each.matches(place.postal)]
    if patterns and not matching:
        return False
    return max(matching, default=EVERY_CODE), int(bool(zone.states)), 1 + is_named


def _narrowest(zone: Zone, place: Locality) -> _Precision:
    width = max((each.within(place.country).precision for each in zone.patterns), default=EVERY_CODE)
    return width, int(bool(zone.states)), 1 + (place.country in zone.countries)


def _lacks(zone: Zone, place: Locality) -> set[str]:
    """Return what has to be known before a zone fits or does not; nothing where that is decided."""
    is_state_open = bool(zone.states) and place.state is None
    is_code_open = bool(zone.patterns) and place.postal is None
    if not (is_state_open or is_code_open) or place.country not in zone.countries:
        return set()
    known = replace(
        place,
        state=next(iter(zone.states)) if is_state_open else place.state,
        postal=zone.patterns[0].within(place.country).low if is_code_open else place.postal,
    )
    if not _precision(zone, known):
        return set()
    return {*["stateProvince"] * is_state_open, *["postalCode"] * is_code_open}


def _is_open(method: Method, parcel: Parcel) -> bool:
    below = method.maximum is None or parcel.subtotal <= method.maximum
    return method.currency == parcel.currency and method.minimum <= parcel.subtotal and below


def _price(method: Method, parcel: Parcel) -> tuple[int, str] | None:
    """Return a method's price and why, or None where it cannot take the parcel."""
    match method.type:
        case "free_over" if parcel.subtotal >= method.threshold:
            return 0, f"free_over: {parcel.subtotal} is at least {method.threshold}"
        case "free_over":
            return method.amount, f"free_over: {parcel.subtotal} is below {method.threshold}"
        case "weight":
            return None if parcel.weight is None else _tier(method, parcel.weight, "g")
        case "price_tiers":
            return _tier(method, parcel.subtotal, "of subtotal")
    return method.amount, f"{method.type}: {method.amount}"


def _tier(method: Method, size: int, unit: str) -> tuple[int, str] | None:
    for tier in method.tiers:
        if tier.up_to is None or size <= tier.up_to:
            end = "without an end" if tier.up_to is None else f"up to {tier.up_to}"
            return tier.amount, f"{method.type}: {size} {unit} is in the tier {end}"
    return None
