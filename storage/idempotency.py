"""Idempotency keys: who asked what, and what was answered. A key is claimed by inserting its row."""

from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from penstock.errors import IdempotencyConflict, IdempotencyInProgress
from penstock.failpoint import failpoint
from penstock.ports import StoredAnswer
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.database import Database, LockTimeout
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import idempotency_keys as table
from storage.types import UtcDateTime, Whole

LIFETIME: Final = timedelta(hours=24)
RETRY_AFTER: Final = {"Retry-After": "1"}

_is_this = sa.and_(*(table.c[name] == value(table.c[name]) for name in ("principal_id", "operation", "key")))
_CLAIM = scoped.upsert(table, [*SCOPE_COLUMNS, "principal_id", "operation", "key"], [])
_READ = Statement(
    scoped.select(
        table.c.fingerprint, table.c.lease_until, table.c.expires_at, table.c.status, table.c.body, table.c.headers
    )
    .where(_is_this)
    .with_for_update()
)
_TAKE_OVER = Statement(
    scoped.update(table, ["fingerprint", "lease_until", "expires_at", "status", "body", "headers"]).where(_is_this)
)
_STORE = Statement(scoped.update(table, ["status", "body", "headers"]).where(_is_this))
_FORGET = Statement(scoped.delete(table).where(_is_this, table.c.status.is_(None)))

# Old keys of every tenant go, a few at a time.
_old = (
    sa.select(table.c.key, *(table.c[name] for name in (*SCOPE_COLUMNS, "principal_id", "operation")))
    .where(table.c.expires_at <= sa.bindparam("now", type_=UtcDateTime()))
    .order_by(table.c.expires_at)
    .limit(sa.bindparam("limit", type_=Whole()))
)
_of_key = sa.tuple_(table.c.key, *(table.c[name] for name in (*SCOPE_COLUMNS, "principal_id", "operation")))
_SWEEP = Statement(sa.delete(table).where(_of_key.in_(_old)), across=True)


class IdempotencyRows:
    """The idempotency keys of one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def claim(
        self, principal_id: str, operation: str, key: str, fingerprint: str, lease_seconds: int
    ) -> StoredAnswer | None:
        """Claim the key, or return the answer it has.

        Raises `IdempotencyConflict` where it was used for another request, `IdempotencyInProgress` while the first
        request runs. A claim whose lease of so many seconds is over, or a key older than a day, is taken over.
        """
        failpoint("key.before_insert")
        names = {"principal_id": principal_id, "operation": operation, "key": key}
        fresh = {
            "fingerprint": fingerprint,
            "lease_until": self._now + timedelta(seconds=lease_seconds),
            "expires_at": self._now + LIFETIME,
            "status": None,
            "body": None,
            "headers": None,
        }
        try:
            if self._connection.run(_CLAIM, {**names, **fresh}) == 1:
                return None
            row = self._connection.row(_READ, names)
        except LockTimeout as exc:
            raise IdempotencyInProgress(headers=RETRY_AFTER) from exc
        if row is None:  # the first request was undone between the two statements
            raise IdempotencyInProgress(headers=RETRY_AFTER)
        return self._look(row, names, fresh)

    def store(self, principal_id: str, operation: str, key: str, answer: StoredAnswer) -> None:
        """Keep the answer for repeats of the request."""
        names = {"principal_id": principal_id, "operation": operation, "key": key}
        kept = {"status": answer.status, "body": answer.body, "headers": dict(answer.headers)}
        self._connection.put(_STORE, {**names, **kept})

    def forget(self, principal_id: str, operation: str, key: str) -> None:
        """Free a claimed key that has no answer yet."""
        self._connection.put(_FORGET, {"principal_id": principal_id, "operation": operation, "key": key})

    def _look(self, row: Any, names: dict[str, Any], fresh: dict[str, Any]) -> StoredAnswer | None:
        is_old = row.expires_at <= self._now
        if not is_old and row.fingerprint != fresh["fingerprint"]:
            raise IdempotencyConflict
        if not is_old and row.status is not None:
            return StoredAnswer(row.status, bytes(row.body), row.headers)
        if not is_old and row.lease_until > self._now:
            raise IdempotencyInProgress(headers=RETRY_AFTER)
        self._connection.put(_TAKE_OVER, {**names, **fresh})
        return None


def sweep(database: Database, now: datetime, *, limit: int = 1000) -> int:
    """Delete up to ``limit`` keys whose day is over, whoever's they are, and return how many there were."""
    with database.writing() as connection:
        return connection.run(_SWEEP, {"now": now, "limit": limit})
