"""One page of a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, already in the wire's shape. ``cursor`` is None on the last page."""

    records: Sequence[Mapping[str, Any]]
    limit: int
    cursor: str | None = None

    def shape(self) -> dict[str, Any]:
        """Return the page as the wire has it."""
        pagination = {"cursor": self.cursor, "hasMore": self.cursor is not None, "limit": self.limit}
        return {"data": self.records, "meta": {"pagination": pagination}}
