"""Accounts at tax engines and rate sources keep the word that accounts at payment providers keep."""

import socket
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import bootstrap
from handlers.app import create_app
from penstock.caller import Scope
from penstock.ids import new_id
from penstock.place import Place
from penstock.quoting import TaxFound
from penstock.rate_source import Parcel, RateRequest
from penstock.tax_engine import TaxableLine, TaxRequest
from penstock.tenant import Connection
from penstock.totals import SHIPPING
from plugins import doctor
from tests.servers import free_port
from tests.shop import made, refused
from tests.shops import open_shop, opened_house

SOURCE = Path(__file__).resolve().parents[2] / "examples" / "acmepost" / "src"
CANARY = "EZTKcanary0123456789"
UPS = {"client_id": "client-of-ours", "client_secret": "canary-secret-of-ups", "account_number": "A1B2C3"}
PARIS = Place(country="FR", postal_code="75001", city="Paris")
BOX = RateRequest(
    currency="EUR", on=date(2030, 1, 3), origin=PARIS, destination=PARIS, parcels=(Parcel(weight_g=1200),)
)
CART = TaxRequest(
    currency="EUR", on=date(2030, 1, 2), lines=(TaxableLine(id="1", amount=1000),), destination=PARIS, shipping=500
)


def scope_of(shop):
    return Scope(shop.workspace_id, shop.environment_id, shop.application_id)


def by_operator(shop, cls, **settings):
    """Connect a provider as the operator of the server does, who alone may name an address to call."""
    account = Connection(
        id=new_id(),
        scope=scope_of(shop),
        connector=cls.name,
        kind=cls.kind,
        settings=settings,
        display_name=cls.display_name,
        position=1,
        created_at=shop.house.clock.now(),
    )
    with shop.house.work(account.scope) as uow:
        uow.connections.add(account)
    return account


def connected(shop, connector, **settings):
    return made(shop.post("/connectors", {"connector": connector, "settings": settings}), 201)


def test_a_connection_s_kind_follows_from_its_connector(shop):
    kinds = {
        "sandbox": connected(shop, "sandbox")["kind"],
        "eu_vat": connected(shop, "eu_vat", home="DE")["kind"],
        "easypost": connected(shop, "easypost", api_key=CANARY)["kind"],
        "ups": connected(shop, "ups", **UPS)["kind"],
        "stripe_tax": connected(shop, "stripe_tax", secret_key="sk_test_canary0123456789")["kind"],
    }
    assert kinds == {
        "sandbox": "payment",
        "eu_vat": "tax",
        "easypost": "shipping",
        "ups": "shipping",
        "stripe_tax": "tax",
    }
    listed = {row["connector"]: row["kind"] for row in made(shop.get("/connectors"))["data"]}
    assert kinds.items() <= listed.items()


def test_a_kind_cannot_be_chosen(shop):
    refused(
        shop.post("/connectors", {"connector": "eu_vat", "kind": "payment", "settings": {"home": "DE"}}),
        422,
        "validation_error",
    )


def test_settings_are_held_to_the_plugin_s_schema(shop):
    error = refused(
        shop.post("/connectors", {"connector": "eu_vat", "settings": {"home": "US"}}), 422, "validation_error"
    )
    assert error["details"][0]["pointer"].startswith("/settings")
    refused(shop.post("/connectors", {"connector": "easypost", "settings": {}}), 422, "validation_error")
    refused(
        shop.post("/connectors", {"connector": "easypost", "settings": {"api_key": "EZAKcanary0123456789"}}),
        422,
        "validation_error",
    )


def test_secrets_are_kept_and_never_shown(shop):
    one = connected(shop, "easypost", api_key=CANARY, carrier_accounts=["ca_1"])
    assert (one["settings"], one["secretsSet"]) == ({"carrier_accounts": ["ca_1"]}, ["/api_key"])
    assert CANARY not in shop.get("/connectors").text
    assert CANARY not in shop.get(f"/connectors/{one['id']}").text


