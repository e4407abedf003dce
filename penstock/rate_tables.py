"""The built-in source of taxes: which of a merchant's rates apply to each part of a cart.

Of the rates with one priority exactly one applies to a part, the most specific: by postal pattern, then state, then
country, and with that alike one for the part's category before one for everything. Rates of different priorities apply
together, in the order of their priorities (semantics 1.9).
"""

from collections.abc import Iterator, Sequence

from penstock.places import Locality
from penstock.shipping_tax import TaxRate


def rates_for(
    table: Sequence[TaxRate], place: Locality, category: str | None, *, is_shipping: bool = False
) -> list[TaxRate]:
    """Return the rates of one part of a cart, by priority.

    For shipping the choice is the same; a chosen rate that is not meant for shipping then drops out, so that a narrow
    rate can free shipping from a wide one.
    """
    best: dict[int, tuple[tuple[int, int, int], str, TaxRate]] = {}
    for each in _fitting(table, place, category):
        key = each.rate.priority
        score = _score(each)
        held = best.get(key)
        # Where two are equally specific, the lesser id stands: the order of the table decides nothing.
        if held is None or score > held[0] or (score == held[0] and each.rate.id < held[1]):
            best[key] = (score, each.rate.id, each)
    chosen = [best[key][2] for key in sorted(best)]
    return [each for each in chosen if each.is_on_shipping or not is_shipping]


def _fitting(table: Sequence[TaxRate], place: Locality, category: str | None) -> Iterator[TaxRate]:
    for each in table:
        if each.country != place.country or (each.category is not None and each.category != category):
            continue
        if each.state is not None and each.state != place.state:
            continue
        if each.pattern is None or (place.postal is not None and each.pattern.matches(place.postal)):
            yield each


def _score(each: TaxRate) -> tuple[int, int, int]:
    postal = 0 if each.pattern is None else each.pattern.precision + 1
    return postal, int(each.state is not None), int(each.category is not None)
