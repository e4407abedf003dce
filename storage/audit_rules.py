"""The rules of the audit. Each query has two columns, ``id`` and ``found``, and finds the rows that break its rule."""

# ruff: noqa: S608  the parts are names of our own tables and words of our own, never anything from outside

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must always be true. ``says`` is the rule as a sentence."""

    name: str
    says: str
    sql: str


_TOOK_MONEY: Final = "('captured', 'partially_refunded', 'refunded')"
_OPEN: Final = "('sending', 'pending', 'unknown')"

_MONEY: Final = (
    Rule(
        "ledger_balances",
        "Each posting sums to zero in its currency.",
        "SELECT posting_id AS id, SUM(amount) AS found FROM ledger_entries "
        "GROUP BY posting_id, currency HAVING SUM(amount) <> 0",
    ),
    Rule(
        "amounts_in_bounds",
        "A payment has refunded at most what it captured, which is at most what was authorized, which is at most its amount.",
        "SELECT id, amount_refunded AS found FROM payments WHERE NOT (amount_refunded <= amount_captured "
        "AND amount_captured <= amount_authorized AND amount_authorized <= amount)",
    ),
    Rule(
        "status_follows_amounts",
        "Money is captured if and only if the payment's status says so.",
        f"SELECT id, status AS found FROM payments WHERE amount > 0 "
        f"AND (amount_captured > 0) <> (status IN {_TOOK_MONEY})",
    ),
    Rule(
        "captured_is_posted",
        "Captured money stands in the ledger.",
        "SELECT payments.id, payments.amount_captured AS found FROM payments WHERE payments.amount_captured <> "
        "(SELECT COALESCE(SUM(amount), 0) FROM ledger_entries WHERE ledger_entries.payment_id = payments.id "
        "AND ledger_entries.kind = 'capture' AND ledger_entries.amount > 0)",
    ),
    Rule(
        "captured_has_transactions",
        "Captured money came by sales and captures that succeeded.",
        "SELECT payments.id, payments.amount_captured AS found FROM payments WHERE payments.amount_captured <> "
        "(SELECT COALESCE(SUM(amount), 0) FROM transactions WHERE transactions.payment_id = payments.id "
        "AND transactions.type IN ('sale', 'capture') AND transactions.status = 'succeeded' "
        "AND NOT EXISTS (SELECT 1 FROM payment_attempts WHERE payment_attempts.id = transactions.attempt_id "
        "AND payment_attempts.state = 'stray'))",
    ),
    Rule(
        "one_currency",
        "A payment, its order, its transactions and its postings have one currency.",
        "SELECT payments.id, payments.currency AS found FROM payments JOIN orders ON orders.id = payments.order_id "
        "WHERE orders.currency <> payments.currency OR EXISTS (SELECT 1 FROM transactions "
        "WHERE transactions.payment_id = payments.id AND transactions.currency <> payments.currency) "
        "OR EXISTS (SELECT 1 FROM ledger_entries "
        "WHERE ledger_entries.payment_id = payments.id AND ledger_entries.currency <> payments.currency)",
    ),
    Rule(
        "approved_is_counted",
        "A payment with an approved attempt is authorized, captured or what follows from these, or waits for a person.",
        "SELECT payments.id, payments.status AS found FROM payments WHERE payments.status IN ('pending', 'failed') "
        "AND NOT payments.needs_review AND EXISTS (SELECT 1 FROM payment_attempts "
        "WHERE payment_attempts.payment_id = payments.id AND payment_attempts.state = 'approved')",
    ),
)

_COUNTED: Final = "('sending', 'pending', 'unknown', 'succeeded')"
_STEPS: Final = (
    Rule(
        "refunds_fit_the_capture",
        "What was refunded, with all that open refunds may have given back, is at most what was captured.",
        "SELECT id, amount_refunding AS found FROM payments WHERE amount_refunded + amount_refunding > amount_captured",
    ),
    Rule(
        "refunded_is_refunds",
        "What counts as refunded is the sum of the refunds that succeeded.",
        "SELECT payments.id, payments.amount_refunded AS found FROM payments WHERE payments.amount_refunded <> "
        "(SELECT COALESCE(SUM(amount), 0) FROM payment_steps WHERE payment_steps.payment_id = payments.id "
        "AND payment_steps.verb = 'refund' AND payment_steps.state = 'succeeded')",
    ),
    Rule(
        "refunding_is_open_refunds",
        "What is set aside for refunds is the sum of those whose outcome is open.",
        "SELECT payments.id, payments.amount_refunding AS found FROM payments WHERE payments.amount_refunding <> "
        "(SELECT COALESCE(SUM(amount), 0) FROM payment_steps WHERE payment_steps.payment_id = payments.id "
        f"AND payment_steps.verb = 'refund' AND payment_steps.state IN {_OPEN})",
    ),
    Rule(
        "refunded_is_posted",
        "Refunded money stands in the ledger.",
        "SELECT payments.id, payments.amount_refunded AS found FROM payments WHERE payments.amount_refunded <> "
        "(SELECT COALESCE(SUM(amount), 0) FROM ledger_entries WHERE ledger_entries.payment_id = payments.id "
        "AND ledger_entries.kind = 'refund' AND ledger_entries.amount > 0)",
    ),
    Rule(
        "refund_status_follows",
        "A payment is refunded in part or in whole if and only if its status says so.",
        "SELECT id, status AS found FROM payments WHERE (status = 'refunded') <> (amount_refunded > 0 "
        "AND amount_refunded = amount_captured) OR (status = 'partially_refunded') <> (amount_refunded > 0 "
        "AND amount_refunded < amount_captured)",
    ),
    Rule(
        "captured_or_voided",
        "At most one capture or void of a payment may have happened, and never both.",
        "SELECT payment_id AS id, COUNT(*) AS found FROM payment_steps WHERE verb IN ('capture', 'void') "
        f"AND state IN {_COUNTED} GROUP BY payment_id HAVING COUNT(*) > 1",
    ),
    Rule(
        "voided_was_released",
        "A payment is voided if and only if a void of it succeeded.",
        "SELECT payments.id, payments.status AS found FROM payments WHERE (payments.status = 'voided') <> EXISTS "
        "(SELECT 1 FROM payment_steps WHERE payment_steps.payment_id = payments.id "
        "AND payment_steps.verb = 'void' AND payment_steps.state = 'succeeded')",
    ),
    Rule(
        "step_has_its_transaction",
        "Each capture, void and refund is a transaction of the same amount.",
        "SELECT payment_steps.id, payment_steps.amount AS found FROM payment_steps WHERE NOT EXISTS "
        "(SELECT 1 FROM transactions WHERE transactions.id = payment_steps.id AND transactions.type = payment_steps.verb "
        "AND transactions.amount = payment_steps.amount AND (transactions.status = 'succeeded') = "
        "(payment_steps.state = 'succeeded'))",
    ),
    Rule(
        "open_step_is_watched",
        "A capture, void or refund with an open outcome is asked about again later, or waits for a person.",
        f"SELECT payment_steps.id, payment_steps.state AS found FROM payment_steps JOIN payments "
        f"ON payments.id = payment_steps.payment_id WHERE payment_steps.state IN {_OPEN} "
        "AND NOT payments.needs_review AND NOT EXISTS (SELECT 1 FROM due "
        "WHERE due.kind = 'reconcile_follow_up' AND due.object_id = CAST(payment_steps.id AS VARCHAR(64)))",
    ),
)

_STRAYS: Final = (
    Rule(
        "stray_goes_back",
        "Money that came through an attempt which had ended is given back, or is about to be, or waits for a person.",
        "SELECT payment_attempts.id, payments.status AS found FROM payment_attempts JOIN payments "
        "ON payments.id = payment_attempts.payment_id WHERE payment_attempts.state = 'stray' AND NOT payments.needs_review "
        "AND NOT EXISTS (SELECT 1 FROM payment_steps WHERE payment_steps.charge_id = payment_attempts.id "
        "AND payment_steps.verb = 'reversal' AND payment_steps.state <> 'not_sent') AND NOT EXISTS (SELECT 1 FROM due "
        "WHERE due.kind = 'return_stray' AND due.object_id = CAST(payments.id AS VARCHAR(64)))",
    ),
    Rule(
        "stray_is_posted",
        "Stray money stands in the ledger, and what went back of it.",
        "SELECT payment_attempts.id, payments.amount AS found FROM payment_attempts JOIN payments "
        "ON payments.id = payment_attempts.payment_id WHERE payment_attempts.state = 'stray' "
        "AND payments.capture_mode = 'automatic' AND (SELECT COALESCE(SUM(ledger_entries.amount), 0) FROM ledger_entries "
        "WHERE ledger_entries.payment_id = payments.id AND ledger_entries.account = 'strays') <> -payments.amount * "
        "((SELECT COUNT(*) FROM payment_attempts AS others WHERE others.payment_id = payments.id "
        "AND others.state = 'stray') - (SELECT COUNT(*) FROM payment_steps WHERE payment_steps.payment_id = payments.id "
        "AND payment_steps.verb = 'reversal' AND payment_steps.state = 'succeeded'))",
    ),
    Rule(
        "stray_goes_back_once",
        "A stray charge is given back once.",
        "SELECT charge_id AS id, COUNT(*) AS found FROM payment_steps WHERE verb = 'reversal' "
        f"AND state IN {_COUNTED} GROUP BY charge_id HAVING COUNT(*) > 1",
    ),
)

_ONCE: Final = (
    Rule(
        "one_open_attempt",
        "At most one attempt of a payment is open.",
        f"SELECT payment_id AS id, COUNT(*) AS found FROM payment_attempts WHERE state IN {_OPEN} "
        "GROUP BY payment_id HAVING COUNT(*) > 1",
    ),
    Rule(
        "open_attempt_is_watched",
        "What a provider has not answered for is asked again later, or waits for a person.",
        f"SELECT payments.id, payments.status AS found FROM payments JOIN payment_attempts "
        f"ON payment_attempts.payment_id = payments.id AND payment_attempts.state IN {_OPEN} "
        "WHERE NOT payments.needs_review AND NOT EXISTS (SELECT 1 FROM due "
        "WHERE due.kind = 'reconcile_payment' AND due.object_id = CAST(payments.id AS VARCHAR(64)))",
    ),
    Rule(
        "one_live_payment",
        "At most one payment of a session is pending.",
        "SELECT session_id AS id, COUNT(*) AS found FROM payments WHERE status = 'pending' AND session_id IS NOT NULL "
        "GROUP BY session_id HAVING COUNT(*) > 1",
    ),
    Rule(
        "paid_once",
        "At most one payment of a session has succeeded.",
        f"SELECT session_id AS id, COUNT(*) AS found FROM payments WHERE session_id IS NOT NULL "
        f"AND (status = 'authorized' OR status IN {_TOOK_MONEY}) GROUP BY session_id HAVING COUNT(*) > 1",
    ),
)

_ORDERS: Final = (
    Rule(
        "order_total_adds_up",
        "An order's total is its subtotal less discount plus shipping and tax.",
        "SELECT id, total AS found FROM orders WHERE total <> subtotal - discount_total + shipping_total + tax_total",
    ),
    Rule(
        "order_is_its_lines",
        "An order's amounts are the sums of its lines, but for the tax on shipping; included tax is in the lines' prices.",
        "SELECT orders.id, orders.subtotal AS found FROM orders LEFT JOIN (SELECT order_id, "
        "SUM(unit_price * quantity) AS subtotal, SUM(discount_amount) AS discount, SUM(tax_amount) AS tax, "
        "SUM(total) AS total FROM order_lines GROUP BY order_id) AS lines ON lines.order_id = orders.id "
        "WHERE orders.subtotal <> COALESCE(lines.subtotal, 0) OR orders.discount_total <> COALESCE(lines.discount, 0) "
        "OR orders.total < COALESCE(lines.total, 0) + orders.shipping_total "
        "OR (orders.tax_lines NOT LIKE '%\"shipping\"%' "
        "AND orders.total <> COALESCE(lines.total, 0) + orders.shipping_total) "
        "OR (orders.tax_lines NOT LIKE '%\"shipping\"%' AND orders.tax_lines NOT LIKE '%\"is_included\"_true%' "
        "AND orders.tax_total <> COALESCE(lines.tax, 0))",
    ),
    Rule(
        "cart_total_adds_up",
        "A cart's total is its subtotal less discount plus shipping and tax, and its subtotal is the sum of its lines.",
        "SELECT carts.id, carts.total AS found FROM carts LEFT JOIN (SELECT cart_id, "
        "SUM(unit_price * quantity) AS subtotal, SUM(discount_amount) AS discount FROM cart_items GROUP BY cart_id) "
        "AS lines ON lines.cart_id = carts.id WHERE carts.total <> "
        "carts.subtotal - carts.discount_total + carts.shipping_total + carts.tax_total "
        "OR carts.subtotal <> COALESCE(lines.subtotal, 0) "
        "OR carts.discount_total <> COALESCE(lines.discount, 0) + carts.applied_amount",
    ),
    Rule(
        "charged_is_ordered",
        "What was authorized for an order is the order's total.",
        "SELECT payments.id, payments.amount AS found FROM payments JOIN orders ON orders.id = payments.order_id "
        f"WHERE (payments.status = 'authorized' OR payments.status IN {_TOOK_MONEY}) AND payments.amount <> orders.total",
    ),
    Rule(
        "paid_order_moves_on",
        "The order of a captured payment is neither a draft nor pending.",
        "SELECT orders.id, orders.status AS found FROM orders JOIN payments ON payments.order_id = orders.id "
        f"WHERE payments.status IN {_TOOK_MONEY} AND orders.status IN ('draft', 'pending')",
    ),
    Rule(
        "order_follows_payment",
        "An order that counts as paid has a payment of that status.",
        "SELECT orders.id, orders.payment_status AS found FROM orders WHERE orders.payment_status IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM payments WHERE payments.order_id = orders.id "
        "AND payments.status = orders.payment_status)",
    ),
    Rule(
        "completed_session_is_paid",
        "A completed session has an order and a payment that is not open or failed.",
        "SELECT checkout_sessions.id, checkout_sessions.status AS found FROM checkout_sessions "
        "LEFT JOIN payments ON payments.id = checkout_sessions.payment_id WHERE checkout_sessions.status = 'completed' "
        "AND (checkout_sessions.order_id IS NULL OR payments.id IS NULL OR payments.status IN ('pending', 'failed') "
        "OR payments.order_id <> checkout_sessions.order_id)",
    ),
    Rule(
        "paid_session_is_completed",
        "The session of a payment that succeeded is completed.",
        "SELECT checkout_sessions.id, checkout_sessions.status AS found FROM checkout_sessions "
        "JOIN payments ON payments.session_id = checkout_sessions.id "
        f"WHERE payments.status IN {_TOOK_MONEY} AND checkout_sessions.status <> 'completed'",
    ),
    Rule(
        "converted_cart_has_order",
        "A converted cart names its order.",
        "SELECT carts.id, carts.status AS found FROM carts LEFT JOIN orders ON orders.id = carts.order_id "
        "WHERE carts.status = 'converted' AND orders.id IS NULL",
    ),
)
_CARTS: Final = (
    Rule(
        "cart_is_watched",
        "A cart that may be abandoned is looked at again later.",
        "SELECT carts.id, carts.status AS found FROM carts WHERE carts.status IN ('open', 'checkout') "
        "AND NOT EXISTS (SELECT 1 FROM due "
        "WHERE due.kind = 'abandon_cart' AND due.object_id = CAST(carts.id AS VARCHAR(64)))",
    ),
    Rule(
        "abandoned_has_its_time",
        "An abandoned cart says since when, and no payment of it is open.",
        "SELECT id, live_payment_id AS found FROM carts WHERE status = 'abandoned' "
        "AND (abandoned_at IS NULL OR live_payment_id IS NOT NULL)",
    ),
)

_DISCOUNTS: Final = (
    Rule(
        "discount_within_limit",
        "No more places of a discount are taken than it has.",
        "SELECT id, times_reserved + times_redeemed AS found FROM discounts "
        "WHERE usage_limit IS NOT NULL AND times_reserved + times_redeemed > usage_limit",
    ),
    Rule(
        "discount_counts_its_redemptions",
        "What a discount counts as reserved and redeemed is what its redemptions say.",
        "SELECT discounts.id, discounts.times_redeemed AS found FROM discounts LEFT JOIN (SELECT discount_id, "
        "SUM(CASE WHEN state = 'reserved' THEN 1 ELSE 0 END) AS reserved, "
        "SUM(CASE WHEN state = 'redeemed' THEN 1 ELSE 0 END) AS redeemed FROM discount_redemptions GROUP BY discount_id) "
        "AS told ON told.discount_id = discounts.id WHERE discounts.times_reserved <> COALESCE(told.reserved, 0) "
        "OR discounts.times_redeemed <> COALESCE(told.redeemed, 0)",
    ),
    Rule(
        "reserved_redemption_is_watched",
        "A reserved place belongs to a cart that names it and that a session, a payment or the clock will let go.",
        "SELECT discount_redemptions.id, discount_redemptions.cart_id AS found FROM discount_redemptions "
        "JOIN carts ON carts.id = discount_redemptions.cart_id WHERE discount_redemptions.state = 'reserved' "
        "AND (carts.redemption_id IS NULL OR carts.redemption_id <> discount_redemptions.id "
        "OR carts.status = 'converted' OR (carts.live_payment_id IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM checkout_sessions WHERE checkout_sessions.cart_id = carts.id "
        "AND checkout_sessions.status = 'open') AND NOT EXISTS (SELECT 1 FROM due "
        "WHERE due.kind = 'lapse_discount' AND due.object_id = CAST(carts.id AS VARCHAR(64)))))",
    ),
    Rule(
        "paid_discount_is_redeemed",
        "A cart that was paid less its discount has used a place, unless its order was cancelled.",
        "SELECT carts.id, carts.applied_amount AS found FROM carts LEFT JOIN orders ON orders.id = carts.order_id "
        "WHERE carts.status = 'converted' AND carts.applied_amount > 0 AND (orders.status IS NULL "
        "OR orders.status <> 'cancelled') AND NOT EXISTS (SELECT 1 FROM discount_redemptions "
        "WHERE discount_redemptions.id = carts.redemption_id AND discount_redemptions.state = 'redeemed')",
    ),
    Rule(
        "ordered_discount_is_the_cart_s",
        "What a paid order says of its discount is what its cart had.",
        "SELECT orders.id, orders.applied_amount AS found FROM orders JOIN carts ON carts.order_id = orders.id "
        "WHERE carts.status = 'converted' AND orders.applied_amount <> carts.applied_amount",
    ),
)


def _counted(table: str) -> Rule:
    return Rule(
        f"events_of_{table}",
        f"The events of {table} count 1, 2, 3 without gap, up to the row's own count. Only old ones are gone.",
        f"SELECT {table}.id, {table}.sequence AS found FROM {table} LEFT JOIN (SELECT object_id, COUNT(*) AS many, "
        "MIN(sequence) AS first, MAX(sequence) AS last FROM events GROUP BY object_id) AS told "
        f"ON told.object_id = CAST({table}.id AS VARCHAR(64)) LEFT JOIN (SELECT environment_id AS place, "
        "MIN(created_at) AS since FROM events GROUP BY environment_id) AS kept "
        f"ON kept.place = {table}.environment_id WHERE "
        f"(told.many IS NULL AND {table}.sequence > 0 AND {table}.updated_at >= kept.since) "
        f"OR told.last <> {table}.sequence OR told.many <> told.last - told.first + 1 "
        f"OR (told.first > 1 AND {table}.created_at >= kept.since)",
    )


def _same_scope(child: str, parent: str, key: str) -> Rule:
    columns = ("workspace_id", "environment_id", "application_id")
    differs = " OR ".join(f"child.{name} <> parent.{name}" for name in columns)
    return Rule(
        f"scope_of_{child}",
        f"Rows of {child} belong to the scope of their row in {parent}.",
        f"SELECT parent.id, child.environment_id AS found FROM {child} AS child "
        f"JOIN {parent} AS parent ON parent.id = child.{key} WHERE {differs}",
    )


RULES: Final = (
    *_MONEY,
    *_STEPS,
    *_STRAYS,
    *_ONCE,
    *_ORDERS,
    *_CARTS,
    *_DISCOUNTS,
    *(_counted(table) for table in ("carts", "checkout_sessions", "discounts", "orders", "payments")),
    _same_scope("cart_items", "carts", "cart_id"),
    _same_scope("order_lines", "orders", "order_id"),
    _same_scope("discount_redemptions", "discounts", "discount_id"),
    _same_scope("payments", "orders", "order_id"),
    _same_scope("payment_attempts", "payments", "payment_id"),
    _same_scope("payment_steps", "payments", "payment_id"),
    _same_scope("transactions", "payments", "payment_id"),
    _same_scope("ledger_entries", "payments", "payment_id"),
)
