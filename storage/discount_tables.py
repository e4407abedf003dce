"""The tables of discounts: what is offered, and who holds or has used a place."""

from sqlalchemy import Index, UniqueConstraint

from storage.columns import at, belongs_to, column, id_column, newest_first, optional, tenant_table
from storage.types import Amount, Flag, JsonText, Text, UtcDateTime, Whole

discounts = tenant_table(
    "discounts",
    id_column(),
    optional("code", Text(64)),
    column("name", Text(255)),
    column("type", Text(16)),
    column("value", Amount()),
    column("conditions", JsonText()),
    optional("usage_limit", Whole()),
    optional("max_per_customer", Whole()),
    optional("starts_at", UtcDateTime()),
    optional("ends_at", UtcDateTime()),
    column("is_active", Flag()),
    column("metadata", JsonText()),
    column("times_reserved", Whole()),
    column("times_redeemed", Whole()),
    column("search", Text(100_000)),
    column("sequence", Whole()),
    at("created_at"),
    at("updated_at"),
    UniqueConstraint("environment_id", "application_id", "code", name="uq_discounts_code"),
    newest_first("ix_discounts_newest"),
)

discount_redemptions = tenant_table(
    "discount_redemptions",
    id_column(),
    belongs_to("discount_id", "discounts.id"),
    belongs_to("cart_id", "carts.id"),
    optional("customer_key", Text(300)),
    column("state", Text(8)),
    column("amount", Amount()),
    column("currency", Text(3)),
    at("created_at"),
    at("updated_at"),
    Index("ix_discount_redemptions_customer", "discount_id", "customer_key", "state"),
    Index("ix_discount_redemptions_cart_id", "cart_id"),
)
