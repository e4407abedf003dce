"""Shipping and tax: the configuration, the tokens of storefronts, and what shipping and tax come to."""

from datetime import datetime

from bootstrap import House
from handlers.tax_wire import (
    calculation_out,
    config_out,
    handed_in,
    head_out,
    rendered,
    snapshot_out,
    token_out,
    version_out,
    wanted_in,
)
from handlers.wire import Json, Reply
from penstock.caller import Caller
from penstock.errors import InsufficientScopes, NotFound
from penstock.flows import change_config as configs
from penstock.flows.calculate_cart import calculate_cart
from penstock.flows.create_token import create_token
from penstock.flows.quote_items import quote_items
from penstock.flows.replace_list import tag_of
from penstock.flows.take_snapshot import take_snapshot
from penstock.ports import Page, UnitOfWork, Work
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


def list_quote_tokens(uow: UnitOfWork, application_id: str) -> Json:
    if application_id != uow.scope.application_id:
        raise StoreNotFound
    tokens = [token_out(token) for token in uow.quote_tokens.list_active()]
    return Page(tokens, max(len(tokens), 1)).shape()


def create_quote_token(uow: UnitOfWork, caller: Caller, house: House, body: Json) -> Json:
    until = body.get("expiresAt")
    token, raw = create_token(
        uow,
        caller,
        application_id=body["applicationId"],
        name=body["name"],
        expires_at=None if until is None else datetime.fromisoformat(until),
        pepper=house.keyring.key("api-keys"),
    )
    return {**token_out(token), "rawToken": raw.text}


def revoke_quote_token(uow: UnitOfWork, token_id: str) -> Json:
    if not uow.quote_tokens.revoke(token_id, uow.now):
        raise NotFound("There is no active quote token with this id.")
    return {"id": token_id, "revoked": True}


def quote(work: Work, house: House, body: Json) -> Json:
    return calculation_out(quote_items(work, house.quoting, body))


def calculate(work: Work, caller: Caller, house: House, cart_id: str, body: Json | None) -> Json:
    if caller.kind == "publishable":  # the scope may stand on one, and a cart is nothing that a page may change
        raise InsufficientScopes(details={"required": ["tax_calculations:write"]})
    wanted = wanted_in(body or {}, caller)
    return calculate_cart(work, house.quoting, cart_id, wanted, rendered(cart_id))


def take_external(uow: UnitOfWork, caller: Caller, body: Json) -> Json:
    return take_snapshot(uow, handed_in(body, caller), rendered(body.get("cartId")))


def read_snapshot(uow: UnitOfWork, id_: str) -> Json:
    snapshot = uow.calculations.get(id_)
    if snapshot is None:
        raise NotFound("There is no calculation with this id.")
    return snapshot_out(snapshot)
