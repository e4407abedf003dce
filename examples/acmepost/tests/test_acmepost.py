"""Do AcmePost's two classes keep their contracts, and can they be asked over a real wire?"""

import json
import threading
from dataclasses import replace
from datetime import date

import httpx
import pytest
from penstock_acmepost import AcmePost, AcmeTax, fake

from penstock.clock import SystemClock
from penstock.conformance import RateCase, RateSourceContract, TaxCase, TaxEngineContract, reply
from penstock.plugin import (
    SHIPPING,
    Context,
    Money,
    Parcel,
    Place,
    RateRequest,
    Refused,
    TaxableLine,
    TaxRequest,
)

SETTINGS = {"api_key": "acme_conformance_SECRET"}
PARIS = Place(country="FR", postal_code="75001", city="Paris")
BERLIN = Place(country="DE", postal_code="10115", city="Berlin")
BOX = RateRequest(
    currency="EUR", on=date(2030, 1, 3), origin=BERLIN, destination=PARIS, parcels=(Parcel(weight_g=1200),)
)
CART = TaxRequest(
    currency="EUR",
    on=date(2030, 1, 2),
    lines=(TaxableLine(id="1", amount=1000), TaxableLine(id="2", amount=2500, category="books")),
    destination=PARIS,
    shipping=500,
)
STANDARD = {"id": "std", "label": "Standard", "price": "4.00", "days": 4}
RATES = {"currency": "EUR", "services": [STANDARD], "late": []}
VAT = {"name": "VAT 20 %", "percent": "20", "amount": "2.00"}


def part(name, price, *taxes, why=""):
    return {"id": name, "price": price, "taxes": list(taxes), "why": why}


TAXES = {
    "id": "tax_1",
    "parts": [
        part("1", "10.00", VAT),
        part("2", "25.00", why="books"),
        part(SHIPPING, "5.00", VAT | {"amount": "1.00"}),
    ],
}
REFUSALS = {
    "bad_address": reply(422, {"error": "no_such_place"}),
    "not_served": reply(422, {"error": "too_far"}),
    "bad_credentials": reply(401, {"error": "bad_key"}),
    "verified": reply(200, {"status": "open"}),
    "refused_account": reply(401, {"error": "bad_key"}),
}


class TestAcmePost(RateSourceContract):
    provider = AcmePost
    settings = SETTINGS
    cases = (
        RateCase(BOX, reply(200, RATES), {"std": Money(400, "EUR")}),
        RateCase(
            replace(BOX, currency="JPY"),
            reply(200, RATES | {"currency": "JPY", "services": [STANDARD | {"price": "600"}]}),
            {"std": Money(600, "JPY")},
        ),
    )
    wire = REFUSALS | {
        "no_rates": reply(200, RATES | {"services": []}),
        "partial": reply(200, RATES | {"late": ["express did not answer"]}),
    }
    weights = {1: 1, 1200: 1200}

    def weight_on_wire(self, request):
        return json.loads(request.content)["parcels"][0]["g"]


class TestAcmeTax(TaxEngineContract):
    provider = AcmeTax
    settings = SETTINGS
    cases = (
        TaxCase(CART, reply(200, TAXES), {"1": 200, "2": 0, SHIPPING: 100}),
        TaxCase(
            TaxRequest(
                currency="JPY",
                on=CART.on,
                lines=(TaxableLine(id="1", amount=1200),),
                destination=PARIS,
                is_included=True,
            ),
            reply(200, {"id": "tax_2", "parts": [part("1", "1200", VAT | {"amount": "200"})]}),
            {"1": 200},
        ),
    )
    wire = REFUSALS | {
        "incomplete": reply(200, TAXES | {"parts": TAXES["parts"][1:]}),
        "untaxed": reply(200, TAXES),
    }
    amounts = {Money(1250, "EUR"): "12.50", Money(5, "USD"): "0.05", Money(1250, "JPY"): "1250"}

    def amount_on_wire(self, request):
        return json.loads(request.content)["parts"][0]["price"]


@pytest.fixture
def box():
    """AcmePost in a box, listening."""
    server = fake.serve(0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def built(cls, box):
    with httpx.Client(trust_env=False) as http:
        yield cls(Context({"api_key": fake.KEY, "base_url": box}, http, SystemClock()))


def test_rates_and_taxes_come_over_a_real_wire(box):
    post, tax = next(made := built(AcmePost, box)), next(also := built(AcmeTax, box))
    assert {rate.code: rate.money.amount for rate in post.quote(BOX).rates} == {"std": 400, "exp": 1200}
    assert {each.part_id: sum(amount for _, amount in each.taxes) for each in tax.calculate(CART).parts} == {
        "1": 200,
        "2": 0,
        SHIPPING: 100,
    }
    far = post.quote(replace(BOX, destination=Place(country="AQ", postal_code="1")))
    assert (type(far), far.kind) == (Refused, "not_served")
    post.verify_account()
    made.close()
    also.close()
