"""UPS Rating: the rates and days of all UPS services that go from one place to another.

A price is what the account pays: its negotiated rate where UPS tells one, else the published rate. Taxes are not in it.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar, Final

import httpx

from connectors.shipping.measures import centimetres, inches, kilograms, pounds
from connectors.shipping.prices import money
from connectors.shipping.ups_wire import Wire, WireFault
from penstock.plugin import (
    BadCredentials,
    Context,
    Money,
    Parcel,
    Place,
    RateAnswer,
    RateClaims,
    RateRequest,
    RatesOffered,
    RateSource,
    Refused,
    ShippingRate,
    hookimpl,
)

_NAMES: Final[Mapping[str, str]] = {
    "01": "Next Day Air",
    "02": "2nd Day Air",
    "03": "Ground",
    "07": "Worldwide Express",
    "08": "Worldwide Expedited",
    "11": "Standard",
    "12": "3 Day Select",
    "13": "Next Day Air Saver",
    "14": "Next Day Air Early",
    "54": "Worldwide Express Plus",
    "59": "2nd Day Air A.M.",
    "65": "Worldwide Saver",
    "70": "Access Point Economy",
}
"""What UPS calls its services, by code. Others are told by their code."""

_IMPERIAL: Final = frozenset({"US", "PR"})
"""Where UPS wants pounds and inches."""

_ADDRESS: Final = frozenset({"111285", "111286"})
"""The postal code does not belong to the state or country; no such state in this country."""

_MOST: Final = 100
_LONGEST_LINE: Final = 35


class Ups(RateSource):
    """https://developer.ups.com, Rating v2409, with OAuth client credentials."""

    name = "ups"
    display_name = "UPS"
    capabilities = RateClaims(
        needs=frozenset({"country", "postal_code", "city"}),
        needs_of_origin=frozenset({"country", "postal_code", "city"}),
        most_parcels=50,
        verify=True,
    )
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["client_id", "client_secret", "account_number"],
        "additionalProperties": False,
        "properties": {
            "client_id": {"type": "string", "minLength": 8, "maxLength": 200, "description": "Of the app at UPS."},
            "client_secret": {
                "type": "string",
                "minLength": 8,
                "maxLength": 200,
                "writeOnly": True,
                "description": "Its secret.",
            },
            "account_number": {
                "type": "string",
                "pattern": "^[A-Za-z0-9]{6}$",
                "description": "The shipper's account, six letters or digits.",
            },
            "negotiated": {
                "type": "boolean",
                "description": "Whether to ask for the account's own rates (the default) or the published ones.",
            },
            "residential": {
                "type": "boolean",
                "description": "Whether deliveries go to homes (the default), which cost more than offices.",
            },
        },
    }

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._wire = Wire(ctx)

    def quote(self, request: RateRequest) -> RateAnswer:
        """Ask for all services at once."""
        try:
            response = self._wire.ask(self._body(request))
        except BadCredentials as exc:
            return Refused("configuration", str(exc))
        if response.status_code != HTTPStatus.OK:
            return _refusal(response)
        answer = response.json()["RateResponse"]
        if answer["Response"]["ResponseStatus"]["Code"] != "1":
            raise WireFault("UPS did not say that it succeeded")
        return _offered(answer["RatedShipment"], request.currency)

    def verify_account(self) -> None:
        """Fetch an access token, which UPS gives for good credentials only."""
        self._wire.log_in()

    def _body(self, request: RateRequest) -> Mapping[str, Any]:
        settings, origin = self.ctx.settings, request.origin
        if origin is None:
            raise ValueError("the host asks with an origin, as is claimed")
        is_imperial = origin.country in _IMPERIAL
        to = _address(request.destination)
        if settings.get("residential", True):
            to["ResidentialAddressIndicator"] = "Y"
        shipment: dict[str, Any] = {
            "Shipper": {"ShipperNumber": settings["account_number"], "Address": _address(origin)},
            "ShipTo": {"Address": to},
            "ShipFrom": {"Address": _address(origin)},
            "PaymentDetails": {
                "ShipmentCharge": [{"Type": "01", "BillShipper": {"AccountNumber": settings["account_number"]}}]
            },
            "Package": [_package(parcel, is_imperial=is_imperial) for parcel in request.parcels],
            "ShipmentTotalWeight": _weight(sum(parcel.weight_g for parcel in request.parcels), is_imperial=is_imperial),
            "DeliveryTimeInformation": {"PackageBillType": "03", "Pickup": {"Date": f"{request.on:%Y%m%d}"}},
        }
        if settings.get("negotiated", True):
            shipment["ShipmentRatingOptions"] = {"NegotiatedRatesIndicator": "Y"}
        if request.goods and origin.country != request.destination.country:
            worth = Money(request.goods, request.currency).major()
            shipment["InvoiceLineTotal"] = {"CurrencyCode": request.currency, "MonetaryValue": worth}
        return {"RateRequest": {"Request": {"RequestOption": "Shop"}, "Shipment": shipment}}


