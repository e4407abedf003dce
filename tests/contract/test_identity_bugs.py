"""The tests of identity can fail: each bug here is planted in a copy of a module, and something bad gets in."""

import types
from pathlib import Path

import pytest
import sqlalchemy as sa

import storage.identity
from connectors.identity.builtin import BuiltinIssuer
from penstock import tokens
from penstock.errors import ApiError
from storage import tables
from tests.contract.test_identity import BAD_KEYS, BAD_TOKENS, Forger
from tests.shop import made
from tests.shops import execute


def planted(module, old, new):
    """A copy of a module with a bug in it. A bug that no longer fits the module stops its test."""
    source = Path(module.__file__).read_text()
    assert source.count(old) == 1, "fit the planted bug to the module as it is now"
    copy = types.ModuleType(module.__name__)
    exec(compile(source.replace(old, new), module.__file__, "exec"), vars(copy))
    return copy


def identity(shop, module=storage.identity, signers=tokens):
    house = shop.house
    own = house.tokens.dashboard
    verifier = BuiltinIssuer(signers.Signer(own.key, own.issuer, own.purpose))
    return module.Identity(house.database, house.clock, pepper=house.keyring.key("api-keys"), verifiers=[verifier])


def gets_in(ask):
    """Whether a credential is let in, or breaks something: both are wrong for a bad one."""
    try:
        return ask() is not None
    except ApiError:
        return False
    except Exception:  # noqa: BLE001  a bad credential that breaks the door has done harm as well
        return True


def bad_tokens_let_in(shop, door):
    forger = Forger(shop)
    made_up = {name: make(forger) for name, make in BAD_TOKENS.items()}
    place = (shop.application_id, shop.environment_id)
    return [n for n, t in made_up.items() if gets_in(lambda t=t: door.by_dashboard_token(t, *place))]


def others_let_in(shop, other_shop, door):
    """What is let in beside bad tokens: a foreign place, a bad key, a revoked one, an archived environment."""
    token = Forger(shop).token()
    found = []
    if gets_in(lambda: door.by_dashboard_token(token, shop.application_id, other_shop.environment_id)):
        found.append("a foreign environment")
    if gets_in(lambda: door.by_dashboard_token(token, other_shop.application_id, shop.environment_id)):
        found.append("a foreign application")
    found += [name for name, make in BAD_KEYS.items() if gets_in(lambda make=make: door.by_key(make(shop)))]
    key = made(shop.as_member("POST", "/api-keys", {"name": "x", "scopes": ["*"]}), 201)
    gets_in(lambda: door.by_key(key["rawKey"]))
    made(shop.as_member("DELETE", f"/api-keys/{key['id']}"), 204)
    if gets_in(lambda: door.by_key(key["rawKey"])):
        found.append("a revoked key")
    there = tables.environments.c.id == shop.environment_id
    session = shop.session()["id"]
    execute(shop.house, sa.update(tables.environments).where(there).values(archived_at=shop.house.clock.now()))
    if gets_in(lambda: door.by_key(shop.secret_key)) or gets_in(lambda: door.by_session(session)):
        found.append("an archived environment")
    return found


def test_without_a_bug_nothing_bad_gets_in(shop, other_shop):
    door = identity(shop)
    assert door.by_key(shop.secret_key).scope.environment_id == shop.environment_id
    assert bad_tokens_let_in(shop, door) == []
    assert others_let_in(shop, other_shop, door) == []
    door.close()


@pytest.mark.parametrize(
    ("old", "new", "caught"),
    [
        ('"require": _REQUIRED', '"require": []', "no jti"),
        ("if jwt.get_unverified_header(token) != {", "if {} == {", "plain JWT as typ"),
        ("audience=self.purpose", 'audience=[self.purpose, "penstock-embed"]', "another purpose as aud"),
        ("issuer=self.issuer, audience", 'issuer=[self.issuer, "somebody"], audience', "another issuer"),
        ('claims["exp"] <= now - LEEWAY_SECONDS', 'claims["exp"] <= now - 3600', "expired beyond the leeway"),
        ('claims.get("nbf", 0)', "0", "nbf to come"),
        ('max(claims["iat"], ', "max(0, ", "made in the future"),
        ("type(claims[name]) is not int", "isinstance(claims[name], str)", "exp is beyond all time"),
        (
            "        if len(token) > MAX_TOKEN:\n            raise",
            "        if 0:\n            raise",
            "a hundred kilobytes",
        ),
    ],
)
def test_a_bug_in_reading_tokens_is_caught(shop, old, new, caught):
    door = identity(shop, signers=planted(tokens, old, new))
    assert caught in bad_tokens_let_in(shop, door)
    door.close()


@pytest.mark.parametrize(
    ("old", "new", "caught"),
    [
        ("api_keys.c.revoked_at.is_(None), ", "", "a revoked key"),
        (
            'seen = self._database.look(ready.sql, ready.bind({"digest": told.digest}), read.seen if read else None)',
            "seen = read.seen if read else self._database.look(ready.sql, ready.bind({'digest': told.digest}), None)",
            "a revoked key",
        ),
        (".where(api_keys.c.revoked_at.is_(None), environments.c.archived_at.is_(None))", ".where(api_keys.c.revoked_at.is_(None))", "an archived environment"),
        ('"session_id"), environments.c.archived_at.is_(None)', '"session_id")', "an archived environment"),
        ("environments.c.workspace_id == members.c.workspace_id,", "", "a foreign environment"),
        ("applications.c.workspace_id == members.c.workspace_id,", "", "a foreign application"),
    ],
)  # fmt: skip
def test_a_bug_in_looking_up_credentials_is_caught(shop, other_shop, old, new, caught):
    door = identity(shop, module=planted(storage.identity, old, new))
    assert caught in others_let_in(shop, other_shop, door)
    door.close()
