"""The tables of a tenant's setting: who it is, its keys, its accounts at providers, and what must happen when."""

from sqlalchemy import Index, UniqueConstraint

from storage.columns import (
    SCOPE_COLUMNS,
    at,
    belongs_to,
    column,
    id_column,
    later,
    metadata,
    newest_first,
    optional,
    table,
    tenant_table,
)
from storage.discount_tables import discount_redemptions, discounts
from storage.payment_tables import ledger_entries, payment_attempts, payment_steps, payments, transactions
from storage.routing_tables import payment_routes, routing_lists, routing_versions
from storage.shipping_tables import calculations, quote_tokens, shipping_tax_configs, shipping_tax_versions
from storage.shop_tables import cart_items, carts, checkout_sessions, order_lines, orders
from storage.types import Bytes, Flag, JsonText, Text, UtcDateTime, UuidText, Whole
from storage.webhook_tables import webhook_attempts, webhook_deliveries, webhook_endpoints, webhook_messages

workspaces = table(
    "workspaces",
    id_column(),
    column("name", Text(100)),
    column("lifecycle_stage", Text(16)),
    column("billing_status", Text(16)),
    column("is_partner", Flag()),
    column("has_payment_method", Flag()),
    optional("trial_ends_at", UtcDateTime()),
    at("created_at"),
)

applications = table(
    "applications",
    id_column(),
    belongs_to("workspace_id", "workspaces.id"),
    column("name", Text(100)),
    at("created_at"),
    Index("ix_applications_workspace_id", "workspace_id"),
)

environments = table(
    "environments",
    id_column(),
    belongs_to("workspace_id", "workspaces.id"),
    column("slug", Text(40)),
    column("name", Text(100)),
    column("is_production", Flag()),
    at("created_at"),
    optional("archived_at", UtcDateTime()),
    optional("clock_at", UtcDateTime()),
    optional("clock_target_at", UtcDateTime()),
    optional("clock_made_at", UtcDateTime()),
    UniqueConstraint("workspace_id", "slug"),
)

members = table(
    "members",
    id_column(),
    belongs_to("workspace_id", "workspaces.id"),
    column("subject", Text(255)),
    column("email", Text(254)),
    column("role", Text(64)),
    at("created_at"),
    UniqueConstraint("workspace_id", "subject"),
)

api_keys = tenant_table(
    "api_keys",
    id_column(),
    column("name", Text(100)),
    column("kind", Text(16)),
    column("prefix", Text(64)),
    column("last4", Text(4)),
    column("digest", Text(128)),
    column("scopes", JsonText()),
    optional("created_by", Text(255)),
    at("created_at"),
    optional("last_used_at", UtcDateTime()),
    optional("revoked_at", UtcDateTime()),
    UniqueConstraint("digest"),
    newest_first("ix_api_keys_newest"),
)

connections = tenant_table(
    "connections",
    id_column(),
    column("connector", Text(64)),
    column("settings", JsonText()),
    column("environment", Text(16)),
    column("is_active", Flag()),
    column("display_name", Text(100)),
    column("position", Whole()),
    at("created_at"),
    optional("updated_at", UtcDateTime()),
    optional("deleted_at", UtcDateTime()),
    later("kind", Text(8), "'payment'"),
    Index("ix_connections_position", "environment_id", "application_id", "position"),
)

data_keys = tenant_table(
    "data_keys",
    id_column(),
    column("version", Whole(1, 1_000_000)),
    column("master_key", Text(16)),
    column("wrapped", Bytes()),
    at("created_at"),
    UniqueConstraint(*SCOPE_COLUMNS, "version", name="uq_data_keys_version"),
    Index("ix_data_keys_master_key", "master_key", "id"),
)

inbox = tenant_table(
    "inbox",
    id_column(),
    belongs_to("connection_id", "connections.id"),
    column("event_id", Text(255)),
    column("kind", Text(16)),
    optional("key", Text(255)),
    optional("ref", Text(255)),
    optional("told", JsonText()),
    optional("payment_id", UuidText()),
    optional("outcome", Text(16)),
    at("received_at"),
    optional("handled_at", UtcDateTime()),
    UniqueConstraint("connection_id", "event_id"),
    Index("ix_inbox_received_at", "received_at"),
    Index("ix_inbox_payment_id", "payment_id"),
)

