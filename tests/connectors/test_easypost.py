"""Does EasyPost keep the contract of a rate source, and say to it what its own library said when it was recorded?"""

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from connectors.shipping.easypost import EasyPost
from connectors.shipping.measures import centimetres, inches, kilograms, ounces, pounds
from connectors.shipping.prices import money
from penstock.conformance import RateCase, RateSourceContract, reply
from penstock.conformance.provider import CannedProvider, standing_clock
from penstock.conformance.rates import TOMORROW
from penstock.connector import Context
from penstock.money import Money
from penstock.place import Place
from penstock.rate_source import Parcel, RateRequest

HERE = Path(__file__).parent / "recordings"


def recorded(name):
    return json.loads((HERE / f"{name}.json").read_text())


SHIPMENT = recorded("easypost_shipment")
ASKED = SHIPMENT["request"]["body"]["shipment"]
ANSWER = SHIPMENT["answer"]["body"]
ERROR = recorded("easypost_error")["answer"]
SETTINGS = {"api_key": "EZTKconformanceSECRET0"}


def place(told):
    return Place(
        country=told["country"],
        state=told["state"],
        postal_code=told["zip"],
        city=told["city"],
        line1=told["street1"],
        line2=told.get("street2", ""),
    )


BOX = RateRequest(
    currency="USD",
    on=TOMORROW,
    origin=place(ASKED["from_address"]),
    destination=place(ASKED["to_address"]),
    # 15.4 ounces, 10 by 8 by 4 inches
    parcels=(Parcel(weight_g=436, length_mm=254, width_mm=203, height_mm=101),),
)
IN_YEN = ANSWER | {"rates": [ANSWER["rates"][0] | {"rate": "1250", "currency": "JPY"}]}
USPS = {
    "USPS:Express": Money(3415, "USD"),
    "USPS:Priority": Money(742, "USD"),
    "USPS:GroundAdvantage": Money(607, "USD"),
}
LATE = {"carrier": "UPS", "type": "rate_error", "message": "the carrier did not answer", "carrier_account_id": "ca_1"}


def error(status, code):
    return reply(status, ERROR["body"] | {"error": ERROR["body"]["error"] | {"code": code}})


class TestEasyPost(RateSourceContract):
    provider = EasyPost
    settings = SETTINGS
    cases = (
        RateCase(BOX, reply(201, ANSWER), USPS),
        RateCase(replace(BOX, currency="JPY"), reply(201, IN_YEN), {"USPS:Express": Money(1250, "JPY")}),
    )
    wire: ClassVar = {
        "no_rates": reply(201, ANSWER | {"rates": []}),
        "partial": reply(201, ANSWER | {"messages": [LATE]}),
        "bad_address": error(422, "ADDRESS.VERIFY.FAILURE"),
        "not_served": error(422, "SHIPMENT.POSTAGE.FAILURE"),
        "bad_credentials": error(401, "APIKEY.INACTIVE"),
    }
    weights: ClassVar = {1: 0.1, 28: 1.0, 436: 15.4, 1000: 35.3}

    def weight_on_wire(self, request: httpx.Request) -> float:
        return json.loads(request.content)["shipment"]["parcel"]["weight"]


def source(answer, settings=SETTINGS, environment="sandbox"):
    canned = CannedProvider(answer, lambda _: None)
    return EasyPost(Context(settings, httpx.Client(transport=canned), standing_clock(), environment)), canned


def assert_within(ours, theirs, at=""):
    """What we send has no field that the recorded request lacks, and no other kind of value in it."""
    for name, value in ours.items():
        assert name in theirs, f"{at}/{name} was never recorded"
        if isinstance(value, dict):
            assert_within(value, theirs[name], f"{at}/{name}")
        elif isinstance(value, float):
            assert isinstance(theirs[name], int | float)
        else:
            assert type(value) is type(theirs[name]), f"{at}/{name}"


