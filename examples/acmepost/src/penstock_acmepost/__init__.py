"""AcmePost: shipping rates and taxes from a provider that is made up."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from penstock.plugin import (
    BadCredentials,
    Money,
    PartTaxes,
    Rate,
    RateAnswer,
    RateClaims,
    RateRequest,
    RatesOffered,
    RateSource,
    Refused,
    ShippingRate,
    TaxAnswer,
    TaxClaims,
    TaxEngine,
    TaxesCalculated,
    TaxRequest,
    hookimpl,
)

REFUSALS = {
    "no_such_place": "address",
    "too_far": "not_served",
    "bad_key": "configuration",
    "slow_down": "rate_limited",
}
SETTINGS: Mapping[str, Any] = {
    "type": "object",
    "required": ["api_key"],
    "additionalProperties": False,
    "properties": {
        "api_key": {"type": "string", "minLength": 8, "writeOnly": True, "description": "AcmePost's secret key."},
        "base_url": {"type": "string", "readOnly": True, "description": "Another address, for AcmePost in a box."},
    },
}


class Acme:
    """Speaks to AcmePost."""

    def ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return what AcmePost found, or its refusal. Anything else raises: there is no answer then."""
        settings = self.ctx.settings
        response = self.ctx.http.post(
            settings.get("base_url", "https://api.acmepost.example") + path,
            json=body,
            headers={"Authorization": f"Bearer {settings['api_key']}"},
        )
        if response.status_code in (401, 422, 429):
            return Refused(REFUSALS[response.json()["error"]], provider_code=response.json()["error"])
        if response.status_code != 200:
            raise ValueError(f"AcmePost answered {response.status_code}")
        return response.json()

    def verify_account(self) -> None:
        """Try the key."""
        told = self.ask("/account", {})
        if isinstance(told, Refused) and told.kind == "configuration":
            raise BadCredentials("AcmePost refuses the key")
        if isinstance(told, Refused) or told["status"] != "open":
            raise ValueError("AcmePost did not say whether it accepts the key")


class AcmePost(Acme, RateSource):
    """https://acmepost.example/docs/rates: prices as decimal texts, always in the currency that was asked for."""

    name = "acmepost"
    display_name = "AcmePost"
    capabilities = RateClaims(needs=frozenset({"country", "postal_code"}), most_parcels=10, verify=True)
    settings_schema: ClassVar = SETTINGS

    def quote(self, request: RateRequest) -> RateAnswer:
        """Ask for all services."""
        told = self.ask(
            "/rates",
            {
                "currency": request.currency,
                "from": request.origin.postal_code if request.origin else None,
                "to": {"country": request.destination.country, "code": request.destination.postal_code},
                "parcels": [
                    {"g": parcel.weight_g, "mm": [parcel.length_mm, parcel.width_mm, parcel.height_mm]}
                    for parcel in request.parcels
                ],
            },
        )
        if isinstance(told, Refused):
            return told
        if told["currency"] != request.currency:
            return Refused("not_served", f"only in {told['currency']}")
        if not told["services"]:
            return Refused("not_served", "no service goes there")
        return RatesOffered(tuple(self._rate(each, request) for each in told["services"]), notes=tuple(told["late"]))

    @staticmethod
    def _rate(told: Mapping[str, Any], request: RateRequest) -> ShippingRate:
        price = money(told["price"], request.currency)
        return ShippingRate(told["id"], told["label"], price, carrier="AcmePost", max_days=told["days"])


class AcmeTax(Acme, TaxEngine):
    """https://acmepost.example/docs/taxes: amounts by line, repeated in the answer."""

    name = "acmetax"
    display_name = "AcmeTax"
    capabilities = TaxClaims(countries=None, needs=frozenset({"country", "postal_code"}), verify=True)
    settings_schema: ClassVar = SETTINGS

    def calculate(self, request: TaxRequest) -> TaxAnswer:
        """Ask for the taxes of every part."""
        categories = {line.id: line.category for line in request.lines}
        parts = {part: Money(price, request.currency).major() for part, price in request.amounts.items()}
        told = self.ask(
            "/taxes",
            {
                "to": {"country": request.destination.country, "code": request.destination.postal_code},
                "gross": request.is_included,
                "parts": [
                    {"id": part, "price": price, "kind": categories.get(part, "")} for part, price in parts.items()
                ],
            },
        )
        if isinstance(told, Refused):
            return told
        if {each["id"]: each["price"] for each in told["parts"]} != parts:
            raise ValueError("AcmePost calculated another cart")
        return TaxesCalculated(tuple(self._part(each, request) for each in told["parts"]), ref=told["id"])

    @staticmethod
    def _part(told: Mapping[str, Any], request: TaxRequest) -> PartTaxes:
        taxes = tuple(
            (
                Rate(id=tax["name"], name=tax["name"], ppm=int(Decimal(tax["percent"]) * 10_000)),
                money(tax["amount"], request.currency).amount,
            )
            for tax in told["taxes"]
        )
        return PartTaxes(part_id=told["id"], taxes=taxes, reason=told["why"])


def money(text: str, currency: str) -> Money:
    """Return a decimal text as money. No float comes near it."""
    exact = Decimal(text).scaleb(Money(0, currency).exponent)
    if exact != exact.to_integral_value():
        raise ValueError(f"{currency} has no such small parts")
    return Money(int(exact), currency)


@hookimpl
def penstock_rate_sources():
    return [AcmePost]


@hookimpl
def penstock_tax_engines():
    return [AcmeTax]
