"""What revisions write tables with. A change here changes history: add, never alter."""

from typing import Any

import sqlalchemy as sa

from storage.types import Kind, UuidText


def filled(name: str, kind: Kind) -> sa.Column[Any]:
    """Return a column that always has a value."""
    return sa.Column(name, kind, nullable=False)


def optional(name: str, kind: Kind) -> sa.Column[Any]:
    """Return a column that may be null."""
    return sa.Column(name, kind, nullable=True)


def later(name: str, kind: Kind, default: str) -> sa.Column[Any]:
    """Return a column that is added to a table: the rows that are there get the default."""
    return sa.Column(name, kind, nullable=False, server_default=sa.text(default))


def scope() -> list[sa.Column[Any]]:
    """Return the three columns of every row of a tenant."""
    return [filled(name, UuidText()) for name in ("workspace_id", "environment_id", "application_id")]


def only_where(condition: str) -> dict[str, Any]:
    """Return what makes an index partial on both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
