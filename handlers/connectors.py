"""Connections to payment providers, as the operations show them."""

from bootstrap import House
from handlers.account_shapes import account_in, connection_out
from handlers.wire import Json, snake_in
from penstock.account_errors import ConnectorInUse
from penstock.caller import Caller
from penstock.clock import Clock, rfc3339
from penstock.errors import NotFound
from penstock.flows.connect_account import change_account, connect_account
from penstock.ports import Page, UnitOfWork, Work
from penstock.tenant import Connection

GONE = "There is no connection with this id."


def list_connectors(uow: UnitOfWork, house: House) -> Json:
    shown = [connection_out(each, house) for each in uow.connections.list_all()]
    return Page(shown, max(len(shown), 1)).shape()


def create_connector(work: Work, caller: Caller, house: House, body: Json) -> Json:
    return connection_out(connect_account(work, house.accounts, caller, account_in(body)), house)


def get_connector(uow: UnitOfWork, house: House, id_: str) -> Json:
    return connection_out(_kept(uow.connections.get_kept(id_)), house)


def update_connector(work: Work, house: House, id_: str, body: Json) -> Json:
    return connection_out(change_account(work, house.accounts, id_, snake_in(body)), house)


def disable_connector(work: Work, house: House, id_: str) -> Json:
    return connection_out(change_account(work, house.accounts, id_, {"is_active": False}), house)


def enable_connector(work: Work, house: House, id_: str) -> Json:
    return connection_out(change_account(work, house.accounts, id_, {"is_active": True}), house)


def delete_connector(uow: UnitOfWork, id_: str) -> None:
    _kept(uow.connections.get_for_update(id_))
    if uow.connections.is_used(id_):
        raise ConnectorInUse
    uow.connections.remove(id_)


def verify_connector(work: Work, house: House, clock: Clock, id_: str) -> Json:
    with work(read=True) as uow:
        connection = _kept(uow.connections.get_kept(id_))
    check = house.accounts.verify(connection)
    return {"status": check.status, "message": check.message or None, "checkedAt": rfc3339(clock.now())}


def _kept(connection: Connection | None) -> Connection:
    if connection is None:
        raise NotFound(GONE)
    return connection
