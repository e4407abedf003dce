"""Keep captures, voids and refunds, and how much of a payment is being refunded."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, later, only_where, optional, scope
from storage.types import Amount, Text, UtcDateTime, UuidText

revision: Final = "2026_11_21_steps"
down_revision: Final = "2026_11_21_routing"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.add_column("payments", later("amount_refunding", Amount(), "0"))
    op.create_table(
        "payment_steps",
        *scope(),
        filled("id", UuidText()),
        filled("payment_id", UuidText()),
        filled("charge_id", UuidText()),
        filled("connection_id", UuidText()),
        filled("connector", Text(64)),
        filled("verb", Text(8)),
        filled("amount", Amount()),
        filled("currency", Text(3)),
        filled("state", Text(16)),
        optional("request_ref", Text(64)),
        optional("provider_ref", Text(255)),
        optional("kind", Text(32)),
        optional("provider_code", Text(255)),
        optional("message", Text(1000)),
        filled("started_at", UtcDateTime()),
        optional("finished_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_payment_steps"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_payment_steps_payment_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_payment_steps_payment_id", "payment_steps", ["payment_id", "started_at", "id"])
    op.create_index(
        "uq_payment_steps_closing",
        "payment_steps",
        ["payment_id"],
        unique=True,
        **only_where("verb IN ('capture', 'void') AND state IN ('pending', 'sending', 'succeeded', 'unknown')"),
    )


def downgrade() -> None:
    op.drop_table("payment_steps")
    op.drop_column("payments", "amount_refunding")
