"""The tables of what the world is told: who listens, what is said, and how it went."""

from sqlalchemy import Index, UniqueConstraint

from storage.columns import at, column, id_column, newest_first, optional, tenant_table
from storage.types import Bytes, Flag, JsonText, Text, UtcDateTime, UuidText, Whole

webhook_endpoints = tenant_table(
    "webhook_endpoints",
    id_column(),
    column("url", Text(2048)),
    column("enabled_events", JsonText()),
    column("secrets", Text(2048)),
    optional("previous_until", UtcDateTime()),
    column("is_active", Flag()),
    optional("disabled_reason", Text(16)),
    column("exhausted_in_a_row", Whole()),
    column("sequence", Whole()),
    at("created_at"),
    at("updated_at"),
    optional("deleted_at", UtcDateTime()),
    newest_first("ix_webhook_endpoints_newest"),
)

webhook_messages = tenant_table(
    "webhook_messages",
    column("id", Text(64), key=True),
    column("type", Text(64)),
    column("body", Bytes()),
    at("created_at"),
    Index("ix_webhook_messages_created_at", "created_at"),
)

webhook_deliveries = tenant_table(
    "webhook_deliveries",
    id_column(),
    column("endpoint_id", UuidText()),
    column("event_id", Text(64)),
    column("event_type", Text(64)),
    optional("order_id", UuidText()),
    column("status", Text(16)),
    column("attempts", Whole()),
    optional("next_attempt_at", UtcDateTime()),
    optional("finished_at", UtcDateTime()),
    column("is_test", Flag()),
    optional("replay_of", UuidText()),
    optional("last_answer", JsonText()),
    at("created_at"),
    newest_first("ix_webhook_deliveries_newest"),
    Index("ix_webhook_deliveries_endpoint", "endpoint_id", "created_at", "id"),
    Index("ix_webhook_deliveries_order", "order_id", "created_at", "id"),
    Index("ix_webhook_deliveries_event", "event_id"),
)

webhook_attempts = tenant_table(
    "webhook_attempts",
    id_column(),
    column("delivery_id", UuidText()),
    column("number", Whole(1)),
    at("started_at"),
    column("milliseconds", Whole()),
    optional("status", Whole(100, 999)),
    optional("error", Text(300)),
    column("excerpt", Text(1000)),
    UniqueConstraint("delivery_id", "number"),
)
