"""Checkout sessions in rows."""

from datetime import datetime
from typing import Any

from penstock.caller import Scope
from penstock.session import CheckoutSession, Collect, SessionKind, SessionStatus
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.events import write_events
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import checkout_sessions as table

_OWN = [each.name for each in table.columns if each.name not in SCOPE_COLUMNS]
_CHANGED = (
    "status",
    "customer_email",
    "customer",
    "order_id",
    "payment_id",
    "live_payment_id",
    "payments_tried",
    "completion_digest",
    "widget_connection_id",
    "widget_ref",
    "sequence",
    "expires_at",
    "updated_at",
)

_select = scoped.select(*(table.c[name] for name in _OWN)).where(scoped.by_id(table))
_GET = Statement(_select)
_GET_FOR_UPDATE = Statement(_select.with_for_update())
_ADD = Statement(scoped.insert(table))
_SAVE = Statement(scoped.update(table, _CHANGED).where(scoped.by_id(table)))


class SessionRows:
    """The checkout sessions of one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self, session_id: str) -> CheckoutSession | None:
        """Return a session."""
        row = self._connection.row(_GET, {"id": session_id})
        return None if row is None else _from_row(row, self._connection.scope)

    def get_for_update(self, session_id: str) -> CheckoutSession | None:
        """Return a session and hold its row until the block ends."""
        row = self._connection.row(_GET_FOR_UPDATE, {"id": session_id})
        return None if row is None else _from_row(row, self._connection.scope)

    def add(self, session: CheckoutSession) -> None:
        """Write a new session and its events."""
        self._connection.put(_ADD, _to_row(session))
        write_events(self._connection, "checkout_session", session.id, session, self._now)

    def save(self, session: CheckoutSession) -> None:
        """Write what may change of a session, and its events."""
        self._connection.put(_SAVE, _to_row(session))
        write_events(self._connection, "checkout_session", session.id, session, self._now)


def _to_row(session: CheckoutSession) -> dict[str, Any]:
    return {
        "id": session.id,
        "kind": session.kind.value,
        "status": session.status.value,
        "cart_id": session.cart_id,
        "external_cart_id": session.external_cart_id,
        "amount": session.amount,
        "currency": session.currency,
        "country": session.country,
        "return_url": session.return_url,
        "cancel_url": session.cancel_url,
        "customer_email": session.customer_email,
        "customer": session.customer,
        "allowed_methods": session.allowed_methods,
        "collects_shipping": session.collect.shipping_address,
        "collects_billing": session.collect.billing_address,
        "metadata": session.metadata,
        "order_id": session.order_id,
        "payment_id": session.payment_id,
        "live_payment_id": session.live_payment_id,
        "payments_tried": session.payments_tried,
        "completion_digest": session.completion_digest,
        "widget_connection_id": session.widget_connection_id,
        "widget_ref": session.widget_ref,
        "sequence": session.sequence,
        "expires_at": session.expires_at,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "capture_mode": session.capture_mode,
    }


def _from_row(row: Any, scope: Scope) -> CheckoutSession:
    return CheckoutSession(
        id=row.id,
        scope=scope,
        kind=SessionKind(row.kind),
        created_at=row.created_at,
        updated_at=row.updated_at,
        expires_at=row.expires_at,
        status=SessionStatus(row.status),
        cart_id=row.cart_id,
        external_cart_id=row.external_cart_id,
        amount=row.amount,
        currency=row.currency,
        country=row.country,
        return_url=row.return_url,
        cancel_url=row.cancel_url,
        customer_email=row.customer_email,
        customer=row.customer,
        allowed_methods=row.allowed_methods,
        collect=Collect(row.collects_shipping, row.collects_billing),
        metadata=row.metadata,
        order_id=row.order_id,
        payment_id=row.payment_id,
        live_payment_id=row.live_payment_id,
        payments_tried=row.payments_tried,
        completion_digest=row.completion_digest,
        widget_connection_id=row.widget_connection_id,
        widget_ref=row.widget_ref,
        sequence=row.sequence,
        capture_mode=row.capture_mode,
    )
