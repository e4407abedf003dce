"""Events: what happened to one object, in order, written in the transaction that made it happen."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``sequence`` counts 1, 2, 3 … within its object, without gap or repeat."""

    id: str
    type: str
    object_type: str
    object_id: str
    sequence: int
    data: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that its object has noted and that has not been written yet."""

    type: str
    sequence: int
    data: Mapping[str, Any]


declared_events: ContextVar[frozenset[str] | None] = ContextVar("declared_events", default=None)
"""The event types that the running operation declares (``x-emits``); None where nobody holds it to them.

The front door sets it in tests. In production an event that is not declared is written all the same: it is true.
"""


class UndeclaredEvent(AssertionError):
    """An operation was about to note an event that the spec does not say it emits."""


@dataclass(slots=True, kw_only=True)
class Recorded:
    """An object that notes what happens to it. Its repository writes row and events together, and never one alone."""

    sequence: int = 0
    drafts: list[Draft] = field(default_factory=list)

    def note(self, kind: str, data: Mapping[str, Any]) -> None:
        """Note an event under the object's next sequence number. Raises `UndeclaredEvent`, in tests only."""
        declared = declared_events.get()
        if declared is not None and kind not in declared:
            raise UndeclaredEvent(f"{kind} is not among what the operation emits: {sorted(declared)}")
        self.sequence += 1
        self.drafts.append(Draft(kind, self.sequence, data))

    def take_drafts(self) -> list[Draft]:
        """Hand over the noted events and forget them."""
        drafts, self.drafts = self.drafts, []
        return drafts
