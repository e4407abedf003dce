"""Routing: the four lists of rules, their versions, and why payments go where they go."""

from collections.abc import Mapping
from typing import Any

from bootstrap import House
from handlers.wire import Json, Reply, routing_version_out
from penstock.caller import Caller
from penstock.errors import NotFound
from penstock.flows.list_connectors import list_connectors as connectors_of
from penstock.flows.list_connectors import list_methods as methods_of
from penstock.flows.replace_list import replace_list, tag_of
from penstock.flows.trace_payment import replay_routing, simulate_routing, trace_payment
from penstock.ports import UnitOfWork, Work
from penstock.routing import ListName, RoutingVersion

_REPLAYED = 200


def get_payment_routing(uow: UnitOfWork) -> Reply:
    return _standing(uow, "payment-routing", {"rules": [], "defaultCascade": []})


def replace_payment_routing(uow: UnitOfWork, caller: Caller, house: House, body: Json, if_match: str | None) -> Reply:
    return _replaced(replace_list(uow, house.cascade, caller, name="payment-routing", body=body, if_match=if_match))


def get_card_decline(uow: UnitOfWork) -> Reply:
    return _standing(uow, "card-decline", {"rules": []})


def replace_card_decline(uow: UnitOfWork, caller: Caller, house: House, body: Json, if_match: str | None) -> Reply:
    return _replaced(replace_list(uow, house.cascade, caller, name="card-decline", body=body, if_match=if_match))


def get_other_routing(uow: UnitOfWork) -> Reply:
    return _standing(uow, "other-routing", {"rules": []})


def replace_other_routing(uow: UnitOfWork, caller: Caller, house: House, body: Json, if_match: str | None) -> Reply:
    return _replaced(replace_list(uow, house.cascade, caller, name="other-routing", body=body, if_match=if_match))


def get_other_decline(uow: UnitOfWork) -> Reply:
    return _standing(uow, "other-decline", {"rules": []})


def replace_other_decline(uow: UnitOfWork, caller: Caller, house: House, body: Json, if_match: str | None) -> Reply:
    return _replaced(replace_list(uow, house.cascade, caller, name="other-decline", body=body, if_match=if_match))


def list_connectors(uow: UnitOfWork, house: House) -> Json:
    return {"data": connectors_of(house.cascade, uow.connections.list_active())}


def list_methods(work: Work, house: House) -> Json:
    with work(read=True) as uow:
        active = uow.connections.list_active()
    return {"data": methods_of(house.cascade, active)}


def list_versions(uow: UnitOfWork, list_: ListName | None, limit: int, cursor: str | None) -> Json:
    return uow.routing.versions(list_, cursor=cursor, limit=limit).shape()


def read_version(uow: UnitOfWork, id_: str) -> Json:
    version = uow.routing.version(id_)
    if version is None:
        raise NotFound("There is no version with this id.")
    return routing_version_out(version)


def simulate(work: Work, house: House, body: Json) -> Json:
    with work(read=True) as uow:
        return simulate_routing(uow, house.cascade, body["facts"], body.get("draft", {}))


def replay(work: Work, house: House, body: Json) -> Json:
    with work(read=True) as uow:
        return replay_routing(uow, house.cascade, body["draft"], limit=body.get("limit", _REPLAYED))


def read_trace(uow: UnitOfWork, id_: str) -> Json:
    trace = trace_payment(uow, id_)
    if trace is None:
        raise NotFound("There is no payment with this id whose route was kept.")
    return trace


def _standing(uow: UnitOfWork, name: ListName, empty: Mapping[str, Any]) -> Reply:
    version = uow.routing.standing(name)
    number, body = (version.number, version.body) if version else (0, empty)
    return Reply({"data": body}, 200, {"ETag": tag_of(number)})


def _replaced(version: RoutingVersion) -> Reply:
    return Reply({"data": version.body}, 200, {"ETag": tag_of(version.number)})
