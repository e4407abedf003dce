"""Let a session say whether its payment is captured at once, and let the payment remember it."""

from typing import Final

from alembic import op

from storage.migrations.columns import later
from storage.types import Text

revision: Final = "2026_11_21_capture_mode"
down_revision: Final = "2026_11_21_secrets"
branch_labels: Final = None
depends_on: Final = None

_TABLES: Final = ("checkout_sessions", "payments")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, later("capture_mode", Text(9), "'automatic'"))


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_column(table, "capture_mode")
