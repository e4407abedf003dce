"""Create what e-mails are kept in."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, optional, scope
from storage.types import Text, UtcDateTime, UuidText, Whole

revision: Final = "2026_11_21_mails"
down_revision: Final = "2026_11_21_quote_tokens"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.create_table(
        "mails",
        *scope(),
        filled("id", UuidText()),
        filled("kind", Text(32)),
        filled("object_id", Text(64)),
        filled("recipient", Text(254)),
        filled("from_name", Text(255)),
        filled("subject", Text(400)),
        filled("text", Text(100_000)),
        filled("html", Text(200_000)),
        filled("status", Text(16)),
        filled("attempts", Whole()),
        optional("begun_at", UtcDateTime()),
        optional("finished_at", UtcDateTime()),
        optional("ref", Text(255)),
        optional("error", Text(300)),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("mails")
