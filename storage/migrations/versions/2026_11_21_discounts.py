"""Create discounts and their redemptions, and let carts and orders keep the one that was applied."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, later, optional, scope
from storage.types import Amount, Flag, JsonText, Text, UtcDateTime, UuidText, Whole

revision: Final = "2026_11_21_discounts"
down_revision: Final = "2026_11_21_source_kinds"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _create_discounts()
    _create_redemptions()
    for name in ("carts", "orders"):
        op.add_column(name, optional("applied_discount", JsonText()))
        op.add_column(name, later("applied_amount", Amount(), "0"))
    op.add_column("carts", optional("redemption_id", UuidText()))


def downgrade() -> None:
    op.drop_column("carts", "redemption_id")
    for name in ("orders", "carts"):
        op.drop_column(name, "applied_amount")
        op.drop_column(name, "applied_discount")
    op.drop_table("discount_redemptions")
    op.drop_table("discounts")


def _create_discounts() -> None:
    op.create_table(
        "discounts",
        *scope(),
        filled("id", UuidText()),
        optional("code", Text(64)),
        filled("name", Text(255)),
        filled("type", Text(16)),
        filled("value", Amount()),
        filled("conditions", JsonText()),
        optional("usage_limit", Whole()),
        optional("max_per_customer", Whole()),
        optional("starts_at", UtcDateTime()),
        optional("ends_at", UtcDateTime()),
        filled("is_active", Flag()),
        filled("metadata", JsonText()),
        filled("times_reserved", Whole()),
        filled("times_redeemed", Whole()),
        filled("search", Text(100_000)),
        filled("sequence", Whole()),
        filled("created_at", UtcDateTime()),
        filled("updated_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_discounts"),
        sa.UniqueConstraint("environment_id", "application_id", "code", name="uq_discounts_code"),
        sqlite_strict=True,
    )
    op.create_index("ix_discounts_newest", "discounts", ["environment_id", "application_id", "created_at", "id"])


def _create_redemptions() -> None:
    op.create_table(
        "discount_redemptions",
        *scope(),
        filled("id", UuidText()),
        filled("discount_id", UuidText()),
        filled("cart_id", UuidText()),
        optional("customer_key", Text(300)),
        filled("state", Text(8)),
        filled("amount", Amount()),
        filled("currency", Text(3)),
        filled("created_at", UtcDateTime()),
        filled("updated_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_discount_redemptions"),
        sa.ForeignKeyConstraint(["discount_id"], ["discounts.id"], name="fk_discount_redemptions_discount_id"),
        sa.ForeignKeyConstraint(["cart_id"], ["carts.id"], name="fk_discount_redemptions_cart_id"),
        sqlite_strict=True,
    )
    columns = ["discount_id", "customer_key", "state"]
    op.create_index("ix_discount_redemptions_customer", "discount_redemptions", columns)
    op.create_index("ix_discount_redemptions_cart_id", "discount_redemptions", ["cart_id"])
