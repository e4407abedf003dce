"""Events: what happened, to catch up with and to send again."""

from handlers.wire import Json
from penstock.errors import NotFound
from penstock.flows.resend_event import resend_event as resend
from penstock.ports import UnitOfWork
from penstock.webhook import delivery_out


def list_events(uow: UnitOfWork, after_sequence: int, object_id: str | None, limit: int) -> Json:
    found = uow.events.page(after=after_sequence, limit=limit + 1, object_id=object_id)
    shown = found[:limit]
    last = shown[-1]["streamSequence"] if shown else after_sequence
    meta = {"lastSequence": last, "latestSequence": uow.events.last(), "hasMore": len(found) > limit, "limit": limit}
    return {"data": shown, "meta": meta}


def get_event(uow: UnitOfWork, id_: str) -> Json:
    event = uow.events.get(id_)
    if event is None:
        raise NotFound("There is no event with this id.")
    return dict(event)


def resend_event(uow: UnitOfWork, id_: str, body: Json | None) -> Json:
    deliveries = resend(uow, id_, endpoint_id=(body or {}).get("endpointId"))
    return {"deliveries": [delivery_out(each) for each in deliveries]}
