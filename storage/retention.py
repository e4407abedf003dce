"""What is not kept for ever: old keys, events, messages, deliveries and mails, whoever's they are.

Ids are in the order in which rows were written, by the machine's clock. So a test clock that is moved by a year takes
nothing away from whoever moved it, and a table is cleared from its beginning without an index of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from penstock.caller import Scope
from penstock.event_message import event_name
from penstock.ids import first_id
from penstock.mail import MailStatus
from penstock.webhook import DeliveryStatus
from storage import scoped
from storage.database import Database
from storage.idempotency import sweep
from storage.inbox import sweep as forget_messages
from storage.rotation import purge_deleted
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import due, events, mails, webhook_attempts, webhook_deliveries, webhook_messages
from storage.types import Text, Whole

KEPT: Final = timedelta(days=30)
"""How long events and what became of them can be read (semantics 1.6)."""

AT_ONCE: Final = 500
"""How many rows one transaction deletes: few enough to hold nobody up."""

HOUSEKEEPING: Final = "housekeeping"
"""The kind of the due rows of these chores."""

_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
HOUSE: Final = Scope(_NOBODY, _NOBODY, _NOBODY)
"""Whose the rows are that belong to no tenant."""

_ENSURE = scoped.upsert(due, ["kind", "object_id"], [])


def _old(table: sa.Table, *more: sa.ColumnElement[bool]) -> Statement:
    bound = sa.bindparam("before", type_=table.c.id.type)
    first = sa.select(table.c.id).where(table.c.id < bound, *more).order_by(table.c.id)
    chosen = first.limit(sa.bindparam("limit", type_=Whole()))
    return Statement(sa.delete(table).where(table.c.id.in_(chosen)), across=True)


_EVENTS = _old(events, events.c.dispatched_at.is_not(None))
_MESSAGES = _old(webhook_messages)
_DELIVERIES = _old(
    webhook_deliveries, webhook_deliveries.c.status != sa.literal(DeliveryStatus.PENDING.value, Text(16))
)
_ATTEMPTS = _old(webhook_attempts)
_MAILS = _old(mails, mails.c.status != sa.literal(MailStatus.PENDING.value, Text(16)))


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is done again and again, by one worker at a time."""

    every: timedelta
    do: Callable[[Database, datetime], object]


def forget_keys(database: Database, now: datetime) -> None:
    """Delete idempotency keys whose day is over."""
    while sweep(database, now, limit=AT_ONCE) == AT_ONCE:
        pass


def forget_history(database: Database, now: datetime) -> int:
    """Delete events, what was posted of them, and mails, thirty days after they were written; return how many rows.

    What is still to be handed on, delivered or sent stays.
    """
    before = first_id(now - KEPT)
    many = 0
    for statement in (_EVENTS, _MESSAGES, _DELIVERIES, _ATTEMPTS, _MAILS):
        bound = event_name(before) if statement is _MESSAGES else before
        deleted = AT_ONCE
        while deleted == AT_ONCE:
            with database.writing() as connection:
                deleted = connection.run(statement, {"before": bound, "limit": AT_ONCE})
            many += deleted
    return many


CHORES: Final[Mapping[str, Chore]] = {
    "forget_keys": Chore(timedelta(minutes=5), forget_keys),
    "forget_history": Chore(timedelta(hours=1), forget_history),
    "forget_messages": Chore(timedelta(hours=1), forget_messages),
    "purge_connections": Chore(timedelta(hours=1), purge_deleted),
}


def ensure(database: Database, now: datetime, names: Sequence[str] = tuple(CHORES)) -> None:
    """Write the rows that ring for the chores, where they are not there yet."""
    with database.writing() as connection:
        for name in names:
            row = {"id": _row_id(name), "kind": HOUSEKEEPING, "object_id": name, "run_at": now, "lease_until": None}
            more = {"attempts": 0, "failures": 0, "waits_until": None}
            ScopedConnection(connection, HOUSE).put(_ENSURE, {**row, **more})


def _row_id(name: str) -> str:
    return f"00000000-0000-0000-0000-{list(CHORES).index(name) + 1:012x}"
