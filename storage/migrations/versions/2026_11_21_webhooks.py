"""Create what webhooks need: endpoints, messages, deliveries, tries."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, optional, scope
from storage.types import Bytes, Flag, JsonText, Text, UtcDateTime, UuidText, Whole

revision: Final = "2026_11_21_webhooks"
down_revision: Final = "2026_11_21_widgets"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _create_endpoints()
    _create_messages()
    _create_deliveries()
    _create_attempts()


def downgrade() -> None:
    for name in ("webhook_attempts", "webhook_deliveries", "webhook_messages", "webhook_endpoints"):
        op.drop_table(name)


def _create_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        *scope(),
        filled("id", UuidText()),
        filled("url", Text(2048)),
        filled("enabled_events", JsonText()),
        filled("secrets", Text(2048)),
        optional("previous_until", UtcDateTime()),
        filled("is_active", Flag()),
        optional("disabled_reason", Text(16)),
        filled("exhausted_in_a_row", Whole()),
        filled("sequence", Whole()),
        filled("created_at", UtcDateTime()),
        filled("updated_at", UtcDateTime()),
        optional("deleted_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_endpoints"),
        sqlite_strict=True,
    )
    newest = ["environment_id", "application_id", "created_at", "id"]
    op.create_index("ix_webhook_endpoints_newest", "webhook_endpoints", newest)


def _create_messages() -> None:
    op.create_table(
        "webhook_messages",
        *scope(),
        filled("id", Text(64)),
        filled("type", Text(64)),
        filled("body", Bytes()),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_messages"),
        sqlite_strict=True,
    )
    op.create_index("ix_webhook_messages_created_at", "webhook_messages", ["created_at"])


def _create_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        *scope(),
        filled("id", UuidText()),
        filled("endpoint_id", UuidText()),
        filled("event_id", Text(64)),
        filled("event_type", Text(64)),
        optional("order_id", UuidText()),
        filled("status", Text(16)),
        filled("attempts", Whole()),
        optional("next_attempt_at", UtcDateTime()),
        optional("finished_at", UtcDateTime()),
        filled("is_test", Flag()),
        optional("replay_of", UuidText()),
        optional("last_answer", JsonText()),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sqlite_strict=True,
    )
    newest = ["environment_id", "application_id", "created_at", "id"]
    op.create_index("ix_webhook_deliveries_newest", "webhook_deliveries", newest)
    op.create_index("ix_webhook_deliveries_endpoint", "webhook_deliveries", ["endpoint_id", "created_at", "id"])
    op.create_index("ix_webhook_deliveries_order", "webhook_deliveries", ["order_id", "created_at", "id"])
    op.create_index("ix_webhook_deliveries_event", "webhook_deliveries", ["event_id"])


def _create_attempts() -> None:
    op.create_table(
        "webhook_attempts",
        *scope(),
        filled("id", UuidText()),
        filled("delivery_id", UuidText()),
        filled("number", Whole(1)),
        filled("started_at", UtcDateTime()),
        filled("milliseconds", Whole()),
        optional("status", Whole(100, 999)),
        optional("error", Text(300)),
        filled("excerpt", Text(1000)),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_attempts"),
        sa.UniqueConstraint("delivery_id", "number", name="uq_webhook_attempts_delivery_id_number"),
        sqlite_strict=True,
    )
