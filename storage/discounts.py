"""Discounts in rows, and the places that carts hold of their limits.

The one rule: a place is taken by one conditional update of the discount's row, and whoever took it holds that row until
the block ends. So nothing that is counted under it can change meanwhile.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.caller import Scope
from penstock.discount import Discount, DiscountType, Redemption, conditions_of, is_full, state_at
from penstock.ports import Page
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.cursors import Cursors
from storage.database import BrokenRule
from storage.events import write_events
from storage.lists import ESCAPE, Listing, pattern
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import discount_redemptions as places
from storage.tables import discounts
from storage.types import Text, canonical

_OWN = [each.name for each in discounts.columns if each.name not in (*SCOPE_COLUMNS, "search")]
_CHANGED = [
    name for name in (*_OWN, "search") if name not in ("id", "type", "created_at", "times_reserved", "times_redeemed")
]
_PLACE = [each.name for each in places.columns if each.name not in SCOPE_COLUMNS]

_columns = [discounts.c[name] for name in _OWN]
_now = value(discounts.c.updated_at, "now")
_is_on = sa.and_(
    discounts.c.is_active.is_(True),
    sa.or_(discounts.c.starts_at.is_(None), discounts.c.starts_at <= _now),
    sa.or_(discounts.c.ends_at.is_(None), discounts.c.ends_at > _now),
)
_taken = discounts.c.times_reserved + discounts.c.times_redeemed
_has_room = sa.or_(discounts.c.usage_limit.is_(None), _taken < discounts.c.usage_limit)
_one = scoped.by_id(discounts)

_select = scoped.select(*_columns)
_GET = Statement(_select.where(_one))
_GET_FOR_UPDATE = Statement(_select.where(_one).with_for_update())
_FIND = Statement(_select.where(discounts.c.code == value(discounts.c.code)))
OFFERS = Statement(
    _select.where(discounts.c.code.is_(None), _is_on, _has_room).order_by(discounts.c.created_at, discounts.c.id)
)
"""The automatic discounts that could be used ``now``, oldest first."""
_ADD = Statement(scoped.insert(discounts))
_SAVE = Statement(scoped.update(discounts, _CHANGED).where(_one))
_REMOVE = Statement(scoped.delete(discounts).where(_one))


_reserved, _redeemed = discounts.c.times_reserved, discounts.c.times_redeemed
_count = scoped.update(discounts, [])
_TAKE = Statement(_count.values(times_reserved=_reserved + 1).where(_one, _is_on, _has_room).returning(*_columns))
_GIVE_BACK = Statement(_count.values(times_reserved=_reserved - 1).where(_one))
_USE = Statement(
    _count.values(times_reserved=_reserved - 1, times_redeemed=_redeemed + 1).where(_one).returning(*_columns)
)
_RESTORE = Statement(_count.values(times_redeemed=_redeemed - 1).where(_one))

_of_discount = places.c.discount_id == value(places.c.discount_id)
_COUNT = Statement(
    scoped.select(sa.func.count(places.c.id).label("many")).where(
        _of_discount,
        places.c.customer_key == value(places.c.customer_key),
        places.c.state != value(places.c.state, "besides_state"),
        places.c.cart_id != value(places.c.cart_id, "besides_cart"),
    )
)
_ANY_PLACE = Statement(scoped.select(places.c.id).where(_of_discount).limit(1))
_PLACE_OF = Statement(scoped.select(*(places.c[name] for name in _PLACE)).where(scoped.by_id(places)))
_ADD_PLACE = Statement(scoped.insert(places))
_SAVE_PLACE = Statement(scoped.update(places, ["customer_key", "amount", "updated_at"]).where(scoped.by_id(places)))
_END_PLACE = Statement(
    scoped.update(places, ["state", "updated_at"])
    .where(scoped.by_id(places), places.c.state == value(places.c.state, "before"))
    .returning(places.c.discount_id)
)
_END_OF_CART = Statement(
    scoped.update(places, ["state", "updated_at"])
    .where(places.c.cart_id == value(places.c.cart_id), places.c.state == value(places.c.state, "before"))
    .returning(places.c.discount_id)
)


class DiscountRows:
    """The discounts of one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime, cursors: Cursors) -> None:
        self._connection = connection
        self._now = now
        self._cursors = cursors

    def get(self, discount_id: str) -> Discount | None:
        """Return a discount."""
        return self._read(_GET, {"id": discount_id})

    def get_for_update(self, discount_id: str) -> Discount | None:
        """Return a discount and hold its row until the block ends."""
        return self._read(_GET_FOR_UPDATE, {"id": discount_id})

    def find(self, code: str) -> Discount | None:
        """Return the discount of a code in its normal form."""
        return self._read(_FIND, {"code": code})

    def add(self, discount: Discount) -> bool:
        """Write a new discount with its events; False where another one has its code."""
        return self._put(_ADD, discount)

    def save(self, discount: Discount) -> bool:
        """Write what may change of a discount, and its events, but not how often it was used; False as in `add`."""
        return self._put(_SAVE, discount)

    def remove(self, discount: Discount) -> None:
        """Delete a discount of which no place was ever taken, and write its events."""
        self._connection.run(_REMOVE, {"id": discount.id})
        write_events(self._connection, "discount", discount.id, discount, self._now)

    def was_used(self, discount_id: str) -> bool:
        """Whether a place was ever taken, even if it was given back."""
        return self._connection.row(_ANY_PLACE, {"discount_id": discount_id}) is not None

    def take_place(self, discount_id: str) -> Discount | None:
        """Reserve one of the places and hold the row; None where the discount is off, not now, used up or gone."""
        return self._read(_TAKE, {"id": discount_id, "now": self._now})

    def give_back(self, discount_id: str) -> None:
        """Undo `take_place`."""
        self._connection.run(_GIVE_BACK, {"id": discount_id})

    def count_of(self, discount_id: str, customer_key: str, *, besides: str) -> int:
        """Return how many places a customer holds or has used, besides that of one cart."""
        asked = {"discount_id": discount_id, "customer_key": customer_key}
        asked |= {"besides_cart": besides, "besides_state": "released"}
        return int(self._connection.row(_COUNT, asked).many)

    def redemption(self, redemption_id: str) -> Redemption | None:
        """Return what a cart holds."""
        row = self._connection.row(_PLACE_OF, {"id": redemption_id})
        return None if row is None else Redemption(**row._asdict())

    def add_redemption(self, redemption: Redemption) -> None:
        """Write down whose place it is."""
        self._connection.put(_ADD_PLACE, {name: getattr(redemption, name) for name in _PLACE})

    def save_redemption(self, redemption: Redemption) -> None:
        """Write the customer and the amount of a place that is held."""
        self._connection.put(_SAVE_PLACE, {name: getattr(redemption, name) for name in _PLACE})

    def release(self, redemption_id: str) -> None:
        """Give a reserved place back, once."""
        row = self._connection.row(_END_PLACE, self._ended(redemption_id, "reserved", "released"))
        if row is not None:
            self._connection.run(_GIVE_BACK, {"id": row.discount_id})

    def redeem(self, redemption_id: str) -> Discount | None:
        """Turn a reserved place into a used one, once; return the discount as it is then, None where nothing was held."""
        row = self._connection.row(_END_PLACE, self._ended(redemption_id, "reserved", "redeemed"))
        return None if row is None else self._read(_USE, {"id": row.discount_id})

    def restore(self, cart_id: str) -> None:
        """Give the used place of a cart back, once: its order came to nothing."""
        asked = self._ended("", "redeemed", "released") | {"cart_id": cart_id}
        for row in self._connection.rows(_END_OF_CART, asked):
            self._connection.run(_RESTORE, {"id": row.discount_id})

    def page(self, filters: Mapping[str, Any], *, cursor: str | None, limit: int, is_ascending: bool) -> Page:
        """Return a page of discounts, by age. Filters: is_active, code, type, q."""
        wanted = dict(filters)
        if "q" in wanted:
            wanted["q"] = pattern(wanted["q"])
        listed = _LISTING.page(
            self._connection, self._cursors, wanted, cursor=cursor, limit=limit, is_ascending=is_ascending
        )
        # What a discount is now depends on the clock, which no row knows.
        records = [{**each, "state": _state(each, self._now)} for each in listed.records]
        return Page(records, listed.limit, listed.cursor)

    def _read(self, statement: Statement, asked: Mapping[str, Any]) -> Discount | None:
        row = self._connection.row(statement, asked)
        return None if row is None else discount_from_row(row, self._connection.scope)

    def _put(self, statement: Statement, discount: Discount) -> bool:
        try:
            self._connection.run(statement, _to_row(discount))
        except BrokenRule as broken:
            if "code" in broken.name:
                return False
            raise
        write_events(self._connection, "discount", discount.id, discount, self._now)
        return True

    def _ended(self, redemption_id: str, before: str, state: str) -> dict[str, Any]:
        return {"id": redemption_id, "before": before, "state": state, "updated_at": self._now}


