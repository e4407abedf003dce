"""Migrations lead to exactly the tables that the code knows, and back, on both databases, from wherever they were cut off."""

import re
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from storage import migrate
from storage.database import DatabaseUnavailable
from storage.engine import UnknownDatabase, parse
from storage.tables import metadata
from tests.storage.races import race

REVISIONS = [each.revision for each in reversed(list(ScriptDirectory.from_config(migrate._config()).walk_revisions()))]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def empty_urls(request, tmp_path):
    """Two databases without any table."""
    if request.param == "sqlite":
        return [f"sqlite:///{tmp_path}/{name}.db" for name in "ab"]
    urls = []
    for fresh in (request.getfixturevalue("postgresql_database"), request.getfixturevalue("second_database")):
        migrate.downgrade(fresh)
        urls.append(fresh)
    return urls


@pytest.fixture
def second_database(postgres_databases):
    with postgres_databases.fresh() as url:
        yield url


def schema(url):
    """Everything that a database says of its tables, indexes and constraints, as sorted lines."""
    engine = sa.create_engine(parse(url))
    with engine.connect() as connection:
        queries = _SQLITE if engine.dialect.name == "sqlite" else _POSTGRESQL
        rows = [tuple(row) for sql in queries for row in connection.execute(sa.text(sql))]
    engine.dispose()
    return sorted(_normal(" | ".join(map(str, row))) for row in rows if "alembic_version" not in str(row))


def _normal(line):
    line = re.sub(r"\s+", " ", line)
    if "CREATE TABLE" not in line:
        return line
    head, _, body = line.partition("(")
    body, _, tail = body.rpartition(")")
    return " ".join(
        [head, *sorted(part.strip() for part in body.split(", ")), tail]
    )  # the order of constraints is free


_SQLITE = ("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'",)
_POSTGRESQL = (
    """SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public'""",
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """SELECT conname, conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n'""",
)


def test_migrations_and_tables_agree(empty_urls):
    migrated, created = empty_urls
    migrate.upgrade(migrated)
    engine = sa.create_engine(parse(created))
    metadata.create_all(engine)
    engine.dispose()
    told = schema(migrated)
    assert told == schema(created)
    assert len(told) >= 40


def test_each_step_can_be_undone_and_done_again(empty_urls):
    url = empty_urls[0]
    before = []
    for revision in REVISIONS:
        before.append((schema(url), revision))
        migrate.upgrade(url, revision)
    complete = schema(url)
    for told, revision in reversed(before):
        migrate.downgrade(url, ["base", *REVISIONS][REVISIONS.index(revision)])
        assert schema(url) == told
    migrate.upgrade(url)
    assert schema(url) == complete


def test_what_is_pending_is_told_oldest_first(empty_urls):
    url = empty_urls[0]
    assert migrate.pending(url) == REVISIONS
    assert not migrate.is_current(url)
    migrate.upgrade(url, REVISIONS[0])
    assert migrate.pending(url) == REVISIONS[1:]
    migrate.upgrade(url)
    assert migrate.is_current(url)
    migrate.upgrade(url)


def test_two_processes_may_migrate_at_once(empty_urls):
    url = empty_urls[0]
    command = [sys.executable, "-c", f"from storage import migrate; migrate.upgrade({url!r})"]
    ended = race([lambda: subprocess.run(command, capture_output=True, text=True, timeout=60)] * 2)
    assert [done.returncode for done in ended] == [0, 0], [done.stderr[-500:] for done in ended]
    assert migrate.is_current(url)


@pytest.mark.parametrize("kill_after", [1, 3, 8])
def test_a_migration_that_is_cut_off_leaves_nothing_half_done(empty_urls, kill_after):
    url = empty_urls[0]
    migrate.upgrade(url, REVISIONS[0])
    before = schema(url)
    code = f"""
import os, signal
from alembic import op
from storage import migrate
create, left = op.create_table, [{kill_after}]
def dying(*args, **kw):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return create(*args, **kw)
op.create_table = dying
migrate.upgrade({url!r})
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == -9
    assert schema(url) == before
    assert migrate.pending(url) == REVISIONS[1:]
    migrate.upgrade(url)
    assert migrate.is_current(url)


def test_a_new_sqlite_file_gets_its_folder(tmp_path):
    url = f"sqlite:///{tmp_path}/deep/er/shop.db"
    assert migrate.pending(url) == REVISIONS
    assert not (tmp_path / "deep").exists(), "looking creates nothing"
    migrate.upgrade(url)
    assert migrate.is_current(url)
    assert (tmp_path / "deep/er/shop.db").stat().st_mode & 0o777 == 0o600, "it holds providers' secrets"


def test_a_place_where_no_file_can_be_is_said_to_be_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnavailable, match="cannot be made"):
        migrate.upgrade(f"sqlite:///{tmp_path}/file/shop.db")


def test_a_database_that_cannot_be_reached_is_said_to_be_so():
    for ask in (migrate.pending, migrate.upgrade):
        with pytest.raises(DatabaseUnavailable):
            ask("postgresql://nobody@127.0.0.1:1/nothing")


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://h/n", "sqlite://", "sqlite:///:memory:", "redis://h"])
def test_another_kind_of_database_is_refused(url):
    with pytest.raises(UnknownDatabase):
        migrate.upgrade(url)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_goes_by_three_names(scheme):
    assert parse(f"{scheme}://u:p@h:1/n").drivername == "postgresql+psycopg"
