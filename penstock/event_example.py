"""A whole event of each type, as a receiver might get it: what the pages and the published catalogue show."""

from datetime import UTC, datetime
from typing import Any, Final

from penstock import catalogue
from penstock.caller import Scope
from penstock.event_message import envelope

_SCOPE: Final = Scope(
    "0199f3a2-1c0d-7e21-9f3a-5b7d1c9e2a46",
    "0199f3a2-1c0f-7a02-bb6d-4e8f1a2c3d5e",
    "0199f3a2-1c0e-7d44-8a51-6b2f90c3d7e4",
)
_MADE_AT: Final = datetime(2026, 11, 20, 14, 12, tzinfo=UTC)


def example_event(kind: str) -> dict[str, Any]:
    """Return a whole event of a type, as a receiver might get it. Raises KeyError for an unknown type."""
    carried = catalogue.event_example(kind)
    # The first field of an event's data names its object.
    return envelope(
        event_id="evt_0199f3a58b217c0e9d4a6f2c1b3e5d70",
        event_type=kind,
        scope=_SCOPE,
        object_type=catalogue.events()[kind].object,
        object_id=str(next(iter(carried.values()))),
        sequence=1,
        stream_sequence=1284,
        created_at=_MADE_AT,
        payload=carried,
    )
