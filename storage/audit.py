"""What must always be true of the rows, as queries that return the rows of which it is not.

Each statement goes across all tenants and is the same on both databases. `penstock audit` runs them; so may an operator.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from storage.audit_rules import RULES, Rule
from storage.database import Database
from storage.statement import Statement

MOST_FOUND: Final = 100
"""How many rows one rule reports at the most."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that breaks a rule. ``found`` is what stands there, for a person."""

    rule: str
    says: str
    id: str
    found: str


def audit(database: Database, rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Return every row that breaks a rule, at most 100 for each; an empty list is the good answer."""
    return list(_findings(database, rules))


def _findings(database: Database, rules: Sequence[Rule]) -> Iterator[Finding]:
    with database.reading() as connection:
        for rule in rules:
            for row in connection.rows(_statement(rule), {}):
                yield Finding(rule.name, rule.says, str(row.id), str(row.found))


def _statement(rule: Rule) -> Statement:
    return Statement(
        sa.text(f"{rule.sql} LIMIT {MOST_FOUND}").columns(sa.column("id"), sa.column("found")), across=True
    )
