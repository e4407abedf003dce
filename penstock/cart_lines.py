"""What lies in a cart: its lines, the shipping that was selected, and tax lines that somebody else calculated."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from penstock.charges import LINE_TAX, Charges, given_rate
from penstock.errors import Fault
from penstock.totals import GivenTax, Line


@dataclass(slots=True, kw_only=True)
class LineItem:
    """One line. Amounts are minor units; ``requires_shipping`` None means: infer from the type."""

    id: str
    name: str
    unit_price: int
    type: str = "product"
    quantity: int = 1
    tax_amount: int = 0
    discount_amount: int = 0
    reference_id: str | None = None
    description: str | None = None
    image_url: str | None = None
    requires_shipping: bool | None = None
    tax_category: str | None = None
    weight_grams: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ships(self) -> bool:
        """Whether the line is shipped: as it says, else everything but a service."""
        return self.type != "service" if self.requires_shipping is None else self.requires_shipping

    def priced(self, *, is_discountable: bool) -> Line:
        """Return the line as the totals take it."""
        return Line(
            id=self.id,
            unit_price=self.unit_price,
            quantity=self.quantity,
            own_discount=self.discount_amount,
            is_discountable=is_discountable,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingSelection:
    """The shipping that the buyer chose. ``rate_amount`` is in minor units of the cart's currency."""

    method_id: str
    display_name: str
    rate_amount: int
    currency: str
    carrier: str | None = None
    service_code: str | None = None
    estimated_delivery_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxLine:
    """One tax on one line, or on shipping where ``line_item_id`` is `SHIPPING`.

    ``rate`` is a share and only informs; ``amount`` counts, in minor units. An included tax is in the price already.
    """

    line_item_id: str
    jurisdiction_code: str
    tax_type: str
    rate: float
    amount: int
    currency: str
    jurisdiction_name: str | None = None
    is_included: bool = False

    def given(self) -> GivenTax:
        """Return the tax as the totals take it."""
        rate = given_rate(self.jurisdiction_code, self.jurisdiction_name, self.tax_type, str(self.rate))
        return GivenTax(part_id=self.line_item_id, rate=rate, amount=self.amount)


def charges_of(items: Sequence[LineItem], tax_lines: Sequence[TaxLine], shipping: ShippingSelection | None) -> Charges:
    """Return what comes on top of lines. A line's taxes are the tax lines that name it, else its own amount."""
    named = {tax.line_item_id for tax in tax_lines}
    own = [
        GivenTax(part_id=item.id, rate=LINE_TAX, amount=item.tax_amount)
        for item in items
        if item.tax_amount and item.id not in named
    ]
    taxes = [*own, *(tax.given() for tax in tax_lines)]
    return Charges(shipping.rate_amount if shipping else 0, taxes, any(tax.is_included for tax in tax_lines))


def tax_line_faults(lines: Sequence[TaxLine], known: Collection[str], currency: str) -> list[Fault]:
    """Return what does not fit: each tax line names a line of the cart and has the cart's currency."""
    faults = [
        Fault(f"/lines/{index}/lineItemId", "unknown_line_item", "no line of this cart has this id")
        for index, line in enumerate(lines)
        if line.line_item_id not in known
    ]
    return faults + [
        other_currency(f"/lines/{index}/currency", currency)
        for index, line in enumerate(lines)
        if line.currency != currency
    ]


def other_currency(pointer: str, currency: str) -> Fault:
    """Return the fault of an amount in another currency than the cart's."""
    return Fault(pointer, "currency_mismatch", f"the cart's currency is {currency}")


def wire_names(names: Iterable[str]) -> list[str]:
    """Return the names that fields have on the wire, sorted."""
    return sorted(map(_wire_name, names))


@cache
def _wire_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
