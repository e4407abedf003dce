"""Amounts as Adyen counts them (https://docs.adyen.com/development-resources/currency-codes).

For CLP, CVE, IDR and ISK that page names other decimals than ISO 4217 and says that its own are leading.
"""

from typing import Any, Final

from penstock.plugin import Money

_DECIMALS: Final = {"CLP": 2, "CVE": 0, "IDR": 0, "ISK": 2}


class Unchargeable(ValueError):
    """Adyen cannot charge this amount."""


def on_wire(money: Money) -> int:
    """Return the amount as Adyen counts it. Raises `Unchargeable` where Adyen has no such amount."""
    scale = _DECIMALS.get(money.currency, money.exponent) - money.exponent
    if scale < 0 and money.amount % 10**-scale:
        raise Unchargeable(f"{money.currency} has no parts at Adyen")
    if money.amount <= 0:
        raise Unchargeable("there is nothing to charge")
    return money.amount * int(10**scale) if scale >= 0 else money.amount // int(10**-scale)


def from_wire(amount: Any) -> Money:
    """Return what Adyen says in an Amount object. Raises ValueError for what is no money."""
    value, currency = amount["value"], amount["currency"]
    if type(value) is not int or not isinstance(currency, str):
        raise ValueError("Adyen named no amount of money")
    plain = Money(value, currency)
    scale = _DECIMALS.get(currency, plain.exponent) - plain.exponent
    if scale > 0 and value % 10**scale:
        raise ValueError("Adyen named a part of a coin")
    return Money(value // int(10**scale) if scale > 0 else value * int(10**-scale), currency)
