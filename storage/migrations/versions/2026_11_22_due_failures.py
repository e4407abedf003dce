"""Let a row that is due later say how often in a row its work failed: how often it was claimed does not tell."""

from typing import Final

from alembic import op

from storage.migrations.columns import later
from storage.types import Whole

revision: Final = "2026_11_22_due_failures"
down_revision: Final = "2026_11_21_tax_exemptions"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.add_column("due", later("failures", Whole(), "0"))


def downgrade() -> None:
    op.drop_column("due", "failures")
