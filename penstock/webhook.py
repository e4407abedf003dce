"""Webhook endpoints and deliveries: who is told of what, how often it is tried, and when an endpoint is given up. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from penstock.caller import Scope
from penstock.clock import rfc3339
from penstock.events import Recorded

WAITS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""The wait before each try of a delivery (semantics 1.6): ten tries over some three days."""

JITTER: Final = 0.1
"""Up to this share is added to a wait, so that a receiver that comes back is not met by everything at once."""

LONGEST_RETRY_AFTER: Final = timedelta(hours=24)
"""How far a receiver's ``Retry-After`` is followed."""

GIVE_UP_AFTER: Final = 10
"""So many deliveries in a row that used up all their tries switch an endpoint off."""

MAX_OVERLAP_SECONDS: Final = 86_400


class DeliveryStatus(StrEnum):
    """Where a delivery stands. Only ``pending`` ones are tried again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DisabledReason(StrEnum):
    """Why an endpoint gets nothing."""

    PAUSED = "paused"
    GONE = "gone"
    EXHAUSTED = "exhausted"


@dataclass(slots=True, kw_only=True)
class Endpoint(Recorded):
    """A receiver of events. Its secrets are shown when they are made and never again."""

    id: str
    scope: Scope
    url: str
    enabled_events: Sequence[str]
    secret: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    is_active: bool = True
    disabled_reason: DisabledReason | None = None
    previous_secret: str | None = field(default=None, repr=False)
    previous_until: datetime | None = None
    exhausted_in_a_row: int = 0
    deleted_at: datetime | None = None

    def signing_secrets(self, now: datetime) -> list[str]:
        """Return the secrets to sign with, the newest first: the one before counts while a rotation overlaps."""
        overlaps = self.previous_secret and self.previous_until and now < self.previous_until
        return [self.secret, self.previous_secret] if overlaps and self.previous_secret else [self.secret]

    def rotate(self, secret: str, now: datetime, *, overlap_seconds: int = 0) -> None:
        """Sign with a new secret from now on; the old one goes on for the overlap, or ends at once."""
        overlaps = overlap_seconds > 0
        self.previous_secret = self.secret if overlaps else None
        self.previous_until = now + timedelta(seconds=overlap_seconds) if overlaps else None
        self.secret, self.updated_at = secret, now

    def switch(self, now: datetime, *, is_active: bool) -> None:
        """Pause or resume delivery at the merchant's word. Resuming forgets what failed before."""
        self.is_active, self.updated_at, self.exhausted_in_a_row = is_active, now, 0
        self.disabled_reason = None if is_active else DisabledReason.PAUSED

    def disable(self, reason: DisabledReason, now: datetime) -> None:
        """Switch off an endpoint that does not take its events, and say so."""
        if not self.is_active:
            return
        self.is_active, self.disabled_reason, self.updated_at = False, reason, now
        self.note("webhook_endpoint.disabled", {"endpointId": self.id, "url": self.url, "reason": reason.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one try ended: a status, or an ``error`` where there was none. ``excerpt`` is the answer's beginning."""

    status: int | None = None
    error: str | None = None
    excerpt: str = ""
    retry_after: timedelta | None = None
    milliseconds: int = 0

    @property
    def is_taken(self) -> bool:
        """Whether the receiver took the event: 2xx and nothing else."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing any more."""
        return self.status == HTTPStatus.GONE


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint. ``attempts`` counts the tries that were made."""

    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    created_at: datetime
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: int = 0
    next_attempt_at: datetime | None = None
    finished_at: datetime | None = None
    order_id: str | None = None
    is_test: bool = False
    replay_of: str | None = None
    last_answer: dict[str, Any] | None = None

    def record(self, answer: Answer, now: datetime, *, jitter: float) -> None:
        """Count a try. ``jitter`` is between 0 and 1 and stretches the next wait by up to `JITTER`."""
        self.attempts += 1
        if answer.is_taken:
            self._finish(DeliveryStatus.DELIVERED, now)
        elif answer.is_gone or self.attempts >= len(WAITS):
            self._finish(DeliveryStatus.FAILED, now)
        else:
            self.next_attempt_at = now + wait_before(self.attempts, answer.retry_after, jitter)

    @property
    def is_exhausted(self) -> bool:
        """Whether all its tries were used up in vain."""
        return self.status is DeliveryStatus.FAILED and self.attempts >= len(WAITS)

    def _finish(self, status: DeliveryStatus, now: datetime) -> None:
        self.status, self.finished_at, self.next_attempt_at = status, now, None


def wait_before(attempt: int, retry_after: timedelta | None, jitter: float) -> timedelta:
    """Return the wait before the try with this index (from 0): the schedule's, or the receiver's if that is longer."""
    planned = WAITS[attempt] * (1 + JITTER * jitter)
    return max(planned, min(retry_after or timedelta(), LONGEST_RETRY_AFTER))


def settle_endpoint(endpoint: Endpoint, delivery: Delivery, answer: Answer, now: datetime) -> None:
    """Draw the endpoint's conclusion from a try: taken events forgive, 410 and repeated exhaustion switch it off."""
    if delivery.is_test:
        return
    if answer.is_taken:
        endpoint.exhausted_in_a_row = 0
    elif answer.is_gone:
        endpoint.disable(DisabledReason.GONE, now)
    elif delivery.is_exhausted:
        endpoint.exhausted_in_a_row += 1
        if endpoint.exhausted_in_a_row >= GIVE_UP_AFTER:
            endpoint.disable(DisabledReason.EXHAUSTED, now)


def delivery_out(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery in the wire's shape."""
    return {
        "id": delivery.id,
        "endpointId": delivery.endpoint_id,
        "eventId": delivery.event_id,
        "eventType": delivery.event_type,
        "orderId": delivery.order_id,
        "status": delivery.status.value,
        "attemptCount": delivery.attempts,
        "isTest": delivery.is_test,
        "replayOf": delivery.replay_of,
        "lastAttempt": delivery.last_answer,
        "nextAttemptAt": rfc3339(delivery.next_attempt_at) if delivery.next_attempt_at else None,
        "finishedAt": rfc3339(delivery.finished_at) if delivery.finished_at else None,
        "createdAt": rfc3339(delivery.created_at),
    }