def discount_from_row(row: Any, scope: Scope) -> Discount:
    """Return a discount from its row."""
    own = {name: getattr(row, name) for name in _OWN}
    read = {"type": DiscountType(row.type), "conditions": conditions_of(row.conditions)}
    return Discount(scope=scope, **{**own, **read})


def _to_row(discount: Discount) -> dict[str, Any]:
    own = {name: getattr(discount, name) for name in _OWN}
    read = {"type": discount.type.value, "conditions": discount.conditions.kept()}
    return {**own, **read, "search": _search_text(discount)}


def _search_text(discount: Discount) -> str:
    # One line for each field: a search text has no line break in it, so it matches within one field only.
    fields = (discount.code, discount.name, discount.type.value, canonical(discount.metadata))
    return "\n".join(field for field in fields if field).lower()


def _record(row: Any) -> dict[str, Any]:
    """Return a discount as the wire has it, but its state; conditions and metadata are `orjson.Fragment`s."""
    return {
        "id": row.id,
        "code": row.code,
        "name": row.name,
        "type": row.type,
        "value": row.value,
        "conditions": row.conditions,
        "usageLimit": row.usage_limit,
        "maxRedemptionsPerCustomer": row.max_per_customer,
        "startsAt": row.starts_at,
        "endsAt": row.ends_at,
        "isActive": row.is_active,
        "timesReserved": row.times_reserved,
        "timesRedeemed": row.times_redeemed,
        "metadata": row.metadata,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def _state(record: Mapping[str, Any], now: datetime) -> str:
    window = (record[name] and datetime.fromisoformat(record[name]) for name in ("startsAt", "endsAt"))
    starts_at, ends_at = window
    limit, taken = record["usageLimit"], record["timesReserved"] + record["timesRedeemed"]
    state = state_at(
        now, is_active=record["isActive"], starts_at=starts_at, ends_at=ends_at, is_full=is_full(limit, taken)
    )
    return state.value


_LISTING = Listing(
    discounts,
    [discounts.c[name] for name in _OWN if name != "sequence"],
    {
        "is_active": discounts.c.is_active == value(discounts.c.is_active),
        "code": discounts.c.code == value(discounts.c.code),
        "type": discounts.c.type == value(discounts.c.type),
        "q": discounts.c.search.like(sa.bindparam("q", type_=Text(300)), escape=ESCAPE),
    },
    _record,
)
