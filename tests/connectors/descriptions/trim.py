"""Cut the providers' official API descriptions down to what our connectors use.

    python tests/connectors/descriptions/trim.py FOLDER [NAME...]

``FOLDER`` holds the descriptions as their owners publish them (`SOURCES` says where each is kept there). Each slice
has the named operations, whatever they refer to, and nothing that a validator does not read. Run it again after a
provider published a new version, and read the difference.
"""

import json
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
PROSE = {"description", "title", "example", "examples", "externalDocs", "summary", "tags", "security", "deprecated"}

PAYPAL_LICENCE = "Apache-2.0, PayPal, github.com/paypal/paypal-rest-api-specifications at ec4d8f3"
GR4VY_LICENCE = "MIT, Gr4vy, github.com/gr4vy/gr4vy-openapi at 46a9b4a"

STRIPE_LICENCE = "MIT, Stripe, github.com/stripe/openapi (API 2023-10-16), cut up by github.com/api-evangelist/stripe"
ADYEN_LICENCE = "MIT, Adyen, github.com/Adyen/adyen-openapi at aa014f0"

UPS_LICENCE = "MIT, UPS, github.com/UPS-API/api-documentation at e6f36df"

SOURCES = {
    "stripe_tax": {
        "file": "stripe/slices/tax-openapi-original.yml",
        "licence": STRIPE_LICENCE,
        "operations": [
            "POST /v1/tax/calculations",
            "GET /v1/tax/calculations/{calculation}/line_items",
            "GET /v1/tax/settings",
        ],
    },
    "ups_rating": {
        "file": "ups/Rating.yaml",
        "licence": UPS_LICENCE,
        "operations": ["POST /rating/{version}/{requestoption}"],
    },
    "ups_login": {
        "file": "ups/OAuthClientCredentials-Ready.yaml",
        "licence": UPS_LICENCE,
        "operations": ["POST /security/v1/oauth/token"],
    },
    "stripe_intents": {
        "file": "stripe/slices/stripe-payment-intents-api-openapi.yml",
        "licence": STRIPE_LICENCE,
        "operations": [
            "GET /v1/payment_intents",
            "GET /v1/payment_intents/search",
            "GET /v1/payment_intents/{intent}",
            "POST /v1/payment_intents",
            "POST /v1/payment_intents/{intent}/cancel",
            "POST /v1/payment_intents/{intent}/capture",
        ],
    },
    "stripe_refunds": {
        "file": "stripe/slices/refunds-openapi-original.yml",
        "licence": STRIPE_LICENCE,
        "operations": ["GET /v1/refunds", "POST /v1/refunds"],
    },
    "stripe_methods": {
        "file": "stripe/slices/payment-method-openapi-original.yml",
        "licence": STRIPE_LICENCE,
        "operations": ["GET /v1/payment_methods/{payment_method}"],
    },
    "stripe_events": {
        "file": "stripe/slices/events-openapi-original.yml",
        "licence": STRIPE_LICENCE,
        "operations": ["GET /v1/events/{id}"],
    },
    "adyen_checkout": {
        "file": "adyen/CheckoutService-v72.json",
        "licence": ADYEN_LICENCE,
        "operations": [
            "POST /cardDetails",
            "POST /paymentMethods",
            "POST /payments",
            "POST /payments/details",
            "POST /payments/{paymentPspReference}/cancels",
            "POST /payments/{paymentPspReference}/captures",
            "POST /payments/{paymentPspReference}/refunds",
            "GET /storedPaymentMethods",
        ],
    },
    "adyen_webhooks": {
        "file": "adyen/Webhooks-v1.json",
        "licence": ADYEN_LICENCE,
        "operations": [],
        "messages": [
            "/AUTHORISATION",
            "/CANCELLATION",
            "/CAPTURE",
            "/CAPTURE_FAILED",
            "/CHARGEBACK",
            "/OFFER_CLOSED",
            "/REFUND",
            "/REFUND_FAILED",
            "/REPORT_AVAILABLE",
            "/TECHNICAL_CANCEL",
        ],
    },
    "paypal_orders": {
        "file": "paypal/checkout_orders_v2.json",
        "licence": PAYPAL_LICENCE,
        "operations": [
            "POST /v2/checkout/orders",
            "GET /v2/checkout/orders/{id}",
            "POST /v2/checkout/orders/{id}/authorize",
            "POST /v2/checkout/orders/{id}/capture",
        ],
    },
    "paypal_payments": {
        "file": "paypal/payments_payment_v2.json",
        "licence": PAYPAL_LICENCE,
        "operations": [
            "GET /v2/payments/authorizations/{authorization_id}",
            "POST /v2/payments/authorizations/{authorization_id}/capture",
            "POST /v2/payments/authorizations/{authorization_id}/void",
            "GET /v2/payments/captures/{capture_id}",
            "POST /v2/payments/captures/{capture_id}/refund",
            "GET /v2/payments/refunds/{refund_id}",
        ],
    },
    "paypal_webhooks": {
        "file": "paypal/notifications_webhooks_v1.json",
        "licence": PAYPAL_LICENCE,
        "operations": ["POST /v1/notifications/verify-webhook-signature"],
    },
    "gr4vy": {
        "file": "gr4vy/openapi.json",
        "licence": GR4VY_LICENCE,
        "operations": [
            "GET /transactions",
            "POST /transactions",
            "GET /transactions/{transaction_id}",
            "GET /transactions/{transaction_id}/captures",
            "GET /transactions/{transaction_id}/refunds",
            "POST /transactions/{transaction_id}/cancel",
            "POST /transactions/{transaction_id}/capture",
            "POST /transactions/{transaction_id}/refunds",
            "POST /transactions/{transaction_id}/void",
            "GET /payment-methods/{payment_method_id}",
            "POST /checkout/sessions",
        ],
    },
}


