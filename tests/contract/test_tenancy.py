"""Nobody reaches another tenant's rows, through any id position of any operation, and nobody learns that they exist."""

import pytest

from handlers import spec
from penstock.event_message import event_name
from penstock.ids import new_id, new_session_id
from tests.shop import made
from tests.shops import hand_on

METHODS = ("get", "post", "put", "patch", "delete")
BODIES = {
    "carts.update_cart": {"notes": "mine now"},
    "carts.add_item": {"name": "x", "unitPrice": 1},
    "carts.update_item": {"quantity": 9},
    "carts.select_shipping": {"methodId": "m", "displayName": "M", "rateAmount": 1},
    "carts.replace_tax_lines": {"lines": []},
    "carts.checkout_cart": {},
    "payments.resolve_payment": {"outcome": "failed", "evidence": "none"},
    "carts.apply_discount": {"code": "X"},
    "discounts.update_discount": {"name": "mine now"},
    "shipping_tax.calculate": {"persist": True},
    "webhooks.update_endpoint": {"isActive": False},
    "connectors.update_connector": {"displayName": "mine now"},
}
CAPABILITIES = {
    "checkout_sessions.refresh_embed_token",
    "checkout_sessions.list_payment_methods",
    "checkout_sessions.calculate_session",
    "checkout_sessions.complete_session",
    "shipping_tax.quote",
}
"""Operations whose id, or token in the body, is itself the credential: 190 random bits that only its holder knows."""

SIGNED = {"inbound.receive_message"}
"""Operations whose credential is the body's signature; test_inbound.py shows what becomes of one without."""

KEYLESS = CAPABILITIES | SIGNED


def operations():
    for path, item in spec.load()["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


OPERATIONS = {operation["operationId"]: operation for _, _, operation in operations()}


def with_ids():
    return [(p, m, op["operationId"]) for p, m, op in operations() if "{" in p and op["operationId"] not in KEYLESS]


def rows(shop):
    """One row of each kind, by the path that reads it."""
    order = shop.paid_order()
    cart = shop.cart(items=1)
    key = made(shop.as_member("POST", "/api-keys", {"name": "x", "scopes": ["*"]}), 201)
    payment = made(shop.get("/payments"))["data"][0]
    return {
        "carts": cart["id"],
        "items": cart["lineItems"][0]["id"],
        "orders": order["id"],
        "payments": payment["id"],
        "api-keys": key["id"],
        "connectors": made(shop.get("/connectors"))["data"][0]["id"],
        "sessions": shop.session()["id"],
        "versions": version(shop),
        "discounts": made(shop.post("/discounts", {"name": "x", "type": "percentage", "value": 5}), 201)["id"],
        "history": published(shop),
        "quote-tokens": quote_token(shop),
        "snapshots": made(shop.post(f"/shipping-tax/carts/{cart['id']}/calculate", {"persist": True}))["snapshotId"],
        **told(shop),
    }


def version(shop):
    rules = {"rules": [], "defaultCascade": [made(shop.get("/connectors"))["data"][0]["id"]]}
    made(shop.as_member("PUT", "/payment-routing", rules))
    return made(shop.as_member("GET", "/payment-routing/versions"))["data"][0]["id"]


def published(shop):
    made(shop.put("/shipping-tax/config/draft", {"shipping": {"mode": "byo"}, "tax": {"mode": "byo"}}))
    return made(shop.post("/shipping-tax/config/publish"))["id"]


def quote_token(shop):
    return made(shop.post("/shipping-tax/quote-tokens", {"applicationId": shop.application_id, "name": "x"}))["id"]


def told(shop):
    body = {"url": "https://store.example.com/hooks", "enabledEvents": ["order.created"]}
    endpoint = made(shop.post("/webhook-endpoints", body), 201)["id"]
    delivery = made(shop.post(f"/webhook-endpoints/{endpoint}/test"))["id"]
    hand_on(shop.house)
    event = made(shop.get("/events?limit=1"))["data"][0]["id"]
    return {"webhook-endpoints": endpoint, "webhook-deliveries": delivery, "events": event}


def sender(shop, operation):
    """Who may ask: a key where one may, else a member."""
    return shop.ask if {"apiKey": []} in operation["security"] else shop.as_member


def fill(path, ids):
    filled = []
    for part, before in zip(path.strip("/").split("/"), ["", *path.strip("/").split("/")], strict=False):
        filled.append(ids[before] if part.startswith("{") else part)
    return "/" + "/".join(filled)


def ask(shop, path, method, operation_id):
    answer = sender(shop, OPERATIONS[operation_id])(method.upper(), path, BODIES.get(operation_id))
    body = answer.json()["error"]
    del body["requestId"]
    return answer.status_code, body, {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "date")}


