"""Change a webhook endpoint's address, events or state."""

from collections.abc import Mapping
from typing import Any

from penstock.caller import Caller
from penstock.checks import check_receiver, require
from penstock.errors import NotFound
from penstock.flows.create_endpoint import require_events
from penstock.flows.queue_delivery import DELIVER
from penstock.ports import UnitOfWork
from penstock.webhook import Endpoint


def change_endpoint(
    uow: UnitOfWork, caller: Caller, endpoint_id: str, changes: Mapping[str, Any], *, may_loop_back: bool
) -> Endpoint:
    """Change what is named in ``changes`` and return the endpoint; resuming delivers what was held meanwhile.

    Raises `NotFound` and `ValidationError`.
    """
    if "url" in changes:
        require(check_receiver(changes["url"], caller, may_loop_back=may_loop_back))
    require_events(changes.get("enabled_events", ()))
    endpoint = held_endpoint(uow, endpoint_id)
    endpoint.url = changes.get("url", endpoint.url)
    endpoint.enabled_events = changes.get("enabled_events", endpoint.enabled_events)
    endpoint.updated_at = uow.now
    was_active = endpoint.is_active
    if changes.get("is_active", was_active) != was_active:
        endpoint.switch(uow.now, is_active=not was_active)
    uow.webhooks.save_endpoint(endpoint)
    if endpoint.is_active and not was_active:
        _resume(uow, endpoint)
    return endpoint


def held_endpoint(uow: UnitOfWork, endpoint_id: str) -> Endpoint:
    """Return an endpoint and hold its row. Raises `NotFound`."""
    endpoint = uow.webhooks.get_endpoint_for_update(endpoint_id)
    if endpoint is None:
        raise NotFound("There is no webhook endpoint with this id.")
    return endpoint


def _resume(uow: UnitOfWork, endpoint: Endpoint) -> None:
    for delivery in uow.webhooks.pending_of(endpoint.id):
        uow.due.add(DELIVER, delivery.id, max(uow.now, delivery.next_attempt_at or uow.now))
