"""The built-in source of taxes: which of a merchant's rates apply to each part of a cart.

Of the rates with one priority exactly one applies to a part, the most specific: by postal pattern, then state, then
country, and with that alike one for the part's category before one for everything. Rates of different priorities apply
together, in the order of their priorities (semantics 1.9).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from penstock.places import Locality
from penstock.postal import EVERY_CODE
from penstock.shipping_tax import TaxRate

_Score = tuple[float, int, int]


def rates_for(
    table: Sequence[TaxRate], place: Locality, category: str | None, *, is_shipping: bool = False
) -> list[TaxRate]:
    """Return the rates of one part of a cart, by priority.

    For shipping the choice is the same; a chosen rate that is not meant for shipping then drops out, so that a narrow
    rate can free shipping from a wide one.
    """
    best: dict[int, tuple[_Score, str, TaxRate]] = {}
    for each in _fitting(table, place, category):
        key = each.rate.priority
        score = _score(each)
        held = best.get(key)
        # Where two are equally specific, the lesser id stands: the order of the table decides nothing.
        if held is None or score > held[0] or (score == held[0] and each.rate.id < held[1]):
            best[key] = (score, each.rate.id, each)
    chosen = [best[key][2] for key in sorted(best)]
    return [each for each in chosen if each.is_on_shipping or not is_shipping]


@dataclass(frozen=True, slots=True)
class Wanting:
    """What of a place is not known but decides about rates, by the names of its fields on the wire.

    Without ``needed`` a rate is missing altogether; ``useful`` could lead to a narrower one than applies now.
    """

    needed: frozenset[str] = frozenset()
    useful: frozenset[str] = frozenset()

    def __or__(self, other: "Wanting") -> "Wanting":
        """Return what both want."""
        return Wanting(self.needed | other.needed, self.useful | other.useful)


def wanting(table: Sequence[TaxRate], place: Locality, category: str | None) -> Wanting:
    """Return what has to be known of a place before the rates of one part of a cart are certain."""
    open_ = [(each, lacks) for each in table if (lacks := _lacks(each, place, category))]
    scores: dict[int, _Score] = {}
    for each in _fitting(table, place, category) if open_ else ():
        scores[each.rate.priority] = max(_score(each), scores.get(each.rate.priority, (EVERY_CODE, 0, 0)))
    found = Wanting()
    for each, lacks in open_:
        if each.rate.priority not in scores:
            found |= Wanting(needed=lacks)
        elif _score(each) > scores[each.rate.priority]:
            found |= Wanting(useful=lacks)
    return found


def _lacks(each: TaxRate, place: Locality, category: str | None) -> frozenset[str]:
    """Return what has to be known before a rate fits or does not; nothing where that is decided."""
    is_state_open = each.state is not None and place.state is None
    is_code_open = each.pattern is not None and place.postal is None
    if not (is_state_open or is_code_open):
        return frozenset()
    known = replace(
        place,
        state=each.state if is_state_open else place.state,
        postal=each.pattern.low if is_code_open and each.pattern is not None else place.postal,
    )
    if not any(_fitting([each], known, category)):
        return frozenset()
    return frozenset(["stateProvince"] * is_state_open + ["postalCode"] * is_code_open)


def _fitting(table: Sequence[TaxRate], place: Locality, category: str | None) -> Iterator[TaxRate]:
    for each in table:
        if each.country != place.country or (each.category is not None and each.category != category):
            continue
        if each.state is not None and each.state != place.state:
            continue
        if each.pattern is None or (place.postal is not None and each.pattern.matches(place.postal)):
            yield each


def _score(each: TaxRate) -> _Score:
    postal = EVERY_CODE if each.pattern is None else each.pattern.precision
    return postal, int(each.state is not None), int(each.category is not None)
