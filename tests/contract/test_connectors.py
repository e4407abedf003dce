"""Connections to providers keep their word: what they take, what they show, and what they never show."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest
from starlette.testclient import TestClient

import bootstrap
from handlers.app import create_app
from penstock.connector import BadCredentials, Capabilities, PaymentConnector
from penstock.hooks import hookimpl
from penstock.ids import new_id
from penstock.outcome import Declined
from tests.shop import made, pointers, refused
from tests.shops import open_shop, opened_house

CANARY = "sk_canary_0123456789"


class Picky(PaymentConnector):
    """A provider with settings of every kind, for both kinds of environment."""

    name = "picky"
    display_name = "Picky Pay"
    capabilities = Capabilities(None, frozenset({"card"}), verify=True)
    settings_schema: ClassVar = {
        "type": "object",
        "required": ["api_key", "merchant"],
        "additionalProperties": False,
        "properties": {
            "api_key": {"type": "string", "minLength": 8, "writeOnly": True},
            "merchant": {"type": "string"},
            "webhook_secret": {"type": "string"},
            "region": {"enum": ["eu", "us"]},
            "endpoint": {"type": "string", "readOnly": True},
            "extra": {
                "type": "object",
                "properties": {
                    "pin": {"type": "string", "format": "password"},
                    "colour": {"type": "string"},
                },
            },
        },
    }

    def __init__(self, ctx):
        super().__init__(ctx)
        if ctx.settings["merchant"] == "impossible":
            raise RuntimeError(f"cannot use {ctx.settings['api_key']}")

    def charge(self, request):
        return Declined("hard")

    def find(self, key):
        return None

    def verify_account(self):
        match self.ctx.settings["merchant"]:
            case "stranger":
                raise BadCredentials(f"no account has the key {self.ctx.settings['api_key']}")
            case "silent":
                raise TimeoutError("nothing came back")
            case "hanging":
                time.sleep(30)


class Offer:
    @hookimpl
    def penstock_payment_connectors(self):
        return [Picky]


@pytest.fixture(scope="module")
def picky_house(sqlite_databases, tmp_path_factory):
    with opened_house(sqlite_databases, tmp_path_factory.mktemp("picky")) as house:
        given = house.settings
    with sqlite_databases.fresh() as url:
        again = given.model_copy(update={"database_url": url})
        with bootstrap.build(again, plugins=[Offer()]) as house:
            yield house


@pytest.fixture
def picky_shop(picky_house):
    with TestClient(create_app(picky_house), raise_server_exceptions=False) as client:
        yield open_shop(picky_house, client)


def account(**changes):
    settings = {"api_key": CANARY, "merchant": "m1", **changes.pop("settings", {})}
    return {"connector": "picky", "settings": settings, **changes}


def connected(shop, **fields):
    return made(shop.post("/connectors", {"connector": "sandbox", **fields}), 201)


def test_a_connection_is_made_read_listed_and_takes_payments(bare_shop):
    one = connected(bare_shop, displayName="Cards", settings={"approve_all": True, "api_key": CANARY})
    assert (one["connector"], one["displayName"], one["environment"]) == ("sandbox", "Cards", "sandbox")
    assert (one["isActive"], one["isUsable"]) == (True, True)
    assert made(bare_shop.get(f"/connectors/{one['id']}")) == one
    assert made(bare_shop.get("/connectors"))["data"] == [one]
    assert made(bare_shop.complete(bare_shop.session()["id"]))["status"] == "completed"


def test_a_secret_is_in_no_answer(bare_shop):
    answers = [bare_shop.post("/connectors", {"connector": "sandbox", "settings": {"api_key": CANARY}})]
    connection_id = answers[0].json()["id"]
    answers += [
        bare_shop.get(f"/connectors/{connection_id}"),
        bare_shop.get("/connectors"),
        bare_shop.patch(f"/connectors/{connection_id}", {"displayName": "Other"}),
        bare_shop.post(f"/connectors/{connection_id}/verify"),
        bare_shop.post(f"/connectors/{connection_id}/disable"),
    ]
    assert {answer.status_code for answer in answers} == {200, 201}
    assert not [answer.text for answer in answers if CANARY in answer.text]
    assert answers[1].json()["secretsSet"] == ["/api_key"]


def test_only_what_the_schema_says_plainly_is_no_secret_is_shown(picky_shop):
    settings = {"webhook_secret": "hush-hush", "region": "eu", "extra": {"pin": "1234", "colour": "red", "odd": "x"}}
    one = made(picky_shop.post("/connectors", account(settings=settings)), 201)
    assert one["settings"] == {"merchant": "m1", "extra": {"colour": "red"}}
    assert one["secretsSet"] == ["/api_key", "/extra/odd", "/extra/pin", "/region", "/webhook_secret"]


def test_a_name_of_its_own_and_a_place_in_the_order_are_given_where_none_are(bare_shop):
    first, second = connected(bare_shop), connected(bare_shop)
    early = connected(bare_shop, position=1)
    assert first["displayName"] == "Sandbox"
    assert first["position"] < second["position"]
    assert [each["id"] for each in made(bare_shop.get("/connectors"))["data"]] == [
        early["id"],
        first["id"],
        second["id"],
    ]


def test_settings_that_do_not_fit_are_told_by_pointer_and_never_repeated(picky_shop):
    body = {"connector": "picky", "settings": {"api_key": "short1", "unknown/x": 1, "region": "mars"}}
    error = refused(picky_shop.post("/connectors", body), 422, "validation_error")
    assert set(pointers(error)) == {"/settings", "/settings/api_key", "/settings/merchant", "/settings/region"}
    assert {fault["code"] for fault in error["details"]} == {"required", "min_length", "unrecognized_keys", "enum"}
    assert "short1" not in str(error)


@pytest.mark.parametrize(
    ("connector", "settings", "pointer", "message"),
    [
        (
            "stripe",
            {"secret_key": "MINE"},
            "/settings/secret_key",
            "must fit the pattern `^(sk|rk)_(test|live)_[A-Za-z0-9]{8,}$`. A secret or restricted key. Sandbox environments",
        ),
        ("stripe", {"secret_key": 5}, "/settings/secret_key", "must be a string. A secret or restricted key."),
        ("ups", {"account_number": "MINE"}, "/settings/account_number", "The shipper's account, six letters or digits"),
        ("stripe_tax", {"tax_codes": ["MINE"]}, "/settings/tax_codes/0", "as 'books=txcd_35010000'"),
        ("eu_vat", {"distance_sales": "MINE"}, "/settings/distance_sales", "must be one of: destination, home. Whose"),
        ("adyen", {"api_key": "MINE"}, "/settings/api_key", "must have at least 16 characters. The key of an API"),
        ("paypal", {"brand_name": ""}, "/settings/brand_name", "must have at least 1 character. The name that"),
    ],
)
def test_settings_that_do_not_fit_are_told_what_would(bare_shop, connector, settings, pointer, message):
    answer = bare_shop.post("/connectors", {"connector": connector, "settings": settings})
    told = {fault["pointer"]: fault for fault in refused(answer, 422, "validation_error")["details"]}
    assert message in told[pointer]["message"]
    assert "received" not in told[pointer]
    assert "MINE" not in answer.text


def test_settings_that_the_connector_itself_refuses_are_told_without_their_values(picky_shop):
    error = refused(
        picky_shop.post("/connectors", account(settings={"merchant": "impossible"})), 422, "validation_error"
    )
    assert pointers(error) == ["/settings"]
    assert CANARY not in str(error)


def test_files_and_addresses_of_the_machine_are_the_operator_s_alone(bare_shop, picky_shop):
    for settings in ({"bank_file": "/etc/passwd"}, {"bank_url": "http://127.0.0.1:1"}, {"public_url": "http://x"}):
        error = refused(
            bare_shop.post("/connectors", {"connector": "sandbox", "settings": settings}), 422, "validation_error"
        )
        assert pointers(error) == [f"/settings/{next(iter(settings))}"]
        assert error["details"][0]["code"] == "read_only"
    one = made(picky_shop.post("/connectors", account()), 201)
    changed = picky_shop.patch(f"/connectors/{one['id']}", {"settings": {"endpoint": "http://10.0.0.1"}})
    assert pointers(refused(changed, 422, "validation_error")) == ["/settings/endpoint"]


def test_a_change_merges_settings_and_null_takes_one_away(picky_shop):
    one = made(picky_shop.post("/connectors", account(settings={"webhook_secret": "hush-hush"})), 201)
    path = f"/connectors/{one['id']}"
    two = made(picky_shop.patch(path, {"settings": {"merchant": "m2"}}))
    assert (two["settings"], two["secretsSet"]) == ({"merchant": "m2"}, ["/api_key", "/webhook_secret"])
    three = made(picky_shop.patch(path, {"settings": {"webhook_secret": None}, "displayName": "Mine", "position": 7}))
    assert (three["secretsSet"], three["displayName"], three["position"]) == (["/api_key"], "Mine", 7)
    assert three["updatedAt"] >= two["updatedAt"] >= one["createdAt"] == three["createdAt"]
    gone = picky_shop.patch(path, {"settings": {"api_key": None}})
    assert pointers(refused(gone, 422, "validation_error")) == ["/settings/api_key"]
    assert made(picky_shop.get(path)) == three


def test_two_who_change_one_connection_at_once_both_have_their_way(bare_shop):
    path = f"/connectors/{connected(bare_shop)['id']}"
    changes = [{"displayName": "Renamed"}, {"settings": {"api_key": CANARY}}]
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda change: bare_shop.patch(path, change), changes))
    assert [answer.status_code for answer in answers] == [200, 200]
    one = made(bare_shop.get(path))
    assert (one["displayName"], one["secretsSet"]) == ("Renamed", ["/api_key"])


def test_a_connector_that_nobody_offers_is_refused_with_those_that_there_are(shop):
    error = refused(shop.post("/connectors", {"connector": "nobody"}), 422, "connector_unavailable")
    assert error["details"]["reason"] == "unknown"
    assert {"sandbox", "sandbox_b"} <= set(error["details"]["available"])


def test_a_connector_for_tests_is_refused_in_production(production_shop):
    there = production_shop(lifecycle_stage="live")
    error = refused(there.post("/connectors", {"connector": "sandbox"}), 422, "connector_unavailable")
    assert (error["details"]["reason"], error["details"]["connector"]) == ("wrong_environment", "sandbox")
    assert "sandbox" not in error["details"]["available"]


def test_a_disabled_connection_takes_no_payment_until_it_is_enabled(bare_shop):
    path = f"/connectors/{connected(bare_shop)['id']}"
    session = bare_shop.session()["id"]
    for _ in range(2):
        assert made(bare_shop.post(f"{path}/disable"))["isActive"] is False
    refused(bare_shop.complete(session), 422, "no_eligible_connector")
    assert made(bare_shop.post(f"{path}/enable"))["isActive"] is True
    assert made(bare_shop.complete(session))["status"] == "completed"


def test_a_connection_that_was_never_used_is_deleted_for_good(bare_shop):
    path = f"/connectors/{connected(bare_shop, settings={'api_key': CANARY})['id']}"
    assert bare_shop.delete(path).status_code == 204
    assert made(bare_shop.get("/connectors"))["data"] == []
    for answer in (
        bare_shop.get(path),
        bare_shop.delete(path),
        bare_shop.patch(path, {"displayName": "x"}),
        bare_shop.post(f"{path}/enable"),
        bare_shop.post(f"{path}/verify"),
    ):
        refused(answer, 404, "not_found")


def test_a_connection_that_was_used_stays_and_can_be_disabled(bare_shop):
    path = f"/connectors/{connected(bare_shop)['id']}"
    made(bare_shop.complete(bare_shop.session()["id"]))
    refused(bare_shop.delete(path), 409, "connector_in_use")
    assert made(bare_shop.post(f"{path}/disable"))["isActive"] is False


def test_verifying_tells_what_the_provider_says_of_the_credentials(bare_shop):
    good, bad = (
        connected(bare_shop, settings={"api_key": CANARY}),
        connected(bare_shop, settings={"api_key": "refused"}),
    )
    assert made(bare_shop.post(f"/connectors/{good['id']}/verify"))["status"] == "accepted"
    told = made(bare_shop.post(f"/connectors/{bad['id']}/verify"))
    assert told["status"] == "refused"
    assert "api_key" in told["message"]


def test_verifying_masks_secrets_and_tells_silence_from_a_refusal(picky_shop):
    for merchant, status in (("m1", "accepted"), ("stranger", "refused"), ("silent", "unreachable")):
        one = made(picky_shop.post("/connectors", account(settings={"merchant": merchant})), 201)
        told = made(picky_shop.post(f"/connectors/{one['id']}/verify"))
        assert told["status"] == status
        assert CANARY not in str(told)


def test_verifying_gives_up_on_a_connector_that_hangs(picky_shop, picky_house, monkeypatch):
    monkeypatch.setattr(picky_house.accounts, "_seconds", 0.3)
    one = made(picky_shop.post("/connectors", account(settings={"merchant": "hanging"})), 201)
    assert made(picky_shop.post(f"/connectors/{one['id']}/verify"))["status"] == "unreachable"


@pytest.mark.parametrize("role", ["developer", "finance", "viewer"])
def test_a_member_needs_the_permission_for_settings(shop, role):
    import sqlalchemy as sa

    from storage import tables
    from tests.shops import execute

    execute(
        shop.house,
        sa.update(tables.members).where(tables.members.c.workspace_id == shop.workspace_id).values(role=role),
    )
    for method, path in (("GET", "/connectors"), ("POST", f"/connectors/{new_id()}/verify")):
        refused(shop.as_member(method, path), 403, "permission_denied")
    assert made(shop.as_member("GET", "/meta/capabilities"))["connectors"]


def test_a_member_with_the_permission_and_a_key_with_the_scope_may(bare_shop):
    body = {"connector": "sandbox"}
    made(bare_shop.as_member("POST", "/connectors", body), 201)
    keys = {
        scope: made(bare_shop.as_member("POST", "/api-keys", {"name": scope, "scopes": [scope]}), 201)["rawKey"]
        for scope in ("connectors:read", "connectors:write", "orders:read")
    }
    made(bare_shop.post("/connectors", body, key=keys["connectors:write"]), 201)
    assert len(made(bare_shop.get("/connectors", key=keys["connectors:read"]))["data"]) == 2
    refused(bare_shop.post("/connectors", body, key=keys["connectors:read"]), 403, "insufficient_scopes")
    refused(bare_shop.get("/connectors", key=keys["orders:read"]), 403, "insufficient_scopes")
    refused(bare_shop.get("/connectors", key=bare_shop.publishable_key), 403, "insufficient_scopes")


def test_another_tenant_s_connection_is_not_found(bare_shop, other_shop):
    path = f"/connectors/{connected(bare_shop)['id']}"
    for answer in (
        other_shop.get(path),
        other_shop.patch(path, {"displayName": "mine"}),
        other_shop.post(f"{path}/disable"),
        other_shop.post(f"{path}/verify"),
        other_shop.delete(path),
    ):
        refused(answer, 404, "not_found")
    assert made(bare_shop.get(path))["isActive"] is True


def test_a_repeat_with_the_same_key_connects_once(bare_shop):
    headers = {"Idempotency-Key": new_id()}
    body = {"connector": "sandbox", "settings": {"api_key": CANARY}}
    first = made(bare_shop.post("/connectors", body, headers=headers), 201)
    assert made(bare_shop.post("/connectors", body, headers=headers), 201) == first
    assert len(made(bare_shop.get("/connectors"))["data"]) == 1


def test_the_capabilities_are_those_of_the_registry(shop, house):
    told = made(shop.get("/meta/capabilities"))
    assert [each["name"] for each in told["connectors"]] == house.registry.names()
    sandbox = next(each for each in told["connectors"] if each["name"] == "sandbox")
    assert sandbox["environments"] == ["sandbox"]
    assert sandbox["capabilities"]["lookupIsAuthoritativeAfter"] == 60
    assert sandbox["settingsSchema"]["properties"]["api_key"]["writeOnly"] is True
