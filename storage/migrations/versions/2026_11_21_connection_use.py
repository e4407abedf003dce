"""Let a connection be asked quickly whether any attempt was ever made at it."""

from typing import Final

from alembic import op

revision: Final = "2026_11_21_connection_use"
down_revision: Final = "2026_11_21_webhooks"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.create_index("ix_payment_attempts_connection_id", "payment_attempts", ["connection_id"])


def downgrade() -> None:
    op.drop_index("ix_payment_attempts_connection_id", "payment_attempts")
