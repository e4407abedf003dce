"""What a shipping and tax configuration must fulfil, beyond its schema, before it can be published."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

from penstock.checks import check_country
from penstock.errors import Fault
from penstock.places import check_place, knows_state, state_code
from penstock.postal import EVERY_CODE, BadPattern, PostalPattern, read_pattern
from penstock.shipping_tax import CALCULATING, EVERYWHERE

_TIERED: Final = frozenset({"weight", "price_tiers"})


def config_faults(body: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with a configuration that fits its schema."""
    zones, rates = body["shipping"].get("zones", ()), body["tax"].get("rates", ())
    yield from _repeats([(f"/shipping/zones/{i}/id", zone["id"]) for i, zone in enumerate(zones)])
    methods = [
        (f"/shipping/zones/{i}/methods/{j}", method)
        for i, zone in enumerate(zones)
        for j, method in enumerate(zone.get("methods", ()))
    ]
    yield from _repeats([(f"{at}/id", method["id"]) for at, method in methods])
    for index, zone in enumerate(zones):
        yield from _zone_faults(zone, f"/shipping/zones/{index}")
    for at, method in methods:
        yield from _method_faults(method, at)
    yield from _repeats([(f"/tax/rates/{i}/id", rate["id"]) for i, rate in enumerate(rates)])
    for index, rate in enumerate(rates):
        yield from _rate_faults(rate, f"/tax/rates/{index}")
    yield from _twins(rates)
    yield from _axis_faults(body)


def _axis_faults(body: Mapping[str, Any]) -> Iterator[Fault]:
    shipping, tax = body["shipping"], body["tax"]
    if shipping["mode"] == "builtin" and not any(zone.get("methods") for zone in shipping.get("zones", ())):
        yield Fault("/shipping/zones", "required", "built-in shipping needs a zone with a method")
    if tax["mode"] == "builtin" and not tax.get("rates"):
        yield Fault("/tax/rates", "required", "built-in tax needs a rate")
    if shipping["mode"] == "plugin" and not shipping.get("connectionIds"):
        yield Fault("/shipping/connectionIds", "required", "name the connections that are asked for rates")
    if tax["mode"] == "plugin" and not tax.get("connectionId"):
        yield Fault("/tax/connectionId", "required", "name the connection that is asked for taxes")
    yield from _fallback_faults(body)
    yield from _origin_faults(body)


def _fallback_faults(body: Mapping[str, Any]) -> Iterator[Fault]:
    """What is to stand in for a source that fails has to be there: nothing would be a silent zero."""
    if body.get("onProviderError") != "fallback_builtin":
        return
    shipping, tax = body["shipping"], body["tax"]
    if shipping["mode"] == "plugin" and not any(zone.get("methods") for zone in shipping.get("zones", ())):
        yield Fault("/shipping/zones", "required", "a zone with a method has to stand in where the sources fail")
    if tax["mode"] == "plugin" and not tax.get("rates"):
        yield Fault("/tax/rates", "required", "a rate has to stand in where the engine fails")


def _origin_faults(body: Mapping[str, Any]) -> Iterator[Fault]:
    shipping, tax, origin = body["shipping"], body["tax"], body.get("origin")
    methods = [method for zone in shipping.get("zones", ()) for method in zone.get("methods", ())]
    if origin is None and tax.get("basis") == "origin":
        yield Fault("/origin", "required", "a tax by origin needs to know the origin")
    elif origin is None and tax["mode"] in CALCULATING and any(method["type"] == "pickup" for method in methods):
        yield Fault("/origin", "required", "what is picked up is taxed at the origin")
    yield from check_place(origin, "/origin")


def _zone_faults(zone: Mapping[str, Any], at: str) -> Iterator[Fault]:
    countries = zone["countries"]
    for index, country in enumerate(countries):
        if country != EVERYWHERE:
            yield from check_country(country, f"{at}/countries/{index}")
    if EVERYWHERE in countries and (len(countries) > 1 or zone.get("states") or zone.get("postalCodePatterns")):
        yield Fault(f"{at}/countries", "everywhere", "* stands alone: no other country, state or postal code beside it")
    for index, state in enumerate(zone.get("states", ())):
        if not any(knows_state(country, state_code(country, state)) for country in countries):
            yield Fault(f"{at}/states/{index}", "unknown_state", "none of the zone's countries has this state")
    for index, pattern in enumerate(zone.get("postalCodePatterns", ())):
        yield from _pattern_faults(pattern, f"{at}/postalCodePatterns/{index}")


