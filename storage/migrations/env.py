"""How Alembic runs a migration here: on the connection that `storage.migrate` hands over, one transaction for each."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import context
from sqlalchemy import Connection, event

from storage.tables import metadata

LOCK_TIMEOUT: Final = "5s"
STATEMENT_TIMEOUT: Final = "10min"
# Two processes that start at once both want to migrate; the second one waits for this lock and finds nothing to do.
ADVISORY_LOCK: Final = 7_266_813


def prepare(connection: Connection) -> None:
    """Give the session its timeouts, and let SQLite take DDL into a transaction like anything else."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(sa.text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.execute(sa.text(f"SELECT pg_advisory_lock({ADVISORY_LOCK})"))
        connection.commit()
        return
    raw: Any = connection.connection.dbapi_connection
    raw.isolation_level = None
    for pragma in ("journal_mode=WAL", "busy_timeout=30000", "foreign_keys=OFF"):
        raw.execute(f"PRAGMA {pragma}")
    event.listen(connection, "begin", lambda opened: opened.exec_driver_sql("BEGIN IMMEDIATE"))


def run() -> None:
    """Run what `alembic.command` was asked for."""
    connection = context.config.attributes["connection"]
    prepare(connection)
    # Alembic takes SQLite for a database without transactional DDL. With it, where the schema stands is read under the
    # same lock under which it is changed.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


run()