def test_the_request_is_the_recorded_one_without_what_rating_does_not_need():
    made, canned = source(reply(201, ANSWER))
    made.quote(BOX)
    request = canned.sent[0]
    assert (request.method, str(request.url)) == (SHIPMENT["request"]["method"], SHIPMENT["request"]["uri"])
    told = json.loads(request.content)["shipment"]
    assert_within(told, ASKED)
    assert told["parcel"] == ASKED["parcel"]
    for side in ("from_address", "to_address"):
        assert told[side] == {name: told[side][name] for name in ASKED[side] if name in told[side]}
        assert set(ASKED[side]) - set(told[side]) == {"name", "email", "phone"}
        assert all(told[side][name] == ASKED[side][name] for name in told[side])


def test_chosen_carrier_accounts_are_told_as_recorded():
    made, canned = source(reply(201, ANSWER), SETTINGS | {"carrier_accounts": ["ca_1"]})
    made.quote(BOX)
    told = json.loads(canned.sent[0].content)["shipment"]
    theirs = recorded("easypost_accounts")["request"]["body"]["shipment"]
    assert told["carrier_accounts"] == ["ca_1"]
    assert isinstance(theirs["carrier_accounts"], list)


def test_the_key_is_the_user_of_basic_authentication():
    made, canned = source(reply(201, ANSWER))
    made.quote(BOX)
    assert canned.sent[0].headers["authorization"] == httpx.BasicAuth("EZTKconformanceSECRET0", "")._auth_header


def test_two_accounts_at_one_carrier_are_one_rate_and_the_cheaper_one():
    rates = ANSWER["rates"]
    dearer = rates[1] | {"id": "rate_2", "carrier_account_id": "ca_2", "rate": "9.00"}
    made, _ = source(reply(201, ANSWER | {"rates": [dearer, *rates]}))
    found = made.quote(BOX)
    assert {rate.code: rate.money for rate in found.rates} == USPS


def test_rates_in_another_currency_are_left_out_and_told():
    others = ANSWER["rates"][0] | {"currency": "CAD", "service": "Other"}
    made, _ = source(reply(201, ANSWER | {"rates": [*ANSWER["rates"], others]}))
    found = made.quote(BOX)
    assert {rate.code for rate in found.rates} == set(USPS)
    assert found.notes == ("some rates are only known in CAD",)


def test_why_no_carrier_offers_a_rate_is_told():
    made, _ = source(reply(201, ANSWER | {"rates": [], "messages": [LATE]}))
    assert made.quote(BOX).message == "UPS: the carrier did not answer"


def test_days_are_the_carriers():
    made, _ = source(reply(201, ANSWER))
    assert {rate.code: rate.max_days for rate in made.quote(BOX).rates}["USPS:Priority"] == 2


def test_a_refusal_that_nobody_knows_is_no_refusal():
    made, _ = source(reply(ERROR["status"], ERROR["body"]))
    with pytest.raises(ValueError, match=r"PARAMETER\.REQUIRED"):
        made.quote(BOX)


def test_a_production_key_is_for_production_alone():
    with pytest.raises(ValueError, match="mode"):
        source(reply(201, ANSWER), {"api_key": "EZAKconformanceSECRET0"})


@pytest.mark.parametrize(
    ("measure", "value", "told"),
    [
        (ounces, 28, "1.0"),
        (ounces, 29, "1.1"),
        (pounds, 453, "1.0"),
        (pounds, 454, "1.1"),
        (kilograms, 1000, "1.0"),
        (kilograms, 1001, "1.1"),
        (kilograms, 0, "0.1"),
        (inches, 254, "10.0"),
        (inches, 255, "10.1"),
        (centimetres, 101, "10.1"),
    ],
)
def test_a_parcel_is_never_told_smaller_than_it_is(measure, value, told):
    assert f"{measure(value)}" == told


@pytest.mark.parametrize("value", ["", "free", "-1.00", "1e3", "1.005", "1,00", 1.5, None, True])
def test_what_is_no_price_is_none(value):
    with pytest.raises(ValueError, match=r"price|parts"):
        money(value, "USD")


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [("34.15", "USD", 3415), ("7", "USD", 700), ("1250.00", "JPY", 1250), ("1.005", "KWD", 1005)],
)
def test_a_price_is_exact(value, currency, amount):
    assert money(value, currency) == Money(amount, currency)
