"""Weights and lengths as carriers want them: always rounded up, so that a parcel is never smaller than it is."""

from decimal import Decimal
from typing import Final

_TENTHS: Final = 10


def _up(value: int, unit: int, scale: int = 1) -> Decimal:
    """Return ``value * scale / unit`` in tenths, rounded up, and at least a tenth."""
    tenths = max(-(-value * scale * _TENTHS // unit), 1)
    return Decimal(tenths).scaleb(-1)


def ounces(grams: int) -> Decimal:
    """Return a weight in ounces avoirdupois (28.349523125 g, exactly)."""
    return _up(grams, 28_349_523_125, 10**9)


def pounds(grams: int) -> Decimal:
    """Return a weight in pounds avoirdupois (453.59237 g, exactly)."""
    return _up(grams, 45_359_237, 10**5)


def kilograms(grams: int) -> Decimal:
    """Return a weight in kilograms."""
    return _up(grams, 1000)


def inches(millimetres: int) -> Decimal:
    """Return a length in inches (25.4 mm, exactly)."""
    return _up(millimetres, 254, 10)


def centimetres(millimetres: int) -> Decimal:
    """Return a length in centimetres."""
    return _up(millimetres, 10)
