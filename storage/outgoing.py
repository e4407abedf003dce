"""What goes out to the world: events become deliveries, and tries leave their mark. It serves every tenant.

Each call is a transaction of its own. Nothing here waits for a receiver.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from penstock.caller import Scope
from penstock.clock import rfc3339
from penstock.event_message import event_name, written
from penstock.hooks import Event
from penstock.ids import new_id
from penstock.ports import DueRow
from penstock.webhook import Answer, Delivery, DeliveryStatus, Endpoint, settle_endpoint
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.database import Connection, Database
from storage.due import DueRows, moments_of, still_there
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.stream import EventRows, message_of
from storage.tables import due, environments, events
from storage.types import Whole
from storage.vault import Vault
from storage.webhooks import WebhookRows

_Row = TypeVar("_Row")

TELL: Final = "tell"
"""The kind of the due row of an event that plugins are to be told of."""

BATCH: Final = 200
"""How many events one transaction hands on at the most."""


def _waiting(*columns: sa.Column[Any]) -> sa.Select[Any]:
    """Return a select over events that are not handed on.

    The index holds only these. SQLite would not see how few they are in what `ANALYZE` found in a young database.
    """
    found = sa.select(*columns).where(events.c.dispatched_at.is_(None))
    return found.with_hint(events, "INDEXED BY ix_events_waiting", "sqlite")


_ANY_WAITING = Statement(_waiting(events.c.id).limit(1), across=True)
_WAITING = Statement(
    _waiting(events.c.id, events.c.type, events.c.created_at, *(events.c[name] for name in SCOPE_COLUMNS))
    .order_by(events.c.created_at, events.c.id)
    .limit(sa.bindparam("limit", type_=Whole()))
    .with_for_update(skip_locked=True),
    across=True,
)
_OURS = Statement(
    scoped.delete(due).where(scoped.by_id(due), due.c.attempts == value(due.c.attempts)),
)
_AGAIN = Statement(
    scoped.update(due, ["run_at", "lease_until"]).where(scoped.by_id(due), due.c.attempts == value(due.c.attempts)),
)
_LATER = Statement(
    scoped.update(due, ["run_at", "waits_until", "failures", "lease_until"]).where(
        scoped.by_id(due), due.c.attempts == value(due.c.attempts)
    ),
)
_CLOCK = Statement(sa.select(environments.c.clock_at).where(environments.c.id == value(environments.c.id)), across=True)
_EVENT = Statement(
    scoped.select(events.c.id, events.c.type, events.c.data, events.c.created_at).where(scoped.by_id(events))
)
_OLDEST = Statement(_waiting(events.c.created_at).order_by(events.c.created_at).limit(1), across=True)


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery that is to be tried now, with what is posted and where."""

    row: DueRow
    delivery: Delivery
    endpoint: Endpoint = field(repr=False)
    body: bytes = field(repr=False)
    loaded_at: datetime

    @property
    def scope(self) -> Scope:
        """Whose it is."""
        return self.row.scope


@dataclass(frozen=True, slots=True)
class Tried:
    """A letter and how its try ended. ``jitter`` is between 0 and 1."""

    letter: Letter
    answer: Answer
    jitter: float


