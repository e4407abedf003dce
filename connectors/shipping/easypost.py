"""EasyPost: the rates of every carrier account that is connected there, from one shipment that is never bought."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

import httpx

from connectors.shipping.measures import inches, ounces
from connectors.shipping.prices import money
from penstock.plugin import (
    Context,
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

API: Final = "https://api.easypost.com"
_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PAYMENT_REQUIRED})
_MOST: Final = 100


class WireFault(ValueError):
    """EasyPost answered in a way that is not known."""


class EasyPost(RateSource):
    """https://docs.easypost.com/docs/shipments/rates, version 2 of the API."""

    name = "easypost"
    display_name = "EasyPost"
    capabilities = RateClaims(
        needs=frozenset({"country", "postal_code"}),
        needs_of_origin=frozenset({"country", "postal_code", "line1"}),
    )
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["api_key"],
        "additionalProperties": False,
        "properties": {
            "api_key": {
                "type": "string",
                "pattern": "^EZ(TK|AK)[A-Za-z0-9]{8,}$",
                "writeOnly": True,
                "description": "An API key. Sandbox environments take test keys (EZTK…), production others (EZAK…).",
            },
            "carrier_accounts": {
                "type": "array",
                "maxItems": 50,
                "items": {"type": "string", "pattern": "^ca_[A-Za-z0-9]+$"},
                "description": "The carrier accounts to ask; all of them where it is left out.",
            },
        },
    }

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        is_test = ctx.settings["api_key"].startswith("EZTK")
        if is_test != (ctx.environment == "sandbox"):
            raise ValueError("the api_key is of the other mode than the environment")

    def quote(self, request: RateRequest) -> RateAnswer:
        """Make a shipment, which costs nothing until it is bought, and return its rates."""
        shipment: dict[str, Any] = {
            "from_address": _address(request.origin),
            "to_address": _address(request.destination),
            "parcel": _parcel(request.parcels[0]),
        }
        if accounts := self.ctx.settings.get("carrier_accounts"):
            shipment["carrier_accounts"] = list(accounts)
        response = self.ctx.http.post(
            f"{API}/v2/shipments", json={"shipment": shipment}, auth=(self.ctx.settings["api_key"], "")
        )
        if response.status_code not in (HTTPStatus.OK, HTTPStatus.CREATED):
            return _refusal(response)
        return _offered(_json_object(response), request.currency)


def _address(place: Place | None) -> dict[str, str]:
    if place is None:
        raise ValueError("the host asks with an origin, as is claimed")
    told = {
        "street1": place.line1,
        "street2": place.line2,
        "city": place.city,
        "state": place.state,
        "zip": place.postal_code,
        "country": place.country,
    }
    return {name: value for name, value in told.items() if value}


def _parcel(parcel: Parcel) -> dict[str, float]:
    # JSON numbers of ounces and inches, a tenth exact. No money is among them.
    told = {"weight": float(ounces(parcel.weight_g))}
    if parcel.is_measured:
        told |= {
            "length": float(inches(parcel.length_mm)),
            "width": float(inches(parcel.width_mm)),
            "height": float(inches(parcel.height_mm)),
        }
    return told


def _offered(shipment: Mapping[str, Any], currency: str) -> RateAnswer:
    notes = [_note(message) for message in shipment["messages"]]
    best: dict[str, ShippingRate] = {}
    others: set[str] = set()
    for told in shipment["rates"]:
        if told["currency"] != currency:
            others.add(str(told["currency"]))
            continue
        rate = _rate(told)
        kept = best.get(rate.code)
        # Two accounts at one carrier offer the same: the cheaper one is what a buyer would choose.
        if kept is None or rate.money.amount < kept.money.amount:
            best[rate.code] = rate
    if others:
        notes.append(f"some rates are only known in {', '.join(sorted(others))}")
    if not best:
        return Refused("not_served", "; ".join(notes) or "none of the carriers offers a rate")
    rates = sorted(best.values(), key=lambda rate: rate.money.amount)[:_MOST]
    return RatesOffered(tuple(rates), notes=tuple(notes))


def _rate(told: Mapping[str, Any]) -> ShippingRate:
    carrier, service = told["carrier"], told["service"]
    days = told.get("delivery_days") or told.get("est_delivery_days")
    return ShippingRate(
        f"{carrier}:{service}",
        f"{carrier} {service}",
        money(told["rate"], told["currency"]),
        carrier=carrier,
        min_days=days,
        max_days=days,
    )


def _note(message: Mapping[str, Any]) -> str:
    return f"{message.get('carrier') or 'a carrier'}: {message.get('message') or message.get('type')}"


def _refusal(response: httpx.Response) -> Refused:
    """Return EasyPost's refusal. Raises `WireFault` for what is none."""
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return Refused("rate_limited", "EasyPost takes no more requests for now")
    if response.status_code in _REFUSED:
        return Refused("configuration", f"EasyPost refuses the account ({response.status_code})")
    if response.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
        raise WireFault(f"EasyPost answered {response.status_code}")
    error = _json_object(response)["error"]
    code = str(error["code"])
    if code.startswith("ADDRESS."):
        return Refused("address", "EasyPost does not know this address", code)
    if code.startswith("SHIPMENT."):
        return Refused("not_served", "EasyPost has no rates for such a parcel", code)
    raise WireFault(f"EasyPost refused the shipment ({code})")


def _json_object(response: httpx.Response) -> dict[str, Any]:
    answer = response.json()
    if not isinstance(answer, dict):
        raise WireFault("EasyPost answered with no object")
    return answer


@hookimpl
def penstock_rate_sources() -> Iterable[type[RateSource]]:
    """Offer EasyPost."""
    return [EasyPost]
