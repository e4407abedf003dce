"""Orders in rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.caller import Scope
from penstock.discount import applied_of
from penstock.exemption import read_exemption
from penstock.order import Order, OrderLine, OrderStatus
from penstock.payment import PaymentStatus
from penstock.ports import Page
from storage import scoped
from storage.carts import (
    shipping_from_json,
    shipping_to_json,
    tax_lines_from_json,
    tax_lines_to_json,
    totals_from_row,
)
from storage.columns import SCOPE_COLUMNS
from storage.cursors import Cursors
from storage.events import write_events
from storage.lists import ESCAPE, Listing, nothing, pattern
from storage.order_view import record, shown
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import order_lines, orders
from storage.types import Text, canonical

_OWN = [each.name for each in orders.columns if each.name not in (*SCOPE_COLUMNS, "search")]
_KEPT = ("id", "number", "source", "cart_id", "external_cart_id", "currency", "created_at")
_CHANGED = [name for name in (*_OWN, "search") if name not in _KEPT]
_LINE = [each.name for each in order_lines.columns if each.name not in (*SCOPE_COLUMNS, "order_id", "position")]

_select = scoped.select(*(orders.c[name] for name in _OWN)).where(scoped.by_id(orders))
_GET = Statement(_select)
_GET_FOR_UPDATE = Statement(_select.with_for_update())
_ADD = Statement(scoped.insert(orders))
_SAVE = Statement(scoped.update(orders, _CHANGED).where(scoped.by_id(orders)))
_of_order = order_lines.c.order_id == value(orders.c.id)
_LINES = Statement(
    scoped.select(*(order_lines.c[name] for name in _LINE)).where(_of_order).order_by(order_lines.c.position)
)
_ADD_LINES = Statement(scoped.insert(order_lines))
_REMOVE_LINES = Statement(scoped.delete(order_lines).where(_of_order))


class OrderRows:
    """The orders of one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime, cursors: Cursors) -> None:
        self._connection = connection
        self._now = now
        self._cursors = cursors

    def get(self, order_id: str) -> Order | None:
        """Return an order with its lines, and hold nothing: on PostgreSQL the two are read one after the other."""
        one = {"id": order_id}
        found, lines = self._connection.batch([(_GET, one), (_LINES, one)])
        return _from_row(found[0], lines, self._connection.scope) if found else None

    def shown(self, order_id: str) -> Mapping[str, Any] | None:
        """Return an order with its lines in the wire's shape, or None."""
        return shown(self._connection, order_id)

    def get_for_update(self, order_id: str) -> Order | None:
        """Return an order with its lines and hold its row until the block ends."""
        one = {"id": order_id}
        found, lines = self._connection.batch([(_GET_FOR_UPDATE, one), (_LINES, one)])
        return _from_row(found[0], lines, self._connection.scope) if found else None

    def add(self, order: Order) -> None:
        """Write a new order with its lines and events."""
        self._connection.put(_ADD, _to_row(order))
        self._add_lines(order)
        write_events(self._connection, "order", order.id, order, self._now)

    def save(self, order: Order) -> None:
        """Write the order's own row and its events; not its lines."""
        self._connection.put(_SAVE, _to_row(order))
        write_events(self._connection, "order", order.id, order, self._now)

    def replace_lines(self, order: Order) -> None:
        """Write the order's lines in place of those that are there."""
        self._connection.put(_REMOVE_LINES, {"id": order.id})
        self._add_lines(order)

    def page(self, filters: Mapping[str, Any], *, cursor: str | None, limit: int) -> Page:
        """Return a page of orders, newest first. Filters: status, payment_status, q, customer_id, application_id."""
        wanted = dict(filters)
        application_id = wanted.pop("application_id", None)
        if application_id not in (None, self._connection.scope.application_id):
            return nothing(cursor, limit)
        if "q" in wanted:
            wanted["q"] = pattern(wanted["q"])
        return _LISTING.page(self._connection, self._cursors, wanted, cursor=cursor, limit=limit)

    def _add_lines(self, order: Order) -> None:
        rows = [_line_to_row(order.id, line, index) for index, line in enumerate(order.lines, 1)]
        self._connection.put(_ADD_LINES, *rows)


