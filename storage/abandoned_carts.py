"""Carts that were left alone for too long, as the wire's list and summary have them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from penstock.cart import CartStatus
from penstock.ports import Abandoned, Page
from storage import scoped
from storage.cursors import Cursors
from storage.lists import Listing
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import cart_items, carts
from storage.types import Text, UtcDateTime, Whole

_is_abandoned = carts.c.status == sa.literal(CartStatus.ABANDONED.value, Text(16))
_since = sa.bindparam("since", type_=UtcDateTime())
_WORTH = Statement(
    scoped.select(
        carts.c.currency,
        sa.func.count(carts.c.id).label("many"),
        sa.cast(sa.func.sum(carts.c.total), sa.BigInteger()).label("worth"),
    )
    .where(carts.c.abandoned_at >= _since, _is_abandoned)
    .group_by(carts.c.currency)
    .order_by(carts.c.currency)
)
_EMAILS = Statement(scoped.select(sa.func.count(carts.c.id).label("many")).where(carts.c.recovery_emailed_at >= _since))


def page(connection: ScopedConnection, cursors: Cursors, *, cursor: str | None, limit: int) -> Page:
    """Return a page of what is abandoned, most recently abandoned first."""
    return _LISTING.page(connection, cursors, {}, cursor=cursor, limit=limit)


def since(connection: ScopedConnection, moment: datetime) -> Abandoned:
    """Return what was abandoned since then and still is, and how many buyers were sent an e-mail since then."""
    worth, emails = connection.batch([(_WORTH, {"since": moment}), (_EMAILS, {"since": moment})])
    return Abandoned([(row.currency, row.many, row.worth) for row in worth], emails[0].many)


def _record(row: Any) -> Mapping[str, Any]:
    is_known = row.customer_id is not None or row.customer_email is not None
    return {
        "id": row.id,
        "customer": _customer(row) if is_known else None,
        "total": row.total,
        "currency": row.currency,
        "itemCount": row.item_count,
        "abandonedAt": row.abandoned_at,
        "recoveryStatus": "webhook_only" if row.recovery_emailed_at is None else "emailed",
    }


def _customer(row: Any) -> Mapping[str, Any]:
    address = orjson.loads(row.shipping_address) if row.shipping_address else {}
    return {"id": row.customer_id, "email": row.customer_email, "firstName": address.get("firstName")}


_item_count = (
    scoped.select(sa.func.count(cart_items.c.id))
    .where(cart_items.c.cart_id == carts.c.id)
    .scalar_subquery()
    .label("item_count")
)
_LISTING = Listing(
    carts,
    [
        carts.c.id,
        carts.c.customer_id,
        carts.c.customer_email,
        sa.type_coerce(carts.c.shipping_address, Text(100_000)).label("shipping_address"),
        carts.c.total,
        carts.c.currency,
        sa.type_coerce(_item_count, Whole()).label("item_count"),
        carts.c.abandoned_at,
        carts.c.recovery_emailed_at,
    ],
    {},
    _record,
    by="abandoned_at",
    only=sa.and_(_is_abandoned, carts.c.abandoned_at.is_not(None)),
)
