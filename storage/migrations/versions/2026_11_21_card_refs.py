"""Let attempts say which card they tried, so that its declines can be counted."""

from typing import Final

from alembic import op

from storage.migrations.columns import only_where, optional
from storage.types import Text

revision: Final = "2026_11_21_card_refs"
down_revision: Final = "2026_11_21_inbox"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.add_column("payment_attempts", optional("card_ref", Text(64)))
    op.create_index(
        "ix_payment_attempts_declined",
        "payment_attempts",
        ["application_id", "environment_id", "card_ref", "started_at"],
        **only_where("card_ref IS NOT NULL AND state = 'declined'"),
    )


def downgrade() -> None:
    op.drop_index("ix_payment_attempts_declined", table_name="payment_attempts")
    op.drop_column("payment_attempts", "card_ref")