@pytest.fixture(params=["workspace", "environment", "application"])
def neighbour(request, shop, other_shop, sibling_shop):
    """Somebody else: another workspace, another environment of mine, another application of mine."""
    return other_shop if request.param == "workspace" else sibling_shop(request.param)


def test_another_tenant_s_ids_are_answered_exactly_like_unknown_ones(shop, neighbour):
    theirs = rows(neighbour)
    unknown_ids = {"sessions": new_session_id(), "events": event_name(new_id())}
    nobody = {kind: unknown_ids.get(kind) or new_id() for kind in theirs}
    for path, method, operation_id in with_ids():
        foreign = ask(shop, fill(path, theirs), method, operation_id)
        unknown = ask(shop, fill(path, nobody), method, operation_id)
        assert foreign == unknown, f"{operation_id} tells {fill(path, theirs)} from an unknown one"
        assert foreign[0] == 404, operation_id
    cart = neighbour.read_cart(theirs["carts"])
    assert (cart["notes"], cart["status"], cart["lineItems"][0]["quantity"]) == (None, "open", 1)


def test_lists_show_nothing_of_a_neighbour_s(shop, neighbour):
    theirs = rows(neighbour)
    for path, method, operation in operations():
        if method == "get" and "{" not in path:
            text = sender(shop, operation)("GET", path).text
            assert not [i for i in theirs.values() if i in text], operation["operationId"]


def test_ids_in_bodies_are_judged_like_ids_in_paths(shop, neighbour):
    cart_id, mine = neighbour.cart(items=1)["id"], shop.cart(items=1)
    for foreign, unknown in (
        (shop.session_body(cart_id), shop.session_body(new_id())),
        (
            {**shop.session_body(mine["id"]), "applicationId": neighbour.workspace_id},
            {**shop.session_body(mine["id"]), "applicationId": new_id()},
        ),
    ):
        answers = [shop.post("/checkout/sessions", body) for body in (foreign, unknown)]
        assert [a.status_code for a in answers] == [422, 422]
        assert answers[0].json()["error"]["details"] == answers[1].json()["error"]["details"]


def test_every_operation_asks_for_a_credential_or_is_a_capability():
    for _, _, operation in operations():
        open_to_all = operation.get("security") == [] or not operation.get("security")
        assert open_to_all == (operation["operationId"] in KEYLESS), operation["operationId"]


def test_no_operation_answers_without_its_credential(shop):
    ids = rows(shop)
    for path, method, operation in operations():
        if operation["operationId"] not in KEYLESS:
            answer = shop.ask(method.upper(), fill(path, ids), BODIES.get(operation["operationId"]), key=None)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized"), operation[
                "operationId"
            ]


def test_a_publishable_key_passes_no_operation_of_a_backend(shop):
    ids = rows(shop)
    for path, method, operation in operations():
        if operation["operationId"] not in KEYLESS:
            answer = shop.ask(
                method.upper(), fill(path, ids), BODIES.get(operation["operationId"]), key=shop.publishable_key
            )
            assert answer.status_code in (401, 403), operation["operationId"]
