"""Does UPS keep the contract of a rate source, and keep to UPS's own description of its API while it does?"""

import json
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import httpx
import pytest

from connectors.shipping.ups import Ups
from connectors.shipping.ups_wire import LOG_IN
from penstock.clock import StandingClock
from penstock.conformance import NOON, RateCase, RateSourceContract, reply
from penstock.conformance.rates import TOMORROW
from penstock.connector import Context
from penstock.money import Money
from penstock.place import Place
from penstock.rate_source import Parcel, RateRequest
from tests.connectors.held import Held
from tests.connectors.official import Described, description

SETTINGS = {"client_id": "client-of-the-kit", "client_secret": "conformance-SECRET-0", "account_number": "A1B2C3"}
RATING = description("ups_rating", base="/api")
LOGIN = description("ups_login")
TIMONIUM = Place(country="US", state="MD", postal_code="21093", city="Timonium", line1="10 York Rd")
ALPHARETTA = Place(country="US", state="GA", postal_code="30005", city="Alpharetta", line1="1 Main St")
BERLIN = Place(country="DE", postal_code="10115", city="Berlin", line1="Chausseestr. 1")
OSAKA = Place(country="JP", state="27", postal_code="530-0001", city="Osaka", line1="1 Umeda")
BOX = RateRequest(
    currency="USD", on=TOMORROW, origin=TIMONIUM, destination=ALPHARETTA, parcels=(Parcel(weight_g=1200),), goods=5000
)


def charge(value, currency="USD"):
    return {"CurrencyCode": currency, "MonetaryValue": value}


def rated(code, value, currency="USD", *, days="2", own=None, name=None):
    weight = {"UnitOfMeasurement": {"Code": "LBS", "Description": "Pounds"}, "Weight": "3.0"}
    told = {
        "Service": {"Code": code},
        "RatedShipmentAlert": [{"Code": "110971", "Description": "Your invoice may vary from the displayed rates"}],
        "BillingWeight": weight,
        "TransportationCharges": charge(value, currency),
        "ServiceOptionsCharges": charge("0.00", currency),
        "TotalCharges": charge(value, currency),
        "RatedPackage": [],
        "TimeInTransit": {
            "PickupDate": "20300103",
            "ServiceSummary": {
                "Service": {"Description": name or f"UPS {code}"},
                "EstimatedArrival": {
                    "Arrival": {"Date": "20300105", "Time": "230000"},
                    "BusinessDaysInTransit": days,
                    "Pickup": {"Date": "20300103", "Time": "180000"},
                    "DayOfWeek": "SAT",
                },
            },
        },
    }
    return told if own is None else told | {"NegotiatedRateCharges": {"TotalCharge": charge(own, currency)}}


def rates(*shipments):
    status = {"ResponseStatus": {"Code": "1", "Description": "Success"}, "TransactionReference": {}}
    return {"RateResponse": {"Response": status, "RatedShipment": list(shipments)}}


def error(status, code, message="no"):
    return reply(status, {"response": {"errors": [{"code": code, "message": message}]}})


TOKEN = reply(200, {"token_type": "Bearer", "access_token": "token-1", "expires_in": "14399", "status": "approved"})
GOOD = rates(rated("03", "12.36"), rated("01", "64.10", own="48.05"))
FROM_JAPAN = replace(BOX, currency="JPY", origin=OSAKA, destination=BERLIN)


class TestUps(Held, RateSourceContract):
    provider = Ups
    settings = SETTINGS
    descriptions = (RATING, LOGIN)
    cases = (
        RateCase(BOX, reply(200, GOOD), {"03": Money(1236, "USD"), "01": Money(4805, "USD")}),
        RateCase(FROM_JAPAN, reply(200, rates(rated("65", "1250", "JPY"))), {"65": Money(1250, "JPY")}),
    )
    wire: ClassVar = {
        "no_rates": reply(200, rates()),
        "partial": reply(200, rates(rated("03", "12.36"), rated("07", "55.00", "CAD"))),
        "bad_address": error(400, "111285", "The postal code 99999 is invalid for GA United States."),
        "not_served": error(400, "111210", "The requested service is unavailable between the selected locations."),
        "bad_credentials": error(401, "250002", "Invalid Authentication Information."),
        "verified": TOKEN,
        "refused_account": error(401, "10401", "ClientId is Invalid"),
    }
    weights: ClassVar = {1: "0.1", 453: "1.0", 454: "1.1", 1200: "2.7"}

    def side_call(self, request: httpx.Request) -> httpx.Response | None:
        return TOKEN if request.url.path == LOG_IN else None

    def weight_on_wire(self, request: httpx.Request) -> str:
        package = json.loads(request.content)["RateRequest"]["Shipment"]["Package"][0]
        return package["PackageWeight"]["Weight"]


class Town(httpx.BaseTransport):
    """UPS as its descriptions have it: tokens, and answers in turn."""

    def __init__(self, *answers, seconds="14399"):
        self.answers = list(answers)
        self.seconds = seconds
        self.tokens = 0
        self.sent = []

    def handle_request(self, request):
        if request.url.path == LOG_IN:
            self.tokens += 1
            return reply(200, {"access_token": f"token-{self.tokens}", "expires_in": self.seconds})
        self.sent.append(request)
        return self.answers.pop(0)


