"""Tell endpoints of an event once more, under its own id and with the same bytes."""

from collections.abc import Sequence

from penstock.errors import Fault, NotFound, ValidationError
from penstock.event_message import written
from penstock.flows.queue_delivery import queued
from penstock.ports import UnitOfWork
from penstock.webhook import Delivery, Endpoint


def resend_event(uow: UnitOfWork, event_id: str, *, endpoint_id: str | None = None) -> Sequence[Delivery]:
    """Queue an event for one endpoint, or for every active one that listens to its type; return the deliveries.

    Raises `NotFound` for an unknown event and `ValidationError` for an unknown endpoint.
    """
    event = uow.events.get(event_id)
    if event is None:
        raise NotFound("There is no event with this id.")
    endpoints = _listening(uow, event["type"]) if endpoint_id is None else [_named(uow, endpoint_id)]
    if endpoints:
        uow.webhooks.add_message(event_id, event["type"], written(event))
    order_id = event["data"].get("orderId")
    return [queued(uow, each, event_id, event["type"], order_id=order_id) for each in endpoints]


def _listening(uow: UnitOfWork, event_type: str) -> Sequence[Endpoint]:
    return [each for each in uow.webhooks.list_endpoints() if each.is_active and event_type in each.enabled_events]


def _named(uow: UnitOfWork, endpoint_id: str) -> Endpoint:
    endpoint = uow.webhooks.get_endpoint(endpoint_id)
    if endpoint is None:
        raise ValidationError(Fault("/endpointId", "unknown_endpoint", "there is no endpoint with this id"))
    return endpoint
