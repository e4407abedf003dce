"""The shipping and tax configuration in rows: the draft, what is published, and every version that ever was."""

from collections import OrderedDict
from datetime import datetime
from threading import Lock
from typing import Final

from penstock.ports import Page
from penstock.shipping_tax import Config, ConfigHead, ConfigVersion, read_config
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.cursors import Cursors
from storage.lists import Listing
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import shipping_tax_configs, shipping_tax_versions

_HEAD: Final = [each.name for each in shipping_tax_configs.columns if each.name not in (*SCOPE_COLUMNS, "updated_at")]
_VERSION: Final = [each.name for each in shipping_tax_versions.columns if each.name not in SCOPE_COLUMNS]
_KEPT: Final = 256
"""How many configurations a process keeps as objects. A version never changes, so what is kept is never stale."""

_heads = scoped.select(*(shipping_tax_configs.c[name] for name in _HEAD))
_GET_HEAD = Statement(_heads)
_HOLD = Statement(_heads.with_for_update())
_STANDING = Statement(scoped.select(shipping_tax_configs.c.number, shipping_tax_configs.c.version_id))
_CLAIM = scoped.upsert(shipping_tax_configs, SCOPE_COLUMNS, [])
_PUT_HEAD = Statement(scoped.update(shipping_tax_configs, [*_HEAD, "updated_at"]))
_versions = scoped.select(*(shipping_tax_versions.c[name] for name in _VERSION))
_GET = Statement(_versions.where(scoped.by_id(shipping_tax_versions)))
_NUMBERED = Statement(_versions.where(shipping_tax_versions.c.number == value(shipping_tax_versions.c.number)))
_ADD = Statement(scoped.insert(shipping_tax_versions))
_LISTING: Final = Listing(
    shipping_tax_versions,
    [each for each in shipping_tax_versions.columns if each.name not in (*SCOPE_COLUMNS, "body")],
    {},
    lambda row: {
        "id": row.id,
        "version": row.number,
        "restoredFrom": row.restored_from,
        "publishedAt": row.created_at,
        "publishedBy": row.created_by,
    },
)


class ShippingTaxRows:
    """The configuration of one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime, cursors: Cursors) -> None:
        self._connection = connection
        self._now = now
        self._cursors = cursors

    def head(self) -> ConfigHead:
        """Return where the configuration stands."""
        row = self._connection.row(_GET_HEAD, {})
        return ConfigHead() if row is None else ConfigHead(**row._asdict())

    def hold(self) -> ConfigHead:
        """Return where the configuration stands, and let nobody change it until the block ends."""
        empty = ConfigHead()
        self._connection.run(_CLAIM, {**{name: getattr(empty, name) for name in _HEAD}, "updated_at": self._now})
        return ConfigHead(**self._connection.row(_HOLD, {})._asdict())

    def put(self, head: ConfigHead) -> None:
        """Write where a configuration that is held stands now."""
        self._connection.run(_PUT_HEAD, {**{name: getattr(head, name) for name in _HEAD}, "updated_at": self._now})

    def in_force(self) -> Config:
        """Return the published configuration, ready to calculate with; one with both axes off where there is none."""
        head = self._connection.row(_STANDING, {})
        if head is None or head.version_id is None:
            return Config()
        found = _kept.get(head.version_id)
        if found is None:
            version = self.version(head.version_id)
            if version is None:
                raise LookupError(f"the configuration has lost its version {head.number}")
            found = read_config(version.body, version.number)
            _kept.put(head.version_id, found)
        return found

    def version(self, version_id: str) -> ConfigVersion | None:
        """Return one version by its id."""
        row = self._connection.row(_GET, {"id": version_id})
        return None if row is None else ConfigVersion(**row._asdict())

    def numbered(self, number: int) -> ConfigVersion | None:
        """Return one version by its number."""
        row = self._connection.row(_NUMBERED, {"number": number})
        return None if row is None else ConfigVersion(**row._asdict())

    def add(self, version: ConfigVersion) -> None:
        """Write a new version."""
        self._connection.run(_ADD, {name: getattr(version, name) for name in _VERSION})

    def versions(self, *, cursor: str | None, limit: int) -> Page:
        """Return a page of versions in the wire's shape without their content, newest first."""
        return _LISTING.page(self._connection, self._cursors, {}, cursor=cursor, limit=limit)


class _Read:
    """The configurations that this process has read, the least recently used one leaves first."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Config] = OrderedDict()
        self._lock = Lock()

    def get(self, version_id: str) -> Config | None:
        with self._lock:
            found = self._found.get(version_id)
            if found is not None:
                self._found.move_to_end(version_id)
            return found

    def put(self, version_id: str, config: Config) -> None:
        with self._lock:
            self._found[version_id] = config
            if len(self._found) > _KEPT:
                self._found.popitem(last=False)


_kept: Final = _Read()