def main(folder: str, names: list[str]) -> None:
    for name in names or SOURCES:
        source = SOURCES[name]
        whole = yaml.safe_load((Path(folder) / source["file"]).read_text())
        text = json.dumps(trimmed(whole, source), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        (HERE / f"{name}.json").write_text(text + "\n")
        print(f"{name}.json: {len(text) // 1024} kB, {len(source['operations'])} operations")


def trimmed(whole: dict, source: dict) -> dict:
    """Return the operations of one source with all that they refer to."""
    paths: dict = {}
    for operation in source["operations"]:
        method, path = operation.split(" ")
        shared = whole["paths"][path].get("parameters", [])
        kept = without_prose(whole["paths"][path][method.lower()])
        kept["parameters"] = without_prose([*kept.get("parameters", []), *shared])
        paths.setdefault(path, {})[method.lower()] = kept
    messages = {name: without_prose(whole["webhooks"][name]) for name in source.get("messages", [])}
    cut = {
        "openapi": whole["openapi"],
        "x-licence": source["licence"],
        "x-source": source["file"],
        "info": {"title": whole["info"]["title"], "version": whole["info"]["version"]},
        "servers": whole.get("servers", []),
        "paths": paths,
        **({"webhooks": messages} if messages else {}),
    }
    add_references(whole, cut)
    for schema in cut.get("components", {}).get("schemas", {}).values():
        add_required(schema)
    return cut


def add_required(schema: object) -> None:
    """Describe what a schema requires and does not describe (UPS's RequestOption): anything goes there."""
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        for name in schema.get("required", []):
            schema["properties"].setdefault(name, {})


def add_references(whole: dict, cut: dict) -> None:
    queue = sorted(references(cut))
    while queue:
        ref = queue.pop()
        parts = ref.removeprefix("#/").split("/")
        source, target = whole, cut
        for part in parts[:-1]:
            source, target = source[part], target.setdefault(part, {})
        if parts[-1] not in target:
            found = source.get(parts[-1])
            target[parts[-1]] = True if found is None else without_prose(found)  # cut away upstream: anything goes
            queue.extend(references(target[parts[-1]]))


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(item) for item in node))
    return set()


def without_prose(node: object, *, is_map: bool = False) -> object:
    """Return a node without what only people read. The keys of a map (of properties, say) are names, and all stay."""
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without_prose(value, is_map=key == "properties" and not is_map)
        for key, value in node.items()
        if is_map or (key not in PROSE and not key.startswith("x-"))
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
