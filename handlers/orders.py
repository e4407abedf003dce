"""Orders."""

from collections.abc import Mapping
from typing import Any

from handlers.wire import Json
from penstock.errors import NotFound
from penstock.ports import UnitOfWork


def list_orders(  # noqa: PLR0917  (the operation's own query parameters, given by name)
    uow: UnitOfWork,
    cursor: str | None,
    limit: int,
    status: str | None,
    payment_status: str | None,
    q: str | None,
    customer_id: str | None,
    application_id: str | None,
) -> Json:
    wanted = {"status": status, "payment_status": payment_status, "q": q, "customer_id": customer_id}
    filters = {name: value for name, value in wanted.items() if value is not None}
    if application_id is not None:
        filters["application_id"] = application_id
    return uow.orders.page(filters, cursor=cursor, limit=limit).shape()


def get_order(uow: UnitOfWork, id_: str) -> Mapping[str, Any]:
    order = uow.orders.shown(id_)
    if order is None:
        raise NotFound("There is no order with this id.")
    return order


def list_payments(uow: UnitOfWork, id_: str) -> Json:
    page = uow.payments.of_order(id_)
    if page is None:
        raise NotFound("There is no order with this id.")
    return page.shape()
