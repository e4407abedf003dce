"""Create what a purchase is made of: carts, sessions, orders, payments, the ledger."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, only_where, optional, scope
from storage.types import Amount, Flag, JsonText, SignedAmount, Text, UtcDateTime, UuidText, Whole

revision: Final = "2026_11_20_purchases"
down_revision: Final = "2026_11_20_settings"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _create_carts()
    _create_cart_items()
    _create_checkout_sessions()
    _create_orders()
    _create_order_lines()
    _create_payments()
    _create_payment_attempts()
    _create_transactions()
    _create_ledger_entries()


def downgrade() -> None:
    for name in (
        "ledger_entries",
        "transactions",
        "payment_attempts",
        "payments",
        "order_lines",
        "orders",
        "checkout_sessions",
        "cart_items",
        "carts",
    ):
        op.drop_table(name)


def _create_carts() -> None:
    op.create_table(
        "carts",
        *scope(),
        filled("id", UuidText()),
        filled("status", Text(16)),
        filled("currency", Text(3)),
        optional("customer_id", UuidText()),
        optional("customer_email", Text(254)),
        optional("shipping_address", JsonText()),
        optional("billing_address", JsonText()),
        optional("notes", Text(5000)),
        filled("metadata", JsonText()),
        optional("shipping", JsonText()),
        filled("tax_lines", JsonText()),
        filled("subtotal", Amount()),
        filled("discount_total", Amount()),
        filled("shipping_total", Amount()),
        filled("tax_total", Amount()),
        filled("total", Amount()),
        optional("order_id", UuidText()),
        filled("is_frozen", Flag()),
        optional("live_payment_id", UuidText()),
        filled("sequence", Whole()),
        filled("created_at", UtcDateTime()),
        filled("updated_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_carts"),
        sqlite_strict=True,
    )
    op.create_index("ix_carts_newest", "carts", ["environment_id", "application_id", "created_at", "id"])


def _create_cart_items() -> None:
    op.create_table(
        "cart_items",
        *scope(),
        filled("id", UuidText()),
        filled("cart_id", UuidText()),
        filled("position", Whole()),
        filled("type", Text(16)),
        filled("name", Text(255)),
        filled("unit_price", Amount()),
        filled("quantity", Whole(1, 1000000)),
        filled("tax_amount", Amount()),
        filled("discount_amount", Amount()),
        optional("reference_id", Text(255)),
        optional("description", Text(2000)),
        optional("image_url", Text(4200)),
        optional("requires_shipping", Flag()),
        filled("metadata", JsonText()),
        sa.PrimaryKeyConstraint("id", name="pk_cart_items"),
        sa.ForeignKeyConstraint(["cart_id"], ["carts.id"], name="fk_cart_items_cart_id"),
        sa.UniqueConstraint("cart_id", "position", name="uq_cart_items_cart_id_position"),
        sqlite_strict=True,
    )


def _create_checkout_sessions() -> None:
    op.create_table(
        "checkout_sessions",
        *scope(),
        filled("id", Text(64)),
        filled("kind", Text(16)),
        filled("status", Text(16)),
        optional("cart_id", UuidText()),
        optional("external_cart_id", Text(255)),
        optional("amount", Amount()),
        optional("currency", Text(3)),
        optional("country", Text(2)),
        optional("return_url", Text(2048)),
        optional("cancel_url", Text(2048)),
        optional("customer_email", Text(254)),
        filled("customer", JsonText()),
        optional("allowed_methods", JsonText()),
        filled("collects_shipping", Flag()),
        filled("collects_billing", Flag()),
        filled("metadata", JsonText()),
        optional("order_id", UuidText()),
        optional("payment_id", UuidText()),
        optional("live_payment_id", UuidText()),
        filled("payments_tried", Whole(0, 1000)),
        optional("completion_digest", Text(128)),
        filled("sequence", Whole()),
        filled("expires_at", UtcDateTime()),
        filled("created_at", UtcDateTime()),
        filled("updated_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_checkout_sessions"),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_checkout_sessions_newest", "checkout_sessions", ["environment_id", "application_id", "created_at", "id"]
    )


def _create_orders() -> None:
    op.create_table(
        "orders",
        *scope(),
        filled("id", UuidText()),
        filled("number", Text(32)),
        filled("status", Text(24)),
        optional("payment_status", Text(24)),
        filled("source", Text(50)),
        optional("payment_method", Text(50)),
        optional("cart_id", UuidText()),
        optional("external_cart_id", Text(255)),
        optional("session_id", Text(64)),
        optional("customer_id", UuidText()),
        optional("customer_email", Text(254)),
        filled("currency", Text(3)),
        filled("subtotal", Amount()),
        filled("discount_total", Amount()),
        filled("shipping_total", Amount()),
        filled("tax_total", Amount()),
        filled("total", Amount()),
        optional("discount_code", Text(64)),
        filled("metadata", JsonText()),
        optional("shipping", JsonText()),
        filled("tax_lines", JsonText()),
        optional("shipping_address", JsonText()),
        optional("billing_address", JsonText()),
        filled("search", Text(100000)),
        filled("sequence", Whole()),
        filled("created_at", UtcDateTime()),
        filled("updated_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.UniqueConstraint(
            "environment_id", "application_id", "number", name="uq_orders_environment_id_application_id_number"
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_orders_cart_id", "orders", ["cart_id"])
    op.create_index(
        "ix_orders_customer", "orders", ["environment_id", "application_id", "customer_id", "created_at", "id"]
    )
    op.create_index("ix_orders_newest", "orders", ["environment_id", "application_id", "created_at", "id"])
    op.create_index(
        "ix_orders_payment_status", "orders", ["environment_id", "application_id", "payment_status", "created_at", "id"]
    )
    op.create_index("ix_orders_status", "orders", ["environment_id", "application_id", "status", "created_at", "id"])


def _create_order_lines() -> None:
    op.create_table(
        "order_lines",
        *scope(),
        filled("order_id", UuidText()),
        filled("position", Whole()),
        filled("id", UuidText()),
        filled("type", Text(16)),
        filled("name", Text(255)),
        filled("unit_price", Amount()),
        filled("quantity", Whole(1, 1000000)),
        filled("discount_amount", Amount()),
        filled("tax_amount", Amount()),
        filled("total", Amount()),
        filled("requires_shipping", Flag()),
        optional("reference_id", Text(255)),
        optional("description", Text(2000)),
        optional("image_url", Text(4200)),
        filled("metadata", JsonText()),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_order_lines_order_id"),
        sa.UniqueConstraint("order_id", "position", name="uq_order_lines_order_id_position"),
        sqlite_strict=True,
    )


def _create_payments() -> None:
    op.create_table(
        "payments",
        *scope(),
        filled("id", UuidText()),
        filled("order_id", UuidText()),
        filled("order_number", Text(32)),
        optional("session_id", Text(64)),
        filled("amount", Amount()),
        filled("currency", Text(3)),
        filled("method", Text(50)),
        filled("status", Text(24)),
        optional("pending_reason", Text(32)),
        filled("amount_authorized", Amount()),
        filled("amount_captured", Amount()),
        filled("amount_refunded", Amount()),
        optional("connector", Text(64)),
        optional("provider_ref", Text(255)),
        optional("decline_kind", Text(32)),
        filled("needs_review", Flag()),
        filled("metadata", JsonText()),
        filled("sequence", Whole()),
        filled("created_at", UtcDateTime()),
        filled("updated_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_payments_order_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_payments_newest", "payments", ["environment_id", "application_id", "created_at", "id"])
    op.create_index(
        "ix_payments_order", "payments", ["environment_id", "application_id", "order_id", "created_at", "id"]
    )
    op.create_index(
        "ix_payments_status", "payments", ["environment_id", "application_id", "status", "created_at", "id"]
    )
    op.create_index(
        "uq_payments_live",
        "payments",
        ["session_id"],
        unique=True,
        **only_where("session_id IS NOT NULL AND NOT (status <> 'pending')"),
    )


def _create_payment_attempts() -> None:
    op.create_table(
        "payment_attempts",
        *scope(),
        filled("id", UuidText()),
        filled("payment_id", UuidText()),
        filled("number", Whole(1, 1000)),
        filled("connection_id", UuidText()),
        filled("connector", Text(64)),
        filled("state", Text(16)),
        optional("provider_ref", Text(255)),
        optional("kind", Text(32)),
        optional("provider_code", Text(255)),
        optional("message", Text(1000)),
        optional("redirect_url", Text(4096)),
        filled("started_at", UtcDateTime()),
        optional("finished_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_payment_attempts"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_payment_attempts_payment_id"),
        sa.UniqueConstraint("payment_id", "number", name="uq_payment_attempts_payment_id_number"),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_payment_attempts_open",
        "payment_attempts",
        ["payment_id"],
        unique=True,
        **only_where("state IN ('pending', 'sending', 'unknown')"),
    )


def _create_transactions() -> None:
    op.create_table(
        "transactions",
        *scope(),
        filled("id", UuidText()),
        filled("payment_id", UuidText()),
        optional("attempt_id", UuidText()),
        filled("type", Text(16)),
        filled("status", Text(16)),
        filled("amount", Amount()),
        filled("currency", Text(3)),
        filled("connector", Text(64)),
        optional("provider_ref", Text(255)),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_transactions"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_transactions_payment_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_transactions_payment_id", "transactions", ["payment_id", "created_at", "id"])


def _create_ledger_entries() -> None:
    op.create_table(
        "ledger_entries",
        *scope(),
        filled("id", UuidText()),
        filled("posting_id", UuidText()),
        filled("payment_id", UuidText()),
        filled("kind", Text(32)),
        filled("account", Text(128)),
        filled("amount", SignedAmount()),
        filled("currency", Text(3)),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_entries"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_ledger_entries_payment_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_ledger_entries_payment_id", "ledger_entries", ["payment_id"])
    op.create_index("ix_ledger_entries_posting_id", "ledger_entries", ["posting_id"])
