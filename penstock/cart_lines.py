"""What lies in a cart: its lines, the shipping that was selected, and tax lines that somebody else calculated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.charges import given_rate
from penstock.totals import GivenTax


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
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ships(self) -> bool:
        """Whether the line is shipped: as it says, else everything but a service."""
        return self.type != "service" if self.requires_shipping is None else self.requires_shipping


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
    """One tax on one line. ``rate`` is a share between 0 and 1 and only informs; ``amount`` counts, in minor units."""

    line_item_id: str
    jurisdiction_code: str
    tax_type: str
    rate: float
    amount: int
    currency: str
    jurisdiction_name: str | None = None

    def given(self) -> GivenTax:
        """Return the tax as the totals take it."""
        rate = given_rate(self.jurisdiction_code, self.jurisdiction_name, self.tax_type, str(self.rate))
        return GivenTax(part_id=self.line_item_id, rate=rate, amount=self.amount)
