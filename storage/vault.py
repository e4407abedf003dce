"""Seals values of rows under their tenant's data key, and opens them. The data keys themselves stand wrapped in rows."""

from collections import OrderedDict
from datetime import datetime
from threading import Lock
from typing import Any, Final

import orjson

from penstock.ids import new_id
from penstock.vault import DataKey, MasterKeys, Place, Unopenable, Wrapped, key_id_of, new_data_key, seal, unseal
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import data_keys

FIRST: Final = 1
_KEPT: Final = 4096

_columns = (data_keys.c.id, data_keys.c.version, data_keys.c.master_key, data_keys.c.wrapped)
_NEWEST = Statement(scoped.select(*_columns).order_by(data_keys.c.version.desc()).limit(1))
_GET = Statement(scoped.select(*_columns).where(scoped.by_id(data_keys)))
_ADD = scoped.upsert(data_keys, [*SCOPE_COLUMNS, "version"], [])


class Vault:
    """Seals and opens for any tenant. Safe to share between threads.

    Opened data keys are kept in memory by their id. An id never names another key, so nothing has to be forgotten.
    """

    def __init__(self, masters: MasterKeys) -> None:
        self.masters = masters
        self._opened: OrderedDict[str, DataKey] = OrderedDict()
        self._lock = Lock()

    def seal(self, connection: ScopedConnection, now: datetime, place: tuple[str, str, str], value: Any) -> str:
        """Return a JSON value, sealed for a place (table, row id, column) of the connection's scope.

        A tenant's first data key is made in the same transaction.
        """
        key = self._newest(connection, now)
        return seal(key, Place(connection.scope, *place), orjson.dumps(value))

    def open(self, connection: ScopedConnection, place: tuple[str, str, str], text: str) -> Any:
        """Return the JSON value that was sealed for this place. Raises `Unopenable`."""
        key = self._by_id(connection, key_id_of(text))
        return orjson.loads(unseal(key, Place(connection.scope, *place), text))

    def _newest(self, connection: ScopedConnection, now: datetime) -> DataKey:
        row = connection.row(_NEWEST, {})
        if row is None:
            key = new_data_key(new_id(), FIRST)
            wrapped = self.masters.wrap(key, connection.scope)
            kept = {"master_key": wrapped.master_key, "wrapped": wrapped.sealed}
            connection.put(_ADD, {"id": key.id, "version": key.version, "created_at": now, **kept})
            row = connection.row(_NEWEST, {})  # another transaction may have been first
        return self._unwrapped(connection, row)

    def _by_id(self, connection: ScopedConnection, key_id: str) -> DataKey:
        with self._lock:
            known = self._opened.get(key_id)
        if known is not None:
            return known
        row = connection.row(_GET, {"id": key_id})
        if row is None:
            raise Unopenable("the value names a data key that this tenant does not have")
        key = self._unwrapped(connection, row)
        with self._lock:
            self._opened[key.id] = key
            while len(self._opened) > _KEPT:
                self._opened.popitem(last=False)
        return key

    def _unwrapped(self, connection: ScopedConnection, row: Any) -> DataKey:
        wrapped = Wrapped(row.master_key, bytes(row.wrapped))
        return self.masters.unwrap(row.id, row.version, wrapped, connection.scope)