class Outgoing:
    """Events and deliveries of every tenant, as the jobs see them."""

    def __init__(self, database: Database, vault: Vault, *, tells: bool = False) -> None:
        self._database = database
        self._vault = vault
        self._tells = tells

    def hand_on(self, now: datetime, *, limit: int = BATCH) -> int:
        """Queue what is written and not handed on yet for whoever listens; return how many events there were."""
        with self._database.reading() as connection:
            if connection.row(_ANY_WAITING, {}) is None:
                return 0
        with self._database.writing() as connection:
            rows = connection.rows(_WAITING, {"limit": limit})
            # Streams are locked in one order, whoever hands on, so that no two relays wait for each other.
            for scope, own in _by_scope(rows, _scope_of):
                there = _there(connection, scope)
                self._hand_on(ScopedConnection(connection, there, now), own, there.stands_at or now)
        return len(rows)

    def load(self, rows: Sequence[DueRow], now: datetime) -> list[Letter]:
        """Return what is to be posted for claimed rows. Whatever need not be posted any more is put away."""
        letters: list[Letter] = []
        over: list[tuple[DueRow, Delivery | None]] = []
        with self._database.reading() as connection:
            for scope, own in _by_scope(rows, lambda row: row.scope):
                there = _there(connection, scope)
                webhooks = WebhookRows(ScopedConnection(connection, there), now, self._vault)
                endpoints = _Endpoints(webhooks)
                for each, found in zip(own, webhooks.letters([each.object_id for each in own]), strict=True):
                    row = replace(each, scope=there)
                    made = _letter(endpoints, row, found, there.stands_at or now)
                    letters.append(made) if isinstance(made, Letter) else over.append((row, made))
        if over:
            self._put_away(over, now)
        return letters

    def record(self, tried: Sequence[Tried], now: datetime) -> None:
        """Write how tries ended, with the state of their deliveries and endpoints, in one transaction.

        A try whose claim has passed to somebody else leaves no mark: the other's does.
        """
        with self._database.writing() as connection:
            # Rows are locked in one order, whoever records, so that no two workers wait for each other.
            places = {
                scope: still_there(connection, scope) for scope, _ in _by_scope(tried, lambda one: one.letter.scope)
            }
            for one in sorted(tried, key=lambda each: (each.letter.endpoint.id, each.letter.row.id)):
                own = ScopedConnection(connection, places[one.letter.scope], now)
                self._record(own, one, one.letter.scope.stands_at or now)

    def put_off(self, rows: Sequence[tuple[DueRow, datetime]]) -> None:
        """Give claimed rows back untried, each until its moment by the machine's clock."""
        with self._database.writing() as connection:
            for row, run_at in sorted(rows, key=lambda each: each[0].id):
                values = {**_claim(row), "run_at": run_at, "lease_until": None}
                ScopedConnection(connection, row.scope).put(_AGAIN, values)

    def event_of(self, row: DueRow) -> Event | None:
        """Return the event that plugins are to be told of, or None once it is no longer kept."""
        with self._database.reading() as connection:
            found = ScopedConnection(connection, row.scope).row(_EVENT, {"id": row.object_id})
        if found is None:
            return None
        return Event(event_name(found.id), found.type, found.created_at, row.scope, found.data)

    def told(self, row: DueRow) -> None:
        """Note that plugins were told."""
        with self._database.writing() as connection:
            ScopedConnection(connection, row.scope).run(_OURS, _claim(row))

    def waiting_since(self) -> datetime | None:
        """Return when the oldest event that is not handed on was written."""
        with self._database.reading() as connection:
            row = connection.row(_OLDEST, {})
        since: datetime | None = None if row is None else row.created_at
        return since

    def _hand_on(self, connection: ScopedConnection, rows: Sequence[Any], now: datetime) -> None:
        webhooks = WebhookRows(connection, now, self._vault)
        endpoints = webhooks.listening()
        queue = DueRows(connection)
        for row in rows if self._tells else ():
            queue.add(TELL, row.id, now)
        stream = EventRows(connection)
        stream.number([row.id for row in rows], connection.machine_now)
        heard = {row.id: listening for row in rows if (listening := _listening(endpoints, row))}
        # Most events have no listener: what they carry is read only for those that have.
        for row in stream.numbered(list(heard)) if heard else ():
            message = written(message_of(connection.scope, row))
            webhooks.add_message(event_name(row.id), row.type, message)
            for endpoint in heard[row.id]:
                delivery = _delivery(row, endpoint, now)
                webhooks.add_delivery(delivery)
                queue.add("deliver", delivery.id, now)

    def _put_away(self, over: Sequence[tuple[DueRow, Delivery | None]], now: datetime) -> None:
        with self._database.writing() as connection:
            for row, delivery in over:
                scope = ScopedConnection(connection, row.scope, now)
                if scope.run(_OURS, _claim(row)) == 1 and delivery is not None:
                    delivery.status, delivery.finished_at = DeliveryStatus.FAILED, row.scope.stands_at or now
                    delivery.next_attempt_at = None
                    WebhookRows(scope, now, self._vault).save_delivery(delivery)

    def _record(self, connection: ScopedConnection, one: Tried, now: datetime) -> None:
        letter, answer = one.letter, one.answer
        webhooks = WebhookRows(connection, now, self._vault)
        delivery = letter.delivery
        delivery.record(answer, now, jitter=one.jitter)
        if not self._is_ours(connection, letter.row, delivery.next_attempt_at):
            return
        attempt = _attempt(letter, answer)
        webhooks.add_attempt({"id": new_id(), "delivery_id": delivery.id, **attempt})
        delivery.last_answer = _wired(attempt)
        webhooks.save_delivery(delivery)
        if letter.endpoint.exhausted_in_a_row or answer.is_gone or delivery.is_exhausted:
            held = webhooks.get_endpoint_for_update(letter.endpoint.id)
            if held is not None:
                settle_endpoint(held, delivery, answer, now)
                webhooks.save_endpoint(held)

    @staticmethod
    def _is_ours(connection: ScopedConnection, row: DueRow, next_attempt_at: datetime | None) -> bool:
        if next_attempt_at is None:
            return connection.run(_OURS, _claim(row)) == 1
        moments = moments_of(connection.scope, next_attempt_at, connection.machine_now)
        values = {**_claim(row), **moments, "failures": row.failures + 1, "lease_until": None}
        return connection.run(_LATER, values) == 1


