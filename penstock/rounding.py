"""Whole minor units out of exact sums: rounding, and sharing so that the shares sum to the whole."""

from collections.abc import Mapping
from fractions import Fraction
from math import floor
from typing import Final, Literal

Exact = int | Fraction
"""A sum in minor units before it is rounded."""

Ties = Literal["even", "up"]
"""Where half a minor unit goes. Tax authorities round it up, as a rule; bankers to the even unit."""

_HALF: Final = Fraction(1, 2)


def allocate(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Share an amount by weight and largest remainder, equal remainders by id. The parts sum to the amount.

    No part exceeds its weight while the amount does not exceed their sum.
    """
    whole = sum(weights.values())
    if whole == 0:
        return dict.fromkeys(weights, 0)
    shares = {key: divmod(amount * weight, whole) for key, weight in weights.items()}
    rest = amount - sum(floor for floor, _ in shares.values())
    first = set(sorted(shares, key=lambda key: (-shares[key][1], key))[:rest])
    return {key: floor + (key in first) for key, (floor, _) in shares.items()}


def half_even(exact: Exact) -> int:
    """Round to a whole minor unit, halves to the even one."""
    return round(exact)


def to_unit(exact: Exact, ties: Ties) -> int:
    """Round to a whole minor unit, halves as it is said."""
    return half_even(exact) if ties == "even" else floor(exact + _HALF)
