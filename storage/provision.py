"""Setting up by the operator's hand: a workspace with all it needs for a first payment, and what it may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Table

from penstock import api_key, catalogue
from penstock.account import MIDDLE
from penstock.api_key import RawKey
from penstock.caller import Scope
from penstock.ids import new_id
from storage import scoped
from storage.database import Connection, Database
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import api_keys, applications, connections, environments, members, workspaces

PRODUCTION: Final = "production"
SANDBOX: Final = "sandbox"
OWNER_EMAIL: Final = "owner@localhost"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A new workspace. The environment and the keys are those of its sandbox; the keys are shown nowhere else."""

    workspace_id: str
    application_id: str
    environment_id: str
    production_id: str
    subject: str
    secret_key: RawKey
    publishable_key: RawKey


def provision(database: Database, *, name: str, now: datetime, pepper: bytes, email: str = OWNER_EMAIL) -> Provisioned:
    """Make a workspace with an application, its production and a sandbox environment, an owner, and sandbox keys.

    The sandbox environment gets a connection to the sandbox card provider; production gets none.
    """
    workspace, application, subject = new_id(), new_id(), new_id()
    production, sandbox = new_id(), new_id()
    secret, publishable = api_key.mint("secret", SANDBOX), api_key.mint("publishable", SANDBOX)
    own = {"workspace_id": workspace, "created_at": now}
    with database.writing() as db:
        _add(db, workspaces, id=workspace, name=name, created_at=now, **_NEW_WORKSPACE)
        _add(db, applications, id=application, name=name, **own)
        _add_environment(db, production, PRODUCTION, own)
        _add_environment(db, sandbox, SANDBOX, own)
        _add(db, members, id=subject, subject=subject, email=email, role="owner", **own)
        mine = ScopedConnection(db, Scope(workspace, sandbox, application))
        _add_key(mine, secret, [catalogue.EVERYTHING], secret.digest(pepper), now)
        _add_key(mine, publishable, sorted(catalogue.scopes().publishable), publishable.digest(pepper), now)
        mine.run(_ADD_CONNECTION, {"id": new_id(), "created_at": now, **_SANDBOX_CONNECTION})
    return Provisioned(workspace, application, sandbox, production, subject, secret, publishable)


def every_workspace(database: Database) -> Sequence[Json]:
    """Return each workspace with its ``applications``, ``environments`` and ``members``, the oldest first."""
    with database.reading() as db:
        found: list[Json] = [row._asdict() for row in db.rows(_all(workspaces), {})]
        for table in (applications, environments, members):
            rows = [row._asdict() for row in db.rows(_all(table), {})]
            for workspace in found:
                workspace[table.name] = [row for row in rows if row["workspace_id"] == workspace["id"]]
    return found


def change_workspace(database: Database, workspace_id: str, *, lifecycle_stage: str, billing_status: str) -> None:
    """Set whether a workspace is live, and whether it counts as paid for."""
    values = {"of": workspace_id, "stage": lifecycle_stage, "billing": billing_status}
    with database.writing() as db:
        db.run(_CHANGE_WORKSPACE, values)


_NEW_WORKSPACE: Final[Mapping[str, Any]] = {
    "lifecycle_stage": "sandbox",
    "billing_status": "active",
    "is_partner": False,
    "has_payment_method": True,
    "trial_ends_at": None,
}
_SANDBOX_CONNECTION: Final[Mapping[str, Any]] = {
    "connector": "sandbox",
    "kind": "payment",
    "settings": {},
    "environment": "sandbox",
    "is_active": True,
    "display_name": "Sandbox",
    "position": MIDDLE,
    "updated_at": None,
    "deleted_at": None,
}


_CHANGE_WORKSPACE: Final = Statement(
    sa.update(workspaces)
    .where(workspaces.c.id == sa.bindparam("of"))
    .values(lifecycle_stage=sa.bindparam("stage"), billing_status=sa.bindparam("billing")),
    across=True,
)
_ADD_KEY: Final = Statement(scoped.insert(api_keys))
_ADD_CONNECTION: Final = Statement(scoped.insert(connections))


def _all(table: Table) -> Statement:
    return Statement(sa.select(table).order_by(table.c.id), across=True)


def _add(db: Connection, table: Table, **values: Any) -> None:
    row = {name: sa.bindparam(name, type_=table.c[name].type) for name in values}
    db.run(Statement(sa.insert(table).values(row), across=True), values)


def _add_environment(db: Connection, environment_id: str, slug: str, own: Mapping[str, Any]) -> None:
    is_production = slug == PRODUCTION
    _add(db, environments, id=environment_id, slug=slug, name=slug.title(), is_production=is_production, **own)


def _add_key(db: ScopedConnection, raw: RawKey, scopes: Sequence[str], digest: str, now: datetime) -> None:
    values = {"id": new_id(), "name": "Made by penstock init", "kind": raw.kind, "scopes": list(scopes)}
    shown = {"prefix": raw.prefix, "last4": raw.last4, "digest": digest}
    never = {"created_by": None, "last_used_at": None, "revoked_at": None}
    db.run(_ADD_KEY, {**values, **shown, **never, "created_at": now})
