"""Amounts as Stripe counts them, which is not everywhere as ISO 4217 does.

Source: https://docs.stripe.com/currencies, "Zero-decimal currencies", "Three-decimal currencies", "Special cases".
"""

from typing import Any, Final

from penstock.plugin import Money

_LISTED: Final = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP
    CNY COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR
    ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN
    MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE
    SOS SRD SZL THB TJS TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XOF XPF YER ZAR ZMW
"""
_UNDIVIDED: Final = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"

CURRENCIES: Final = frozenset(_LISTED.split())
"""What a card can be charged in. An account may be allowed less: Stripe then refuses, and nothing has happened."""

_NO_DECIMALS: Final = frozenset(_UNDIVIDED.split())
_THREE_DECIMALS: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""Counted in thousandths, of which the last digit must be zero."""


class Unchargeable(ValueError):
    """Stripe cannot charge this amount."""


def on_wire(money: Money) -> int:
    """Return the amount as Stripe counts it. Raises `Unchargeable` where Stripe has no such amount."""
    if money.currency not in CURRENCIES:
        raise Unchargeable(f"Stripe takes no {money.currency}")
    scale = _decimals(money.currency) - money.exponent
    amount = money.amount * 10**scale if scale >= 0 else _whole(money, 10**-scale)
    if money.currency in _THREE_DECIMALS and amount % 10:
        raise Unchargeable(f"Stripe charges {money.currency} in steps of 0.010")
    if amount <= 0:
        raise Unchargeable("Stripe charges no amount of zero")
    return amount


def from_wire(amount: Any, currency: Any) -> Money:
    """Return what Stripe says in ``amount`` and ``currency`` (lower case). Raises ValueError for what is no money."""
    if type(amount) is not int or not isinstance(currency, str) or currency.upper() not in CURRENCIES:
        raise ValueError("Stripe named no amount of money")
    code = currency.upper()
    scale = _decimals(code) - Money(0, code).exponent
    return Money(amount * 10**-scale if scale <= 0 else _whole(Money(amount, code), 10**scale), code)


def _decimals(currency: str) -> int:
    # ISK and UGX, which have no parts, are still counted in hundredths: Stripe's own exception.
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def _whole(money: Money, step: int) -> int:
    if money.amount % step:
        raise Unchargeable(f"{money.currency} has no parts at Stripe")
    return money.amount // step
