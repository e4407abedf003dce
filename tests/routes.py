"""Routing rules for tests: put, in one line, where payments are to go."""

from storage.provision import MIDDLE
from tests.shop import Shop, made
from tests.shops import connect


def cond(kind, op, *values, **more):
    """A condition; an amount has its bounds in ``more``."""
    return {"type": kind, "op": op, **({"values": list(values)} if values else {}), **more}


def us(country="US"):
    """The buyer is in a country; a shop's carts are sent to the United States."""
    return cond("country", "is_one_of", country)


def put(shop: Shop, path: str, body):
    return made(shop.as_member("PUT", path, body))["data"]


def ids(shop: Shop) -> dict[str, str]:
    """The shop's active connections: their ids by their connector's name."""
    listed = made(shop.as_member("GET", "/routing-connectors"))["data"]
    return {each["connector"]: each["id"] for each in listed}


def two_banks(shop: Shop) -> dict[str, str]:
    """Give the shop a second sandbox provider behind the first."""
    connect(shop, "sandbox_b", position=MIDDLE + 1)
    return ids(shop)


def route(shop: Shop, default, *rules):
    body = {"rules": [{"conditions": c, "cascade": cascade} for c, cascade in rules], "defaultCascade": default}
    return put(shop, "/payment-routing", body)


def decline(shop: Shop, *conditions, **more):
    return put(shop, "/card-decline", {"rules": [{"conditions": list(conditions), **more}]})


def trace(shop: Shop, payment_id: str):
    return made(shop.get(f"/payments/{payment_id}/routing-trace"))


def last_payment(shop: Shop):
    return made(shop.get("/payments"))["data"][0]