def _by_scope(rows: Sequence[_Row], scope_of: Callable[[_Row], Scope]) -> list[tuple[Scope, list[_Row]]]:
    groups: dict[Scope, list[_Row]] = defaultdict(list)
    for row in rows:
        groups[scope_of(row)].append(row)
    return sorted(groups.items(), key=lambda group: astuple(group[0]))


def _there(connection: Connection, scope: Scope) -> Scope:
    """Return a scope with the moment at which its environment's test clock stands, if it has one."""
    place = connection.row(_CLOCK, {"id": scope.environment_id})
    return scope if place is None else replace(scope, stands_at=place.clock_at)


def _scope_of(row: Any) -> Scope:
    return Scope(row.workspace_id, row.environment_id, row.application_id)


class _Endpoints:
    """Endpoints of one scope, each read once."""

    def __init__(self, webhooks: WebhookRows) -> None:
        self._webhooks = webhooks
        self._found: dict[str, Endpoint | None] = {}

    def get(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint that is not deleted."""
        if endpoint_id not in self._found:
            self._found[endpoint_id] = self._webhooks.get_endpoint(endpoint_id)
        return self._found[endpoint_id]


def _letter(
    endpoints: _Endpoints, row: DueRow, found: tuple[Delivery, bytes | None] | None, now: datetime
) -> Letter | Delivery | None:
    """Return what to post; the delivery if it can never be made; None if there is nothing to do for now."""
    if found is None or found[0].status is not DeliveryStatus.PENDING:
        return None
    delivery, body = found
    endpoint = endpoints.get(delivery.endpoint_id)
    if endpoint is None or body is None:
        return delivery
    is_held = not (endpoint.is_active or delivery.is_test)
    return None if is_held else Letter(row, delivery, endpoint, body, now)


def _listening(endpoints: Sequence[Endpoint], row: Any) -> list[Endpoint]:
    """Return the endpoints that an event is for: those that want its type, and were there when it happened."""
    return [one for one in endpoints if row.type in one.enabled_events and one.created_at <= row.created_at]


def _claim(row: DueRow) -> dict[str, Any]:
    return {"id": row.id, "attempts": row.attempt}


def _delivery(row: Any, endpoint: Endpoint, now: datetime) -> Delivery:
    return Delivery(
        id=new_id(),
        endpoint_id=endpoint.id,
        event_id=event_name(row.id),
        event_type=row.type,
        created_at=now,
        next_attempt_at=now,
        order_id=row.data.get("orderId"),
    )


def _attempt(letter: Letter, answer: Answer) -> dict[str, Any]:
    return {
        "number": letter.delivery.attempts,
        "started_at": letter.loaded_at,
        "milliseconds": answer.milliseconds,
        "status": answer.status,
        "error": answer.error,
        "excerpt": answer.excerpt,
    }


def _wired(attempt: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": attempt["number"],
        "startedAt": rfc3339(attempt["started_at"]),
        "durationMs": attempt["milliseconds"],
        "responseStatus": attempt["status"],
        "error": attempt["error"],
        "responseExcerpt": attempt["excerpt"],
    }
