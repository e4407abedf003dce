"""Shipping and tax: the configuration."""

from handlers.tax_wire import config_out, head_out, version_out
from handlers.wire import Json, Reply
from penstock.caller import Caller
from penstock.errors import NotFound
from penstock.flows import change_config as configs
from penstock.flows.replace_list import tag_of
from penstock.ports import UnitOfWork
from penstock.tax_errors import StoreNotFound


def read_config(uow: UnitOfWork, application_id: str) -> Reply:
    if application_id != uow.scope.application_id:
        raise StoreNotFound
    head = uow.shipping_tax.head()
    published = uow.shipping_tax.version(head.version_id) if head.version_id else None
    return Reply(config_out(head, published), 200, {"ETag": tag_of(head.revision)})


def replace_draft(uow: UnitOfWork, caller: Caller, body: Json, if_match: str | None) -> Reply:
    return head_out(configs.save_draft(uow, caller, body, if_match))


def discard_draft(uow: UnitOfWork, if_match: str | None) -> Json:
    configs.discard_draft(uow, if_match)
    return {"discarded": True}


def validate_config(uow: UnitOfWork, body: Json | None) -> Json:
    faults = [fault.shape() for fault in configs.check_config(uow, (body or {}).get("config"))]
    return {"isValid": not faults, "faults": faults[:100]}


def publish_draft(uow: UnitOfWork, caller: Caller, if_match: str | None) -> Json:
    return version_out(configs.publish_draft(uow, caller, if_match))


def list_history(uow: UnitOfWork, limit: int, cursor: str | None) -> Json:
    return uow.shipping_tax.versions(cursor=cursor, limit=limit).shape()


def read_history(uow: UnitOfWork, id_: str) -> Json:
    version = uow.shipping_tax.version(id_)
    if version is None:
        raise NotFound("There is no version with this id.")
    return version_out(version)


def restore_version(uow: UnitOfWork, caller: Caller, id_: str, if_match: str | None) -> Json:
    return version_out(configs.restore_version(uow, caller, id_, if_match))
