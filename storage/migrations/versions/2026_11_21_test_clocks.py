"""Give environments a clock of their own, and rows that wait a moment by it."""

from typing import Final

from alembic import op

from storage.migrations.columns import only_where, optional
from storage.types import UtcDateTime

revision: Final = "2026_11_21_test_clocks"
down_revision: Final = "2026_11_21_calculations"
branch_labels: Final = None
depends_on: Final = None

_OF_CLOCK: Final = ("clock_at", "clock_target_at", "clock_made_at")


def upgrade() -> None:
    for name in _OF_CLOCK:
        op.add_column("environments", optional(name, UtcDateTime()))
    op.add_column("due", optional("waits_until", UtcDateTime()))
    where = only_where("waits_until IS NOT NULL")
    op.create_index("ix_due_waits_until", "due", ["environment_id", "waits_until"], **where)


def downgrade() -> None:
    op.drop_index("ix_due_waits_until", "due")
    op.drop_column("due", "waits_until")
    for name in reversed(_OF_CLOCK):
        op.drop_column("environments", name)