embed_configs = tenant_table(
    "embed_configs",
    column("allowed_origins", JsonText()),
    optional("primary_color", Text(7)),
    optional("logo_url", Text(2048)),
    optional("merchant_name", Text(100)),
    optional("storefront_base_url", Text(2048)),
    optional("cart_recovery_url_template", Text(2048)),
    optional("cart_abandonment_threshold_minutes", Whole(0, 129_600)),
    at("updated_at"),
    UniqueConstraint(*SCOPE_COLUMNS, name="uq_embed_configs_scope"),
)

events = tenant_table(
    "events",
    id_column(),
    column("type", Text(64)),
    column("object_type", Text(32)),
    column("object_id", Text(64)),
    column("sequence", Whole(1)),
    column("data", JsonText()),
    at("created_at"),
    optional("dispatched_at", UtcDateTime()),
    optional("stream_sequence", Whole(1)),
    UniqueConstraint("object_id", "sequence"),
)
Index(
    "ix_events_waiting",
    events.c.created_at,
    events.c.id,
    sqlite_where=events.c.dispatched_at.is_(None),
    postgresql_where=events.c.dispatched_at.is_(None),
)
Index(
    "uq_events_stream",
    *(events.c[name] for name in (*SCOPE_COLUMNS, "stream_sequence")),
    unique=True,
    sqlite_where=events.c.stream_sequence.is_not(None),
    postgresql_where=events.c.stream_sequence.is_not(None),
)

event_streams = tenant_table(
    "event_streams",
    column("last", Whole()),
    UniqueConstraint(*SCOPE_COLUMNS, name="uq_event_streams_scope"),
)

due = tenant_table(
    "due",
    id_column(),
    column("kind", Text(64)),
    column("object_id", Text(64)),
    column("run_at", UtcDateTime()),
    optional("lease_until", UtcDateTime()),
    column("attempts", Whole()),
    optional("waits_until", UtcDateTime()),
    later("failures", Whole(), "0"),
    UniqueConstraint("kind", "object_id"),
    Index("ix_due_run_at", "run_at"),
)
Index(
    "ix_due_waits_until",
    due.c.environment_id,
    due.c.waits_until,
    sqlite_where=due.c.waits_until.is_not(None),
    postgresql_where=due.c.waits_until.is_not(None),
)

mails = tenant_table(
    "mails",
    id_column(),
    column("kind", Text(32)),
    column("object_id", Text(64)),
    column("recipient", Text(254)),
    column("from_name", Text(255)),
    column("subject", Text(400)),
    column("text", Text(100_000)),
    column("html", Text(200_000)),
    column("status", Text(16)),
    column("attempts", Whole()),
    optional("begun_at", UtcDateTime()),
    optional("finished_at", UtcDateTime()),
    optional("ref", Text(255)),
    optional("error", Text(300)),
    at("created_at"),
)

idempotency_keys = tenant_table(
    "idempotency_keys",
    column("principal_id", Text(64)),
    column("operation", Text(255)),
    column("key", Text(255)),
    column("fingerprint", Text(64)),
    column("lease_until", UtcDateTime()),
    column("expires_at", UtcDateTime()),
    optional("status", Whole(100, 599)),
    optional("body", Bytes()),
    optional("headers", JsonText()),
    UniqueConstraint(*SCOPE_COLUMNS, "principal_id", "operation", "key", name="uq_idempotency_keys_claim"),
    Index("ix_idempotency_keys_expires_at", "expires_at"),
)

TENANT_TABLES = frozenset(each for each in metadata.tables.values() if each.info.get("is_tenant"))

__all__ = [
    "api_keys",
    "applications",
    "calculations",
    "cart_items",
    "carts",
    "checkout_sessions",
    "connections",
    "data_keys",
    "discount_redemptions",
    "discounts",
    "due",
    "embed_configs",
    "environments",
    "event_streams",
    "events",
    "idempotency_keys",
    "inbox",
    "ledger_entries",
    "mails",
    "members",
    "metadata",
    "order_lines",
    "orders",
    "payment_attempts",
    "payment_routes",
    "payment_steps",
    "payments",
    "quote_tokens",
    "routing_lists",
    "routing_versions",
    "shipping_tax_configs",
    "shipping_tax_versions",
    "transactions",
    "webhook_attempts",
    "webhook_deliveries",
    "webhook_endpoints",
    "webhook_messages",
    "workspaces",
]
