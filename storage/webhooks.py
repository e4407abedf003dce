"""Webhook endpoints, deliveries and their tries, in the rows of one scope."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.caller import Scope
from penstock.webhook import Delivery, DeliveryStatus, DisabledReason, Endpoint, delivery_out
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.events import write_events
from storage.lists import wired
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.types import Whole
from storage.vault import Vault
from storage.webhook_tables import webhook_attempts, webhook_deliveries, webhook_endpoints, webhook_messages

_ENDPOINT = [each.name for each in webhook_endpoints.columns if each.name not in SCOPE_COLUMNS]
_DELIVERY = [each.name for each in webhook_deliveries.columns if each.name not in SCOPE_COLUMNS]
_CHANGED = [name for name in _ENDPOINT if name not in ("id", "created_at")]
_kept = webhook_endpoints.c.deleted_at.is_(None)
_endpoints = scoped.select(*(webhook_endpoints.c[name] for name in _ENDPOINT))
_newest = (webhook_endpoints.c.created_at.desc(), webhook_endpoints.c.id.desc())
_LIST = Statement(_endpoints.where(_kept).order_by(*_newest))
_LISTENING = Statement(_endpoints.where(_kept, webhook_endpoints.c.is_active.is_(True)))
_GET = Statement(_endpoints.where(_kept, scoped.by_id(webhook_endpoints)))
_GET_ANY = Statement(_endpoints.where(scoped.by_id(webhook_endpoints)))
_LOCK = Statement(_endpoints.where(_kept, scoped.by_id(webhook_endpoints)).with_for_update())
_ADD = Statement(scoped.insert(webhook_endpoints))
_SAVE = Statement(scoped.update(webhook_endpoints, _CHANGED).where(scoped.by_id(webhook_endpoints)))

_deliveries = scoped.select(*(webhook_deliveries.c[name] for name in _DELIVERY))
_GET_DELIVERY = Statement(_deliveries.where(scoped.by_id(webhook_deliveries)))
_LETTER = Statement(
    scoped.select(*(webhook_deliveries.c[name] for name in _DELIVERY), webhook_messages.c.body).where(
        scoped.by_id(webhook_deliveries), webhook_messages.c.id == webhook_deliveries.c.event_id
    )
)
_PENDING_OF = Statement(
    _deliveries.where(
        webhook_deliveries.c.endpoint_id == value(webhook_deliveries.c.endpoint_id),
        webhook_deliveries.c.status == value(webhook_deliveries.c.status),
    )
)
_ADD_DELIVERY = Statement(scoped.insert(webhook_deliveries))
_SAVE_DELIVERY = Statement(
    scoped.update(webhook_deliveries, ["status", "attempts", "next_attempt_at", "finished_at", "last_answer"]).where(
        scoped.by_id(webhook_deliveries)
    )
)
_ADD_MESSAGE = scoped.upsert(webhook_messages, ["id"], [])
_MESSAGE = Statement(
    scoped.select(webhook_messages.c.body).where(webhook_messages.c.id == value(webhook_messages.c.id))
)
_ADD_ATTEMPT = Statement(scoped.insert(webhook_attempts))
_ATTEMPTS = Statement(
    scoped.select(*(wired(each) for each in webhook_attempts.columns if each.name not in SCOPE_COLUMNS))
    .where(webhook_attempts.c.delivery_id == value(webhook_attempts.c.delivery_id))
    .order_by(webhook_attempts.c.number)
)


class WebhookRows:
    """Endpoints and deliveries of one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime, vault: Vault) -> None:
        self._connection = connection
        self._now = now
        self._vault = vault

    def list_endpoints(self) -> Sequence[Endpoint]:
        """Return the endpoints that are not deleted, newest first."""
        return [self._endpoint(row) for row in self._connection.rows(_LIST, {})]

    def listening(self) -> Sequence[Endpoint]:
        """Return the endpoints that take deliveries now."""
        return [self._endpoint(row) for row in self._connection.rows(_LISTENING, {})]

    def get_endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint that is not deleted."""
        row = self._connection.row(_GET, {"id": endpoint_id})
        return None if row is None else self._endpoint(row)

    def get_any_endpoint(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint, even a deleted one."""
        row = self._connection.row(_GET_ANY, {"id": endpoint_id})
        return None if row is None else self._endpoint(row)

    def get_endpoint_for_update(self, endpoint_id: str) -> Endpoint | None:
        """Return an endpoint that is not deleted, and hold its row."""
        row = self._connection.row(_LOCK, {"id": endpoint_id})
        return None if row is None else self._endpoint(row)

    def add_endpoint(self, endpoint: Endpoint) -> None:
        """Write a new endpoint with its secret sealed."""
        self._connection.put(_ADD, self._endpoint_row(endpoint))

    def save_endpoint(self, endpoint: Endpoint) -> None:
        """Write an endpoint and what it noted."""
        self._connection.put(_SAVE, self._endpoint_row(endpoint))
        write_events(self._connection, "webhook_endpoint", endpoint.id, endpoint, self._now)

    def add_message(self, event_id: str, event_type: str, body: bytes) -> None:
        """Keep the bytes of an event as they are delivered; the first ones stay."""
        row = {"id": event_id, "type": event_type, "body": body, "created_at": self._now}
        self._connection.put(_ADD_MESSAGE, row)

    def message(self, event_id: str) -> bytes | None:
        """Return the bytes of an event, or None once they are no longer kept."""
        row = self._connection.row(_MESSAGE, {"id": event_id})
        return None if row is None else bytes(row.body)

    def add_delivery(self, delivery: Delivery) -> None:
        """Write a new delivery."""
        self._connection.put(_ADD_DELIVERY, delivery_row(delivery))

    def get_delivery(self, delivery_id: str) -> Delivery | None:
        """Return a delivery."""
        row = self._connection.row(_GET_DELIVERY, {"id": delivery_id})
        return None if row is None else _delivery(row)

    def letters(self, delivery_ids: Sequence[str]) -> Sequence[tuple[Delivery, bytes | None] | None]:
        """Return deliveries with the bytes of their events, as far as there are any, in one trip."""
        asked = [(_LETTER, {"id": each}) for each in delivery_ids]
        found = [rows[0] if rows else None for rows in self._connection.batch(asked)]
        letters: list[tuple[Delivery, bytes | None] | None] = []
        for delivery_id, row in zip(delivery_ids, found, strict=True):
            bare = self.get_delivery(delivery_id) if row is None else None
            letters.append((_delivery(row), bytes(row.body)) if row is not None else (bare, None) if bare else None)
        return letters

    def save_delivery(self, delivery: Delivery) -> None:
        """Write how a delivery stands."""
        self._connection.put(_SAVE_DELIVERY, delivery_row(delivery))

    def pending_of(self, endpoint_id: str) -> Sequence[Delivery]:
        """Return an endpoint's deliveries that are still to be made."""
        rows = self._connection.rows(_PENDING_OF, {"endpoint_id": endpoint_id, "status": DeliveryStatus.PENDING.value})
        return [_delivery(row) for row in rows]

    def add_attempt(self, row: Mapping[str, Any]) -> None:
        """Write one try: id, delivery_id, number, started_at, milliseconds, status, error, excerpt."""
        self._connection.put(_ADD_ATTEMPT, row)

    def attempts(self, delivery_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the tries of a delivery in the wire's shape, oldest first."""
        return [_attempt_out(row) for row in self._connection.rows(_ATTEMPTS, {"delivery_id": delivery_id})]

    def page_deliveries(
        self, *, endpoint_id: str | None, order_id: str | None, limit: int, offset: int
    ) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Return deliveries in the wire's shape, newest first, and how many match."""
        filters = {"endpoint_id": endpoint_id, "order_id": order_id}
        wanted = {name: given for name, given in filters.items() if given is not None}
        listing, count = _PAGES[frozenset(wanted)]
        rows = self._connection.rows(listing, {**wanted, "limit": limit, "offset": offset})
        total = self._connection.row(count, wanted).total
        return [delivery_out(_delivery(row)) for row in rows], total

    def _endpoint(self, row: Any) -> Endpoint:
        place = ("webhook_endpoints", row.id, "secrets")
        secrets = self._vault.open(self._connection, place, row.secrets)
        return endpoint_from_row(row, self._connection.scope, secrets)

    def _endpoint_row(self, endpoint: Endpoint) -> dict[str, Any]:
        place = ("webhook_endpoints", endpoint.id, "secrets")
        secrets = [endpoint.secret, endpoint.previous_secret]
        row = {name: getattr(endpoint, name) for name in _ENDPOINT if name != "secrets"}
        row["enabled_events"] = list(endpoint.enabled_events)
        row["disabled_reason"] = endpoint.disabled_reason.value if endpoint.disabled_reason else None
        return row | {"secrets": self._vault.seal(self._connection, self._now, place, secrets)}


def endpoint_from_row(row: Any, scope: Scope, secrets: Sequence[str | None]) -> Endpoint:
    """Return an endpoint from a row that has all columns, with its opened secrets: the present and the former one."""
    own = {name: getattr(row, name) for name in _ENDPOINT if name not in ("secrets", "disabled_reason")}
    reason = DisabledReason(row.disabled_reason) if row.disabled_reason else None
    return Endpoint(scope=scope, secret=secrets[0] or "", previous_secret=secrets[1], disabled_reason=reason, **own)


def delivery_row(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery's columns, without those of its scope."""
    return {name: getattr(delivery, name) for name in _DELIVERY} | {"status": delivery.status.value}


def _delivery(row: Any) -> Delivery:
    return Delivery(**{name: getattr(row, name) for name in _DELIVERY} | {"status": DeliveryStatus(row.status)})


def _attempt_out(row: Any) -> dict[str, Any]:
    return {
        "number": row.number,
        "startedAt": row.started_at,
        "durationMs": row.milliseconds,
        "responseStatus": row.status,
        "error": row.error,
        "responseExcerpt": row.excerpt,
    }


def _pages(names: frozenset[str]) -> tuple[Statement, Statement]:
    conditions = [webhook_deliveries.c[name] == value(webhook_deliveries.c[name]) for name in sorted(names)]
    newest = (webhook_deliveries.c.created_at.desc(), webhook_deliveries.c.id.desc())
    bounds = (sa.bindparam("limit", type_=Whole()), sa.bindparam("offset", type_=Whole()))
    listing = _deliveries.where(*conditions).order_by(*newest).limit(bounds[0]).offset(bounds[1])
    count = scoped.select(sa.func.count(webhook_deliveries.c.id).label("total")).where(*conditions)
    return Statement(listing), Statement(count)


_FILTERS = ((), ("endpoint_id",), ("order_id",), ("endpoint_id", "order_id"))
_PAGES = {frozenset(names): _pages(frozenset(names)) for names in _FILTERS}
