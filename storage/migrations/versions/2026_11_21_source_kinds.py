"""Let a connection say what its provider is asked for: payments, taxes or shipping rates."""

from typing import Final

from alembic import op

from storage.migrations.columns import later
from storage.types import Text

revision: Final = "2026_11_21_source_kinds"
down_revision: Final = "2026_11_21_event_streams"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.add_column("connections", later("kind", Text(8), "'payment'"))


def downgrade() -> None:
    op.drop_column("connections", "kind")
