"""The floor's SQL, as text, in the words of the database that the settings name."""

from collections.abc import Sequence

from penstock.settings import load

SETTINGS = load()
IS_SQLITE = SETTINGS.database_url.startswith("sqlite")

CART = [
    "status",
    "currency",
    "customer_id",
    "customer_email",
    "shipping_address",
    "billing_address",
    "notes",
    "metadata",
    "shipping",
    "tax_lines",
    "subtotal",
    "discount_total",
    "shipping_total",
    "tax_total",
    "total",
    "order_id",
    "is_frozen",
    "live_payment_id",
    "sequence",
    "created_at",
    "updated_at",
    "calculated",
    "tax_exemption",
]
ITEM = [
    "id",
    "name",
    "unit_price",
    "type",
    "quantity",
    "tax_amount",
    "discount_amount",
    "reference_id",
    "description",
    "image_url",
    "requires_shipping",
    "tax_category",
    "weight_grams",
    "metadata",
    "position",
]
ORDER = [
    "number",
    "status",
    "payment_status",
    "source",
    "payment_method",
    "cart_id",
    "external_cart_id",
    "session_id",
    "customer_id",
    "customer_email",
    "currency",
    "subtotal",
    "discount_total",
    "shipping_total",
    "tax_total",
    "total",
    "discount_code",
    "metadata",
    "shipping",
    "tax_lines",
    "shipping_address",
    "billing_address",
    "tax_exemption",
    "created_at",
    "updated_at",
]
LINE = [
    "id",
    "type",
    "name",
    "unit_price",
    "quantity",
    "discount_amount",
    "tax_amount",
    "total",
    "requires_shipping",
    "reference_id",
    "description",
    "image_url",
    "metadata",
    "position",
]
PAYMENT = [
    "id",
    "order_id",
    "session_id",
    "status",
    "pending_reason",
    "method",
    "amount",
    "amount_authorized",
    "amount_captured",
    "amount_refunded",
    "amount_refunding",
    "currency",
    "connector",
    "provider_ref",
    "decline_kind",
    "needs_review",
    "capture_mode",
    "metadata",
    "created_at",
    "updated_at",
]
MINE = "workspace_id = %s AND environment_id = %s AND application_id = %s"


def sql(text: str) -> str:
    """Return SQL in the words of the database at hand."""
    if IS_SQLITE:
        text = text.replace("%s", "?").replace("json_build_array", "json_array").replace("json_agg", "json_group_array")
        return text.replace(" FOR UPDATE", "")
    return text


def with_children(table: str, names: Sequence[str], child: str, columns: Sequence[str], key: str) -> str:
    """Return a select of one row with its children as JSON."""
    every = f"json_agg(json_build_array({', '.join(columns)}))"
    nested = f"(SELECT {every} FROM {child} WHERE {child}.{key} = {table}.id AND {MINE})"
    return sql(f"SELECT {', '.join(names)}, {nested} FROM {table} WHERE id = %s AND {MINE}")


def insert(table: str, names: Sequence[str]) -> str:
    """Return an insert of one row."""
    return sql(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})")


