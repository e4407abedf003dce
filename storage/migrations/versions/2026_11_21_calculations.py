"""Keep calculations of shipping and tax, and what carts and their lines know of them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, optional, scope
from storage.types import JsonText, Text, UtcDateTime, UuidText, Whole

revision: Final = "2026_11_21_calculations"
down_revision: Final = "2026_11_21_card_refs"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.create_table(
        "calculations",
        *scope(),
        filled("id", UuidText()),
        filled("kind", Text(16)),
        filled("status", Text(16)),
        optional("cart_id", UuidText()),
        optional("session_ref", Text(64)),
        optional("order_id", UuidText()),
        filled("body", JsonText()),
        filled("created_at", UtcDateTime()),
        optional("created_by", Text(64)),
        sa.PrimaryKeyConstraint("id", name="pk_calculations"),
        sqlite_strict=True,
    )
    op.add_column("carts", optional("calculated", JsonText()))
    op.add_column("cart_items", optional("tax_category", Text(64)))
    op.add_column("cart_items", optional("weight_grams", Whole(0, 1_000_000)))


def downgrade() -> None:
    op.drop_column("cart_items", "weight_grams")
    op.drop_column("cart_items", "tax_category")
    op.drop_column("carts", "calculated")
    op.drop_table("calculations")
