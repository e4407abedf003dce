"""Who writes statements on tenant tables: the one layer that binds them to a scope, and a short list with reasons.

Born from the mistake that every multi-tenant house makes once: a query that forgot whose rows it wanted.
"""

import ast
import importlib
from pathlib import Path

import pytest

from storage.engine import open_database
from storage.statement import SCOPE_NAMES, Statement

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("handlers", "jobs", "pages", "cli", "plugins", "connectors", "penstock", "storage")
VERBS = {"select", "insert", "update", "delete", "text"}

WRITERS = {
    "storage/scoped.py": "it is the layer",
    "storage/audit.py": "an audit looks at everybody's rows",
    "storage/identity.py": "who asks is found before it is known which tenant that is",
    "storage/provision.py": "it makes tenants",
    "storage/due.py": "a relay serves every tenant",
    "storage/backlog.py": "an operator looks at everybody's rows",
    "storage/outgoing.py": "the post serves every tenant",
    "storage/retention.py": "what is old goes, whoever's it is",
    "storage/environments.py": "an environment belongs to a workspace and holds all its applications",
    "storage/rotation.py": "keys and secrets of every tenant are rotated, sealed and purged",
    "storage/idempotency.py": "old keys are swept whoever's they are",
    "storage/columns.py": "the default of a column is text",
    "storage/inbox.py": "old messages are swept whoever's they are",
    "storage/payment_tables.py": "the condition of a partial index is text",
    "storage/migrations/env.py": "it sets timeouts",
    "storage/migrations/columns.py": "the condition of a partial index is text",
}
"""Where Core's verbs may be used, and why."""

ACROSS = {
    "storage.outgoing": {"_ANY_WAITING", "_WAITING", "_OLDEST", "_CLOCK"},
    "storage.backlog": {"_HEAPS", "_FAILING", "_EVENTS"},
    "storage.due": {"_ANY_WAITING", "_CLAIM", "_CLAIM_THERE", "_CLOCK_HELD", "_READ", "_PUT_OFF", "_RETRY"},
    "storage.retention": {"_EVENTS", "_MESSAGES", "_DELIVERIES", "_ATTEMPTS", "_MAILS"},
    "storage.environments": {
        "_GET",
        "_GET_FOR_UPDATE",
        "_SET",
        "_TAKE_IN",
        "_LET_GO",
        "_OPENED_NOW",
        "_WAITING",
        "_NEXT",
        "_NEXT_OTHER",
        "_RUNNING",
        "_UNTOLD",
        "_RELEASE",
    },
    "storage.idempotency": {"_SWEEP"},
    "storage.inbox": {"_SWEEP"},
}
"""Statements in the repositories' modules that go across all tenants. None is reachable from a unit of work."""

REPOSITORIES = sorted(
    f"storage.{path.stem}"
    for path in (ROOT / "storage").glob("*.py")
    if path.name not in {"__init__.py", "postgresql.py"} and str(path.relative_to(ROOT)) not in WRITERS
) + sorted(ACROSS)


def sources():
    return [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "versions" not in path.parts]


def verbs_in(path):
    """The places of a file where one of Core's verbs is called, whichever way it was imported."""
    tree = ast.parse(path.read_text())
    bare, modules = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            bare |= {alias.asname or alias.name for alias in node.names if alias.name in VERBS}
            modules |= {alias.asname or alias.name for alias in node.names if alias.name not in VERBS}
        if isinstance(node, ast.Import):
            modules |= {(a.asname or a.name).split(".")[0] for a in node.names if a.name.startswith("sqlalchemy")}
        if isinstance(node, ast.ImportFrom) and node.module == "storage.tables":
            modules |= {alias.asname or alias.name for alias in node.names}
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_verb(node.func, bare, modules)]


def _is_verb(called, bare, modules):
    if isinstance(called, ast.Name):
        return called.id in bare
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return called.attr in VERBS and called.value.id in modules
    return False


def test_nobody_but_the_layer_writes_statements():
    found = {str(path.relative_to(ROOT)) for path in sources() if verbs_in(path)}
    assert found <= set(WRITERS), f"make these statements through storage.scoped: {sorted(found - set(WRITERS))}"


def test_a_statement_beside_the_layer_would_be_seen(tmp_path):
    for line in (
        "from sqlalchemy import select\nselect(1)",
        "import sqlalchemy as sa\nsa.update(t)",
        "import sqlalchemy\nsqlalchemy.text('x')",
        "from sqlalchemy import delete as d\nd(t)",
        "from sqlalchemy.dialects import sqlite\nsqlite.insert(t)",
        "from storage.tables import carts\ncarts.select()",
    ):
        (tmp_path / "planted.py").write_text(line)
        assert verbs_in(tmp_path / "planted.py"), line


@pytest.mark.parametrize("name", REPOSITORIES)
@pytest.mark.parametrize(
    "dialect",
    # The house's own: a statement keeps what it was first compiled to.
    [open_database("sqlite:///none.db").dialect, open_database("postgresql://none").dialect],
    ids=["sqlite", "postgresql"],
)
def test_every_statement_of_a_repository_is_bound_to_a_scope(name, dialect):
    module = importlib.import_module(name)
    across = set()
    for each, statement in vars(module).items():
        if isinstance(statement, Statement):
            bound = statement.ready(dialect).names >= SCOPE_NAMES
            assert bound or statement.is_across, f"{name}.{each} names no scope"
            across |= {each} if statement.is_across else set()
    assert across == ACROSS.get(name, set()), "a statement across all tenants needs a place in this test's list"
