"""What a cart costs: one pure function over integers, the same for cart, session, order and refund."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class PricedLine(Protocol):
    """What pricing needs to know of a line. Amounts are minor units of the cart's one currency."""

    @property
    def id(self) -> str: ...
    @property
    def unit_price(self) -> int: ...
    @property
    def quantity(self) -> int: ...
    @property
    def tax_amount(self) -> int: ...
    @property
    def discount_amount(self) -> int: ...


class TaxedLine(Protocol):
    """One tax on one line."""

    @property
    def line_item_id(self) -> str: ...
    @property
    def amount(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Totals:
    """A cart's totals in minor units: ``total = subtotal - discount_total + shipping_total + tax_total``."""

    subtotal: int = 0
    discount_total: int = 0
    shipping_total: int = 0
    tax_total: int = 0

    @property
    def total(self) -> int:
        """What the buyer pays."""
        return self.subtotal - self.discount_total + self.shipping_total + self.tax_total


@dataclass(frozen=True, slots=True)
class LinePrice:
    """One line's part of the totals, in minor units."""

    subtotal: int
    discount: int
    tax: int

    @property
    def total(self) -> int:
        """The line's price after discount and with tax."""
        return self.subtotal - self.discount + self.tax


def price_line(line: PricedLine, tax_lines: Sequence[TaxedLine] = ()) -> LinePrice:
    """Price one line. Where tax lines name it they replace the line's own ``tax_amount``."""
    own = [tax.amount for tax in tax_lines if tax.line_item_id == line.id]
    return LinePrice(
        subtotal=line.unit_price * line.quantity,
        discount=line.discount_amount,
        tax=sum(own) if own else line.tax_amount,
    )


def price_cart(lines: Sequence[PricedLine], tax_lines: Iterable[TaxedLine] = (), shipping: int = 0) -> Totals:
    """Price a cart. The order of lines makes no difference; each total is the sum of its lines."""
    taxes: dict[str, int] = {}
    for tax in tax_lines:
        taxes[tax.line_item_id] = taxes.get(tax.line_item_id, 0) + tax.amount
    return Totals(
        subtotal=sum(line.unit_price * line.quantity for line in lines),
        discount_total=sum(line.discount_amount for line in lines),
        shipping_total=shipping,
        tax_total=sum(_tax(line, taxes) for line in lines),
    )


def _tax(line: PricedLine, taxes: Mapping[str, int]) -> int:
    return taxes.get(line.id, line.tax_amount)
