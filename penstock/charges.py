"""What comes on top of a cart's lines: shipping and taxes, as the totals take them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from penstock.totals import GivenTax, Rate

LINE_TAX: Final = Rate(id="line", name="Tax given with the line", ppm=0)
"""What stands for the rate of a tax amount that came with its line: nobody said the rate."""


@dataclass(frozen=True, slots=True)
class Charges:
    """The price of shipping in minor units, and taxes by line."""

    shipping: int = 0
    taxes: Sequence[GivenTax] = ()
    is_tax_included: bool = False


@lru_cache(maxsize=1024)
def given_rate(jurisdiction: str, name: str | None, tax_type: str, share: str) -> Rate:
    """Return the rate that a tax line tells of. ``share`` is its share of the price as decimal text, 0 to 1."""
    return Rate(
        id=f"{jurisdiction}:{tax_type}",
        name=name or jurisdiction,
        ppm=int(Decimal(share).scaleb(6)),
        jurisdiction=jurisdiction,
        tax_type=tax_type,
    )
