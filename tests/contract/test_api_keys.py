"""API keys keep their word."""

import pytest

from penstock.ids import new_id
from tests.shop import made, refused


def create(shop, scopes, name="Key", **kw):
    return shop.as_member("POST", "/api-keys", {"name": name, "scopes": scopes}, **kw)


def test_a_new_key_is_shown_once_and_works(shop):
    key = made(create(shop, ["carts:read", "carts:write"]), 201)
    assert key["rawKey"].startswith("sk_sandbox_")
    assert (key["kind"], key["scopes"], key["last4"]) == ("secret", ["carts:read", "carts:write"], key["rawKey"][-4:])
    made(shop.post("/carts", {"applicationId": shop.application_id}, key=key["rawKey"]), 201)
    listed = made(shop.as_member("GET", "/api-keys"))["data"]
    mine = next(k for k in listed if k["id"] == key["id"])
    assert "rawKey" not in mine
    assert key["rawKey"] not in str(listed)


def test_a_publishable_key_is_made_with_the_word_publishable_first(shop):
    key = made(create(shop, ["publishable", "shipping_quotes:write"]), 201)
    assert key["rawKey"].startswith("pk_sandbox_")
    assert (key["kind"], key["scopes"]) == ("publishable", ["shipping_quotes:write"])
    refused(shop.get("/orders", key=key["rawKey"]), 403, "insufficient_scopes")


@pytest.mark.parametrize(
    "scopes",
    [
        ["nonsense:read"],
        ["admin:everything"],
        ["admin:*"],
        ["carts"],
        ["publishable", "carts:read"],
        ["publishable", "*"],
        ["publishable"],
        ["carts:read", "publishable"],
    ],
)
def test_a_scope_that_cannot_be_given_is_refused(shop, scopes):
    refused(create(shop, scopes), 400, "invalid_scope")


def test_a_key_does_what_its_scopes_say_and_nothing_else(shop):
    reader = made(create(shop, ["carts:read"]), 201)["rawKey"]
    writer = made(create(shop, ["carts:write"]), 201)["rawKey"]
    cart = shop.cart()
    made(shop.get(f"/carts/{cart['id']}", key=reader))
    error = refused(shop.patch(f"/carts/{cart['id']}", {"notes": "x"}, key=reader), 403, "insufficient_scopes")
    assert error["details"]["required"] == ["carts:write"]
    made(shop.get(f"/carts/{cart['id']}", key=writer))
    refused(shop.get("/orders", key=writer), 403, "insufficient_scopes")


def test_a_secret_key_cannot_make_or_revoke_keys(shop):
    refused(shop.post("/api-keys", {"name": "x", "scopes": ["*"]}), 403, "forbidden")
    refused(shop.delete(f"/api-keys/{new_id()}"), 403, "forbidden")


def test_a_secret_key_lists_keys_with_the_scope_for_it(shop):
    assert made(shop.get("/api-keys"))["data"]
    reader = made(create(shop, ["api_keys:read"]), 201)["rawKey"]
    made(shop.get("/api-keys", key=reader))
    other = made(create(shop, ["carts:read"]), 201)["rawKey"]
    refused(shop.get("/api-keys", key=other), 403, "insufficient_scopes")


def test_a_revoked_key_is_refused_at_once_and_no_longer_listed(shop):
    key = made(create(shop, ["*"]), 201)
    assert made(shop.as_member("DELETE", f"/api-keys/{key['id']}"), 204) is None
    refused(shop.get("/orders", key=key["rawKey"]), 401, "unauthorized")
    assert key["id"] not in [k["id"] for k in made(shop.as_member("GET", "/api-keys"))["data"]]
    refused(shop.as_member("DELETE", f"/api-keys/{key['id']}"), 404, "not_found")


def test_another_shop_s_key_is_as_unknown_as_none(shop, other_shop):
    theirs = made(create(other_shop, ["*"]), 201)
    for key_id in (theirs["id"], new_id(), "nonsense"):
        refused(shop.as_member("DELETE", f"/api-keys/{key_id}"), 404, "not_found")
    made(other_shop.get("/orders", key=theirs["rawKey"]))


@pytest.mark.parametrize("key", ["", "x", "sk_sandbox_short", "Bearer abc", "sk_sandbox_" + "A" * 38])
def test_a_key_that_is_none_is_unauthorized(shop, key):
    refused(shop.get("/orders", key=key or None), 401, "unauthorized")


def test_a_key_with_one_character_changed_is_unauthorized(shop):
    flipped = shop.secret_key[:-8] + ("a" if shop.secret_key[-8] != "a" else "b") + shop.secret_key[-7:]
    refused(shop.get("/orders", key=flipped), 401, "unauthorized")


def test_names_and_scopes_have_bounds(shop):
    refused(create(shop, ["*"], name=""), 422, "validation_error")
    refused(create(shop, []), 422, "validation_error")
    refused(create(shop, ["*"], name="x" * 101), 422, "validation_error")
