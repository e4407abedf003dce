"""Carts as the wire has them, straight from their rows: most of what a reader asks for needs no rules.

A cart with a discount or with tax lines does: which part of them is whose is worked out, not kept.
"""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from storage.children import with_children
from storage.columns import SCOPE_COLUMNS
from storage.lists import wired
from storage.order_view import shipping_out, totals_out
from storage.scoped import ScopedConnection, value
from storage.tables import cart_items, carts

_SHOWN: Final = (
    "id",
    "status",
    "customer_id",
    "customer_email",
    "currency",
    "subtotal",
    "discount_total",
    "shipping_total",
    "tax_total",
    "total",
    "shipping_address",
    "billing_address",
    "tax_exemption",
    "notes",
    "metadata",
    "order_id",
    "created_at",
    "updated_at",
)
_HIDDEN_IN_LINES: Final = (*SCOPE_COLUMNS, "cart_id")
_NO_TAX_LINES: Final = "[]"
_GET: Final = with_children(
    carts,
    [carts.c.application_id, carts.c.environment_id, carts.c.shipping, *(wired(carts.c[name]) for name in _SHOWN)],
    [wired(each) for each in cart_items.columns if each.name not in _HIDDEN_IN_LINES],
    cart_items.c.cart_id == value(carts.c.id),
    "position",
    only=sa.and_(
        carts.c.applied_discount.is_(None),
        carts.c.calculated.is_(None),
        sa.type_coerce(carts.c.tax_lines, sa.Text()) == sa.literal_column(f"'{_NO_TAX_LINES}'"),
    ),
)


def shown(connection: ScopedConnection, cart_id: str) -> Mapping[str, Any] | None:
    """Return a cart with its lines, or None: there is none, or only the rules can say what its lines come to."""
    row = connection.row(_GET, {"id": cart_id})
    if row is None:
        return None
    return {
        "id": row.id,
        "status": row.status,
        "applicationId": row.application_id,
        "environmentId": row.environment_id,
        "customerId": row.customer_id,
        "customerEmail": row.customer_email,
        "currency": row.currency,
        **totals_out(row),
        "lineItems": [_line(line) for line in row.children],
        "appliedDiscount": None,
        "selectedShipping": shipping_out(row.shipping),
        "taxLines": [],
        "calculation": None,
        "shippingAddress": row.shipping_address,
        "billingAddress": row.billing_address,
        "taxExemption": row.tax_exemption,
        "notes": row.notes,
        "metadata": row.metadata,
        "orderId": row.order_id,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def _line(row: Any) -> dict[str, Any]:
    price, discount, tax = row.unit_price * row.quantity, row.discount_amount, row.tax_amount
    ships = row.requires_shipping
    return {
        "id": row.id,
        "type": row.type,
        "referenceId": row.reference_id,
        "name": row.name,
        "description": row.description,
        "unitPrice": row.unit_price,
        "quantity": row.quantity,
        "subtotal": price,
        "discountAmount": discount,
        "discountTotal": discount,
        "taxAmount": tax,
        "taxTotal": tax,
        "total": price - discount + tax,
        "imageUrl": row.image_url,
        "requiresShipping": row.type != "service" if ships is None else ships,
        "taxCategory": row.tax_category,
        "weightGrams": row.weight_grams,
        "metadata": row.metadata,
    }
