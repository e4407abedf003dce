"""Let carts be abandoned: when it happened, and a row that rings for each cart that may be."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import only_where, optional
from storage.types import UtcDateTime

revision: Final = "2026_11_21_abandoned_carts"
down_revision: Final = "2026_11_21_connection_use"
branch_labels: Final = None
depends_on: Final = None

# A cart's own id is as good as any for the one row that rings for it.
_RING: Final = sa.text(
    "INSERT INTO due (id, workspace_id, environment_id, application_id, kind, object_id, run_at, attempts) "
    "SELECT id, workspace_id, environment_id, application_id, 'abandon_cart', CAST(id AS VARCHAR(64)), updated_at, 0 "
    "FROM carts WHERE status IN ('open', 'checkout')"
)


def upgrade() -> None:
    for name, column in (("ix_carts_abandoned", "abandoned_at"), ("ix_carts_emailed", "recovery_emailed_at")):
        op.add_column("carts", optional(column, UtcDateTime()))
        where = only_where(f"{column} IS NOT NULL")
        op.create_index(name, "carts", ["environment_id", "application_id", column, "id"], **where)
    op.execute(_RING)


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM due WHERE kind = 'abandon_cart'"))
    for name, column in (("ix_carts_emailed", "recovery_emailed_at"), ("ix_carts_abandoned", "abandoned_at")):
        op.drop_index(name, "carts")
        op.drop_column("carts", column)
