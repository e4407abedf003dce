"""The embed configuration in its row."""

from datetime import datetime

from penstock.tenant import EmbedConfig
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import embed_configs

_OWN = [each.name for each in embed_configs.columns if each.name not in (*SCOPE_COLUMNS, "updated_at")]

_GET = Statement(scoped.select(*(embed_configs.c[name] for name in _OWN)))
_PUT = scoped.upsert(embed_configs, SCOPE_COLUMNS, [*_OWN, "updated_at"])


class EmbedConfigRows:
    """The one embed configuration of a scope."""

    def __init__(self, connection: ScopedConnection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self) -> EmbedConfig:
        """Return the configuration, or the one that a scope begins with."""
        row = self._connection.row(_GET, {})
        if row is None:
            return EmbedConfig()
        return EmbedConfig(**{**row._asdict(), "allowed_origins": tuple(row.allowed_origins)})

    def put(self, config: EmbedConfig) -> None:
        """Write the whole configuration."""
        row = {name: getattr(config, name) for name in _OWN}
        row["allowed_origins"] = list(config.allowed_origins)
        self._connection.put(_PUT, {**row, "updated_at": self._now})
