"""Builders: the smallest object that is valid, with what a test says instead."""

from datetime import UTC, datetime

from penstock.caller import Caller, Scope, Standing
from penstock.cart import Cart, LineItem, new_cart
from penstock.discount import Discount, DiscountType
from penstock.ids import new_id, new_session_id
from penstock.keyring import Keyring
from penstock.order import Order
from penstock.payment import Payment
from penstock.session import LIFETIME, CheckoutSession, SessionKind
from penstock.vault import MasterKeys
from storage.vault import Vault

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SCOPE = Scope(new_id(), new_id(), new_id())


def scope() -> Scope:
    return Scope(new_id(), new_id(), new_id())


def caller(own: Scope = SCOPE, **fields) -> Caller:
    given = {
        "kind": "secret",
        "principal_id": new_id(),
        "environment_slug": "sandbox",
        "is_production": False,
        "standing": Standing(is_live=False, is_entitled=True, is_trial_over=False),
        "scopes": frozenset({"*"}),
    }
    return Caller(own, **{**given, **fields})


def vault(*masters: bytes) -> Vault:
    return Vault(MasterKeys(masters or (b"m" * 32,)))


def vault_of(*secrets: str) -> Vault:
    """The vault of an installation with these secrets, the root secret last."""
    *masters, root = (secret.encode() for secret in secrets)
    return Vault(Keyring(root, masters=masters).masters)


def cart(own: Scope = SCOPE, *, items: int = 0, currency: str = "USD", now: datetime = NOW) -> Cart:
    made = new_cart(cart_id=new_id(), scope=own, currency=currency, now=now)
    for index in range(items):
        made.add_item(item(name=f"Item {index + 1}"), now)
    return made


def item(**fields) -> LineItem:
    return LineItem(**{"id": new_id(), "name": "Mug", "unit_price": 1250, "quantity": 2, **fields})


def order(own: Scope = SCOPE, *, now: datetime = NOW, **fields) -> Order:
    given = {"id": new_id(), "number": "ORD-TESTTEST00", "currency": "USD", "created_at": now, "updated_at": now}
    return Order(scope=own, **{**given, **fields})


def discount(own: Scope = SCOPE, *, now: datetime = NOW, **fields) -> Discount:
    given = {"id": new_id(), "code": "TEN", "name": "Ten percent", "type": DiscountType.PERCENTAGE, "value": 10}
    return Discount(scope=own, created_at=now, updated_at=now, **{**given, **fields})


def payment(own: Scope = SCOPE, *, now: datetime = NOW, **fields) -> Payment:
    given = {
        "id": new_id(),
        "order_id": new_id(),
        "order_number": "ORD-TESTTEST00",
        "amount": 2500,
        "currency": "USD",
        "method": "card",
        "created_at": now,
        "updated_at": now,
    }
    return Payment(scope=own, **{**given, **fields})


def session(own: Scope = SCOPE, *, now: datetime = NOW, **fields) -> CheckoutSession:
    given = {
        "id": new_session_id(),
        "kind": SessionKind.PROXY,
        "amount": 2500,
        "currency": "USD",
        "created_at": now,
        "updated_at": now,
        "expires_at": now + LIFETIME,
    }
    return CheckoutSession(scope=own, **{**given, **fields})
