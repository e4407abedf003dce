"""Between the wire's camelCase JSON and the rules' objects, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.cart import Cart, LineItem, ShippingSelection, TaxLine
from penstock.clock import rfc3339
from penstock.discount import AppliedDiscount
from penstock.exemption import Exemption
from penstock.flows.complete_session import Completed
from penstock.flows.take_step import Followed
from penstock.follow_up import transaction_of
from penstock.order import Order, OrderLine
from penstock.ports import Offer
from penstock.routing import RoutingVersion
from penstock.session import CheckoutSession
from penstock.snapshot import Calculated
from penstock.tenant import ApiKey, EmbedConfig
from penstock.totals import SHIPPING, Part, Totals
from penstock.webhook import Endpoint

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with another status than the operation's first 2xx, or with headers of its own."""

    body: Any
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


def snake_in(body: Mapping[str, Any]) -> Json:
    """Return a body with the names that Python uses: ``unitPrice`` is ``unit_price``. Values stay as they are."""
    return {_SNAKE[name] if name in _SNAKE else _snake(name): value for name, value in body.items()}


_SNAKE: dict[str, str] = {}


def _snake(name: str) -> str:
    # Names come from the spec's closed objects, so the table stays small.
    _SNAKE[name] = made = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return made


def totals_out(totals: Totals) -> Json:
    return {
        "subtotal": totals.subtotal,
        "discountTotal": totals.discount_total,
        "shippingTotal": totals.shipping_total,
        "taxTotal": totals.tax_total,
        "total": totals.total,
    }


def item_out(item: LineItem, part: Part) -> Json:
    return {
        "id": item.id,
        "type": item.type,
        "referenceId": item.reference_id,
        "name": item.name,
        "description": item.description,
        "unitPrice": item.unit_price,
        "quantity": item.quantity,
        "subtotal": part.price,
        "discountAmount": item.discount_amount,
        "discountTotal": part.discount_total,
        "taxAmount": item.tax_amount,
        "taxTotal": part.tax,
        "total": part.total,
        "imageUrl": item.image_url,
        "requiresShipping": item.ships,
        "taxCategory": item.tax_category,
        "weightGrams": item.weight_grams,
        "metadata": item.metadata,
    }


def shipping_out(shipping: ShippingSelection | None) -> Json | None:
    if shipping is None:
        return None
    return {
        "methodId": shipping.method_id,
        "displayName": shipping.display_name,
        "rateAmount": shipping.rate_amount,
        "currency": shipping.currency,
        "carrier": shipping.carrier,
        "serviceCode": shipping.service_code,
        "estimatedDeliveryDays": shipping.estimated_delivery_days,
    }


def applied_out(applied: AppliedDiscount | None, amount: int) -> Json | None:
    if applied is None:
        return None
    return {
        "discountId": applied.discount_id,
        "code": applied.code,
        "name": applied.name,
        "type": applied.type.value,
        "value": applied.value,
        "amount": amount,
    }


def tax_line_out(tax: TaxLine) -> Json:
    is_shipping = tax.line_item_id == SHIPPING
    return {
        "lineItemId": None if is_shipping else tax.line_item_id,
        "appliesTo": "shipping" if is_shipping else "item",
        "jurisdictionCode": tax.jurisdiction_code,
        "jurisdictionName": tax.jurisdiction_name,
        "taxType": tax.tax_type,
        "rate": tax.rate,
        "amount": tax.amount,
        "currency": tax.currency,
        "isIncluded": tax.is_included,
    }


def _calculated_out(calculated: Calculated | None) -> Json | None:
    return {"snapshotId": calculated.snapshot_id, "isFinal": calculated.is_final} if calculated else None


def exemption_out(exemption: Exemption | None) -> Json | None:
    return exemption.kept() if exemption else None


def cart_out(cart: Cart) -> Json:
    return {
        "id": cart.id,
        "status": cart.status.value,
        "applicationId": cart.scope.application_id,
        "environmentId": cart.scope.environment_id,
        "customerId": cart.customer_id,
        "customerEmail": cart.customer_email,
        "currency": cart.currency,
        **totals_out(cart.totals),
        "lineItems": [item_out(item, part) for item, part in zip(cart.items, cart.breakdown().lines, strict=True)],
        "appliedDiscount": applied_out(cart.applied, cart.applied_amount),
        "selectedShipping": shipping_out(cart.shipping),
        "taxLines": [tax_line_out(tax) for tax in cart.tax_lines],
        "calculation": _calculated_out(cart.calculated),
        "shippingAddress": cart.shipping_address,
        "billingAddress": cart.billing_address,
        "taxExemption": exemption_out(cart.tax_exemption),
        "notes": cart.notes,
        "metadata": cart.metadata,
        "orderId": cart.order_id,
        "createdAt": rfc3339(cart.created_at),
        "updatedAt": rfc3339(cart.updated_at),
    }


def order_line_out(line: OrderLine) -> Json:
    return {
        "id": line.id,
        "type": line.type,
        "referenceId": line.reference_id,
        "name": line.name,
        "description": line.description,
        "unitPrice": line.unit_price,
        "quantity": line.quantity,
        "subtotal": line.unit_price * line.quantity,
        "discountAmount": line.discount_amount,
        "taxAmount": line.tax_amount,
        "total": line.total,
        "imageUrl": line.image_url,
        "requiresShipping": line.requires_shipping,
        "metadata": line.metadata,
    }


