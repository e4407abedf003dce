"""Calculations in rows, as they were answered."""

from typing import Final

from penstock.snapshot import Snapshot
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import calculations

_OWN: Final = [each.name for each in calculations.columns if each.name not in SCOPE_COLUMNS]

_GET = Statement(scoped.select(*(calculations.c[name] for name in _OWN)).where(scoped.by_id(calculations)))
_ADD = Statement(scoped.insert(calculations))


class CalculationRows:
    """The calculations of one scope that were kept."""

    def __init__(self, connection: ScopedConnection) -> None:
        self._connection = connection

    def get(self, snapshot_id: str) -> Snapshot | None:
        """Return one calculation."""
        row = self._connection.row(_GET, {"id": snapshot_id})
        return None if row is None else Snapshot(**row._asdict())

    def add(self, snapshot: Snapshot) -> None:
        """Write a new calculation."""
        self._connection.put(_ADD, {name: getattr(snapshot, name) for name in _OWN})
