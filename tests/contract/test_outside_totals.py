"""A cart's shipping and tax from connected sources: what comes in counts, and what does not come in never counts as zero."""

from collections.abc import Callable
from typing import ClassVar

import pytest
from starlette.testclient import TestClient

import bootstrap
from handlers.app import create_app
from penstock.caller import Scope
from penstock.exemption import Exemption
from penstock.hooks import hookimpl
from penstock.ids import new_id
from penstock.money import Money
from penstock.rate_source import RateClaims, RatesOffered, RateSource, ShippingRate
from penstock.source import Refused
from penstock.tax_engine import PartRates, PartTaxes, RatesFound, TaxClaims, TaxEngine, TaxesCalculated
from penstock.tenant import Connection
from penstock.totals import Rate
from tests.contract.test_calculations import HOME, calculate, cart_of
from tests.contract.test_quotes import CONFIG, ask, codes, publish, to, token
from tests.shop import made, refused
from tests.shops import open_shop, opened_house

VAT = Rate(id="vat", name="VAT", ppm=200_000, jurisdiction="US", tax_type="vat")


def down(_):
    raise TimeoutError("nothing came back")


def rates_of(*prices: tuple[str, int]) -> Callable:
    return lambda asked: RatesOffered(
        tuple(ShippingRate(code, code.title(), Money(price, asked.currency), carrier="Post") for code, price in prices)
    )


