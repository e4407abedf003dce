"""What is done to secrets of every tenant: wrapped anew under the newest master key, sealed where they are plain, purged.

Each step is a transaction of its own and leaves rows that this version reads, so any of it may be cut off and run again.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from penstock.failpoint import failpoint
from penstock.vault import Wrapped
from storage.connections import scope_of, sealed_settings
from storage.database import Connection, Database
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import connections, data_keys, inbox, payment_attempts
from storage.types import UtcDateTime, Whole
from storage.vault import Vault

AT_ONCE: Final = 50
"""How many rows one transaction changes: few enough to hold nobody up."""

UNNEEDED_AFTER: Final = timedelta(days=1)
"""How long a deleted connection's row stays: a payment that was begun just before may still have to ask there."""

_is_old = data_keys.c.master_key != value(data_keys.c.master_key, "newest")
_limit = sa.bindparam("limit", type_=Whole())
_COUNT = Statement(sa.select(sa.func.count().label("count")).select_from(data_keys).where(_is_old), across=True)
_OLD = Statement(sa.select(*data_keys.columns).where(_is_old).order_by(data_keys.c.id).limit(_limit), across=True)
_WRAP_ANEW = Statement(
    sa.update(data_keys)
    .where(
        data_keys.c.id == value(data_keys.c.id),
        data_keys.c.master_key == value(data_keys.c.master_key, "master_before"),
    )
    .values(master_key=value(data_keys.c.master_key), wrapped=value(data_keys.c.wrapped)),
    across=True,
)

# A sealed value is a JSON text, plain settings are a JSON object, and an empty object has nothing to hide.
_is_plain = sa.type_coerce(connections.c.settings, sa.Text()).like('{"%')
_plain = sa.select(*connections.columns).where(_is_plain).order_by(connections.c.id).limit(_limit)
_PLAIN = Statement(_plain, across=True)
_SEAL = Statement(
    sa.update(connections)
    .where(connections.c.id == value(connections.c.id), _is_plain)
    .values(settings=value(connections.c.settings)),
    across=True,
)
_unneeded = (
    connections.c.deleted_at <= sa.bindparam("before", type_=UtcDateTime()),
    ~sa.exists().where(payment_attempts.c.connection_id == connections.c.id),
)
_PURGE_MESSAGES = Statement(
    sa.delete(inbox).where(inbox.c.connection_id.in_(sa.select(connections.c.id).where(*_unneeded))), across=True
)
_PURGE = Statement(sa.delete(connections).where(*_unneeded), across=True)


def keys_to_wrap(database: Database, vault: Vault) -> int:
    """Return how many data keys are not under the newest master key."""
    with database.reading() as db:
        return int(db.row(_COUNT, {"newest": vault.masters.newest}).count)


def rotate(database: Database, vault: Vault, *, at_once: int = AT_ONCE) -> Iterator[int]:
    """Wrap every data key under the newest master key; yields after each transaction how many it did.

    Raises `penstock.vault.Unopenable` where a key is under a master key that is not in the ring.
    """
    while True:
        with database.writing() as db:
            rows = db.rows(_OLD, {"newest": vault.masters.newest, "limit": at_once})
            for row in rows:
                _wrap_anew(db, vault, row)
        failpoint("rotation.after_commit")
        if rows:
            yield len(rows)
        if len(rows) < at_once:
            return


def has_plain_rows(database: Database) -> bool:
    """Tell whether settings of a connection stand in their row unsealed, as an earlier version left them."""
    with database.reading() as db:
        return db.row(_PLAIN, {"limit": 1}) is not None


def seal_plain_rows(database: Database, vault: Vault, now: datetime) -> int:
    """Seal the settings that an earlier version left as they are; return how many there were."""
    count = 0
    while True:
        with database.writing() as db:
            rows = db.rows(_PLAIN, {"limit": AT_ONCE})
            for row in rows:
                mine = ScopedConnection(db, scope_of(row))
                db.run(_SEAL, {"id": row.id, "settings": sealed_settings(vault, mine, now, row.id, row.settings)})
        count += len(rows)
        if len(rows) < AT_ONCE:
            return count


def purge_deleted(database: Database, now: datetime) -> int:
    """Delete the rows of connections that were deleted a day ago and never used, their secrets and messages with them."""
    before = {"before": now - UNNEEDED_AFTER}
    with database.writing() as db:
        db.run(_PURGE_MESSAGES, before)
        return db.run(_PURGE, before)


def _wrap_anew(db: Connection, vault: Vault, row: Any) -> None:
    scope, before = scope_of(row), Wrapped(row.master_key, bytes(row.wrapped))
    anew = vault.masters.wrap(vault.masters.unwrap(row.id, row.version, before, scope), scope)
    changed = {"master_key": anew.master_key, "wrapped": anew.sealed}
    db.run(_WRAP_ANEW, {"id": row.id, "master_before": before.master_key, **changed})
