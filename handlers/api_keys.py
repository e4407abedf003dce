"""API keys."""

from bootstrap import House
from handlers.wire import Json, key_out
from penstock.caller import Caller
from penstock.errors import NotFound
from penstock.flows.create_key import create_key as create
from penstock.ports import Page, UnitOfWork


def list_keys(uow: UnitOfWork) -> Json:
    keys = [key_out(key) for key in uow.keys.list_active()]
    return Page(keys, max(len(keys), 1)).shape()


def create_key(uow: UnitOfWork, caller: Caller, house: House, body: Json) -> Json:
    key, raw = create(uow, caller, name=body["name"], scopes=body["scopes"], pepper=house.keyring.key("api-keys"))
    return {**key_out(key), "rawKey": raw.text}


def revoke_key(uow: UnitOfWork, id_: str) -> None:
    if not uow.keys.revoke(id_, uow.now):
        raise NotFound("There is no active key with this id.")
