"""Prices as carriers write them: a decimal text in major units, and a currency."""

import re
from decimal import Decimal
from typing import Any, Final

from penstock.plugin import Money

_PRICE: Final = re.compile(r"\d{1,9}(?:[.]\d{1,4})?")


def money(value: Any, currency: Any) -> Money:
    """Return a price. Raises ValueError for what is none: no text, negative, or finer than the currency's smallest part."""
    if not isinstance(value, str) or not _PRICE.fullmatch(value):
        raise ValueError("this is no price")
    if not isinstance(currency, str):
        raise TypeError("this is no currency")
    exact = Decimal(value).scaleb(Money(0, currency).exponent)
    if exact != exact.to_integral_value():
        raise ValueError(f"{currency} has no such small parts")
    return Money(int(exact), currency)
