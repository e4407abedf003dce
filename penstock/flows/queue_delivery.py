"""Put a delivery on its way: a test event that was made up, or an event that was delivered before."""

from typing import Final

from penstock import catalogue
from penstock.errors import Fault, NotFound, ValidationError
from penstock.event_message import envelope, event_name, written
from penstock.ids import new_id
from penstock.ports import UnitOfWork
from penstock.webhook import Delivery, Endpoint

DELIVER: Final = "deliver"
"""The kind of the due row of a delivery that is still to be made."""


def queue_test(uow: UnitOfWork, endpoint: Endpoint, event_type: str) -> Delivery:
    """Make up an event of a type, marked as a test, and queue it for one endpoint. Raises `ValidationError`."""
    if event_type not in catalogue.events():
        fault = Fault("/eventType", "unknown_event", "there is no event type of this name", received=event_type)
        raise ValidationError(fault)
    made_up = new_id()
    message = envelope(
        event_id=event_name(made_up),
        event_type=event_type,
        scope=uow.scope,
        object_type=catalogue.events()[event_type].object,
        object_id=made_up,
        sequence=1,
        stream_sequence=None,
        created_at=uow.now,
        payload=catalogue.event_example(event_type),
        is_test=True,
    )
    uow.webhooks.add_message(event_name(made_up), event_type, written(message))
    return queued(uow, endpoint, event_name(made_up), event_type, is_test=True)


def queue_replay(uow: UnitOfWork, delivery_id: str) -> Delivery:
    """Queue the same bytes under the same event id again, as a delivery of its own.

    Raises `NotFound` for an unknown delivery, or one whose endpoint was deleted or whose event is no longer kept.
    """
    former = uow.webhooks.get_delivery(delivery_id)
    endpoint = uow.webhooks.get_endpoint(former.endpoint_id) if former is not None else None
    if former is None or endpoint is None or uow.webhooks.message(former.event_id) is None:
        raise NotFound("There is no delivery with this id that can be made again.")
    return queued(
        uow,
        endpoint,
        former.event_id,
        former.event_type,
        is_test=former.is_test,
        order_id=former.order_id,
        replay_of=former.id,
    )


def queued(
    uow: UnitOfWork,
    endpoint: Endpoint,
    event_id: str,
    event_type: str,
    *,
    is_test: bool = False,
    order_id: str | None = None,
    replay_of: str | None = None,
) -> Delivery:
    """Queue an event whose bytes are kept for one endpoint, and return the delivery."""
    delivery = Delivery(
        id=new_id(),
        endpoint_id=endpoint.id,
        event_id=event_id,
        event_type=event_type,
        created_at=uow.now,
        next_attempt_at=uow.now,
        order_id=order_id,
        is_test=is_test,
        replay_of=replay_of,
    )
    uow.webhooks.add_delivery(delivery)
    uow.due.add(DELIVER, delivery.id, uow.now)
    return delivery
