"""API keys in rows. Finding the key that a request shows goes across tenants and stands in `storage.identity`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from penstock.caller import Scope
from penstock.tenant import ApiKey
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import api_keys

_OWN = [each.name for each in api_keys.columns if each.name not in SCOPE_COLUMNS]

_LIST = Statement(
    scoped.select(*(api_keys.c[name] for name in _OWN))
    .where(api_keys.c.revoked_at.is_(None))
    .order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())
)
_ADD = Statement(scoped.insert(api_keys))
_REVOKE = Statement(
    scoped.update(api_keys, ["revoked_at"]).where(scoped.by_id(api_keys), api_keys.c.revoked_at.is_(None))
)


class KeyRows:
    """The API keys of one scope."""

    def __init__(self, connection: ScopedConnection) -> None:
        self._connection = connection

    def list_active(self) -> Sequence[ApiKey]:
        """Return the keys that are not revoked, newest first."""
        return [key_from_row(row, self._connection.scope) for row in self._connection.rows(_LIST, {})]

    def add(self, key: ApiKey) -> None:
        """Write a new key."""
        self._connection.put(_ADD, key_to_row(key))

    def revoke(self, key_id: str, at: datetime) -> bool:
        """Revoke an active key; False where there is none with this id."""
        return self._connection.run(_REVOKE, {"id": key_id, "revoked_at": at}) == 1


def key_to_row(key: ApiKey) -> dict[str, Any]:
    """Return a key's columns, without those of its scope."""
    return {**{name: getattr(key, name) for name in _OWN}, "scopes": list(key.scopes)}


def key_from_row(row: Any, scope: Scope) -> ApiKey:
    """Return a key from a row that has all columns."""
    return ApiKey(scope=scope, **{name: getattr(row, name) for name in _OWN})
