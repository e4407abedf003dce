"""Create the tokens with which storefronts ask for quotes."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, optional, scope
from storage.types import Text, UtcDateTime, UuidText

revision: Final = "2026_11_21_quote_tokens"
down_revision: Final = "2026_11_21_shipping_tax"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.create_table(
        "quote_tokens",
        *scope(),
        filled("id", UuidText()),
        filled("name", Text(80)),
        filled("prefix", Text(64)),
        filled("last4", Text(4)),
        filled("digest", Text(128)),
        filled("created_at", UtcDateTime()),
        optional("created_by", Text(64)),
        optional("expires_at", UtcDateTime()),
        optional("revoked_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_quote_tokens"),
        sa.UniqueConstraint("digest", name="uq_quote_tokens_digest"),
        sqlite_strict=True,
    )
    op.create_index("ix_quote_tokens_newest", "quote_tokens", ["environment_id", "application_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("quote_tokens")
