"""Providers' messages in rows: a connection's event id stands there once, whoever sends it how often."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.ids import is_uuid
from penstock.inbox import KEPT_FOR, Handled, Message, Named, pack, unpack
from penstock.request import Hint
from storage import scoped
from storage.database import Database
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import inbox, payment_attempts, payment_steps
from storage.types import UtcDateTime

_ADD = scoped.upsert(inbox, ["connection_id", "event_id"], [])
_OWN = ("id", "connection_id", "event_id", "kind", "key", "ref", "told", "received_at", "handled_at")
_GET = Statement(scoped.select(*(inbox.c[name] for name in _OWN)).where(scoped.by_id(inbox)))
_HANDLED = Statement(scoped.update(inbox, ["outcome", "payment_id", "handled_at"]).where(scoped.by_id(inbox)))
_DISPUTED = Statement(
    scoped.select(inbox.c.id)
    .where(inbox.c.payment_id == value(inbox.c.payment_id), inbox.c.outcome == value(inbox.c.outcome))
    .limit(1)
)
_at_connection = payment_attempts.c.connection_id == value(payment_attempts.c.connection_id)
_BY_KEY = Statement(
    scoped.select(payment_attempts.c.payment_id, payment_attempts.c.id)
    .where(_at_connection, scoped.by_id(payment_attempts))
    .limit(1)
)
_BY_STEP = Statement(
    scoped.select(payment_steps.c.payment_id)
    .where(payment_steps.c.connection_id == value(payment_steps.c.connection_id), scoped.by_id(payment_steps))
    .limit(1)
)
_BY_REF = Statement(
    scoped.select(payment_attempts.c.payment_id, payment_attempts.c.id)
    .where(_at_connection, payment_attempts.c.provider_ref == value(payment_attempts.c.provider_ref))
    .limit(1)
)
_SWEEP = Statement(
    sa.delete(inbox).where(
        inbox.c.received_at <= sa.bindparam("before", type_=UtcDateTime()), inbox.c.handled_at.is_not(None)
    ),
    across=True,
)


class InboxRows:
    """The messages of one scope's providers."""

    def __init__(self, connection: ScopedConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(self, message: Message) -> bool:
        """Keep a message; False where this connection has told of the same event before."""
        hint = message.hint
        row: dict[str, Any] = {name: getattr(hint, name) for name in ("event_id", "kind", "key", "ref")}
        row |= {name: getattr(message, name) for name in ("id", "connection_id", "received_at", "handled_at")}
        return self._connection.run(_ADD, {**row, "told": pack(hint.told), "payment_id": None, "outcome": None}) == 1

    def get(self, message_id: str) -> Message | None:
        """Return a message."""
        row = self._connection.row(_GET, {"id": message_id})
        if row is None:
            return None
        return Message(
            id=row.id,
            connection_id=row.connection_id,
            hint=Hint(row.event_id, row.kind, row.key, row.ref, unpack(row.told)),
            received_at=row.received_at,
            handled_at=row.handled_at,
        )

    def named_by(self, message: Message) -> Named | None:
        """Return the payment that a message names. Only payments tried at the message's own connection count."""
        own, hint = {"connection_id": message.connection_id}, message.hint
        row = None
        if hint.key is not None and is_uuid(hint.key):
            named = {**own, "id": hint.key}
            row = self._connection.row(_BY_KEY, named)
            step = None if row is not None else self._connection.row(_BY_STEP, named)
            if step is not None:
                return Named(str(step.payment_id))
        if row is None and hint.ref is not None:
            row = self._connection.row(_BY_REF, {**own, "provider_ref": hint.ref})
        return None if row is None else Named(str(row.payment_id), str(row.id))

    def is_disputed(self, payment_id: str) -> bool:
        """Tell whether a dispute of this payment was told of before."""
        return self._connection.row(_DISPUTED, {"payment_id": payment_id, "outcome": "disputed"}) is not None

    def handled(self, message: Message, outcome: Handled, payment_id: str | None) -> None:
        """Note what came of a message."""
        changed = {"outcome": outcome, "payment_id": payment_id, "handled_at": self._now}
        self._connection.run(_HANDLED, {"id": message.id, **changed})


def sweep(database: Database, now: datetime) -> int:
    """Forget the messages of more than 30 days ago that were handled, whoever's they are; return how many there were."""
    with database.writing() as db:
        return db.run(_SWEEP, {"before": now - KEPT_FOR})