def test_a_list_of_payment_connections_holds_no_other_kind(shop):
    tax, post = connected(shop, "eu_vat", home="DE"), connected(shop, "easypost", api_key=CANARY)
    with shop.house.work(scope_of(shop), read=True) as uow:
        kinds = {
            kind: {each.id for each in uow.connections.list_active(kind)} for kind in ("payment", "tax", "shipping")
        }
    assert tax["id"] in kinds["tax"]
    assert post["id"] in kinds["shipping"]
    assert not kinds["payment"] & {tax["id"], post["id"]}
    done = made(shop.complete(shop.session()["id"]))
    assert done["paymentStatus"] == "captured"
    assert {each.connector for each in _offering(shop)} == {"sandbox"}


def _offering(shop):
    with shop.house.work(scope_of(shop), read=True) as uow:
        return uow.connections.list_active()


def test_one_that_cannot_verify_says_so(shop):
    vat = connected(shop, "eu_vat", home="DE")
    assert made(shop.post(f"/connectors/{vat['id']}/verify"))["status"] == "unsupported"


def test_what_is_installed_is_listed_by_kind(shop):
    listed = made(shop.get("/meta/capabilities"))
    engines = {each["name"]: each for each in listed["taxEngines"]}
    sources = {each["name"]: each for each in listed["rateSources"]}
    assert {"eu_vat", "stripe_tax"} <= set(engines)
    assert {"easypost", "ups"} <= set(sources)
    assert not {"eu_vat", "ups"} & {each["name"] for each in listed["connectors"]}
    assert sources["ups"]["capabilities"]["needs"] == ["city", "countryCode", "postalCode"]
    assert engines["eu_vat"]["settingsSchema"]["required"] == ["home"]


@pytest.fixture
def acmepost(monkeypatch):
    """The example's module, importable as if it were installed."""
    monkeypatch.syspath_prepend(str(SOURCE))
    import penstock_acmepost

    yield penstock_acmepost
    for name in [name for name in sys.modules if name.startswith("penstock_acmepost")]:
        del sys.modules[name]


@pytest.fixture
def provider():
    """AcmePost in a box, as a process of its own; the address it listens on."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(SOURCE / "penstock_acmepost" / "fake.py"), str(port)])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def test_outside_sources_are_listed_connected_verified_and_asked(acmepost, provider, sqlite_databases, tmp_path):
    with opened_house(sqlite_databases, tmp_path) as first:
        given = first.settings
    with sqlite_databases.fresh() as url:
        again = given.model_copy(update={"database_url": url})
        with bootstrap.build(again, plugins=[acmepost]) as house, TestClient(create_app(house)) as client:
            shop = open_shop(house, client)
            assert {"acmepost", "acmetax"} <= {row.name for row in doctor.report("0", extra=[acmepost]).connectors}
            settings = {"api_key": "acme_test_key", "base_url": provider}
            refused(
                shop.post("/connectors", {"connector": "acmepost", "settings": settings}),
                422,
                "validation_error",
            )
            post, tax, wrong = (
                by_operator(shop, cls, api_key=key, base_url=provider)
                for cls, key in (
                    (acmepost.AcmePost, "acme_test_key"),
                    (acmepost.AcmeTax, "acme_test_key"),
                    (acmepost.AcmeTax, "another_key"),
                )
            )
            assert made(shop.post(f"/connectors/{post.id}/verify"))["status"] == "accepted"
            assert made(shop.post(f"/connectors/{wrong.id}/verify"))["status"] == "refused"
            with house.work(scope_of(shop), read=True) as uow:
                assert [each.id for each in uow.connections.list_active("shipping")] == [post.id]
                accounts = {each.id: each for each in uow.connections.list_active("tax")}
            rates = house.quoting.gather([post], BOX)
            assert [(offer.rate.code, offer.rate.money.amount) for offer in rates.offers] == [
                ("std", 400),
                ("exp", 1200),
            ]
            taxes = house.quoting.tax(accounts[tax.id], CART)
            assert isinstance(taxes, TaxFound)
            assert {given.part_id: given.amount for given in taxes.answer.given()} == {"1": 200, SHIPPING: 100}
            assert house.quoting.tax(accounts[wrong.id], CART).kind == "configuration"
