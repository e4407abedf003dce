"""Carts in rows."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.caller import Scope
from penstock.cart import ABANDON, FIRST_LOOK, Cart, CartStatus, LineItem, ShippingSelection, TaxLine
from penstock.discount import Discount, applied_of
from penstock.exemption import read_exemption
from penstock.ports import Abandoned, Page
from penstock.snapshot import Calculated
from penstock.totals import Totals
from storage import abandoned_carts, cart_view, scoped
from storage.children import with_children
from storage.cursors import Cursors
from storage.discounts import OFFERS, discount_from_row
from storage.due import DueRows
from storage.events import write_events
from storage.lists import wired
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import cart_items, carts, events, shipping_tax_configs
from storage.types import Whole

_KEPT = ("currency", "created_at")
_OWN = [each.name for each in carts.columns if each.name not in ("workspace_id", "environment_id", "application_id")]
_CHANGED = [name for name in _OWN if name not in ("id", *_KEPT)]
_ITEM = [
    "id",
    "name",
    "unit_price",
    "type",
    "quantity",
    "tax_amount",
    "discount_amount",
    "reference_id",
    "description",
    "image_url",
    "requires_shipping",
    "tax_category",
    "weight_grams",
    "metadata",
]
_ITEM_CHANGED = [
    "quantity",
    "unit_price",
    "tax_amount",
    "discount_amount",
    "tax_category",
    "weight_grams",
    "metadata",
]
# All are flat, so their fields are read one by one; `asdict` would copy every value deeply.
_SHIPPING = [each.name for each in fields(ShippingSelection)]
_TAX = [each.name for each in fields(TaxLine)]
_CALCULATED = [each.name for each in fields(Calculated)]

# What carts ask of the configuration comes with the row, for one look into an index instead of another statement.
_is_to_calculate = scoped.select(shipping_tax_configs.c.is_calculating).scalar_subquery().label("is_to_calculate")
_select = scoped.select(*(carts.c[name] for name in _OWN), _is_to_calculate).where(scoped.by_id(carts))
_GET_FOR_UPDATE = Statement(_select.with_for_update())
_ADD = Statement(scoped.insert(carts))
_SAVE = Statement(scoped.update(carts, _CHANGED).where(scoped.by_id(carts)))
_of_cart = cart_items.c.cart_id == value(carts.c.id)
_GET = with_children(
    carts, [carts.c[name] for name in _OWN], [cart_items.c[name] for name in (*_ITEM, "position")], _of_cart, "position"
)
_ITEMS = Statement(
    scoped.select(*(cart_items.c[name] for name in _ITEM)).where(_of_cart).order_by(cart_items.c.position)
)
_last = scoped.select(sa.func.coalesce(sa.func.max(cart_items.c.position), 0) + 1).where(
    cart_items.c.cart_id == value(cart_items.c.cart_id)
)
_ADD_ITEM = Statement(scoped.insert(cart_items).values(position=_last.scalar_subquery()))
_ADD_FIRST_ITEMS = Statement(scoped.insert(cart_items))
_SAVE_ITEM = Statement(scoped.update(cart_items, _ITEM_CHANGED).where(scoped.by_id(cart_items)))
_REMOVE_ITEM = Statement(scoped.delete(cart_items).where(scoped.by_id(cart_items)))
_EVENTS = Statement(
    scoped.select(
        *map(wired, (events.c.id, events.c.type, events.c.sequence, events.c.data, events.c.created_at)),
    )
    .where(events.c.object_id == value(events.c.object_id), events.c.sequence > sa.bindparam("after", type_=Whole()))
    .order_by(events.c.sequence)
    .limit(sa.bindparam("limit", type_=Whole()))
)


class CartRows:
    """The carts of one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime, cursors: Cursors) -> None:
        self._connection = connection
        self._now = now
        self._cursors = cursors

    def get(self, cart_id: str) -> Cart | None:
        """Return a cart with its lines."""
        row = self._connection.row(_GET, {"id": cart_id})
        return None if row is None else _from_row(row, row.children, self._connection.scope)

    def shown(self, cart_id: str) -> Mapping[str, Any] | None:
        """Return a cart in the wire's shape where that needs no rules, else None."""
        return cart_view.shown(self._connection, cart_id)

    def get_for_update(self, cart_id: str) -> Cart | None:
        """Return a cart with its lines and hold its row until the block ends."""
        one = {"id": cart_id}
        found, items = self._connection.batch([(_GET_FOR_UPDATE, one), (_ITEMS, one)])
        if not found:
            return None
        cart = _from_row(found[0], items, self._connection.scope)
        cart.is_to_calculate = bool(found[0].is_to_calculate)
        return cart

    def get_to_change(self, cart_id: str) -> tuple[Cart, list[Discount]] | None:
        """Return a cart as `get_for_update` does, with the automatic discounts that could be used now, oldest first."""
        one: dict[str, Any] = {"id": cart_id}
        scope = self._connection.scope
        asked = [(_GET_FOR_UPDATE, one), (_ITEMS, one), (OFFERS, {"now": self._now})]
        found, items, offers = self._connection.batch(asked)
        if not found:
            return None
        cart = _from_row(found[0], items, scope)
        cart.is_to_calculate = bool(found[0].is_to_calculate)
        return cart, [discount_from_row(row, scope) for row in offers]

    def add(self, cart: Cart) -> None:
        """Write a new cart with its lines and events."""
        self._connection.put(_ADD, _to_row(cart))
        lines = [_item_to_row(cart.id, item, index) for index, item in enumerate(cart.items, 1)]
        self._connection.put(_ADD_FIRST_ITEMS, *lines)
        write_events(self._connection, "cart", cart.id, cart, self._now)
        self._watch(cart)

    def save(self, cart: Cart) -> None:
        """Write the cart's own row and its events."""
        self._connection.put(_SAVE, _to_row(cart))
        write_events(self._connection, "cart", cart.id, cart, self._now)
        if cart.is_reopened:
            self._watch(cart)

    def _watch(self, cart: Cart) -> None:
        """Have the cart looked at: the row waits, however often the cart changes, and is moved only when it is due."""
        DueRows(self._connection).add(ABANDON, cart.id, self._now + FIRST_LOOK)

    def page_abandoned(self, *, cursor: str | None, limit: int) -> Page:
        """Return a page of what is abandoned, most recently abandoned first."""
        return abandoned_carts.page(self._connection, self._cursors, cursor=cursor, limit=limit)

    def abandoned_since(self, since: datetime) -> Abandoned:
        """Return what was abandoned since then and still is, and how many buyers were sent an e-mail since then."""
        return abandoned_carts.since(self._connection, since)

    def add_item(self, cart_id: str, item: LineItem) -> None:
        """Write a new line behind the others."""
        self._connection.put(_ADD_ITEM, _item_to_row(cart_id, item, 0))

    def save_item(self, item: LineItem) -> None:
        """Write a line's quantity, amounts and metadata."""
        self._connection.put(_SAVE_ITEM, {"id": item.id, **{name: getattr(item, name) for name in _ITEM_CHANGED}})

    def remove_item(self, item_id: str) -> None:
        """Delete a line."""
        self._connection.put(_REMOVE_ITEM, {"id": item_id})

    def events(self, cart_id: str, *, after: int, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return events in the wire's shape, by sequence. A payload is an `orjson.Fragment`."""
        found = self._connection.rows(_EVENTS, {"object_id": cart_id, "after": after, "limit": limit})
        return [
            {
                "id": row.id,
                "eventType": row.type,
                "sequence": row.sequence,
                "payload": row.data,
                "createdAt": row.created_at,
            }
            for row in found
        ]


def _to_row(cart: Cart) -> dict[str, Any]:
    totals, calculated = cart.totals, cart.calculated
    return {
        "id": cart.id,
        "status": cart.status.value,
        "currency": cart.currency,
        "customer_id": cart.customer_id,
        "customer_email": cart.customer_email,
        "shipping_address": cart.shipping_address,
        "billing_address": cart.billing_address,
        "notes": cart.notes,
        "metadata": cart.metadata,
        "shipping": shipping_to_json(cart.shipping),
        "tax_lines": tax_lines_to_json(cart.tax_lines),
        "subtotal": totals.subtotal,
        "discount_total": totals.discount_total,
        "shipping_total": totals.shipping_total,
        "tax_total": totals.tax_total,
        "total": totals.total,
        "order_id": cart.order_id,
        "is_frozen": cart.is_frozen,
        "live_payment_id": cart.live_payment_id,
        "abandoned_at": cart.abandoned_at,
        "recovery_emailed_at": cart.recovery_emailed_at,
        "calculated": calculated and {name: getattr(calculated, name) for name in _CALCULATED},
        "sequence": cart.sequence,
        "created_at": cart.created_at,
        "updated_at": cart.updated_at,
        "applied_discount": cart.applied.kept() if cart.applied else None,
        "applied_amount": cart.applied_amount,
        "redemption_id": cart.redemption_id,
        "tax_exemption": cart.tax_exemption.kept() if cart.tax_exemption else None,
    }


def _from_row(row: Any, items: Sequence[Any], scope: Scope) -> Cart:
    return Cart(
        id=row.id,
        scope=scope,
        currency=row.currency,
        created_at=row.created_at,
        updated_at=row.updated_at,
        status=CartStatus(row.status),
        customer_id=row.customer_id,
        customer_email=row.customer_email,
        shipping_address=row.shipping_address,
        billing_address=row.billing_address,
        notes=row.notes,
        metadata=row.metadata,
        items=[_item_from_row(item) for item in items],
        shipping=shipping_from_json(row.shipping),
        tax_lines=tax_lines_from_json(row.tax_lines),
        totals=totals_from_row(row),
        order_id=row.order_id,
        is_frozen=row.is_frozen,
        live_payment_id=row.live_payment_id,
        abandoned_at=row.abandoned_at,
        recovery_emailed_at=row.recovery_emailed_at,
        applied=applied_of(row.applied_discount),
        redemption_id=row.redemption_id,
        tax_exemption=read_exemption(row.tax_exemption),
        calculated=None if row.calculated is None else Calculated(**row.calculated),
        sequence=row.sequence,
    )


def _item_from_row(row: Any) -> LineItem:
    return LineItem(
        id=row.id,
        name=row.name,
        unit_price=row.unit_price,
        type=row.type,
        quantity=row.quantity,
        tax_amount=row.tax_amount,
        discount_amount=row.discount_amount,
        reference_id=row.reference_id,
        description=row.description,
        image_url=row.image_url,
        requires_shipping=row.requires_shipping,
        tax_category=row.tax_category,
        weight_grams=row.weight_grams,
        metadata=row.metadata,
    )


def _item_to_row(cart_id: str, item: LineItem, position: int) -> dict[str, Any]:
    return {**{name: getattr(item, name) for name in _ITEM}, "cart_id": cart_id, "position": position}


def totals_from_row(row: Any) -> Totals:
    """Return the totals of a row that has the five columns."""
    return Totals(row.subtotal, row.discount_total, row.shipping_total, row.tax_total)


def shipping_to_json(shipping: ShippingSelection | None) -> dict[str, Any] | None:
    """Return a shipping selection as its column keeps it."""
    return None if shipping is None else {name: getattr(shipping, name) for name in _SHIPPING}


def shipping_from_json(kept: Mapping[str, Any] | None) -> ShippingSelection | None:
    """Return a shipping selection from its column."""
    return None if kept is None else ShippingSelection(**kept)


def tax_lines_to_json(lines: Sequence[TaxLine]) -> list[dict[str, Any]]:
    """Return tax lines as their column keeps them."""
    return [{name: getattr(line, name) for name in _TAX} for line in lines]


def tax_lines_from_json(kept: Sequence[Mapping[str, Any]]) -> list[TaxLine]:
    """Return tax lines from their column."""
    return [TaxLine(**line) for line in kept]
