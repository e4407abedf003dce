"""The tables of shipping and tax: the configuration with its versions, the tokens of storefronts, and calculations that were kept."""

from sqlalchemy import Column, ForeignKey, UniqueConstraint

from storage.columns import SCOPE_COLUMNS, at, column, id_column, newest_first, optional, tenant_table
from storage.types import Flag, JsonText, Text, UtcDateTime, UuidText, Whole

shipping_tax_versions = tenant_table(
    "shipping_tax_versions",
    id_column(),
    column("number", Whole(1)),
    column("body", JsonText()),
    at("created_at"),
    optional("created_by", Text(64)),
    optional("restored_from", Whole(1)),
    UniqueConstraint(*SCOPE_COLUMNS, "number", name="uq_shipping_tax_versions_number"),
    newest_first("ix_shipping_tax_versions_newest"),
)

shipping_tax_configs = tenant_table(
    "shipping_tax_configs",
    column("revision", Whole()),
    optional("draft", JsonText()),
    column("number", Whole()),
    Column("version_id", UuidText(), ForeignKey("shipping_tax_versions.id"), nullable=True),
    column("is_calculating", Flag()),
    optional("drafted_at", UtcDateTime()),
    optional("drafted_by", Text(64)),
    at("updated_at"),
    UniqueConstraint(*SCOPE_COLUMNS, name="uq_shipping_tax_configs_scope"),
)
"""One row for each application that ever drafted a configuration. ``is_calculating`` is what carts ask of it."""

quote_tokens = tenant_table(
    "quote_tokens",
    id_column(),
    column("name", Text(80)),
    column("prefix", Text(64)),
    column("last4", Text(4)),
    column("digest", Text(128)),
    at("created_at"),
    optional("created_by", Text(64)),
    optional("expires_at", UtcDateTime()),
    optional("revoked_at", UtcDateTime()),
    UniqueConstraint("digest"),
    newest_first("ix_quote_tokens_newest"),
)

calculations = tenant_table(
    "calculations",
    id_column(),
    column("kind", Text(16)),
    column("status", Text(16)),
    optional("cart_id", UuidText()),
    optional("session_ref", Text(64)),
    optional("order_id", UuidText()),
    column("body", JsonText()),
    at("created_at"),
    optional("created_by", Text(64)),
)
"""What was calculated or handed in, as it was answered. ``body`` holds the whole answer with its explanation."""
