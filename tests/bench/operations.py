"""The hot operations, as requests that our server and the floor's both answer."""

import json
from dataclasses import dataclass
from typing import Any

from tests.bench.checkout import ADDRESS, API, URLS


@dataclass(frozen=True)
class Operation:
    """One operation. ``fill`` names the list of ids from which ``{id}`` in the path is drawn."""

    name: str
    method: str
    path: str
    expect: int
    body: str = ""
    fill: str = ""
    idempotent: bool = False

    @property
    def is_read(self) -> bool:
        """Whether it only reads."""
        return self.method == "GET"

    def arguments(self, key: str, ids: dict[str, list[str]]) -> dict[str, Any]:
        """Return what `load.requests_script` needs."""
        return {
            "method": self.method,
            "path": API + self.path,
            "key": key,
            "expect": str(self.expect),
            "body": self.body,
            "fill": ids.get(self.fill, []),
            "idempotent": self.idempotent,
        }


QUOTED = {
    "currency": "EUR",
    "items": [{"id": "MUG", "subtotalAmount": 2598, "quantity": 2}, {"id": "NOVEL", "subtotalAmount": 1490, "taxCategory": "books"}],
    "discountsTotal": 500,
    "selectedShippingMethodId": "dhl",
    "addresses": {"shipping": {"countryCode": "DE", "postalCode": "80331", "city": "München"}},
}  # fmt: skip
"""The basket of the quotes: two lines, a discount, shipping, and two rates."""


def operations(application: str, quote_token: str = "") -> list[Operation]:
    """Return the hot operations for one application, and the estimate that a storefront asks for with a token."""
    cart = {"applicationId": application, "currency": "EUR", "metadata": {"visit": "{n}"}}
    address = {"shippingAddress": ADDRESS, "customerEmail": "ada@example.com"}
    session = {"applicationId": application, "externalCartId": "{n}", **URLS}
    quote = {"applicationId": application, "quoteToken": quote_token, **QUOTED}
    return [
        Operation("get cart", "GET", "/carts/{id}", 200, fill="carts"),
        Operation("get order", "GET", "/orders/{id}", 200, fill="orders"),
        Operation("list orders (20)", "GET", "/orders?limit=20", 200),
        Operation("list payments (20)", "GET", "/payments?limit=20", 200),
        Operation("create cart", "POST", "/carts", 201, json.dumps(cart)),
        Operation("create cart, with key", "POST", "/carts", 201, json.dumps(cart), idempotent=True),
        Operation("update item", "PATCH", "/carts/{id}", 200, json.dumps({"quantity": 3}), fill="items"),
        Operation("address", "PATCH", "/carts/{id}", 200, json.dumps(address), fill="carts"),
        Operation("quote", "POST", "/shipping-tax/quotes", 200, json.dumps(quote)),
        Operation("create session", "POST", "/checkout/sessions", 201, json.dumps(session)),
    ]
