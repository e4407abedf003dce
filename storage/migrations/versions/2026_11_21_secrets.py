"""Create tenants' data keys, and note when a connection was changed or deleted."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, optional, scope
from storage.types import Bytes, Text, UtcDateTime, UuidText, Whole

revision: Final = "2026_11_21_secrets"
down_revision: Final = "2026_11_20_purchases"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.add_column("connections", optional("updated_at", UtcDateTime()))
    op.add_column("connections", optional("deleted_at", UtcDateTime()))
    _create_data_keys()


def downgrade() -> None:
    op.drop_table("data_keys")
    op.drop_column("connections", "deleted_at")
    op.drop_column("connections", "updated_at")


def _create_data_keys() -> None:
    op.create_table(
        "data_keys",
        *scope(),
        filled("id", UuidText()),
        filled("version", Whole(1, 1000000)),
        filled("master_key", Text(16)),
        filled("wrapped", Bytes()),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_data_keys"),
        sa.UniqueConstraint("workspace_id", "environment_id", "application_id", "version", name="uq_data_keys_version"),
        sqlite_strict=True,
    )
    op.create_index("ix_data_keys_master_key", "data_keys", ["master_key", "id"])