def source(town, settings=SETTINGS, environment="sandbox"):
    clock = StandingClock(NOON)
    http = httpx.Client(transport=Described(town, RATING, LOGIN), trust_env=False)
    return Ups(Context(settings, http, clock, environment)), clock


def told(town, at=-1):
    return json.loads(town.sent[at].content)["RateRequest"]["Shipment"]


def test_both_directions_are_as_ups_describes_them():
    town = Town(*(case.answer for case in TestUps.cases))
    made, _ = source(town)
    for case in TestUps.cases:
        assert {rate.code: rate.money for rate in made.quote(case.request).rates} == case.rates
    assert {request.url.host for request in town.sent} == {"wwwcie.ups.com"}


def test_all_services_are_asked_for_with_their_days():
    town = Town(reply(200, GOOD))
    made, _ = source(town)
    ground, _ = made.quote(BOX).rates
    assert town.sent[0].url.path == "/api/rating/v2409/Shop"
    assert town.sent[0].url.params["additionalinfo"] == "timeintransit"
    assert told(town)["DeliveryTimeInformation"] == {"PackageBillType": "03", "Pickup": {"Date": "20300103"}}
    assert (ground.name, ground.carrier, ground.max_days) == ("UPS 03", "UPS", 2)


def test_the_accounts_own_rate_is_told_where_there_is_one():
    town = Town(reply(200, GOOD), reply(200, GOOD))
    source(town)[0].quote(BOX)
    assert told(town)["ShipmentRatingOptions"] == {"NegotiatedRatesIndicator": "Y"}
    source(town, SETTINGS | {"negotiated": False})[0].quote(BOX)
    assert "ShipmentRatingOptions" not in told(town)


def test_a_service_without_a_name_is_told_by_ups_own_word_for_it():
    bare = {name: value for name, value in rated("03", "12.36").items() if name != "TimeInTransit"}
    made, _ = source(Town(reply(200, rates(bare, bare | {"Service": {"Code": "999"}}))))
    ground, strange = made.quote(BOX).rates
    assert (ground.name, ground.max_days, strange.name) == ("UPS Ground", None, "UPS 999")


def test_units_are_those_of_the_country_of_origin():
    box = Parcel(weight_g=1200, length_mm=305, width_mm=200, height_mm=100)
    town = Town(reply(200, GOOD), reply(200, rates(rated("11", "9.10", "EUR"))))
    made, _ = source(town)
    made.quote(replace(BOX, parcels=(box,)))
    package = told(town)["Package"][0]
    assert (package["PackageWeight"]["Weight"], package["Dimensions"]["Length"]) == ("2.7", "12.1")
    made.quote(replace(BOX, currency="EUR", origin=BERLIN, destination=BERLIN, parcels=(box,)))
    package = told(town)["Package"][0]
    assert (package["PackageWeight"]["UnitOfMeasurement"]["Code"], package["PackageWeight"]["Weight"]) == ("KGS", "1.2")
    assert (package["Dimensions"]["UnitOfMeasurement"]["Code"], package["Dimensions"]["Length"]) == ("CM", "30.5")


def test_the_worth_of_goods_is_told_across_a_border():
    town = Town(reply(200, GOOD), reply(200, rates(rated("65", "1250", "JPY"))))
    made, _ = source(town)
    made.quote(BOX)
    assert "InvoiceLineTotal" not in told(town)
    made.quote(FROM_JAPAN)
    assert told(town)["InvoiceLineTotal"] == {"CurrencyCode": "JPY", "MonetaryValue": "5000"}


def test_a_home_is_told_unless_the_merchant_says_otherwise():
    town = Town(reply(200, GOOD), reply(200, GOOD))
    source(town)[0].quote(BOX)
    assert told(town)["ShipTo"]["Address"]["ResidentialAddressIndicator"] == "Y"
    source(town, SETTINGS | {"residential": False})[0].quote(BOX)
    assert "ResidentialAddressIndicator" not in told(town)["ShipTo"]["Address"]


def test_a_token_is_kept_until_shortly_before_its_end():
    town = Town(*[reply(200, GOOD)] * 4, seconds="600")
    made, clock = source(town)
    made.quote(BOX)
    made.quote(BOX)
    clock.advance(timedelta(seconds=539))
    made.quote(BOX)
    assert town.tokens == 1
    clock.advance(timedelta(seconds=2))
    made.quote(BOX)
    assert town.tokens == 2


def test_a_kept_token_that_ups_took_back_is_renewed_once():
    refused = error(401, "250002")
    town = Town(reply(200, GOOD), refused, reply(200, GOOD), refused, refused)
    made, _ = source(town)
    made.quote(BOX)
    assert made.quote(BOX).rates
    assert town.tokens == 2
    assert made.quote(BOX).kind == "configuration"
    assert town.tokens == 3


def test_production_is_another_host():
    town = Town(reply(200, GOOD))
    source(town, environment="production")[0].quote(BOX)
    assert town.sent[0].url.host == "onlinetools.ups.com"


def test_an_answer_that_did_not_succeed_is_none():
    failed = rates(rated("03", "12.36"))
    failed["RateResponse"]["Response"]["ResponseStatus"]["Code"] = "0"
    made, _ = source(Town(reply(200, failed)))
    with pytest.raises(ValueError, match="succeeded"):
        made.quote(BOX)
