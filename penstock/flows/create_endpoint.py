"""Open a webhook endpoint."""

from collections.abc import Sequence
from typing import Final

from penstock import catalogue
from penstock.caller import Caller
from penstock.checks import check_receiver, require
from penstock.errors import Fault, ValidationError
from penstock.ids import new_id
from penstock.ports import UnitOfWork
from penstock.webhook import Endpoint
from penstock.webhook_signature import new_secret

MOST_ENDPOINTS: Final = 50
"""How many endpoints an application may have in one environment."""


def create_endpoint(
    uow: UnitOfWork, caller: Caller, *, url: str, enabled_events: Sequence[str], may_loop_back: bool
) -> Endpoint:
    """Open an endpoint with a new secret and return it. Raises `ValidationError`."""
    require(check_receiver(url, caller, may_loop_back=may_loop_back))
    require_events(enabled_events)
    if len(uow.webhooks.list_endpoints()) >= MOST_ENDPOINTS:
        raise ValidationError(
            Fault("", "too_many_endpoints", f"an application has at most {MOST_ENDPOINTS} endpoints in an environment")
        )
    endpoint = Endpoint(
        id=new_id(),
        scope=uow.scope,
        url=url,
        enabled_events=enabled_events,
        secret=new_secret(),
        created_at=uow.now,
        updated_at=uow.now,
    )
    uow.webhooks.add_endpoint(endpoint)
    return endpoint


def require_events(types: Sequence[str]) -> None:
    """Raise `ValidationError` with a pointer to each event type that does not exist."""
    known = catalogue.events()
    require(
        [
            Fault(f"/enabledEvents/{index}", "unknown_event", "there is no event type of this name", received=kind)
            for index, kind in enumerate(types)
            if kind not in known
        ]
    )
