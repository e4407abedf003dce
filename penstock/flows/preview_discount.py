"""Say what a code would take off, and change nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.cart import LineItem
from penstock.discount import MESSAGES, Discount, Misfit, customer_key, misfit_of, normal_code
from penstock.flows.hold_discount import customer_misfit
from penstock.ids import new_id
from penstock.ports import UnitOfWork
from penstock.totals import reduction_of


@dataclass(frozen=True, slots=True)
class Preview:
    """What a code would come to, in minor units; ``misfit`` says why it comes to nothing."""

    code: str
    subtotal: int
    discount_total: int = 0
    misfit: Misfit | None = None

    @property
    def message(self) -> str | None:
        """What the buyer may read, where the code is not valid."""
        return None if self.misfit is None else MESSAGES[self.misfit]


def preview_discount(uow: UnitOfWork, fields: Mapping[str, Any]) -> Preview:
    """Preview ``code, currency, subtotal`` with optional ``customer_id, customer_email, line_items``.

    Without lines the whole subtotal counts as one line; a discount that looks at items then fits nothing.
    """
    code, subtotal = normal_code(fields["code"]), fields["subtotal"]
    discount = uow.discounts.find(code)
    if discount is None:
        return Preview(code, subtotal, misfit=Misfit.UNKNOWN)
    key = customer_key(fields.get("customer_id"), fields.get("customer_email"))
    items = _items(subtotal, fields.get("line_items"))
    misfit = discount.misfit(uow.now) or misfit_of(discount.conditions, fields["currency"], items, subtotal)
    misfit = misfit or customer_misfit(uow, discount, new_id(), key)
    if misfit is not None:
        return Preview(code, subtotal, misfit=misfit)
    return Preview(code, subtotal, _amount(discount, subtotal, items))


def _items(subtotal: int, lines: Sequence[Mapping[str, Any]] | None) -> list[LineItem]:
    if lines is None:
        return [LineItem(id=new_id(), name="subtotal", type="", unit_price=subtotal)]
    return [LineItem(**{"id": new_id(), "name": "line", **line}) for line in lines]


def _amount(discount: Discount, subtotal: int, items: Sequence[LineItem]) -> int:
    covered = [item for item in items if discount.conditions.covers(item)]
    eligible = sum(item.unit_price * item.quantity - item.discount_amount for item in covered)
    return reduction_of(discount.snapshot().reduction(), min(max(eligible, 0), subtotal))