def _search_text(order: Order) -> str:
    # One line for each field: a search text has no line break in it, so it matches within one field only.
    fields = (order.id, order.number, order.status.value, order.source, order.discount_code, canonical(order.metadata))
    return "\n".join(field for field in fields if field).lower()


def _to_row(order: Order) -> dict[str, Any]:
    totals = order.totals
    return {
        "id": order.id,
        "number": order.number,
        "status": order.status.value,
        "payment_status": order.payment_status.value if order.payment_status else None,
        "source": order.source,
        "payment_method": order.payment_method,
        "cart_id": order.cart_id,
        "external_cart_id": order.external_cart_id,
        "session_id": order.session_id,
        "customer_id": order.customer_id,
        "customer_email": order.customer_email,
        "currency": order.currency,
        "subtotal": totals.subtotal,
        "discount_total": totals.discount_total,
        "shipping_total": totals.shipping_total,
        "tax_total": totals.tax_total,
        "total": totals.total,
        "discount_code": order.discount_code,
        "metadata": order.metadata,
        "shipping": shipping_to_json(order.shipping),
        "tax_lines": tax_lines_to_json(order.tax_lines),
        "shipping_address": order.shipping_address,
        "billing_address": order.billing_address,
        "search": _search_text(order),
        "sequence": order.sequence,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "applied_discount": order.applied.kept() if order.applied else None,
        "applied_amount": order.applied_amount,
        "tax_exemption": order.tax_exemption.kept() if order.tax_exemption else None,
    }


def _from_row(row: Any, lines: Sequence[Any], scope: Scope) -> Order:
    return Order(
        id=row.id,
        scope=scope,
        number=row.number,
        currency=row.currency,
        created_at=row.created_at,
        updated_at=row.updated_at,
        status=OrderStatus(row.status),
        payment_status=PaymentStatus(row.payment_status) if row.payment_status else None,
        source=row.source,
        cart_id=row.cart_id,
        external_cart_id=row.external_cart_id,
        session_id=row.session_id,
        customer_id=row.customer_id,
        customer_email=row.customer_email,
        payment_method=row.payment_method,
        discount_code=row.discount_code,
        totals=totals_from_row(row),
        lines=[_line_from_row(line) for line in lines],
        shipping=shipping_from_json(row.shipping),
        tax_lines=tax_lines_from_json(row.tax_lines),
        shipping_address=row.shipping_address,
        billing_address=row.billing_address,
        metadata=row.metadata,
        applied=applied_of(row.applied_discount),
        applied_amount=row.applied_amount,
        tax_exemption=read_exemption(row.tax_exemption),
        sequence=row.sequence,
    )


def _line_from_row(row: Any) -> OrderLine:
    # A line's own columns stand first in either row; in the one that has its position too, that is the last.
    return OrderLine(**dict(zip(_LINE, row, strict=False)))


def _line_to_row(order_id: str, line: OrderLine, position: int) -> dict[str, Any]:
    return {**{name: getattr(line, name) for name in _LINE}, "order_id": order_id, "position": position}


_NOT_LISTED = (
    "shipping",
    "tax_lines",
    "shipping_address",
    "billing_address",
    "sequence",
    "applied_discount",
    "applied_amount",
    "tax_exemption",
)
_LISTING = Listing(
    orders,
    [
        orders.c.application_id,
        orders.c.environment_id,
        *(orders.c[name] for name in _OWN if name not in _NOT_LISTED),
    ],
    {
        "status": orders.c.status == value(orders.c.status),
        "payment_status": orders.c.payment_status == value(orders.c.payment_status),
        "customer_id": orders.c.customer_id == value(orders.c.customer_id),
        "q": orders.c.search.like(sa.bindparam("q", type_=Text(300)), escape=ESCAPE),
    },
    record,
)
