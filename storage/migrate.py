"""Brings a database to the schema of this version, and tells how far it is."""

from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from storage.database import DatabaseUnavailable
from storage.engine import parse

HERE: Final = Path(__file__).resolve().parent / "migrations"


def upgrade(url: str, revision: str = "head") -> None:
    """Create the schema or bring it up to a revision. A SQLite file is created with its folder if need be."""
    parsed = parse(url)
    if parsed.drivername == "sqlite":
        _create_file(Path(parsed.database or "").absolute())
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str = "base") -> None:
    """Take the schema back to a revision. What the undone tables held is gone."""
    _run(url, lambda config: command.downgrade(config, revision))


def pending(url: str) -> list[str]:
    """Return the revisions that the database has not seen, oldest first."""
    script = ScriptDirectory.from_config(_config())
    seen = _applied(url)
    known = {each.revision for head in seen for each in script.iterate_revisions(head, "base")}
    return [each.revision for each in reversed(list(script.walk_revisions())) if each.revision not in known]


def is_current(url: str) -> bool:
    """Tell whether the database has the schema of this version."""
    return not pending(url)


def _create_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Its owner's alone: providers' secrets are in it. SQLite gives its side files the same mode.
        path.touch(mode=0o600)
    except OSError as exc:
        raise DatabaseUnavailable(f"The database cannot be made at {path}: {exc.strerror}") from exc


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(parse(url), poolclass=NullPool)


def _applied(url: str) -> tuple[str, ...]:
    parsed = parse(url)
    if parsed.drivername == "sqlite" and not Path(parsed.database or "").exists():
        return ()
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_heads()
    except DBAPIError as exc:
        raise DatabaseUnavailable from exc


def _run(url: str, action: Any) -> None:
    config = _config()
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            action(config)
    except DBAPIError as exc:
        if exc.connection_invalidated or isinstance(exc, sa.exc.OperationalError):
            raise DatabaseUnavailable(f"The database cannot be migrated: {exc.orig}") from exc
        raise
