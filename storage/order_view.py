"""Orders as the wire has them, straight from their rows: what a reader gets needs no rules."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from penstock.totals import SHIPPING
from storage.children import with_children
from storage.columns import SCOPE_COLUMNS
from storage.lists import wired
from storage.scoped import ScopedConnection, value
from storage.tables import order_lines, orders

_HIDDEN: Final = (*SCOPE_COLUMNS, "search", "sequence")
_RENAMED: Final = ("shipping", "tax_lines", "applied_discount")
_SHOWN: Final = with_children(
    orders,
    [orders.c.application_id, orders.c.environment_id]
    + [each if each.name in _RENAMED else wired(each) for each in orders.columns if each.name not in _HIDDEN],
    [wired(each) for each in order_lines.columns if each.name not in (*SCOPE_COLUMNS, "order_id")],
    order_lines.c.order_id == value(orders.c.id),
    "position",
)


def shown(connection: ScopedConnection, order_id: str) -> Mapping[str, Any] | None:
    """Return an order with its lines, or None."""
    row = connection.row(_SHOWN, {"id": order_id})
    if row is None:
        return None
    return {
        **record(row),
        "lineItems": [_line(line) for line in row.children],
        "appliedDiscount": _applied(row.applied_discount, row.applied_amount),
        "selectedShipping": shipping_out(row.shipping),
        "taxLines": _tax_lines(row.tax_lines),
        "shippingAddress": row.shipping_address,
        "billingAddress": row.billing_address,
        "taxExemption": row.tax_exemption,
    }


def record(row: Any) -> dict[str, Any]:
    """Return an order without its lines, as the wire's lists have it; its metadata is an `orjson.Fragment`."""
    return {
        "id": row.id,
        "orderNumber": row.number,
        "status": row.status,
        "paymentStatus": row.payment_status,
        "source": row.source,
        "paymentMethod": row.payment_method,
        "applicationId": row.application_id,
        "environmentId": row.environment_id,
        "cartId": row.cart_id,
        "externalCartId": row.external_cart_id,
        "sessionId": row.session_id,
        "customerId": row.customer_id,
        "customerEmail": row.customer_email,
        "currency": row.currency,
        **totals_out(row),
        "discountCode": row.discount_code,
        "metadata": row.metadata,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def _line(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "type": row.type,
        "referenceId": row.reference_id,
        "name": row.name,
        "description": row.description,
        "unitPrice": row.unit_price,
        "quantity": row.quantity,
        "subtotal": row.unit_price * row.quantity,
        "discountAmount": row.discount_amount,
        "taxAmount": row.tax_amount,
        "total": row.total,
        "imageUrl": row.image_url,
        "requiresShipping": row.requires_shipping,
        "metadata": row.metadata,
    }


def _applied(found: Mapping[str, Any] | None, amount: int) -> dict[str, Any] | None:
    if found is None:
        return None
    own = {name: found[name] for name in ("code", "name", "type", "value")}
    return {"discountId": found["discount_id"], **own, "amount": amount}


def totals_out(row: Any) -> dict[str, int]:
    """Return the totals of a cart's or an order's row as the wire has them."""
    return {
        "subtotal": row.subtotal,
        "discountTotal": row.discount_total,
        "shippingTotal": row.shipping_total,
        "taxTotal": row.tax_total,
        "total": row.total,
    }


def shipping_out(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a kept shipping selection as the wire has it."""
    if found is None:
        return None
    return {
        "methodId": found["method_id"],
        "displayName": found["display_name"],
        "rateAmount": found["rate_amount"],
        "currency": found["currency"],
        "carrier": found["carrier"],
        "serviceCode": found["service_code"],
        "estimatedDeliveryDays": found["estimated_delivery_days"],
    }


def _tax_lines(kept: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "lineItemId": None if found["line_item_id"] == SHIPPING else found["line_item_id"],
            "appliesTo": "shipping" if found["line_item_id"] == SHIPPING else "item",
            "jurisdictionCode": found["jurisdiction_code"],
            "jurisdictionName": found["jurisdiction_name"],
            "taxType": found["tax_type"],
            "rate": found["rate"],
            "amount": found["amount"],
            "currency": found["currency"],
            # Rows from before there was any included tax do not say so.
            "isIncluded": found.get("is_included", False),
        }
        for found in kept
    ]
