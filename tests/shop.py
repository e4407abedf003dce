"""A shop: one tenant of the application under test, and the requests that a shop's backend and its buyers make."""

from dataclasses import dataclass, field
from typing import Any

import httpx

BASE = "/api/v1"
ADDRESS = {"addressLine1": "1 Main Street", "city": "Springfield", "countryCode": "US", "postalCode": "12345"}


@dataclass
class Shop:
    """Asks as one tenant. ``secret_key`` goes with every request unless ``key`` says another or None."""

    client: httpx.Client
    workspace_id: str
    application_id: str
    environment_id: str
    secret_key: str
    publishable_key: str = ""
    dashboard_token: str = ""
    house: Any = field(default=None, repr=False)

    def ask(self, method, path, body=None, *, key="", headers=None, **kw):
        sent = {} if key is None else {"X-API-Key": key or self.secret_key}
        if body is not None:
            kw["json"] = body
        return self.client.request(method, BASE + path, headers={**sent, **(headers or {})}, **kw)

    def get(self, path, **kw):
        return self.ask("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.ask("POST", path, body, **kw)

    def patch(self, path, body, **kw):
        return self.ask("PATCH", path, body, **kw)

    def put(self, path, body, **kw):
        return self.ask("PUT", path, body, **kw)

    def delete(self, path, **kw):
        return self.ask("DELETE", path, **kw)

    def as_member(self, method, path, body=None, *, headers=None, token=None, **kw):
        mine = {"Authorization": f"Bearer {token or self.dashboard_token}"}
        mine |= {"X-Application-Id": self.application_id, "X-Throttle-Environment-Id": self.environment_id}
        return self.ask(method, path, body, key=None, headers={**mine, **(headers or {})}, **kw)

    def cart(self, *, items=0, currency="USD", **fields):
        cart = made(self.post("/carts", {"applicationId": self.application_id, "currency": currency, **fields}), 201)
        for index in range(items):
            self.item(cart["id"], name=f"Item {index + 1}")
        return self.read_cart(cart["id"]) if items else cart

    def item(self, cart_id, **fields):
        return made(self.post(f"/carts/{cart_id}/items", {"name": "Mug", "unitPrice": 1250, **fields}), 201)

    def read_cart(self, cart_id):
        return made(self.get(f"/carts/{cart_id}"))

    def ready_cart(self, **fields):
        """A cart that can be paid for: two lines, an address, shipping."""
        cart = self.cart(items=2, **fields)
        made(self.patch(f"/carts/{cart['id']}", {"shippingAddress": ADDRESS, "customerEmail": "ada@example.com"}))
        rate = {"methodId": "std", "displayName": "Standard", "rateAmount": 500}
        return made(self.post(f"/carts/{cart['id']}/shipping", rate))

    def session_body(self, cart_id=None, **fields):
        body = {
            "applicationId": self.application_id,
            "returnUrl": "https://shop.example/thanks",
            "cancelUrl": "https://shop.example/cart",
        }
        return body | ({"cartId": cart_id} if cart_id else {}) | fields

    def session(self, cart_id=None, **fields):
        cart_id = cart_id or (None if "externalCartId" in fields else self.ready_cart()["id"])
        return made(self.post("/checkout/sessions", self.session_body(cart_id, **fields)), 201)

    def complete(self, session_id, token="tok_sandbox_approve", *, headers=None, **fields):
        body = {"paymentMethod": "card", "paymentToken": token, **fields}
        return self.post(f"/checkout-sessions/{session_id}/complete", body, key=None, headers=headers)

    def paid_order(self, token="tok_sandbox_approve"):
        done = made(self.complete(self.session()["id"], token))
        return made(self.get(f"/orders/{done['orderId']}"))

    def events(self, cart_id):
        return [e["eventType"] for e in made(self.get(f"/carts/{cart_id}/events"))["data"]]


def made(response, status=200):
    """The body of an answer that has to have this status."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    return response.json() if response.content else None


def refused(response, status, code):
    """The error of an answer that has to be this refusal."""
    assert response.headers["content-type"].startswith("application/json"), response.text
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), response.text
    assert response.headers["x-request-id"] == error["requestId"]
    assert error["docs"].endswith(f"/docs/errors#{code}")
    return error


def pointers(error):
    """Where the faults of a refusal are."""
    return [fault["pointer"] for fault in error["details"]]
