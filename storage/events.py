"""The outbox: what an object has noted, written in the transaction that made it true."""

from datetime import datetime

from penstock.events import Recorded
from penstock.failpoint import failpoint
from penstock.ids import new_id
from storage import scoped, tables
from storage.scoped import ScopedConnection
from storage.statement import Statement

_ADD = Statement(scoped.insert(tables.events))


def write_events(connection: ScopedConnection, kind: str, object_id: str, recorded: Recorded, now: datetime) -> None:
    """Write the events that an object has noted since it was read. ``kind`` is its noun: cart, order, payment."""
    drafts = recorded.take_drafts()
    if not drafts:
        return
    rows = [
        {
            "id": new_id(),
            "type": draft.type,
            "object_type": kind,
            "object_id": object_id,
            "sequence": draft.sequence,
            "data": draft.data,
            "created_at": now,
            "dispatched_at": None,
            "stream_sequence": None,
        }
        for draft in drafts
    ]
    failpoint("event.before_insert")
    connection.put(_ADD, *rows)
    connection.has_news = True
