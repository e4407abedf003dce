"""Create the inbox of providers' messages, and find attempts by what a provider calls them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, optional, scope
from storage.types import JsonText, Text, UtcDateTime, UuidText

revision: Final = "2026_11_21_inbox"
down_revision: Final = "2026_11_21_mails"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _create_inbox()
    op.create_index("ix_payment_attempts_ref", "payment_attempts", ["connection_id", "provider_ref"])
    op.drop_index("ix_payment_attempts_connection_id", "payment_attempts")


def downgrade() -> None:
    op.create_index("ix_payment_attempts_connection_id", "payment_attempts", ["connection_id"])
    op.drop_index("ix_payment_attempts_ref", "payment_attempts")
    op.drop_table("inbox")


def _create_inbox() -> None:
    op.create_table(
        "inbox",
        *scope(),
        filled("id", UuidText()),
        filled("connection_id", UuidText()),
        filled("event_id", Text(255)),
        filled("kind", Text(16)),
        optional("key", Text(255)),
        optional("ref", Text(255)),
        optional("told", JsonText()),
        optional("payment_id", UuidText()),
        optional("outcome", Text(16)),
        filled("received_at", UtcDateTime()),
        optional("handled_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"], name="fk_inbox_connection_id"),
        sa.UniqueConstraint("connection_id", "event_id", name="uq_inbox_connection_id_event_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"])
    op.create_index("ix_inbox_payment_id", "inbox", ["payment_id"])
