"""The tables of money: payments, their attempts and transactions, and the ledger."""

from sqlalchemy import Index, UniqueConstraint, text

from penstock.payment import OPEN_ATTEMPTS, PaymentStatus
from storage.columns import at, belongs_to, column, id_column, later, newest_first, optional, tenant_table
from storage.types import Amount, Flag, JsonText, SignedAmount, Text, UtcDateTime, UuidText, Whole

payments = tenant_table(
    "payments",
    id_column(),
    belongs_to("order_id", "orders.id"),
    column("order_number", Text(32)),
    optional("session_id", Text(64)),
    column("amount", Amount()),
    column("currency", Text(3)),
    column("method", Text(50)),
    column("status", Text(24)),
    optional("pending_reason", Text(32)),
    column("amount_authorized", Amount()),
    column("amount_captured", Amount()),
    column("amount_refunded", Amount()),
    optional("connector", Text(64)),
    optional("provider_ref", Text(255)),
    optional("decline_kind", Text(32)),
    column("needs_review", Flag()),
    column("metadata", JsonText()),
    column("sequence", Whole()),
    at("created_at"),
    at("updated_at"),
    later("capture_mode", Text(9), "'automatic'"),
    later("amount_refunding", Amount(), "0"),
    newest_first("ix_payments_newest"),
    newest_first("ix_payments_status", "status"),
    newest_first("ix_payments_order", "order_id"),
)

# Not "status = 'pending'": beside such an index SQLite compiles a query for "status = ?" anew with each value.
_live = text(f"session_id IS NOT NULL AND NOT (status <> '{PaymentStatus.PENDING.value}')")
Index("uq_payments_live", payments.c.session_id, unique=True, sqlite_where=_live, postgresql_where=_live)

payment_attempts = tenant_table(
    "payment_attempts",
    id_column(),
    belongs_to("payment_id", "payments.id"),
    column("number", Whole(1, 1000)),
    column("connection_id", UuidText()),
    column("connector", Text(64)),
    column("state", Text(16)),
    optional("provider_ref", Text(255)),
    optional("kind", Text(32)),
    optional("provider_code", Text(255)),
    optional("message", Text(1000)),
    optional("redirect_url", Text(4096)),
    at("started_at"),
    optional("finished_at", UtcDateTime()),
    UniqueConstraint("payment_id", "number"),
    Index("ix_payment_attempts_ref", "connection_id", "provider_ref"),
    optional("card_ref", Text(64)),
)

_declined = text("card_ref IS NOT NULL AND state = 'declined'")
Index(
    "ix_payment_attempts_declined",
    payment_attempts.c.application_id,
    payment_attempts.c.environment_id,
    payment_attempts.c.card_ref,
    payment_attempts.c.started_at,
    sqlite_where=_declined,
    postgresql_where=_declined,
)

_open = payment_attempts.c.state.in_(sorted(state.value for state in OPEN_ATTEMPTS))
Index(
    "uq_payment_attempts_open",
    payment_attempts.c.payment_id,
    unique=True,
    sqlite_where=_open,
    postgresql_where=_open,
)

payment_steps = tenant_table(
    "payment_steps",
    id_column(),
    belongs_to("payment_id", "payments.id"),
    column("charge_id", UuidText()),
    column("connection_id", UuidText()),
    column("connector", Text(64)),
    column("verb", Text(8)),
    column("amount", Amount()),
    column("currency", Text(3)),
    column("state", Text(16)),
    optional("request_ref", Text(64)),
    optional("provider_ref", Text(255)),
    optional("kind", Text(32)),
    optional("provider_code", Text(255)),
    optional("message", Text(1000)),
    at("started_at"),
    optional("finished_at", UtcDateTime()),
    Index("ix_payment_steps_payment_id", "payment_id", "started_at", "id"),
)

# A payment has one capture or one void that may have happened, and never both.
_closing = text("verb IN ('capture', 'void') AND state IN ('pending', 'sending', 'succeeded', 'unknown')")
Index(
    "uq_payment_steps_closing",
    payment_steps.c.payment_id,
    unique=True,
    sqlite_where=_closing,
    postgresql_where=_closing,
)

transactions = tenant_table(
    "transactions",
    id_column(),
    belongs_to("payment_id", "payments.id"),
    optional("attempt_id", UuidText()),
    column("type", Text(16)),
    column("status", Text(16)),
    column("amount", Amount()),
    column("currency", Text(3)),
    column("connector", Text(64)),
    optional("provider_ref", Text(255)),
    at("created_at"),
    Index("ix_transactions_payment_id", "payment_id", "created_at", "id"),
)

ledger_entries = tenant_table(
    "ledger_entries",
    id_column(),
    column("posting_id", UuidText()),
    belongs_to("payment_id", "payments.id"),
    column("kind", Text(32)),
    column("account", Text(128)),
    column("amount", SignedAmount()),
    column("currency", Text(3)),
    at("created_at"),
    Index("ix_ledger_entries_payment_id", "payment_id"),
    Index("ix_ledger_entries_posting_id", "posting_id"),
)
