"""Let a cart and its order say why their buyer pays no tax."""

from typing import Final

from alembic import op

from storage.migrations.columns import optional
from storage.types import JsonText

revision: Final = "2026_11_21_tax_exemptions"
down_revision: Final = "2026_11_21_test_clocks"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    for table in ("carts", "orders"):
        op.add_column(table, optional("tax_exemption", JsonText()))


def downgrade() -> None:
    for table in ("orders", "carts"):
        op.drop_column(table, "tax_exemption")
