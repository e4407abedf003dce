"""An honest rate source, an honest tax engine, and the ways to break them. Run by ``test_source_kit.py``."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, ClassVar

import httpx

from penstock import boundary
from penstock.conformance import RateCase, RateSourceContract, TaxCase, TaxEngineContract, reply
from penstock.plugin import (
    SHIPPING,
    BadCredentials,
    Exemption,
    Money,
    NotSent,
    Parcel,
    PartTaxes,
    Place,
    Rate,
    RateClaims,
    RateRequest,
    RatesOffered,
    RateSource,
    Refused,
    ShippingRate,
    TaxableLine,
    TaxClaims,
    TaxEngine,
    TaxesCalculated,
    TaxRequest,
)

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["api_key"],
    "properties": {"api_key": {"type": "string", "writeOnly": True}},
}
SETTINGS = {"api_key": "sk_conformance_SECRET"}
HOME = Place(country="DE", postal_code="10115", city="Berlin", line1="Chausseestr. 1")
AWAY = Place(country="FR", postal_code="75001", city="Paris", line1="Rue de Rivoli 1")
REASONS = {422: "address", 409: "not_served", 401: "configuration", 429: "rate_limited"}


class Wired:
    """What both send and read."""

    def exchange(self, method, path, body):
        return self.ctx.http.request(method, f"https://honest.example{path}", json=body, headers=self.headers())

    def headers(self):
        return {"Authorization": f"Bearer {self.ctx.settings['api_key']}"}

    def verify_account(self):
        response = self.exchange("GET", "/account", None)
        if response.status_code == 401:
            raise BadCredentials("the key is refused")
        if response.status_code != 200:
            raise ValueError(response.status_code)

    def opened(self, response):
        if response.status_code in REASONS:
            return Refused(REASONS[response.status_code], "no")
        if response.status_code != 200:
            raise ValueError(response.status_code)
        return response.json()


class Honest(Wired, RateSource):
    name = "honest_post"
    display_name = "Honest Post"
    capabilities = RateClaims(currencies=frozenset({"EUR", "CHF", "JPY"}), most_parcels=5, verify=True)
    settings_schema = SCHEMA

    def quote(self, request):
        told = self.opened(self.exchange("POST", "/rates", self.body(request)))
        return told if isinstance(told, Refused) else self.read(told, request)

    def body(self, request):
        return {
            "from": request.origin.postal_code if request.origin else None,
            "to": request.destination.postal_code,
            "parcels": [self.parcel(each) for each in request.parcels],
        }

    def parcel(self, parcel):
        return {"grams": parcel.weight_g, "size": [parcel.length_mm, parcel.width_mm, parcel.height_mm]}

    def read(self, told, request):
        if not told["rates"]:
            return Refused("not_served", "nobody goes there")
        mine = [rate for rate in told["rates"] if rate["currency"] == request.currency]
        if not mine:
            return Refused("not_served", "only in another currency")
        return RatesOffered(tuple(self.rate(each, request) for each in mine), notes=tuple(told["missing"]))

    def rate(self, told, request):
        return ShippingRate(told["code"], told["name"], self.money(told, request))

    def money(self, told, request):
        return Money(int(told["price"].replace(".", "")), told["currency"])


def parcel_rate(code, price, currency="EUR"):
    return {"code": code, "name": code.title(), "price": price, "currency": currency}


BOX = RateRequest(currency="EUR", on=date(2030, 1, 3), origin=HOME, destination=AWAY, parcels=(Parcel(weight_g=1200),))
OFFER = {"rates": [parcel_rate("slow", "4.90"), parcel_rate("fast", "11.90")], "missing": []}


class TestHonestRates(RateSourceContract):
    provider = Honest
    settings: ClassVar[Mapping[str, Any]] = SETTINGS
    cases = (
        RateCase(BOX, reply(200, OFFER), {"slow": Money(490, "EUR"), "fast": Money(1190, "EUR")}),
        RateCase(
            RateRequest(currency="JPY", on=BOX.on, origin=HOME, destination=AWAY, parcels=BOX.parcels),
            reply(200, {"rates": [parcel_rate("slow", "600", "JPY")], "missing": []}),
            {"slow": Money(600, "JPY")},
        ),
    )
    wire: ClassVar = {
        "no_rates": reply(200, {"rates": [], "missing": []}),
        "partial": reply(200, OFFER | {"missing": ["one carrier is away"]}),
        "bad_address": reply(422, {}),
        "not_served": reply(409, {}),
        "bad_credentials": reply(401, {}),
        "verified": reply(200, {}),
        "refused_account": reply(401, {}),
    }
    weights: ClassVar = {1: 1, 1200: 1200}

    def weight_on_wire(self, request):
        return json.loads(request.content)["parcels"][0]["grams"]


def broken(base, contract, name, **members):
    """Return a contract over a class in which some members are replaced."""
    return type(name, (contract,), {"provider": type(name.removeprefix("Test"), (base,), members)})


def rates_with(name, **members):
    return broken(Honest, TestHonestRates, name, **members)


def blind(self, response):
    return response.json()


def tolerant(self, request):
    try:
        return Honest.quote(self, request)
    except Exception:  # noqa: BLE001  that is the fault
        return RatesOffered((ShippingRate("std", "Standard", Money(0, request.currency), is_free=True),))


def silent_zero(self, request):
    try:
        return Honest.quote(self, request)
    except httpx.HTTPError:
        return RatesOffered((ShippingRate("std", "Standard", Money(499, request.currency)),))


def again(self, method, path, body):
    try:
        return Wired.exchange(self, method, path, body)
    except (NotSent, httpx.HTTPError):
        return Wired.exchange(self, method, path, body)


def follow(self, method, path, body):
    response = Wired.exchange(self, method, path, body)
    return self.ctx.http.get(response.headers["location"]) if response.is_redirect else response


def inside(self, request):
    boundary.transaction().__enter__()
    return Honest.quote(self, request)


class Counter:
    """Keeps something between two calls."""

    calls = 0


def counted(self, told, request):
    Counter.calls += 1
    return ShippingRate(f"{told['code']}-{Counter.calls}", told["name"], self.money(told, request))


TestFloatPrices = rates_with(
    "TestFloatPrices", money=lambda self, told, request: Money(int(float(told["price"]) * 10 * 10), told["currency"])
)
TestAlwaysHundredths = rates_with(
    "TestAlwaysHundredths",
    money=lambda self, told, request: Money(round(float(told["price"]) * 100), told["currency"]),
)
TestRelabelsCurrency = rates_with(
    "TestRelabelsCurrency",
    read=lambda self, told, request: RatesOffered(
        tuple(
            ShippingRate(each["code"], each["name"], Money(int(each["price"].replace(".", "")), request.currency))
            for each in told["rates"]
        )
    ),
)
TestNoStatusCheck = rates_with("TestNoStatusCheck", opened=blind)
TestFreeWhenDown = rates_with("TestFreeWhenDown", quote=tolerant)
TestFallsBackOnSilence = rates_with("TestFallsBackOnSilence", quote=silent_zero)
TestRepeats = rates_with("TestRepeats", exchange=again)
TestFollowsRedirects = rates_with("TestFollowsRedirects", exchange=follow)
TestHidesMissingCarriers = rates_with(
    "TestHidesMissingCarriers",
    read=lambda self, told, request: Honest.read(self, told | {"missing": []}, request),
)
TestForgetsTheWeight = rates_with(
    "TestForgetsTheWeight", parcel=lambda self, parcel: {"grams": 1000, "size": [parcel.length_mm]}
)
TestForgetsTheSize = rates_with("TestForgetsTheSize", parcel=lambda self, parcel: {"grams": parcel.weight_g})
TestFirstParcelOnly = rates_with(
    "TestFirstParcelOnly",
    body=lambda self, request: Honest.body(self, request) | {"parcels": [self.parcel(request.parcels[0])]},
)
TestForgetsThePlace = rates_with(
    "TestForgetsThePlace", body=lambda self, request: Honest.body(self, request) | {"to": request.destination.country}
)
TestKeyInTheAddress = rates_with(
    "TestKeyInTheAddress",
    exchange=lambda self, method, path, body: self.ctx.http.request(
        method, f"https://honest.example{path}?key={self.ctx.settings['api_key']}", json=body
    ),
)
TestRemembers = rates_with("TestRemembers", rate=counted)
TestShowsItsKey = rates_with("TestShowsItsKey", __repr__=lambda self: f"<Post {self.ctx.settings['api_key']}>")
TestLeavesATransactionOpen = rates_with("TestLeavesATransactionOpen", quote=inside)
TestEmptyIsAnOffer = rates_with(
    "TestEmptyIsAnOffer",
    read=lambda self, told, request: RatesOffered(
        tuple(self.rate(each, request) for each in told["rates"] if each["currency"] == request.currency)
        or (ShippingRate("none", "None", Money(0, request.currency), is_free=True),),
        notes=tuple(told["missing"]),
    ),
)
TestOwnWordsForNo = rates_with(
    "TestOwnWordsForNo",
    opened=lambda self, response: Refused("sorry", "no") if response.status_code in REASONS else blind(self, response),
)
TestClaimsNothing = rates_with(
    "TestClaimsNothing", capabilities=RateClaims(currencies=frozenset({"EUR", "CHF", "JPY"}))
)
TestDownIsBadCredentials = rates_with(
    "TestDownIsBadCredentials",
    verify_account=lambda self: _refuse_unless_ok(self.exchange("GET", "/account", None)),
)


def _refuse_unless_ok(response):
    if response.status_code != 200:
        raise BadCredentials("no")


class HonestTax(Wired, TaxEngine):
    name = "honest_tax"
    display_name = "Honest Tax"
    capabilities = TaxClaims(None, frozenset({"EUR", "JPY"}), exemptions=True)
    settings_schema = SCHEMA
    verify_account = TaxEngine.verify_account

    def calculate(self, request):
        told = self.opened(self.exchange("POST", "/taxes", self.body(request)))
        return told if isinstance(told, Refused) else self.read(told, request)

    def body(self, request):
        return {
            "to": [request.destination.country, request.destination.postal_code],
            "included": request.is_included,
            "free": request.exemption and request.exemption.reason,
            "parts": [[part, Money(price, request.currency).major()] for part, price in request.amounts.items()],
        }

    def read(self, told, request):
        if {part["id"]: part["price"] for part in told["parts"]} != dict(self.body(request)["parts"]):
            raise ValueError("this is another cart")
        return TaxesCalculated(tuple(self.part(each, request) for each in told["parts"]), ref=told["ref"])

    def part(self, told, request):
        taxes = tuple((self.rate(each), self.amount(each, request)) for each in told["taxes"])
        return PartTaxes(part_id=told["id"], taxes=taxes, reason=told["why"])

    def rate(self, told):
        return Rate(id=told["name"], name=told["name"], ppm=told["ppm"])

    def amount(self, told, request):
        return int(told["amount"].replace(".", ""))


def part(part_id, price, *taxes, why=""):
    told = [{"name": name, "ppm": ppm, "amount": amount} for name, ppm, amount in taxes]
    return {"id": part_id, "price": price, "taxes": told, "why": why}


def taxed(*parts):
    return {"ref": "calc_1", "parts": list(parts)}


CART = TaxRequest(
    currency="EUR",
    on=date(2030, 1, 2),
    lines=(TaxableLine(id="1", amount=1000), TaxableLine(id="2", amount=2000)),
    destination=AWAY,
    shipping=500,
)
GOOD = taxed(
    part("1", "10.00", ("TVA", 200_000, "2.00")),
    part("2", "20.00", ("TVA", 55_000, "1.10")),
    part(SHIPPING, "5.00", ("TVA", 200_000, "1.00")),
)
PLAIN = taxed(part("1", "10.00", why="exempt"), part("2", "20.00", why="exempt"), part(SHIPPING, "5.00", why="exempt"))


class TestHonestTaxes(TaxEngineContract):
    provider = HonestTax
    settings: ClassVar[Mapping[str, Any]] = SETTINGS
    cases = (
        TaxCase(CART, reply(200, GOOD), {"1": 200, "2": 110, SHIPPING: 100}),
        TaxCase(
            TaxRequest(
                currency="JPY",
                on=CART.on,
                lines=(TaxableLine(id="1", amount=1100),),
                destination=AWAY,
                is_included=True,
            ),
            reply(200, taxed(part("1", "1100", ("JCT", 100_000, "100")))),
            {"1": 100},
        ),
        TaxCase(replace(CART, exemption=Exemption(reason="exempt")), reply(200, PLAIN), {"1": 0, "2": 0, SHIPPING: 0}),
    )
    wire: ClassVar = {
        "incomplete": reply(200, taxed(*GOOD["parts"][1:])),
        "untaxed": reply(200, PLAIN),
        "bad_address": reply(422, {}),
        "not_served": reply(409, {}),
        "bad_credentials": reply(401, {}),
    }
    amounts: ClassVar = {Money(1250, "EUR"): "12.50", Money(5, "EUR"): "0.05", Money(1250, "JPY"): "1250"}

    def amount_on_wire(self, request):
        return json.loads(request.content)["parts"][0][1]


def taxes_with(name, **members):
    return broken(HonestTax, TestHonestTaxes, name, **members)


def in_order(self, told, request):
    parts = zip(request.amounts, told["parts"], strict=True)
    return TaxesCalculated(tuple(HonestTax.part(self, each | {"id": own}, request) for own, each in parts))


def trusting(self, told, request):
    return TaxesCalculated(tuple(self.part(each, request) for each in told["parts"]), ref=told["ref"])


def filling(self, told, request):
    there = {each["id"] for each in told["parts"]}
    missing = tuple(PartTaxes(part_id=one, reason="none") for one in request.amounts if one not in there)
    return TaxesCalculated((*(self.part(each, request) for each in told["parts"]), *missing))


def zero_tax(self, request):
    try:
        return HonestTax.calculate(self, request)
    except Exception:  # noqa: BLE001  that is the fault
        return TaxesCalculated(tuple(PartTaxes(part_id=one, reason="unknown") for one in request.amounts))


TestZeroWhenDown = taxes_with("TestZeroWhenDown", calculate=zero_tax)
TestFillsGaps = taxes_with("TestFillsGaps", read=filling)
TestByPosition = taxes_with("TestByPosition", read=in_order)
TestTrustsTheAnswer = taxes_with("TestTrustsTheAnswer", read=trusting)
TestMinorUnits = taxes_with(
    "TestMinorUnits",
    body=lambda self, request: HonestTax.body(self, request) | {"parts": [[*each] for each in request.amounts.items()]},
    read=trusting,
)
TestHundredthsOfYen = taxes_with(
    "TestHundredthsOfYen", amount=lambda self, told, request: round(float(told["amount"]) * 100)
)
TestForgetsInclusion = taxes_with(
    "TestForgetsInclusion", body=lambda self, request: HonestTax.body(self, request) | {"included": False}
)
TestForgetsExemptions = taxes_with(
    "TestForgetsExemptions",
    body=lambda self, request: HonestTax.body(self, request) | {"free": bool(request.exemption)},
)
TestForgetsTheCountry = taxes_with(
    "TestForgetsTheCountry", body=lambda self, request: HonestTax.body(self, request) | {"to": ["XX", "00000"]}
)
TestNoReasons = taxes_with(
    "TestNoReasons", part=lambda self, told, request: HonestTax.part(self, told | {"why": ""}, request)
)
TestForgetsShipping = taxes_with(
    "TestForgetsShipping",
    read=lambda self, told, request: TaxesCalculated(
        tuple(self.part(each, request) for each in told["parts"] if each["id"] != SHIPPING)
    ),
)
TestTaxStatusBlind = taxes_with("TestTaxStatusBlind", opened=blind)
TestUnmarkedSecret = taxes_with(
    "TestUnmarkedSecret",
    settings_schema={"type": "object", "required": ["api_key"], "properties": {"api_key": {"type": "string"}}},
)
TestLooseSchema = taxes_with("TestLooseSchema", settings_schema={"type": "object", "required": ["another"]})


def _instead_of_not_sent(engine, request):
    try:
        return HonestTax.calculate(engine, request)
    except NotSent:
        return Refused("not_served", "the provider is away")


TestUnreachableIsAnAnswer = taxes_with("TestUnreachableIsAnAnswer", calculate=_instead_of_not_sent)
