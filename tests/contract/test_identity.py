"""Who is let in, and as whom: keys, dashboard tokens, and everything that only looks like one."""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from penstock import api_key
from penstock.clock import epoch_seconds
from penstock.ids import new_id
from penstock.tokens import Signer
from storage import tables
from tests.shop import made, refused
from tests.shops import execute


def part(value) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sealed(key: bytes, header, payload, digest=hashlib.sha256) -> str:
    """A token with a good signature, whatever it says."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(hmac.digest(key, text.encode(), digest))}"


class Forger:
    """Knows how a good token looks, and makes what is wrong in one point."""

    def __init__(self, shop):
        self.shop = shop
        self.signer: Signer = shop.house.tokens.dashboard
        self.key = self.signer.key
        now = epoch_seconds(shop.house.clock.now())
        self.header = {"alg": "HS256", "typ": "penstock-dashboard+jwt"}
        self.claims = {
            "sub": self.subject(),
            "workspace_id": shop.workspace_id,
            "iss": "penstock",
            "aud": "penstock-dashboard",
            "iat": now,
            "exp": now + 600,
            "jti": new_id(),
        }

    def subject(self) -> str:
        _, body, _ = self.shop.dashboard_token.split(".")
        return json.loads(base64.urlsafe_b64decode(body + "=="))["sub"]

    def token(self, *, header=None, drop=(), **claims) -> str:
        payload = {name: value for name, value in {**self.claims, **claims}.items() if name not in drop}
        return sealed(self.key, {**self.header, **(header or {})}, payload)

    def in_minutes(self, minutes) -> int:
        return self.claims["iat"] + int(minutes * 60)


def unsigned(alg):
    return lambda f: f"{part({**f.header, 'alg': alg})}.{part(f.claims)}."


SOME_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
BAD_TOKENS = {
    "empty": lambda _: "",
    "no token at all": lambda _: "a.b.c",
    "not base 64": lambda _: "ü.ü.ü",
    "two parts": lambda f: f.token().rpartition(".")[0],
    "four parts": lambda f: f.token() + ".x",
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg nOnE": unsigned("nOnE"),
    "alg none with the right signature": lambda f: f.token(header={"alg": "none"}),
    "another algorithm with our key": lambda f: sealed(f.key, {**f.header, "alg": "HS512"}, f.claims, hashlib.sha512),
    "RS256 with our key": lambda f: f.token(header={"alg": "RS256"}),
    "an empty key": lambda f: sealed(b"", f.header, f.claims),
    "a short key": lambda f: sealed(b"short", f.header, f.claims),
    "another key": lambda f: sealed(b"x" * 32, f.header, f.claims),
    "the root secret as the key": lambda f: sealed(b"a root secret", f.header, f.claims),
    "an altered claim": lambda f: (
        f.token().split(".")[0] + "." + part({**f.claims, "sub": "x"}) + "." + f.token()[-43:]
    ),
    "no typ": lambda f: sealed(f.key, {"alg": "HS256"}, f.claims),
    "plain JWT as typ": lambda f: f.token(header={"typ": "JWT"}),
    "another purpose as typ": lambda f: f.token(header={"typ": "penstock-embed+jwt"}),
    "another purpose as aud": lambda f: f.token(aud="penstock-embed"),
    "several audiences, none of them ours": lambda f: f.token(aud=["a", "b"]),
    "another issuer": lambda f: f.token(iss="somebody"),
    "no exp": lambda f: f.token(drop=["exp"]),
    "no iat": lambda f: f.token(drop=["iat"]),
    "no iss": lambda f: f.token(drop=["iss"]),
    "no aud": lambda f: f.token(drop=["aud"]),
    "no jti": lambda f: f.token(drop=["jti"]),
    "no sub": lambda f: f.token(drop=["sub"]),
    "no workspace": lambda f: f.token(drop=["workspace_id"]),
    "exp is text": lambda f: f.token(exp=str(f.in_minutes(10))),
    "exp is a fraction": lambda f: f.token(exp=f.in_minutes(10) + 0.5),
    "exp is beyond all time": lambda f: f.token(exp=1e20),
    "exp is true": lambda f: f.token(exp=True),
    "exp is null": lambda f: f.token(exp=None),
    "expired beyond the leeway": lambda f: f.token(exp=f.in_minutes(0) - 31),
    "nbf to come": lambda f: f.token(nbf=f.in_minutes(2)),
    "nbf is text": lambda f: f.token(nbf="0"),
    "made in the future": lambda f: f.token(iat=f.in_minutes(2)),
    "a kid that is a path": lambda f: f.token(header={"kid": "../../dev/null"}),
    "a kid that is SQL": lambda f: f.token(header={"kid": "' OR 1=1 --"}),
    "an unknown kid": lambda f: f.token(header={"kid": "2"}),
    "a jku": lambda f: f.token(header={"jku": "https://evil.example/keys"}),
    "an x5u": lambda f: f.token(header={"x5u": "https://evil.example/keys"}),
    "a jwk": lambda f: f.token(header={"jwk": {"kty": "oct", "k": "AAAA"}}),
    "a critical header": lambda f: f.token(header={"crit": ["exp"]}),
    "claims that are a list": lambda f: sealed(f.key, f.header, [1]),
    "claims that are no JSON": lambda f: sealed(f.key, f.header, b"\xff\xfe"),
    "a hundred kilobytes": lambda f: f.token(padding="x" * 100_000),
    "a sub that is a number": lambda f: f.token(sub=1),
    "a sub with NUL": lambda f: f.token(sub="x\0y"),
    "an endless sub": lambda f: f.token(sub="x" * 256),
    "a sub that nobody has": lambda f: f.token(sub=new_id()),
    "a workspace that is no id": lambda f: f.token(workspace_id="' OR 1=1 --"),
    "a workspace that does not exist": lambda f: f.token(workspace_id=new_id()),
    "an embed token": lambda f: f.shop.house.tokens.mint_embed("cs_x", environment="e", amount=1, currency="EUR")[0],
    "a secret key": lambda f: f.shop.secret_key,
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_token_that_is_wrong_in_one_point_is_no_token(shop, name):
    forger = Forger(shop)
    made(shop.as_member("GET", "/api-keys", token=forger.token()))
    bad = BAD_TOKENS[name](forger)
    sent = {"Authorization": b"Bearer " + bad.encode()}
    place = {"X-Application-Id": shop.application_id, "X-Throttle-Environment-Id": shop.environment_id}
    error = refused(shop.get("/api-keys", key=None, headers={**sent, **place}), 401, "unauthorized")
    assert error["message"] == "A valid credential is needed."
    assert "details" not in error


def test_a_token_of_another_workspace_with_our_member_s_name_is_refused(shop, other_shop):
    refused(
        shop.as_member("GET", "/api-keys", token=Forger(shop).token(workspace_id=other_shop.workspace_id)),
        401,
        "unauthorized",
    )


def test_a_token_is_good_within_the_leeway_and_over_after_it(shop, clock):
    forger = Forger(shop)
    made(shop.as_member("GET", "/api-keys", token=forger.token(exp=forger.in_minutes(0) - 25)))
    token = forger.token()
    clock.advance(timedelta(minutes=10, seconds=35))
    refused(shop.as_member("GET", "/api-keys", token=token), 401, "unauthorized")


def test_a_member_who_was_removed_is_out_at_once(shop):
    made(shop.as_member("GET", "/api-keys"))
    execute(shop.house, sa.delete(tables.members).where(tables.members.c.workspace_id == shop.workspace_id))
    refused(shop.as_member("GET", "/api-keys"), 401, "unauthorized")


def bearer(shop, token, **headers):
    return shop.get("/api-keys", key=None, headers={"Authorization": f"Bearer {token}", **headers})


def test_a_person_names_the_application_and_the_environment(shop):
    token = Forger(shop).token()
    refused(bearer(shop, token), 400, "missing_application_id")
    refused(bearer(shop, token, **{"X-Throttle-Environment-Id": shop.environment_id}), 400, "missing_application_id")
    refused(bearer(shop, token, **{"X-Application-Id": shop.application_id}), 400, "missing_environment_id")


def test_a_token_may_say_which_application_and_environment_are_meant(shop, sibling_shop):
    other = sibling_shop("environment")
    token = Forger(shop).token(application_id=shop.application_id, environment_id=shop.environment_id)
    own = made(bearer(shop, token))["data"]
    assert {key["environmentId"] for key in own} == {shop.environment_id}
    moved = made(bearer(shop, token, **{"X-Throttle-Environment-Id": other.environment_id}))["data"]
    assert {key["environmentId"] for key in moved} == {other.environment_id}


@pytest.mark.parametrize("header", ["X-Application-Id", "X-Throttle-Environment-Id"])
def test_another_workspace_s_place_answers_like_one_that_does_not_exist(shop, other_shop, header):
    theirs = other_shop.application_id if header == "X-Application-Id" else other_shop.environment_id
    answers = [
        refused(shop.as_member("GET", "/api-keys", headers={header: place}), 404, "environment_not_found")
        for place in (theirs, new_id())
    ]
    assert len({(a["message"], "details" in a) for a in answers}) == 1


def test_an_archived_environment_lets_nobody_in(shop):
    session = shop.session()["id"]
    there = tables.environments.c.id == shop.environment_id
    execute(shop.house, sa.update(tables.environments).where(there).values(archived_at=shop.house.clock.now()))
    refused(shop.get("/orders"), 401, "unauthorized")
    refused(shop.as_member("GET", "/api-keys"), 404, "environment_not_found")
    refused(shop.get(f"/checkout-sessions/{session}/payment-methods", key=None), 404, "session_not_found")


@pytest.mark.parametrize(
    ("role", "in_sandbox", "in_production"),
    [
        ("owner", 201, 201),
        ("workspace_admin", 201, 201),
        ("admin", 201, 201),
        ("developer", 201, 403),
        ("finance", 403, 403),
        ("viewer", 403, 403),
        ("nobody we know", 403, 403),
    ],
)
def test_a_role_permits_what_its_table_says(shop, production_shop, role, in_sandbox, in_production):
    for place, status in ((shop, in_sandbox), (production_shop(), in_production)):
        mine = tables.members.c.workspace_id == place.workspace_id
        execute(place.house, sa.update(tables.members).where(mine).values(role=role))
        answer = place.as_member("POST", "/api-keys", {"name": "x", "scopes": ["carts:read"]})
        assert answer.status_code == status, answer.text
        if status == 403:
            error = refused(answer, 403, "permission_denied")
            assert error["details"]["required"] == ["application:api-keys"]


def flipped(key, at):
    return key[:at] + ("x" if key[at] != "x" else "y") + key[at + 1 :]


def resealed(key):
    """Another random part with the checksum that belongs to it: right in form, and nobody's."""
    return api_key.mint("secret", api_key.parse(key).environment).text