def _address(place: Place) -> dict[str, Any]:
    lines = [line[:_LONGEST_LINE] for line in (place.line1, place.line2) if line]
    told: dict[str, Any] = {"AddressLine": lines, "City": place.city[:30], "CountryCode": place.country}
    if re.fullmatch("[A-Z]{2}", place.state):
        told["StateProvinceCode"] = place.state
    if place.postal_code:
        told["PostalCode"] = re.sub(r"[^A-Za-z0-9]", "", place.postal_code)[:9]
    return told


def _package(parcel: Parcel, *, is_imperial: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "PackagingType": {"Code": "02", "Description": "Customer supplied"},
        "PackageWeight": _weight(parcel.weight_g, is_imperial=is_imperial),
    }
    if parcel.is_measured:
        unit, measure = (("IN", "Inches"), inches) if is_imperial else (("CM", "Centimetres"), centimetres)
        told["Dimensions"] = {
            "UnitOfMeasurement": {"Code": unit[0], "Description": unit[1]},
            "Length": _text(measure(parcel.length_mm)),
            "Width": _text(measure(parcel.width_mm)),
            "Height": _text(measure(parcel.height_mm)),
        }
    return told


def _weight(grams: int, *, is_imperial: bool) -> dict[str, Any]:
    unit = ("LBS", "Pounds") if is_imperial else ("KGS", "Kilograms")
    weight = pounds(grams) if is_imperial else kilograms(grams)
    return {"UnitOfMeasurement": {"Code": unit[0], "Description": unit[1]}, "Weight": _text(weight)}


def _text(value: Decimal) -> str:
    return f"{value:f}"


def _offered(shipments: Any, currency: str) -> RateAnswer:
    if not isinstance(shipments, list):
        raise WireFault("UPS gave no list of rates")
    rates: dict[str, ShippingRate] = {}
    others: set[str] = set()
    for told in shipments:
        price = _price(told)
        if price.currency == currency:
            rate = _rate(told, price)
            rates.setdefault(rate.code, rate)
        else:
            others.add(price.currency)
    notes = (f"some rates are only known in {', '.join(sorted(others))}",) if others else ()
    if not rates:
        return Refused("not_served", notes[0] if notes else "no service goes there")
    return RatesOffered(tuple(rates.values())[:_MOST], notes=notes)


def _price(told: Mapping[str, Any]) -> Money:
    negotiated = told.get("NegotiatedRateCharges")
    charge = negotiated["TotalCharge"] if negotiated else told["TotalCharges"]
    return money(charge["MonetaryValue"], charge["CurrencyCode"])


def _rate(told: Mapping[str, Any], price: Money) -> ShippingRate:
    code = told["Service"]["Code"]
    summary = told.get("TimeInTransit", {}).get("ServiceSummary", {})
    days = summary.get("EstimatedArrival", {}).get("BusinessDaysInTransit")
    if days is None:
        days = told.get("GuaranteedDelivery", {}).get("BusinessDaysInTransit")
    count = int(days) if days else None
    named = summary.get("Service", {}).get("Description") or told["Service"].get("Description")
    name = named or f"UPS {_NAMES.get(code, code)}"
    return ShippingRate(code, name, price, carrier="UPS", min_days=count, max_days=count)


def _refusal(response: httpx.Response) -> Refused:
    """Return UPS's refusal. Raises `WireFault` for what is none."""
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return Refused("rate_limited", "UPS takes no more requests for now")
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Refused("configuration", "UPS refuses the account")
    if response.status_code != HTTPStatus.BAD_REQUEST:
        raise WireFault(f"UPS answered {response.status_code}")
    error = response.json()["response"]["errors"][0]
    code, message = str(error["code"]), str(error["message"])
    return Refused("address" if code in _ADDRESS else "not_served", message, code)


@hookimpl
def penstock_rate_sources() -> Iterable[type[RateSource]]:
    """Offer UPS."""
    return [Ups]
