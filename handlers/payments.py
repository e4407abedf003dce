"""Payments and their transactions."""

from bootstrap import House
from handlers.wire import Json, Reply, refunded_out, snake_in
from penstock.caller import Caller
from penstock.errors import NotFound
from penstock.flows.capture_payment import capture_payment as capture
from penstock.flows.refund_payment import refund_payment as refund
from penstock.flows.resolve_payment import Resolution
from penstock.flows.resolve_payment import resolve_payment as resolve
from penstock.flows.take_step import Followed
from penstock.flows.void_payment import void_payment as void
from penstock.ports import Page, UnitOfWork, Work


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


def get_payment(uow: UnitOfWork, id_: str) -> Json:
    found = uow.payments.shown(id_)
    if found is None:
        raise NotFound("There is no payment with this id.")
    return dict(found)


def refund_payment(work: Work, house: House, id_: str, body: Json | None) -> Json:
    return refunded_out(refund(work, house.cascade, id_, (body or {}).get("amount")))


def capture_payment(work: Work, house: House, id_: str, body: Json | None) -> Reply:
    return _followed(work, capture(work, house.cascade, id_, (body or {}).get("amount")))


def void_payment(work: Work, house: House, id_: str) -> Reply:
    return _followed(work, void(work, house.cascade, id_))


def resolve_payment(work: Work, house: House, caller: Caller, id_: str, body: Json) -> Json:
    resolve(work, house.cascade, caller, id_, Resolution(**snake_in(body)))
    with work(read=True) as uow:
        return dict(uow.payments.shown(id_) or {})


def _followed(work: Work, followed: Followed) -> Reply:
    with work(read=True) as uow:
        shown = uow.payments.shown(followed.payment.id)
    return Reply(shown, 202 if followed.step.is_open else 200)


def list_transactions(uow: UnitOfWork, id_: str) -> Json:
    found = uow.payments.transactions(id_)
    if found is None:
        raise NotFound("There is no payment with this id.")
    return Page(found, max(len(found), 1)).shape()