BAD_KEYS = {
    "empty": lambda _: "",
    "truncated": lambda s: s.secret_key[:-1],
    "cut in half": lambda s: s.secret_key[:24],
    "longer": lambda s: s.secret_key + "a",
    "a wrong character": lambda s: flipped(s.secret_key, 20),
    "a wrong checksum": lambda s: flipped(s.secret_key, -1),
    "right in form and nobody's": lambda s: resealed(s.secret_key),
    "upper case": lambda s: s.secret_key.upper(),
    "the kind exchanged": lambda s: "pk" + s.secret_key[2:],
    "another environment's name": lambda s: s.secret_key.replace("sandbox", "production"),
    "a digest": lambda s: api_key.parse(s.secret_key).digest(s.house.keyring.key("api-keys")),
    "only the prefix": lambda _: "sk_sandbox_",
    "SQL": lambda _: "' OR 1=1 --",
    "a dashboard token": lambda s: s.dashboard_token,
    "ten thousand characters": lambda s: s.secret_key * 200,
    "not ASCII": lambda _: "sk_sandbox_ü",
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_is_wrong_in_one_point_is_no_key(shop, name):
    sent = {"X-API-Key": BAD_KEYS[name](shop).encode()}
    error = refused(shop.get("/orders", key=None, headers=sent), 401, "unauthorized")
    assert error["message"] == "A valid credential is needed."


def test_a_revoked_key_is_refused_like_one_that_never_was(shop):
    key = made(shop.as_member("POST", "/api-keys", {"name": "x", "scopes": ["*"]}), 201)
    made(shop.get("/orders", key=key["rawKey"]))
    made(shop.as_member("DELETE", f"/api-keys/{key['id']}"), 204)
    errors = [
        refused(shop.get("/orders", key=k), 401, "unauthorized") for k in (key["rawKey"], resealed(key["rawKey"]))
    ]
    assert len({e["message"] for e in errors}) == 1


def test_a_key_is_no_bearer_token_and_a_token_is_no_key(shop):
    bare = shop.ask("GET", "/orders", key=None, headers={"Authorization": f"Bearer {shop.secret_key}"})
    refused(bare, 401, "unauthorized")
    refused(shop.get("/orders", key=shop.dashboard_token), 401, "unauthorized")


def test_a_key_sees_its_own_environment_alone(shop, sibling_shop):
    other = sibling_shop("environment")
    cart = shop.cart()
    refused(other.get(f"/carts/{cart['id']}"), 404, "cart_not_found")


@pytest.mark.parametrize(("method", "path"), [("POST", "/api-keys"), ("DELETE", f"/api-keys/{SOME_ID}")])
def test_what_only_people_may_do_no_key_can(shop, method, path):
    body = {"name": "x", "scopes": ["*"]} if method == "POST" else None
    refused(shop.ask(method, path, body), 403, "forbidden")
    refused(shop.ask(method, path, body, key=None), 401, "unauthorized")
    refused(shop.ask(method, path, body, key=resealed(shop.secret_key)), 401, "unauthorized")


def last_used(shop, key_id, *, other_than=None):
    until = time.monotonic() + 5
    while time.monotonic() < until:
        found = next(k for k in made(shop.as_member("GET", "/api-keys"))["data"] if k["id"] == key_id)["lastUsedAt"]
        if found != other_than:
            return found
        time.sleep(0.02)
    return other_than


def test_when_a_key_was_last_used_is_noted_at_most_once_a_minute(shop, clock):
    key = made(shop.as_member("POST", "/api-keys", {"name": "x", "scopes": ["*"]}), 201)
    assert key["lastUsedAt"] is None
    made(shop.get("/orders", key=key["rawKey"]))
    first = last_used(shop, key["id"])
    assert first is not None
    clock.advance(timedelta(seconds=30))
    made(shop.get("/orders", key=key["rawKey"]))
    clock.advance(timedelta(seconds=31))
    made(shop.get("/orders", key=key["rawKey"]))
    second = last_used(shop, key["id"], other_than=first)
    assert second >= first[:17]
    assert second != first


def test_no_raw_key_is_anywhere_in_the_database(shop):
    key = made(shop.as_member("POST", "/api-keys", {"name": "x", "scopes": ["*"]}), 201)["rawKey"]
    engine = sa.create_engine(shop.house.settings.database_url)
    with engine.connect() as connection:
        rows = "".join(str(tuple(r)) for t in tables.metadata.sorted_tables for r in connection.execute(sa.select(t)))
    engine.dispose()
    assert api_key.parse(key).digest(shop.house.keyring.key("api-keys")) in rows
    assert key not in rows
    assert key[11:43] not in rows
