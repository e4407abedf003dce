"""A guest checkout as a merchant's backend and the buyer's browser make it: eight requests to the paid order."""

import json
from collections.abc import Generator

API = "/api/v1"
ADDRESS = {
    "firstName": "Ada",
    "lastName": "Lovelace",
    "addressLine1": "12 St James's Square",
    "city": "London",
    "postalCode": "SW1Y 4JH",
    "countryCode": "GB",
}
LINES = (
    {"referenceId": "mug", "name": "Enamel mug", "quantity": 2, "unitPrice": 1250},
    {"referenceId": "tee", "name": "T-shirt", "quantity": 1, "unitPrice": 2400, "taxAmount": 480},
)
SHIPPING = {"methodId": "standard", "displayName": "Standard", "rateAmount": 490, "currency": "EUR"}
URLS = {"returnUrl": "https://shop.example/thanks", "cancelUrl": "https://shop.example/cart"}
PAYMENT = {"paymentMethod": "card", "paymentToken": "tok_sandbox_approve", "email": "ada@example.com"}

Steps = Generator[bytes, tuple[bytes, bytes], str | None]


def request(method: str, path: str, *, key: str = "", body: object = None, again: str = "") -> bytes:
    """Return one request's bytes. ``again`` is its idempotency key."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if key:
        head += f"X-API-Key: {key}\r\n"
    if again:
        head += f"Idempotency-Key: {again}\r\n"
    if body is None:
        return head.encode() + b"\r\n"
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def walk(key: str, application: str, name: str) -> Steps:
    """Yield each request of one checkout and take its answer; return what went wrong, or None."""

    def post(path: str, body: object) -> bytes:
        return request(
            "POST", API + path, key=key, body=body, again=f"{name}{path}{body.get('referenceId', '')}"[-120:]
        )

    status, answer = yield post("/carts", {"applicationId": application, "currency": "EUR"})
    if status != b"201":
        return f"create cart: {answer!r}"
    cart = f"/carts/{json.loads(answer)['id']}"
    for line in LINES:
        status, answer = yield post(f"{cart}/items", line)
        if status != b"201":
            return f"add item: {answer!r}"
    status, answer = yield request("PATCH", API + cart, key=key, body={"shippingAddress": ADDRESS})
    if status != b"200":
        return f"address: {answer!r}"
    status, answer = yield post(f"{cart}/shipping", SHIPPING)
    if status != b"200":
        return f"shipping: {answer!r}"
    wanted = {"applicationId": application, "cartId": cart.rpartition("/")[2], **URLS}
    status, answer = yield post("/checkout/sessions", wanted)
    if status != b"201":
        return f"session: {answer!r}"
    return (yield from pay(key, name, json.loads(answer)["id"]))


def pay(key: str, name: str, session: str) -> Steps:
    """Complete a session and read its order."""
    path = f"{API}/checkout-sessions/{session}/complete"
    status, answer = yield request("POST", path, body=PAYMENT, again=f"{name}-pay")
    if status != b"200":
        return f"complete: {answer!r}"
    status, answer = yield request("GET", f"{API}/orders/{json.loads(answer)['orderId']}", key=key)
    if status != b"200" or json.loads(answer)["paymentStatus"] not in ("paid", "captured"):
        return f"order: {answer!r}"
    return None


def open_and_pay(key: str, application: str, name: str) -> Generator[bytes, tuple[bytes, bytes], tuple[bytes, bytes]]:
    """Pay for a cart that is kept elsewhere: two requests. Returns the second one's status and answer."""
    money = {"amount": 1250, "currency": "EUR"}
    wanted = {"applicationId": application, "externalCartId": name, "metadata": money, **URLS}
    wanted["collect"] = {"shippingAddress": False}
    status, answer = yield request("POST", f"{API}/checkout/sessions", key=key, body=wanted)
    if status != b"201":
        return status, answer
    path = f"{API}/checkout-sessions/{json.loads(answer)['id']}/complete"
    return (yield request("POST", path, body=PAYMENT))
