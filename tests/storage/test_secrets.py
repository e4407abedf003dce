"""Secrets in rows: sealed for their place, refused when they are moved, and wrapped anew without losing one."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from penstock.clock import StandingClock
from penstock.ids import new_id
from penstock.inbox import Message
from penstock.request import Hint
from penstock.tenant import Connection
from penstock.vault import Unopenable
from plugins import manager
from plugins.registry import Registry, UnusableConnection
from storage import rotation, tables
from storage.engine import parse
from storage.work import open_work
from tests import make
from tests.storage.races import race

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = b"o" * 32, b"n" * 32
CANARIES = [f"canary-{index:02}-{new_id()}" for index in range(20)]


def connection(scope=make.SCOPE, **fields):
    given = {"id": new_id(), "connector": "sandbox", "display_name": "C", "position": 1, "created_at": make.NOW}
    return Connection(scope=scope, **{"settings": {"api_key": "sk_secret"}, **given, **fields})


def opened(database, vault):
    return open_work(database, StandingClock(make.NOW), cursor_key=b"k", vault=vault)


def run(database_url, statement, *values):
    engine = sa.create_engine(parse(database_url))
    with engine.begin() as beside:
        found = beside.execute(statement, *values)
        rows = found.all() if found.returns_rows else []
    engine.dispose()
    return rows


def dump(database_url):
    """Everything that the database keeps, as bytes: files with their logs, or every row of every table."""
    parsed = parse(database_url)
    if parsed.drivername == "sqlite":
        path = Path(parsed.database)
        return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    told = []
    with psycopg.connect(parsed.set(drivername="postgresql").render_as_string(hide_password=False)) as beside:
        for table in tables.metadata.tables:
            with beside.cursor().copy(f'COPY "{table}" TO STDOUT') as copy:
                told += list(map(bytes, copy))
    return b"".join(told)


def test_a_dump_of_the_database_holds_none_of_twenty_canary_secrets(database, database_url):
    work = opened(database, make.vault())
    kept = [connection(make.scope(), settings={"api_key": canary, "nested": [{"deep": canary}]}) for canary in CANARIES]
    for each in kept:
        with work(each.scope) as uow:
            uow.connections.add(each)
    raw = dump(database_url)
    assert b"connections" in raw or b"sandbox" in raw
    assert [canary for canary in CANARIES if canary.encode() in raw] == []
    for each in kept:
        with work(each.scope, read=True) as uow:
            assert uow.connections.get(each.id) == each


def test_settings_that_were_moved_from_another_row_are_refused(database, database_url):
    work, mine, theirs = opened(database, make.vault()), connection(), connection(settings={"api_key": "sk_other"})
    foreign = connection(make.scope(), settings={"api_key": "sk_foreign"})
    for each in (mine, theirs, foreign):
        with work(each.scope) as uow:
            uow.connections.add(each)
    table = tables.connections
    for source in (theirs, foreign):
        taken = sa.select(table.c.settings).where(table.c.id == source.id)
        settings = run(database_url, taken)[0].settings
        run(database_url, sa.update(table).where(table.c.id == mine.id).values(settings=settings))
        with work(mine.scope, read=True) as uow:
            found = uow.connections.get(mine.id)
        assert not found.is_readable
        assert found.settings == {}
        registry = Registry(manager.load(entry_points=False), clock=StandingClock(make.NOW))
        with pytest.raises(UnusableConnection, match="cannot be opened"):
            registry.build(found)
        registry.close()


def test_settings_that_somebody_wrote_plainly_are_refused(database, database_url):
    work, mine = opened(database, make.vault()), connection()
    with work(mine.scope) as uow:
        uow.connections.add(mine)
    run(database_url, sa.update(tables.connections).values(settings={"api_key": "sk_planted"}))
    with work(mine.scope, read=True) as uow:
        assert not uow.connections.get(mine.id).is_readable


def test_plain_rows_of_an_earlier_version_are_found_and_sealed(database, database_url):
    vault, mine = make.vault(), connection()
    work = opened(database, vault)
    with work(mine.scope) as uow:
        uow.connections.add(mine)
        uow.connections.add(connection(settings={}))
    assert not rotation.has_plain_rows(database)
    table = tables.connections
    run(database_url, sa.update(table).where(table.c.id == mine.id).values(settings=dict(mine.settings)))
    assert rotation.has_plain_rows(database)
    assert rotation.seal_plain_rows(database, vault, make.NOW) == 1
    assert rotation.seal_plain_rows(database, vault, make.NOW) == 0
    assert not rotation.has_plain_rows(database)
    with work(mine.scope, read=True) as uow:
        assert uow.connections.get(mine.id) == mine


def test_two_who_seal_a_tenant_s_first_secret_at_once_agree_on_its_key(database, database_url):
    own = make.scope()
    kept = [connection(own, settings={"api_key": f"sk_{index}"}) for index in range(8)]

    def add(each):
        with opened(database, make.vault())(own) as uow:
            uow.connections.add(each)

    ended = race([lambda each=each: add(each) for each in kept])
    assert [e for e in ended if isinstance(e, BaseException)] == []
    assert len(run(database_url, sa.select(tables.data_keys.c.id))) == 1
    with opened(database, make.vault())(own, read=True) as uow:
        assert sorted(c.settings["api_key"] for c in uow.connections.list_active()) == [f"sk_{i}" for i in range(8)]


def test_a_block_that_is_undone_leaves_no_key_behind_in_memory(database):
    vault, own = make.vault(), make.scope()
    work, lost, kept = opened(database, vault), connection(own), connection(own)

    def undo():
        with work(own) as uow:
            uow.connections.add(lost)
            assert uow.connections.get(lost.id) == lost
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undo()
    with work(own) as uow:
        uow.connections.add(kept)
    with opened(database, make.vault())(own, read=True) as uow:
        assert uow.connections.get(kept.id) == kept


def test_rotation_wraps_every_data_key_anew_and_changes_no_secret(database):
    kept = [connection(make.scope()) for _ in range(7)]
    for each in kept:
        with opened(database, make.vault(OLD))(each.scope) as uow:
            uow.connections.add(each)
    both = make.vault(NEW, OLD)
    assert rotation.keys_to_wrap(database, both) == 7
    assert list(rotation.rotate(database, both, at_once=3)) == [3, 3, 1]
    assert rotation.keys_to_wrap(database, both) == 0
    assert list(rotation.rotate(database, both)) == []
    for each in kept:
        with opened(database, make.vault(NEW))(each.scope, read=True) as uow:
            assert uow.connections.get(each.id) == each
        with opened(database, make.vault(OLD))(each.scope, read=True) as uow:
            assert not uow.connections.get(each.id).is_readable


def test_rotation_without_the_old_key_changes_nothing_and_says_which_is_missing(database):
    with opened(database, make.vault(OLD))(make.SCOPE) as uow:
        uow.connections.add(connection())
    with pytest.raises(Unopenable, match="which is not set"):
        list(rotation.rotate(database, make.vault(NEW)))
    assert rotation.keys_to_wrap(database, make.vault(OLD)) == 0


def penstock(url, *arguments, **more):
    known = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    given = {"PENSTOCK_DATABASE_URL": url, "PENSTOCK_SECRET_KEY": "a root secret of these tests, long enough"}
    command = [sys.executable, "-m", "penstock", *arguments]
    environ = {**known, **given, "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_rotation_that_is_killed_midway_is_finished_by_the_next(database, database_url, tmp_path):
    state = {"PENSTOCK_STATE_DIR": str(tmp_path)}
    new = {"PENSTOCK_MASTER_KEYS": "a master secret of these tests; long enough"}
    root = make.vault_of("a root secret of these tests, long enough")
    kept = [connection(make.scope()) for _ in range(rotation.AT_ONCE + 5)]
    for each in kept:
        with opened(database, root)(each.scope) as uow:
            uow.connections.add(each)
    armed = {"PENSTOCK_TEST_FAILPOINTS": "1", "PENSTOCK_FAILPOINTS": "rotation.after_commit=kill"}
    died = penstock(database_url, "rotate-master-key", **state, **new, **armed)
    assert died.returncode == -signal.SIGKILL, died.stderr
    both = make.vault_of("a master secret of these tests; long enough", "a root secret of these tests, long enough")
    assert rotation.keys_to_wrap(database, both) == 5
    for each in (kept[0], kept[-1]):
        with opened(database, both)(each.scope, read=True) as uow:
            assert uow.connections.get(each.id) == each, "both halves are readable in between"
    done = penstock(database_url, "rotate-master-key", **state, **new)
    assert done.returncode == 0, done.stderr
    assert "5 wrapped anew" in done.stdout
    assert rotation.keys_to_wrap(database, both) == 0
    again = penstock(database_url, "rotate-master-key", **state, **new)
    assert "0 wrapped anew" in again.stdout


def test_the_command_says_which_secret_is_missing(database, database_url, tmp_path):
    with opened(database, make.vault(OLD))(make.SCOPE) as uow:
        uow.connections.add(connection())
    told = penstock(database_url, "rotate-master-key", PENSTOCK_STATE_DIR=str(tmp_path))
    assert told.returncode == 2
    assert "PENSTOCK_MASTER_KEYS" in told.stderr


def test_a_deleted_connection_is_purged_after_a_day_unless_a_payment_was_tried_there(database, database_url):
    work, unused, used = opened(database, make.vault()), connection(), connection()
    order = make.order()
    payment = make.payment(order_id=order.id)
    payment.begin(attempt_id=new_id(), connection_id=used.id, connector="sandbox", now=make.NOW)
    with work(make.SCOPE) as uow:
        for each in (unused, used):
            uow.connections.add(each)
            hint = Hint("evt_1", "other")
            uow.inbox.add(Message(id=new_id(), connection_id=each.id, hint=hint, received_at=make.NOW))
            uow.connections.remove(each.id)
        uow.orders.add(order)
        uow.payments.add(payment)
        assert (uow.connections.is_used(unused.id), uow.connections.is_used(used.id)) == (False, True)
        assert uow.connections.list_all() == uow.connections.list_active() == []
        assert uow.connections.get_kept(unused.id) is None
        assert uow.connections.get(unused.id) == replace(unused, is_active=False)
    assert rotation.purge_deleted(database, make.NOW + timedelta(hours=23)) == 0
    assert rotation.purge_deleted(database, make.NOW + timedelta(days=1)) == 1
    messages = run(database_url, sa.select(tables.inbox.c.connection_id))
    assert [str(row.connection_id) for row in messages] == [used.id]
    with work(make.SCOPE, read=True) as uow:
        assert uow.connections.get(unused.id) is None
        assert uow.connections.get(used.id) is not None


def test_a_server_does_not_serve_while_settings_stand_unsealed(sqlite_url, tmp_path):
    state = {"PENSTOCK_STATE_DIR": str(tmp_path)}
    made = json.loads(penstock(sqlite_url, "init", "--json", **state).stdout)
    assert made["workspaceId"]
    run(sqlite_url, sa.update(tables.connections).values(settings={"approve_all": True}))
    told = penstock(sqlite_url, "doctor", **state)
    assert told.returncode == 1
    assert "not sealed" in told.stdout
    migrated = penstock(sqlite_url, "migrate", **state)
    assert "Sealed the settings of 1 payment connection." in migrated.stdout
    assert penstock(sqlite_url, "doctor", **state).returncode == 0
