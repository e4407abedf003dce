"""Create what routing remembers: the lists of rules with their versions, and how each payment was routed."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, optional, scope
from storage.types import JsonText, Text, UtcDateTime, UuidText, Whole

revision: Final = "2026_11_21_routing"
down_revision: Final = "2026_11_21_capture_mode"
branch_labels: Final = None
depends_on: Final = None

_PLACE: Final = ("environment_id", "application_id")
_SCOPE: Final = ("workspace_id", *_PLACE)


def upgrade() -> None:
    _create_routing_versions()
    _create_routing_lists()
    _create_payment_routes()


def downgrade() -> None:
    for name in ("payment_routes", "routing_lists", "routing_versions"):
        op.drop_table(name)


def _create_routing_versions() -> None:
    op.create_table(
        "routing_versions",
        *scope(),
        filled("id", UuidText()),
        filled("list_name", Text(32)),
        filled("number", Whole(1)),
        filled("body", JsonText()),
        filled("created_at", UtcDateTime()),
        optional("created_by", Text(64)),
        sa.PrimaryKeyConstraint("id", name="pk_routing_versions"),
        sa.UniqueConstraint(*_SCOPE, "list_name", "number", name="uq_routing_versions_number"),
        sqlite_strict=True,
    )
    op.create_index("ix_routing_versions_newest", "routing_versions", [*_PLACE, "created_at", "id"])
    op.create_index("ix_routing_versions_list", "routing_versions", [*_PLACE, "list_name", "created_at", "id"])


def _create_routing_lists() -> None:
    op.create_table(
        "routing_lists",
        *scope(),
        filled("list_name", Text(32)),
        filled("number", Whole()),
        optional("version_id", UuidText()),
        filled("updated_at", UtcDateTime()),
        sa.ForeignKeyConstraint(["version_id"], ["routing_versions.id"], name="fk_routing_lists_version_id"),
        sa.UniqueConstraint(*_SCOPE, "list_name", name="uq_routing_lists_name"),
        sqlite_strict=True,
    )


def _create_payment_routes() -> None:
    op.create_table(
        "payment_routes",
        *scope(),
        filled("id", UuidText()),
        filled("facts", JsonText()),
        filled("decision", JsonText()),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_payment_routes"),
        sa.ForeignKeyConstraint(["id"], ["payments.id"], name="fk_payment_routes_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_payment_routes_newest", "payment_routes", [*_PLACE, "created_at", "id"])
