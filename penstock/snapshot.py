"""Calculations that are kept: the whole answer as a snapshot, and what a cart knows of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A calculation as it was answered, or totals as another system handed them in. It never changes."""

    id: str
    kind: str
    status: str
    body: Mapping[str, Any]
    created_at: datetime
    created_by: str | None = None
    cart_id: str | None = None
    session_ref: str | None = None
    order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculated:
    """The calculation that a cart's shipping and taxes come from, by the id of its snapshot.

    ``is_final`` is lost with the next change that could have made it come out otherwise; ``has_taxes`` says that the tax
    lines are the whole truth, so that a line's own tax amount does not count; ``watched`` names the addresses that
    decided.
    """

    snapshot_id: str
    is_final: bool
    has_taxes: bool
    watched: Sequence[str] = ()
