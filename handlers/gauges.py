"""Gauges of what is still to be done. They are set from the database when somebody asks, whichever process that is."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from storage.backlog import Look

_GAUGES: Final[Sequence[tuple[str, str, Sequence[str]]]] = (
    ("due_rows", "Rows of what must happen later, by kind.", ["kind"]),
    ("due_rows_now", "Those of them whose time has come.", ["kind"]),
    ("due_oldest_seconds", "For how long the oldest of them has been due.", ["kind"]),
    ("events_waiting", "Events that are not handed on to endpoints yet.", []),
    ("events_lag_seconds", "For how long the oldest of them has waited.", []),
)


class BacklogGauges:
    """How much there is, and how late."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._gauges = {
            name: Gauge(f"penstock_{name}", text, labels, registry=registry, multiprocess_mode="mostrecent")
            for name, text, labels in _GAUGES
        }
        self._kinds: set[str] = set()

    def set(self, look: Look) -> None:
        """Take over a look."""
        found = {heap.kind: heap for heap in look.heaps}
        self._kinds |= set(found)
        for kind in self._kinds:  # a kind of which nothing is left has to fall to zero
            heap = found.get(kind)
            self._gauges["due_rows"].labels(kind).set(heap.rows if heap else 0)
            self._gauges["due_rows_now"].labels(kind).set(heap.due if heap else 0)
            self._gauges["due_oldest_seconds"].labels(kind).set(heap.late(look.at) if heap else 0)
        self._gauges["events_waiting"].set(look.waiting)
        self._gauges["events_lag_seconds"].set(look.lag)
