"""No statement of a repository reads a table from end to end, however many rows other objects have."""

import importlib
import re
import sqlite3
import uuid
from contextlib import closing
from itertools import count

import pytest

from storage.engine import open_database, parse
from storage.lists import Listing
from storage.statement import Statement
from tests.house.test_scoping import REPOSITORIES


def statements():
    """Every statement of every repository, by name; of lists, one for each filter with a cursor and without."""
    for name in REPOSITORIES:
        for each, found in vars(importlib.import_module(name)).items():
            if isinstance(found, Statement):
                yield f"{name}.{each}", found
            if isinstance(found, Listing):
                for chosen in [(), *((condition,) for condition in found._conditions)]:
                    for is_first in (True, False):
                        label = f"{name}.{each}({', '.join(chosen)}{'' if is_first else ' after'})"
                        yield label, found._write(frozenset(chosen), is_first=is_first)


STATEMENTS = dict(statements())
WAITING = ("ix_events_waiting",)
"""Partial indexes that hold only what is still to be done: reading one from end to end is their purpose."""
LIST = "SCAN anon_1 VIRTUAL TABLE"
"""A list that comes with the statement."""
COUNTS = ("storage.backlog._HEAPS", "storage.backlog._OWN_HEAPS")
"""What counts all that is still to be done, for metrics and for people: it has to look at each."""


def plan(url, statement):
    ready = statement.ready(open_database(url).dialect)
    connection = sqlite3.connect(parse(url).database)
    try:
        return " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {ready.sql}", _nulls(ready)))
    finally:
        connection.close()


def _nulls(ready):
    return [None] * len(ready._binds)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_searches_and_never_scans(sqlite_url, name):
    found = plan(sqlite_url, STATEMENTS[name])
    for index in WAITING:
        found = found.replace(f"SCAN events USING INDEX {index}", "").replace(
            f"SCAN events USING COVERING INDEX {index}", ""
        )
    found = found.replace(LIST, "")
    if name in COUNTS:
        found = found.replace("SCAN due USING INDEX", "")
    assert "SCAN" not in found


@pytest.mark.parametrize("name", ["_ANY_WAITING", "_WAITING", "_OLDEST"])
def test_what_waits_is_found_by_its_index_whatever_a_young_database_was_analyzed_for(sqlite_url, name):
    fields = (
        "id, workspace_id, environment_id, application_id, type, object_type, object_id, sequence, data, created_at"
    )
    words = (*(f"'{uuid.uuid4()}'" for _ in range(3)), "'cart.created'", "'cart'", "'c'", "?", "'{}'", "1", "1", "?")
    with closing(sqlite3.connect(parse(sqlite_url).database)) as young, young:
        young.executemany(
            f"INSERT INTO events ({fields}, dispatched_at, stream_sequence) VALUES (?, {', '.join(words)})",
            [(str(uuid.uuid4()), number, number) for number in range(1, 12)],
        )
        young.execute("ANALYZE")
    found = plan(sqlite_url, STATEMENTS[f"storage.outgoing.{name}"])
    assert "INDEX ix_events_waiting" in found
    assert "B-TREE" not in found


def test_events_are_numbered_without_a_loop_over_their_list_in_a_young_postgresql(postgresql_database):
    database = open_database(postgresql_database)
    words, marks = STATEMENTS["storage.stream._NUMBER"].ready(database.dialect), count(1)
    numbered = re.sub("%s", lambda _: f"${next(marks)}", words.sql)
    with database.writing() as connection:
        cursor = connection.raw()
        cursor.execute(f"EXPLAIN (GENERIC_PLAN) {numbered}")
        found = [line for (line,) in cursor.fetchall()]
        cursor.close()
    database.close()
    assert found
    assert not [line for line in found if "Loop" in line or "Join" in line or "Function Scan" in line]


@pytest.mark.parametrize("name", [name for name in STATEMENTS if "_LISTING" in name])
def test_a_list_is_read_in_the_order_of_its_index(sqlite_url, name):
    assert "B-TREE" not in plan(sqlite_url, STATEMENTS[name])


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("storage.orders._LISTING()", "ix_orders_newest"),
        ("storage.orders._LISTING(status after)", "ix_orders_status"),
        ("storage.orders._LISTING(payment_status)", "ix_orders_payment_status"),
        ("storage.orders._LISTING(customer_id)", "ix_orders_customer"),
        ("storage.payment_lists._LISTING( after)", "ix_payments_newest"),
        ("storage.payment_lists._LISTING(order_id)", "ix_payments_order"),
        ("storage.payment_lists._OF_ORDER", "ix_payments_order"),
        ("storage.payment_lists._TRANSACTIONS", "ix_transactions_payment_id"),
        ("storage.due._ANY_WAITING", "ix_due_run_at"),
    ],
)
def test_a_list_uses_the_index_that_was_made_for_it(sqlite_url, name, index):
    assert index in plan(sqlite_url, STATEMENTS[name])