def _method_faults(method: Mapping[str, Any], at: str) -> Iterator[Fault]:
    kind, tiers = method["type"], method.get("tiers", [])
    if (kind in _TIERED) != bool(tiers):
        yield Fault(f"{at}/tiers", "tiers", "weight and price_tiers have tiers, and the other types have none")
    if (kind == "free_over") != ("threshold" in method):
        yield Fault(f"{at}/threshold", "threshold", "free_over has a threshold, and the other types have none")
    if kind in _TIERED and "amount" in method:
        yield Fault(f"{at}/amount", "amount", "the tiers say what it costs")
    if kind in ("flat", "free_over") and "amount" not in method:
        yield Fault(f"{at}/amount", "required", f"{kind} needs an amount")
    ends = [tier.get("upTo") for tier in tiers]
    if None in ends[:-1] or any(low >= high for low, high in pairwise([end for end in ends if end is not None])):
        yield Fault(f"{at}/tiers", "order", "tiers rise, and only the last may be without an end")
    if method.get("max") is not None and method["max"] < method.get("min", 0):
        yield Fault(f"{at}/max", "range", "max is at least min")


def _rate_faults(rate: Mapping[str, Any], at: str) -> Iterator[Fault]:
    yield from check_country(rate["country"], f"{at}/country")
    state = rate.get("state")
    if state and not knows_state(rate["country"], state_code(rate["country"], state)):
        yield Fault(f"{at}/state", "unknown_state", "the country has no such state")
    if rate.get("postalCodePattern"):
        yield from _pattern_faults(rate["postalCodePattern"], f"{at}/postalCodePattern")
    if ("rateBps" in rate) == ("ratePpm" in rate):
        yield Fault(f"{at}/rateBps", "rate", "give either rateBps or ratePpm")


def _pattern_faults(pattern: str, at: str) -> Iterator[Fault]:
    try:
        read_pattern(pattern)
    except BadPattern as error:
        yield Fault(at, "pattern", str(error))


def _twins(rates: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    """Find rates between which nothing decides for some place: one category, one priority, and neither is narrower."""
    alike: dict[tuple[Any, ...], list[tuple[str, int, PostalPattern | None]]] = {}
    for index, rate in enumerate(rates):
        country, state, text = rate["country"], rate.get("state"), rate.get("postalCodePattern")
        try:
            pattern = read_pattern(text).within(country) if text else None
        except BadPattern:
            continue  # told of elsewhere
        width = EVERY_CODE if pattern is None else pattern.precision
        key = (
            country,
            state_code(country, state) if state else None,
            rate.get("category"),
            rate.get("priority", 0),
            width,
        )
        alike.setdefault(key, []).append((pattern.low if pattern else "", index, pattern))
    for group in alike.values():
        # Equally wide sets that begin one behind the other: whatever meets any of them meets its neighbour.
        for (_, one, wide), (_, other, next_) in pairwise(sorted(group, key=itemgetter(0, 1))):
            if wide is None or next_ is None or wide.meets(next_):
                message = f"of some place nothing decides between it and /tax/rates/{min(one, other)}: only one would ever apply"
                yield Fault(f"/tax/rates/{max(one, other)}", "ambiguous", message)


def _repeats(named: Iterable[tuple[str, str]]) -> Iterator[Fault]:
    seen: set[str] = set()
    for at, name in named:
        if name in seen:
            yield Fault(at, "repeated", "another one has this id")
        seen.add(name)


def canonical_config(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with everything written out that was left to its default."""
    shipping, tax = body["shipping"], body["tax"]
    return {
        "shipping": {"zones": [], **shipping},
        "tax": {
            "pricesIncludeTax": False,
            "basis": "shipping",
            "roundingLevel": "line",
            "roundingMode": "half_up",
            "shippingTaxedBy": "rates",
            "exemptionsAllowed": False,
            "rates": [],
            **tax,
        },
        "origin": body.get("origin"),
        "onProviderError": body.get("onProviderError", "fail"),
    }
