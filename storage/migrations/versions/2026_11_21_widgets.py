"""Let a session remember in whose widget its buyer may pay."""

from typing import Final

from alembic import op

from storage.migrations.columns import optional
from storage.types import Text, UuidText

revision: Final = "2026_11_21_widgets"
down_revision: Final = "2026_11_21_steps"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.add_column("checkout_sessions", optional("widget_connection_id", UuidText()))
    op.add_column("checkout_sessions", optional("widget_ref", Text(255)))


def downgrade() -> None:
    for name in ("widget_ref", "widget_connection_id"):
        op.drop_column("checkout_sessions", name)