SCOPE = ["workspace_id", "environment_id", "application_id"]
BY_KEY = sql(
    "SELECT k.id, k.workspace_id, k.environment_id, k.application_id, k.digest, k.kind, k.scopes, k.last_used_at, "
    "e.slug, e.is_production, w.name, w.created_at, w.lifecycle_stage, w.billing_status, w.is_partner, "
    "w.trial_ends_at, w.has_payment_method FROM api_keys k JOIN environments e ON e.id = k.environment_id "
    "JOIN workspaces w ON w.id = k.workspace_id "
    "WHERE k.digest = %s AND k.revoked_at IS NULL AND e.archived_at IS NULL"
)
BY_QUOTE_TOKEN = sql(
    "SELECT q.id, q.workspace_id, q.environment_id, q.application_id, q.expires_at, c.allowed_origins, e.slug, "
    "e.is_production, w.lifecycle_stage, w.billing_status, w.is_partner, w.trial_ends_at, w.has_payment_method "
    "FROM quote_tokens q JOIN environments e ON e.id = q.environment_id JOIN workspaces w ON w.id = q.workspace_id "
    "LEFT JOIN embed_configs c ON c.workspace_id = q.workspace_id AND c.environment_id = q.environment_id "
    "AND c.application_id = q.application_id "
    "WHERE q.digest = %s AND q.application_id = %s AND q.revoked_at IS NULL AND e.archived_at IS NULL"
)
CONFIG_HEAD = sql(f"SELECT number, version_id FROM shipping_tax_configs WHERE {MINE}")
CONFIG = sql(f"SELECT body FROM shipping_tax_versions WHERE id = %s AND {MINE}")
GET_CART = with_children("carts", CART, "cart_items", ITEM, "cart_id")
GET_ORDER = with_children("orders", ORDER, "order_lines", LINE, "order_id")
IS_TO_CALCULATE = f"(SELECT is_calculating FROM shipping_tax_configs WHERE {MINE})"
LOCK_CART = sql(f"SELECT {', '.join(CART)}, {IS_TO_CALCULATE} FROM carts WHERE id = %s AND {MINE} FOR UPDATE")
ITEMS = sql(f"SELECT {', '.join(ITEM)} FROM cart_items WHERE cart_id = %s AND {MINE} ORDER BY position")
NEWEST = "ORDER BY created_at DESC, id DESC LIMIT %s"
LIST_ORDERS = sql(f"SELECT id, {', '.join(ORDER)} FROM orders WHERE {MINE} {NEWEST}")
LIST_PAYMENTS = sql(f"SELECT {', '.join(PAYMENT)} FROM payments WHERE {MINE} {NEWEST}")
OFFERS = sql(
    "SELECT id, code, name, type, value, conditions, usage_limit, max_per_customer, starts_at, ends_at, is_active, "
    "times_reserved, times_redeemed, sequence, created_at, updated_at FROM discounts "
    f"WHERE {MINE} AND code IS NULL AND is_active AND (starts_at IS NULL OR starts_at <= %s) "
    "AND (ends_at IS NULL OR ends_at > %s) "
    "AND (usage_limit IS NULL OR times_reserved + times_redeemed < usage_limit) ORDER BY created_at, id"
)
ADD_CART = insert("carts", ["id", *SCOPE, *CART])
SAVE_CART = sql(f"UPDATE carts SET {', '.join(f'{name} = %s' for name in CART)} WHERE id = %s AND {MINE}")
SAVE_ITEM = sql(f"UPDATE cart_items SET quantity = %s WHERE id = %s AND {MINE}")
ADD_EVENT = insert(
    "events", ["id", *SCOPE, "type", "object_type", "object_id", "sequence", "data", "created_at", "dispatched_at"]
)
SESSION = [
    "kind",
    "status",
    "cart_id",
    "external_cart_id",
    "amount",
    "currency",
    "country",
    "return_url",
    "cancel_url",
    "customer_email",
    "customer",
    "allowed_methods",
    "collects_shipping",
    "collects_billing",
    "metadata",
    "order_id",
    "payment_id",
    "live_payment_id",
    "payments_tried",
    "completion_digest",
    "sequence",
    "expires_at",
    "created_at",
    "updated_at",
]
ADD_SESSION = insert("checkout_sessions", ["id", *SCOPE, *SESSION])
ADD_DUE = insert("due", ["id", *SCOPE, "kind", "object_id", "run_at", "lease_until", "attempts"])
CLAIM = insert(
    "idempotency_keys",
    [*SCOPE, "principal_id", "operation", "key", "fingerprint", "lease_until", "expires_at"],
) + " ON CONFLICT DO NOTHING"  # fmt: skip
STORE = sql(
    "UPDATE idempotency_keys SET status = %s, body = %s, headers = %s "
    f"WHERE principal_id = %s AND operation = %s AND key = %s AND {MINE}"
)


def place(names: Sequence[str]) -> dict[str, int]:
    """Return where each column stands in a row."""
    return {name: index for index, name in enumerate(names)}


IN_CART, IN_ITEM, IN_LINE, IN_PAYMENT = place(CART), place(ITEM), place(LINE), place(PAYMENT)
IN_ORDER = place(["id", *ORDER])
