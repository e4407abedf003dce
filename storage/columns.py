"""How the tables here are written: one naming convention, and the columns that many of them have."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Index, MetaData, Table, text
from sqlalchemy.schema import SchemaItem

from storage.types import Amount, JsonText, Kind, UtcDateTime, UuidText

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SCOPE_COLUMNS = ("workspace_id", "environment_id", "application_id")


def column(name: str, kind: Kind, *more: SchemaItem, key: bool = False) -> Column[Any]:
    """Return a column that always has a value."""
    return Column(name, kind, *more, nullable=False, primary_key=key)


def optional(name: str, kind: Kind) -> Column[Any]:
    """Return a column that may be null."""
    return Column(name, kind, nullable=True)


def later(name: str, kind: Kind, default: str) -> Column[Any]:
    """Return a column that a table got later: the rows that were there before have the default."""
    return Column(name, kind, nullable=False, server_default=text(default))


def id_column() -> Column[Any]:
    """Return the primary key of a table whose rows have a UUID."""
    return column("id", UuidText(), key=True)


def belongs_to(name: str, parent: str) -> Column[Any]:
    """Return a column that names a row of another table."""
    return column(name, UuidText(), ForeignKey(parent))


def at(name: str) -> Column[Any]:
    """Return a column that holds a moment."""
    return column(name, UtcDateTime())


def totals() -> list[Column[Any]]:
    """Return the five columns of a price."""
    names = ("subtotal", "discount_total", "shipping_total", "tax_total", "total")
    return [column(name, Amount()) for name in names]


def addresses() -> list[Column[Any]]:
    """Return the columns of where to ship and whom to bill."""
    return [optional("shipping_address", JsonText()), optional("billing_address", JsonText())]


def table(name: str, *items: SchemaItem) -> Table:
    """Return a table that belongs to no single tenant. SQLite is told to take column types at their word."""
    return Table(name, metadata, *items, sqlite_strict=True)


def tenant_table(name: str, *items: SchemaItem) -> Table:
    """Return a table of which every row belongs to one scope; `storage.scoped` alone writes statements on it."""
    scope = [column(each, UuidText()) for each in SCOPE_COLUMNS]
    return Table(name, metadata, *scope, *items, sqlite_strict=True, info={"is_tenant": True})


def newest_first(name: str, *filters: str) -> Index:
    """Return the index of a list, newest first, perhaps with filters in front."""
    columns = ("environment_id", "application_id", *filters, "created_at", "id")
    return Index(name, *columns)
