"""Opens databases from their URLs: ``sqlite:///…`` or ``postgresql://…``."""

from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.database import Database
from storage.sqlite import SqliteDatabase

DEFAULT_POOL: Final = 16
_POSTGRESQL: Final = frozenset({"postgres", "postgresql", "postgresql+psycopg"})


class UnknownDatabase(ValueError):
    """The URL is none of a database that this house can use."""


def parse(url: str) -> URL:
    """Return a URL with its driver named. Raises `UnknownDatabase`; the message never shows the URL's password."""
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        raise UnknownDatabase("the database URL cannot be read; try sqlite:///penstock.db") from exc
    if parsed.drivername in _POSTGRESQL:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or parsed.database == ":memory:":
            raise UnknownDatabase("SQLite needs a file here, for example sqlite:///penstock.db")
        return parsed.set(drivername="sqlite")
    raise UnknownDatabase(f"no database is called {parsed.drivername!r}; use sqlite:/// or postgresql://")


def open_database(url: str, *, pool_size: int = DEFAULT_POOL) -> Database:
    """Return a database. Nothing is connected until the first block is opened.

    ``pool_size`` bounds the connections to PostgreSQL; give it the number of threads that open blocks.
    """
    parsed = parse(url)
    if parsed.drivername == "sqlite":
        return SqliteDatabase(parsed)
    from storage.postgresql import PostgresqlDatabase  # noqa: PLC0415  a laptop on SQLite loads no driver for it

    return PostgresqlDatabase(parsed, pool_size=pool_size)
