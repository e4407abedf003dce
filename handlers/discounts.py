"""Discounts, as the operations show them."""

from typing import Any

from handlers.wire import Json, snake_in
from penstock.clock import rfc3339
from penstock.discount import Discount, normal_code
from penstock.errors import NotFound
from penstock.flows import write_discount as discounts
from penstock.flows.preview_discount import preview_discount as preview
from penstock.ports import UnitOfWork


def create_discount(uow: UnitOfWork, body: Json) -> Json:
    return _out(uow, discounts.create_discount(uow, snake_in(body)))


def list_discounts(  # noqa: PLR0917  (the operation's own query parameters, given by name)
    uow: UnitOfWork,
    cursor: str | None,
    limit: int,
    is_active: bool | None,  # noqa: FBT001  it is given by name
    code: str | None,
    type_: str | None,
    q: str | None,
    sort: str,
) -> Json:
    asked = {"is_active": is_active, "code": code and normal_code(code), "type": type_, "q": q}
    filters = {name: value for name, value in asked.items() if value is not None}
    return uow.discounts.page(filters, cursor=cursor, limit=limit, is_ascending=sort == "asc").shape()


def get_discount(uow: UnitOfWork, id_: str) -> Json:
    discount = uow.discounts.get(id_)
    if discount is None:
        raise NotFound(discounts.GONE)
    return _out(uow, discount)


def update_discount(uow: UnitOfWork, id_: str, body: Json) -> Json:
    return _out(uow, discounts.update_discount(uow, id_, snake_in(body)))


def delete_discount(uow: UnitOfWork, id_: str) -> None:
    discounts.delete_discount(uow, id_)


def preview_discount(uow: UnitOfWork, body: Json) -> Json:
    fields: dict[str, Any] = snake_in(body)
    if "line_items" in fields:
        fields["line_items"] = [snake_in(line) for line in fields["line_items"]]
    found = preview(uow, fields)
    return {
        "valid": found.misfit is None,
        "code": found.code,
        "discountTotal": found.discount_total,
        "total": found.subtotal - found.discount_total,
        "reason": found.misfit.value if found.misfit else None,
        "message": found.message,
    }


def _out(uow: UnitOfWork, discount: Discount) -> Json:
    return {
        "id": discount.id,
        "code": discount.code,
        "name": discount.name,
        "type": discount.type.value,
        "value": discount.value,
        "conditions": discount.conditions.kept(),
        "usageLimit": discount.usage_limit,
        "maxRedemptionsPerCustomer": discount.max_per_customer,
        "startsAt": rfc3339(discount.starts_at) if discount.starts_at else None,
        "endsAt": rfc3339(discount.ends_at) if discount.ends_at else None,
        "isActive": discount.is_active,
        "state": discount.state(uow.now).value,
        "timesReserved": discount.times_reserved,
        "timesRedeemed": discount.times_redeemed,
        "metadata": discount.metadata,
        "createdAt": rfc3339(discount.created_at),
        "updatedAt": rfc3339(discount.updated_at),
    }
