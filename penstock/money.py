"""Money is a whole number of minor units and a currency. There are no floats here."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final, Self

from iso4217 import Currency

MAX_AMOUNT: Final = 99_999_999_999
"""The largest amount in minor units that the API takes or gives: exact in every JSON reader."""

MAX_QUANTITY: Final = 1_000_000


class CurrencyMismatch(ValueError):
    """Two amounts in different currencies met in one sum."""


@cache
def _known() -> dict[str, int]:
    # Codes without minor units (gold, test codes, baskets) are nothing that a buyer can be charged in.
    return {c.code: c.exponent for c in Currency if c.exponent is not None}


def is_currency(code: str) -> bool:
    """Tell whether a code is an ISO 4217 currency in which a buyer can be charged."""
    return code in _known()


def exponent(code: str) -> int:
    """Return how many decimal places one major unit has (ISO 4217): USD 2, JPY 0, KWD 3."""
    return _known()[code]


def currencies() -> frozenset[str]:
    """Return every currency code that the API takes."""
    return frozenset(_known())


@dataclass(frozen=True, slots=True)
class Money:
    """An amount a person can be charged: ``Money(1250, "EUR")`` is 12.50 euros."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount) is not int:
            raise TypeError(f"an amount is an int of minor units, not {self.amount!r}")

    @property
    def exponent(self) -> int:
        """How many decimal places one major unit has."""
        return exponent(self.currency)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.amount + self._same(other).amount, self.currency)

    def __sub__(self, other: Self) -> Self:
        return type(self)(self.amount - self._same(other).amount, self.currency)

    def split(self, weights: Sequence[int]) -> list[Self]:
        """Share the amount by weight (largest remainder, earlier weight first); the parts sum to the whole."""
        return [type(self)(part, self.currency) for part in split(self.amount, weights)]

    def major(self) -> str:
        """Return the decimal text that some providers want: ``"12.50"``, ``"1250"`` for yen."""
        return f"{Decimal(self.amount).scaleb(-self.exponent):.{self.exponent}f}"

    def _same(self, other: Self) -> Self:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency}")
        return other


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Share an amount of minor units by non-negative weights, by largest remainder.

    The parts sum to the amount and each is within one unit of its exact share. Where remainders are equal the
    earlier weight gets the unit. Raises ValueError for no weights, a negative one, or all zero.
    """
    total = sum(weights)
    if total <= 0 or any(weight < 0 for weight in weights):
        raise ValueError("weights are not negative and not all zero")
    floors = [amount * weight // total for weight in weights]
    remainders = [amount * weight % total for weight in weights]
    rest = amount - sum(floors)
    for index in sorted(range(len(weights)), key=lambda i: -remainders[i])[:rest]:
        floors[index] += 1
    return floors
