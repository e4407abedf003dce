"""Create the configuration of shipping and tax, with its versions."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, optional, scope
from storage.types import Flag, JsonText, Text, UtcDateTime, UuidText, Whole

revision: Final = "2026_11_21_shipping_tax"
down_revision: Final = "2026_11_21_discounts"
branch_labels: Final = None
depends_on: Final = None

_PLACE: Final = ("environment_id", "application_id")
_SCOPE: Final = ("workspace_id", *_PLACE)


def upgrade() -> None:
    _create_versions()
    _create_configs()


def downgrade() -> None:
    for name in ("shipping_tax_configs", "shipping_tax_versions"):
        op.drop_table(name)


def _create_versions() -> None:
    op.create_table(
        "shipping_tax_versions",
        *scope(),
        filled("id", UuidText()),
        filled("number", Whole(1)),
        filled("body", JsonText()),
        filled("created_at", UtcDateTime()),
        optional("created_by", Text(64)),
        optional("restored_from", Whole(1)),
        sa.PrimaryKeyConstraint("id", name="pk_shipping_tax_versions"),
        sa.UniqueConstraint(*_SCOPE, "number", name="uq_shipping_tax_versions_number"),
        sqlite_strict=True,
    )
    op.create_index("ix_shipping_tax_versions_newest", "shipping_tax_versions", [*_PLACE, "created_at", "id"])


def _create_configs() -> None:
    op.create_table(
        "shipping_tax_configs",
        *scope(),
        filled("revision", Whole()),
        optional("draft", JsonText()),
        filled("number", Whole()),
        optional("version_id", UuidText()),
        filled("is_calculating", Flag()),
        optional("drafted_at", UtcDateTime()),
        optional("drafted_by", Text(64)),
        filled("updated_at", UtcDateTime()),
        sa.ForeignKeyConstraint(
            ["version_id"], ["shipping_tax_versions.id"], name="fk_shipping_tax_configs_version_id"
        ),
        sa.UniqueConstraint(*_SCOPE, name="uq_shipping_tax_configs_scope"),
        sqlite_strict=True,
    )