def amounts(asked):
    return TaxesCalculated(
        tuple(PartTaxes(part_id=part, taxes=((VAT, price // 5),)) for part, price in asked.amounts.items()),
        ref="calc_1",
    )


def rates(asked):
    return RatesFound(tuple(PartRates(part_id=part, rates=(VAT,)) for part in asked.amounts))


class Post(RateSource):
    name = "post"
    display_name = "Post"
    capabilities = RateClaims()
    settings_schema: ClassVar = {"type": "object"}
    script: ClassVar[Callable] = staticmethod(rates_of(("slow", 490), ("fast", 1190)))

    def quote(self, request):
        return type(self).script(request)


class Courier(Post):
    name = "courier"
    script: ClassVar[Callable] = staticmethod(rates_of(("now", 2500)))


class Office(TaxEngine):
    name = "office"
    display_name = "Office"
    capabilities = TaxClaims(None)
    settings_schema: ClassVar = {"type": "object"}
    script: ClassVar[Callable] = staticmethod(amounts)

    def calculate(self, request):
        return type(self).script(request)


class Offer:
    @hookimpl
    def penstock_rate_sources(self):
        return [Post, Courier]

    @hookimpl
    def penstock_tax_engines(self):
        return [Office]


@pytest.fixture(scope="module")
def outside_house(sqlite_databases, tmp_path_factory):
    with opened_house(sqlite_databases, tmp_path_factory.mktemp("outside")) as house:
        given = house.settings
    with sqlite_databases.fresh() as url:
        again = given.model_copy(update={"database_url": url})
        with bootstrap.build(again, plugins=[Offer()]) as house, TestClient(create_app(house)) as client:
            yield house, client


@pytest.fixture
def store(outside_house):
    """A shop that asks two sources and an engine, and has zones and rates of its own beside."""
    shop = open_shop(*outside_house)
    shop.sources = {cls.name: connected(shop, cls) for cls in (Post, Courier, Office)}
    configure(shop)
    return shop


def connected(shop, cls):
    account = Connection(
        id=new_id(),
        scope=Scope(shop.workspace_id, shop.environment_id, shop.application_id),
        connector=cls.name,
        kind=cls.kind,
        settings={},
        display_name=cls.display_name,
        position=1,
        created_at=shop.house.clock.now(),
    )
    with shop.house.work(account.scope) as uow:
        uow.connections.add(account)
    return account.id


def configure(shop, **fields):
    sources = [shop.sources["post"], shop.sources["courier"]]
    shop.tax = {**CONFIG["tax"], "mode": "plugin", "connectionId": shop.sources["office"]}
    publish(
        shop,
        {
            **CONFIG,
            "shipping": {**CONFIG["shipping"], "mode": "plugin", "connectionIds": sources},
            "tax": shop.tax,
            **fields,
        },
    )


def estimate(shop, **body):
    return made(calculate(shop, cart_of(shop), shippingAddress=HOME, **body))


def final(shop, method, **body):
    wanted = {"kind": "checkout_final", "selectedShippingMethodId": method, "shippingAddress": HOME, **body}
    return calculate(shop, cart_of(shop), **wanted)


def ids(found):
    return [method["id"] for method in found["shipping"]["methods"]]


def test_offers_of_all_sources_stand_side_by_side_and_say_whose_they_are(store):
    found = estimate(store)
    assert ids(found) == [
        f"{store.sources['post']}:slow",
        f"{store.sources['post']}:fast",
        f"{store.sources['courier']}:now",
    ]
    assert found["warnings"] == []


@pytest.mark.parametrize("script", [amounts, rates])
def test_a_final_total_is_what_the_sources_said(store, monkeypatch, script):
    monkeypatch.setattr(Office, "script", staticmethod(script))
    found = made(final(store, f"{store.sources['post']}:slow"))
    assert found["status"] == "final"
    assert found["totals"] == {
        "subtotal": 2500,
        "discountTotal": 0,
        "shippingTotal": 490,
        "taxTotal": 500 + 98,
        "total": 2500 + 490 + 598,
    }


def test_a_source_that_fails_is_told_of_beside_the_offers_of_the_others(store, monkeypatch):
    monkeypatch.setattr(Courier, "script", staticmethod(down))
    found = estimate(store)
    assert ids(found) == [f"{store.sources['post']}:slow", f"{store.sources['post']}:fast"]
    assert codes(found["warnings"]) == ["shipping_source_failed"]
    assert made(final(store, f"{store.sources['post']}:slow"))["totals"]["shippingTotal"] == 490


def test_a_buyer_whose_choice_came_from_a_failing_source_is_not_charged_nothing(store, monkeypatch):
    monkeypatch.setattr(Courier, "script", staticmethod(down))
    error = refused(final(store, f"{store.sources['courier']}:now"), 502, "tax_provider_error")
    assert error["details"]["source"] == "courier"


def test_a_buyer_is_told_that_it_failed_and_not_whose_source_it_was(store, monkeypatch):
    session = store.session(cart_of(store))
    path, body = f"/checkout-sessions/{session['id']}/calculate", {"shippingAddress": HOME}
    chosen = {**body, "selectedShippingMethodId": f"{store.sources['post']}:slow"}
    monkeypatch.setattr(Office, "script", staticmethod(down))
    error = refused(store.post(path, chosen, key=None), 502, "tax_provider_error")
    assert "details" not in error
    assert "office" not in error["message"].lower()
    monkeypatch.setattr(Office, "script", staticmethod(amounts))
    found = made(store.post(path, chosen, key=None))
    assert (found["status"], found["totals"]["total"]) == ("final", 2500 + 490 + 598)


def test_an_engine_that_does_not_judge_exemptions_is_not_asked_about_an_exempt_buyer(store, monkeypatch):
    configure(store, tax={**store.tax, "exemptionsAllowed": True})
    monkeypatch.setattr(Office, "script", staticmethod(down))
    found = made(final(store, f"{store.sources['post']}:slow", taxExemption={"reason": "exempt"}))
    assert (found["status"], found["totals"]["taxTotal"], found["tax"]["source"]) == ("final", 0, "office")
    assert found["explanation"]["lines"][0]["untaxedBecause"] == "exempt"


def test_an_engine_that_judges_exemptions_is_told_and_its_answer_counts(store, monkeypatch):
    configure(store, tax={**store.tax, "exemptionsAllowed": True})
    told = []
    monkeypatch.setattr(Office, "capabilities", TaxClaims(None, exemptions=True))
    monkeypatch.setattr(Office, "script", staticmethod(lambda asked: told.append(asked.exemption) or amounts(asked)))
    found = made(final(store, f"{store.sources['post']}:slow", taxExemption={"reason": "reverse_charge"}))
    assert told == [Exemption(reason="reverse_charge")]
    assert (found["totals"]["taxTotal"], codes(found["warnings"])) == (598, ["exemption_not_applied"])


def test_failing_tax_warns_in_an_estimate_and_fails_a_final_calculation(store, monkeypatch):
    monkeypatch.setattr(Office, "script", staticmethod(down))
    assert codes(estimate(store)["warnings"]) == ["tax_unavailable"]
    refused(final(store, f"{store.sources['post']}:slow"), 502, "tax_provider_error")


@pytest.mark.parametrize(
    "script",
    [lambda _: None, lambda _: 0, lambda _: RatesFound(()), lambda _: TaxesCalculated(())],
    ids=["nothing", "zero", "no rates", "no amounts"],
)
def test_an_engine_that_answers_nothing_has_not_said_that_nothing_is_due(store, monkeypatch, script):
    monkeypatch.setattr(Office, "script", staticmethod(script))
    refused(final(store, f"{store.sources['post']}:slow"), 502, "tax_provider_error")


def test_zones_and_rates_stand_in_where_the_merchant_said_so(store, monkeypatch):
    configure(store, onProviderError="fallback_builtin")
    for cls in (Post, Courier, Office):
        monkeypatch.setattr(cls, "script", staticmethod(down))
    found = made(final(store, "std"))
    assert (found["status"], found["totals"]["shippingTotal"], found["totals"]["taxTotal"]) == ("final", 500, 233)
    assert "fallback_builtin" in codes(found["warnings"])


def test_a_table_that_is_silent_about_the_place_stands_in_for_nothing(store, monkeypatch):
    configure(store, onProviderError="fallback_builtin")
    monkeypatch.setattr(Office, "script", staticmethod(down))
    nevada = {**HOME, "stateProvince": "NV", "postalCode": "89501", "city": "Reno"}
    refused(final(store, f"{store.sources['post']}:slow", shippingAddress=nevada), 502, "tax_provider_error")


@pytest.mark.parametrize(
    ("axis", "source", "at"),
    [("shipping", "office", "/shipping/connectionIds/0"), ("tax", "post", "/tax/connectionId")],
)
def test_a_connection_is_named_for_what_it_is_asked_for(store, axis, source, at):
    named = (
        {"connectionIds": [store.sources[source]]} if axis == "shipping" else {"connectionId": store.sources[source]}
    )
    body = {**CONFIG, axis: {**CONFIG[axis], "mode": "plugin", **named}}
    found = made(store.post("/shipping-tax/config/validate", {"config": body}))
    assert [(fault["pointer"], fault["code"]) for fault in found["faults"]] == [(at, "wrong_kind")]
    made(store.put("/shipping-tax/config/draft", body))
    refused(store.post("/shipping-tax/config/publish"), 422, "validation_error")


def test_a_page_is_not_told_which_source_failed_nor_why(store, monkeypatch):
    for cls in (Post, Courier, Office):
        monkeypatch.setattr(cls, "script", staticmethod(down))
    found = made(
        ask(
            store,
            token(store)["rawToken"],
            items=[{"id": "MUG", "subtotalAmount": 2500, "weightGrams": 400}],
            **to(HOME),
        )
    )
    assert {note["source"] for note in found["warnings"]} == {None}
    assert {note["message"] for note in found["warnings"]} == {
        "A source of shipping rates gave no answer.",
        "The tax engine gave no answer.",
    }
    assert found["prompts"] == []


def test_an_address_that_a_source_does_not_know_is_asked_for_again(store, monkeypatch):
    monkeypatch.setattr(Office, "script", staticmethod(lambda _: Refused("address", "no such postal code")))
    found = estimate(store)
    assert "address_invalid" in codes(found["prompts"])
    assert made(final(store, f"{store.sources['post']}:slow"))["status"] == "failed"


def test_a_source_that_is_disabled_or_gone_is_not_asked(store, monkeypatch):
    made(store.post(f"/connectors/{store.sources['courier']}/disable"))
    monkeypatch.setattr(Courier, "script", staticmethod(down))
    assert len(ids(estimate(store))) == 2
    made(store.post(f"/connectors/{store.sources['office']}/disable"))
    error = refused(final(store, f"{store.sources['post']}:slow"), 502, "tax_provider_error")
    assert error["message"] == "The tax engine that is configured is not connected."


def test_a_storefront_is_quoted_from_the_same_sources(store):
    found = made(
        ask(
            store,
            token(store)["rawToken"],
            items=[{"id": "MUG", "subtotalAmount": 2500, "weightGrams": 400}],
            selectedShippingMethodId=f"{store.sources['post']}:slow",
            **to(HOME),
        )
    )
    assert len(ids(found)) == 3
    assert found["totals"]["total"] == 2500 + 490 + 598
