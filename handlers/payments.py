"""Payments and their transactions."""

from handlers.wire import Json
from penstock.errors import NotFound
from penstock.ports import Page, UnitOfWork


def list_payments(  # noqa: PLR0917  (the operation's own query parameters, given by name)
    uow: UnitOfWork,
    method: str | None,
    status: list[str] | None,
    order_id: str | None,
    due_from: str | None,
    due_to: str | None,
    amount_min: int | None,
    amount_max: int | None,
    aging: str | None,
    limit: int,
    cursor: str | None,
) -> Json:
    wanted = {
        "method": method,
        "status": sorted(set(status)) if status else None,
        "order_id": order_id,
        "due_from": due_from,
        "due_to": due_to,
        "amount_min": amount_min,
        "amount_max": amount_max,
        "aging": aging,
    }
    filters = {name: value for name, value in wanted.items() if value is not None}
    return uow.payments.page(filters, cursor=cursor, limit=limit).shape()


def list_transactions(uow: UnitOfWork, id_: str) -> Json:
    found = uow.payments.transactions(id_)
    if found is None:
        raise NotFound("There is no payment with this id.")
    return Page(found, max(len(found), 1)).shape()
