"""Webhook endpoints and deliveries."""

from typing import Any

import orjson

from bootstrap import House
from handlers.wire import Json, endpoint_out, snake_in
from penstock.caller import Caller
from penstock.clock import Clock
from penstock.errors import NotFound
from penstock.flows.change_endpoint import change_endpoint, held_endpoint
from penstock.flows.create_endpoint import create_endpoint as create
from penstock.flows.queue_delivery import queue_replay, queue_test
from penstock.ports import Page, UnitOfWork
from penstock.webhook import delivery_out
from penstock.webhook_signature import new_secret


def list_endpoints(uow: UnitOfWork) -> Json:
    endpoints = [endpoint_out(endpoint) for endpoint in uow.webhooks.list_endpoints()]
    return Page(endpoints, max(len(endpoints), 1)).shape()


def create_endpoint(uow: UnitOfWork, caller: Caller, house: House, body: Json) -> Json:
    endpoint = create(uow, caller, **snake_in(body), may_loop_back=house.settings.webhook_loopback)
    return {**endpoint_out(endpoint), "signingSecret": endpoint.secret}


def get_endpoint(uow: UnitOfWork, id_: str) -> Json:
    endpoint = uow.webhooks.get_endpoint(id_)
    if endpoint is None:
        raise NotFound("There is no webhook endpoint with this id.")
    return endpoint_out(endpoint)


def update_endpoint(uow: UnitOfWork, caller: Caller, house: House, id_: str, body: Json) -> Json:
    may_loop_back = house.settings.webhook_loopback
    return endpoint_out(change_endpoint(uow, caller, id_, snake_in(body), may_loop_back=may_loop_back))


def delete_endpoint(uow: UnitOfWork, id_: str) -> Json:
    endpoint = held_endpoint(uow, id_)
    endpoint.deleted_at = endpoint.updated_at = uow.now
    uow.webhooks.save_endpoint(endpoint)
    return {"id": endpoint.id, "deleted": True}


def test_endpoint(uow: UnitOfWork, id_: str, body: Json | None) -> Json:
    endpoint = held_endpoint(uow, id_)
    return delivery_out(queue_test(uow, endpoint, (body or {}).get("eventType", "payment.captured")))


def rotate_secret(uow: UnitOfWork, clock: Clock, id_: str, body: Json | None) -> Json:
    endpoint = held_endpoint(uow, id_)
    endpoint.rotate(new_secret(), clock.now(), overlap_seconds=(body or {}).get("overlapSeconds", 0))
    uow.webhooks.save_endpoint(endpoint)
    return {**endpoint_out(endpoint), "signingSecret": endpoint.secret}


def list_deliveries(uow: UnitOfWork, endpoint_id: str | None, order_id: str | None, limit: int, offset: int) -> Json:
    found, total = uow.webhooks.page_deliveries(endpoint_id=endpoint_id, order_id=order_id, limit=limit, offset=offset)
    return {"items": found, "total": total, "hasMore": offset + len(found) < total}


def get_delivery(uow: UnitOfWork, id_: str) -> Json:
    delivery = uow.webhooks.get_delivery(id_)
    if delivery is None:
        raise NotFound("There is no delivery with this id.")
    message = uow.webhooks.message(delivery.event_id)
    event: Any = None if message is None else orjson.Fragment(message)
    return {**delivery_out(delivery), "attempts": uow.webhooks.attempts(id_), "event": event}


def replay_delivery(uow: UnitOfWork, id_: str) -> Json:
    return delivery_out(queue_replay(uow, id_))