def order_out(order: Order) -> Json:
    return {
        "id": order.id,
        "orderNumber": order.number,
        "status": order.status.value,
        "paymentStatus": order.payment_status.value if order.payment_status else None,
        "source": order.source,
        "paymentMethod": order.payment_method,
        "applicationId": order.scope.application_id,
        "environmentId": order.scope.environment_id,
        "cartId": order.cart_id,
        "externalCartId": order.external_cart_id,
        "sessionId": order.session_id,
        "customerId": order.customer_id,
        "customerEmail": order.customer_email,
        "currency": order.currency,
        **totals_out(order.totals),
        "discountCode": order.discount_code,
        "metadata": order.metadata,
        "createdAt": rfc3339(order.created_at),
        "updatedAt": rfc3339(order.updated_at),
        "lineItems": [order_line_out(line) for line in order.lines],
        "appliedDiscount": applied_out(order.applied, order.applied_amount),
        "selectedShipping": shipping_out(order.shipping),
        "taxLines": [tax_line_out(tax) for tax in order.tax_lines],
        "shippingAddress": order.shipping_address,
        "billingAddress": order.billing_address,
        "taxExemption": exemption_out(order.tax_exemption),
    }


def session_out(session: CheckoutSession, *, hosted: str, embed: str, cart: Cart | None) -> Json:
    price = session.price(cart)
    return {
        "id": session.id,
        "kind": session.kind.value,
        "status": session.status.value,
        "applicationId": session.scope.application_id,
        "environmentId": session.scope.environment_id,
        "cartId": session.cart_id,
        "externalCartId": session.external_cart_id,
        "amount": price.amount if price else None,
        "currency": price.currency if price else None,
        "hostedUrl": hosted,
        "embedUrl": embed,
        "returnUrl": session.return_url,
        "cancelUrl": session.cancel_url,
        "customerEmail": session.customer_email,
        "customer": session.customer,
        "allowedMethods": session.allowed_methods,
        "collect": {
            "shippingAddress": session.collect.shipping_address,
            "billingAddress": session.collect.billing_address,
        },
        "captureMode": session.capture_mode,
        "metadata": session.metadata,
        "orderId": session.order_id,
        "paymentId": session.payment_id,
        "expiresAt": rfc3339(session.expires_at),
        "createdAt": rfc3339(session.created_at),
        "updatedAt": rfc3339(session.updated_at),
    }


def completed_out(completed: Completed) -> Json:
    url = completed.redirect_url
    return {
        "sessionId": completed.session_id,
        "status": "open" if completed.is_open else "completed",
        "orderId": completed.order_id,
        "orderNumber": completed.order_number,
        "paymentId": completed.payment_id,
        "paymentStatus": completed.status.value,
        "pendingReason": completed.pending_reason,
        "nextAction": {"type": "redirect", "url": url} if url else None,
        "amount": completed.amount,
        "currency": completed.currency,
        "subscriptionId": None,
    }


def refunded_out(followed: Followed) -> Json:
    payment, refund = followed.payment, transaction_of(followed.step)
    return {
        "id": payment.id,
        "status": payment.status.value,
        "refundedAmount": payment.amount_refunded,
        "currency": payment.currency,
        "transactionId": refund.id,
        "transactionStatus": refund.status,
        "transactionAmount": refund.amount,
    }


def methods_out(offers: Sequence[Offer], allowed: Sequence[str] | None) -> list[Json]:
    """Return each method once, as the first connection in the order offers it."""
    found: dict[str, Json] = {}
    for offer in offers:
        if (allowed is None or offer.method in allowed) and offer.method not in found:
            found[offer.method] = {
                "method": offer.method,
                "displayName": offer.display_name,
                "connectorId": offer.connection_id,
            }
    return list(found.values())


def embed_config_out(config: EmbedConfig) -> Json:
    return {
        "allowedOrigins": list(config.allowed_origins),
        "primaryColor": config.primary_color,
        "logoUrl": config.logo_url,
        "merchantName": config.merchant_name,
        "storefrontBaseUrl": config.storefront_base_url,
        "cartRecoveryUrlTemplate": config.cart_recovery_url_template,
        "cartAbandonmentThresholdMinutes": config.cart_abandonment_threshold_minutes,
    }


def key_out(key: ApiKey) -> Json:
    return {
        "id": key.id,
        "name": key.name,
        "kind": key.kind,
        "prefix": key.prefix,
        "last4": key.last4,
        "scopes": list(key.scopes),
        "applicationId": key.scope.application_id,
        "environmentId": key.scope.environment_id,
        "createdBy": key.created_by,
        "lastUsedAt": rfc3339(key.last_used_at) if key.last_used_at else None,
        "createdAt": rfc3339(key.created_at),
    }


def routing_version_out(version: RoutingVersion) -> Json:
    return {
        "id": version.id,
        "list": version.list_name,
        "number": version.number,
        "createdAt": rfc3339(version.created_at),
        "createdBy": version.created_by,
        "content": version.body,
    }


def endpoint_out(endpoint: Endpoint) -> Json:
    until = endpoint.previous_until
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "enabledEvents": endpoint.enabled_events,
        "isActive": endpoint.is_active,
        "disabledReason": endpoint.disabled_reason.value if endpoint.disabled_reason else None,
        "previousSecretUntil": rfc3339(until) if until else None,
        "applicationId": endpoint.scope.application_id,
        "environmentId": endpoint.scope.environment_id,
        "createdAt": rfc3339(endpoint.created_at),
        "updatedAt": rfc3339(endpoint.updated_at),
    }
