"""The demo's way from an empty cart to a paid order, request by request."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

ADDRESS: Final = {
    "firstName": "Ada",
    "lastName": "Lovelace",
    "addressLine1": "12 St James's Square",
    "city": "London",
    "postalCode": "SW1Y 4JH",
    "countryCode": "GB",
}
MUG: Final = {"referenceId": "mug", "name": "Enamel mug", "quantity": 2, "unitPrice": 1250}
SHIRT: Final = {"referenceId": "tee", "name": "T-shirt", "quantity": 1, "unitPrice": 2400, "taxAmount": 480}
SHIPPING: Final = {
    "methodId": "standard",
    "displayName": "Standard, 2 to 3 days",
    "rateAmount": 490,
    "currency": "EUR",
    "estimatedDeliveryDays": 3,
}
TOKEN: Final = "tok_sandbox_approve"  # noqa: S105  a test token that everybody may know


@dataclass(frozen=True, slots=True)
class Step:
    """One request. ``route`` is its path in the spec; ``is_browser`` says that the buyer's browser makes it, keyless."""

    title: str
    method: str
    route: str
    ids: dict[str, str]
    status: int
    body: Json | None = None
    is_browser: bool = False

    @property
    def path(self) -> str:
        """The path with its ids."""
        return self.route.format(**self.ids)


class Unexpected(Exception):
    """An answer fits the spec and is not what this checkout should lead to."""


Walk = Generator[Step, Json, Json]


def checkout(application_id: str, shop: str) -> Walk:
    """Yield the steps; each is sent its answer's body. Returns the paid order. ``shop`` is where buyers come back to."""
    cart = yield Step("Create a cart", "POST", "/carts", {}, 201, {"applicationId": application_id, "currency": "EUR"})
    own = {"id": cart["id"]}
    yield Step("Add two mugs", "POST", "/carts/{id}/items", own, 201, MUG)
    yield Step("Add a T-shirt, with its tax", "POST", "/carts/{id}/items", own, 201, SHIRT)
    address = {"shippingAddress": ADDRESS, "customerEmail": "ada@example.com"}
    yield Step("Say where it goes", "PATCH", "/carts/{id}", own, 200, address)
    cart = yield Step("Choose shipping", "POST", "/carts/{id}/shipping", own, 200, SHIPPING)
    wanted = {
        "applicationId": application_id,
        "cartId": cart["id"],
        "returnUrl": f"{shop}/thanks",
        "cancelUrl": f"{shop}/cart",
    }
    session = yield Step("Open a checkout session", "POST", "/checkout/sessions", {}, 201, wanted)
    paid = yield from _pay(session["id"])
    order = yield from _read_back(cart, paid)
    return order


def _pay(session_id: str) -> Walk:
    own = {"id": session_id}
    offered = yield Step(
        "Ask how one can pay", "GET", "/checkout-sessions/{id}/payment-methods", own, 200, is_browser=True
    )
    _expect("card" in [one["method"] for one in offered["methods"]], "no card can be used")
    body = {"paymentMethod": "card", "paymentToken": TOKEN, "email": "ada@example.com"}
    done = yield Step(
        "Pay with a card token", "POST", "/checkout-sessions/{id}/complete", own, 200, body, is_browser=True
    )
    _expect(done["status"] == "completed" and done["orderId"], "the session is not completed")
    return done


def _read_back(cart: Json, paid: Json) -> Walk:
    order = yield Step("Read the order", "GET", "/orders/{id}", {"id": paid["orderId"]}, 200)
    _expect(order["total"] == cart["total"] == paid["amount"], "cart, payment and order differ in their total")
    payments = yield Step("Read its payments", "GET", "/orders/{id}/payments", {"id": order["id"]}, 200)
    captured = [one["amount"] for one in payments["data"] if one["status"] == "captured"]
    _expect(captured == [order["total"]], "the order's total was not captured, once")
    money = yield Step("See the money move", "GET", "/payments/{id}/transactions", {"id": paid["paymentId"]}, 200)
    _expect(bool(money["data"]), "the payment has no transaction")
    told = yield Step("Read what happened to the cart", "GET", "/carts/{id}/events", {"id": cart["id"]}, 200)
    _expect(len(told["data"]) > 1, "the cart has no history")
    return order


def _expect(is_so: object, otherwise: str) -> None:
    if not is_so:
        raise Unexpected(otherwise)
