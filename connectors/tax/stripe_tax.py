"""Stripe Tax, over the plain API: a calculation for each question, and the line items that it lists.

Amounts are Stripe's, line by line; the rates beside them inform. Goods are sent from the address in the account's own
tax settings: this version of the API takes no other.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar, Final

import httpx

from connectors.payments.stripe_account import API, SECRET_KEY, account_setting, check_mode, headers
from connectors.payments.stripe_answers import WireFault, json_object
from connectors.payments.stripe_money import CURRENCIES, Unchargeable, from_wire, on_wire
from penstock.plugin import (
    SHIPPING,
    BadCredentials,
    Context,
    Money,
    PartTaxes,
    Rate,
    Refused,
    TaxAnswer,
    TaxClaims,
    TaxEngine,
    TaxesCalculated,
    TaxRequest,
    hookimpl,
)

_PAGE: Final = 100
_MOST_PAGES: Final = 20
_CALCULATION: Final = re.compile(r"taxcalc_\w+")
_CODES: Final = re.compile(r"([^=]{1,60})=(txcd_\d{8})")
_ADDRESS: Final = frozenset({"customer_tax_location_invalid", "shipping_address_invalid", "postal_code_invalid"})
_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_OVERRIDES: Final = {"exempt": "customer_exempt", "reverse_charge": "reverse_charge"}
_NOTHING: Final = "nothing_to_tax"
"""The reason of a part that costs nothing: Stripe takes no such line."""


class StripeTax(TaxEngine):
    """https://docs.stripe.com/api/tax/calculations, version 2023-10-16."""

    name = "stripe_tax"
    display_name = "Stripe Tax"
    capabilities = TaxClaims(countries=None, currencies=CURRENCIES, exemptions=True, verify=True)
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["secret_key"],
        "additionalProperties": False,
        "properties": {
            "secret_key": SECRET_KEY,
            "account": account_setting("calculate for"),
            "tax_codes": {
                "type": "array",
                "maxItems": 500,
                "items": {"type": "string", "pattern": f"^{_CODES.pattern}$"},
                "description": (
                    "Stripe's product tax codes for your categories, as 'books=txcd_35010000'. Without one, the "
                    "account's own default holds."
                ),
            },
            "shipping_tax_code": {
                "type": "string",
                "pattern": "^txcd_[0-9]{8}$",
                "description": "The tax code of shipping; txcd_92010001 (Shipping) where it is left out.",
            },
        },
    }

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        check_mode(ctx)
        pairs = (text.rpartition("=") for text in ctx.settings.get("tax_codes", ()))
        self._codes = {category: code for category, _, code in pairs}

    def calculate(self, request: TaxRequest) -> TaxAnswer:
        """Calculate every part that costs something; the others have nothing to tax."""
        free = tuple(PartTaxes(part_id=part, reason=_NOTHING) for part, price in request.amounts.items() if not price)
        if len(free) == len(request.amounts):
            return TaxesCalculated(free)
        try:
            form = self._form(request)
        except Unchargeable as exc:
            return Refused("not_served", str(exc))
        response = self._exchange("POST", "/v1/tax/calculations", data=form)
        if response.status_code != HTTPStatus.OK:
            return _refusal(response)
        calculation = json_object(response)
        parts = [_of_line(line, request) for line in self._lines(calculation)]
        if request.shipping:
            parts.append(_of_shipping(calculation, request))
        return TaxesCalculated((*parts, *free), ref=calculation["id"])

    def verify_account(self) -> None:
        """Read the account's tax settings: they say whether it calculates at all."""
        response = self._exchange("GET", "/v1/tax/settings")
        if response.status_code in _REFUSED:
            raise BadCredentials("Stripe refuses the key")
        if response.status_code != HTTPStatus.OK:
            raise WireFault(f"Stripe answered {response.status_code}")
        status = json_object(response)["status"]
        if status == "pending":
            raise BadCredentials("Stripe Tax is not set up: finish its settings in Stripe's dashboard")
        if status != "active":
            raise WireFault(f"Stripe said {status!r} of the tax settings")

    def _form(self, request: TaxRequest) -> dict[str, str]:
        behavior = "inclusive" if request.is_included else "exclusive"
        noon = datetime.combine(request.on, time(12), tzinfo=UTC)
        form = {
            "currency": request.currency.lower(),
            "tax_date": str(int(noon.timestamp())),
            "customer_details[address_source]": "shipping",
            "expand[0]": "line_items.data.tax_breakdown",
            "expand[1]": "shipping_cost.tax_breakdown",
        }
        if request.exemption is not None:
            form["customer_details[taxability_override]"] = _OVERRIDES[request.exemption.reason]
        place = request.destination
        for detail in ("country", "state", "postal_code", "city", "line1", "line2"):
            if value := getattr(place, detail):
                form[f"customer_details[address][{detail}]"] = value
        taxed = (line for line in request.lines if line.amount)
        for at, line in enumerate(taxed):
            form[f"line_items[{at}][amount]"] = str(on_wire(Money(line.amount, request.currency)))
            form[f"line_items[{at}][quantity]"] = str(line.quantity)
            form[f"line_items[{at}][reference]"] = line.id
            form[f"line_items[{at}][tax_behavior]"] = behavior
            if code := self._codes.get(line.category):
                form[f"line_items[{at}][tax_code]"] = code
        if request.shipping:
            form["shipping_cost[amount]"] = str(on_wire(Money(request.shipping, request.currency)))
            form["shipping_cost[tax_behavior]"] = behavior
            form["shipping_cost[tax_code]"] = self.ctx.settings.get("shipping_tax_code", "txcd_92010001")
        return form

    def _lines(self, calculation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield every line of a calculation; its answer holds the first ones only."""
        page = calculation["line_items"]
        for _ in range(_MOST_PAGES):
            yield from page["data"]
            if page["has_more"] is False:
                return
            if not _CALCULATION.fullmatch(calculation["id"]):
                raise WireFault("Stripe gave no usable id")
            query = {
                "limit": str(_PAGE),
                "starting_after": page["data"][-1]["id"],
                "expand[0]": "data.tax_breakdown",
            }
            response = self._exchange("GET", f"/v1/tax/calculations/{calculation['id']}/line_items", params=query)
            if response.status_code != HTTPStatus.OK:
                raise WireFault(f"Stripe answered {response.status_code}")
            page = json_object(response)
        raise WireFault("Stripe lists more lines than were asked about")

    def _exchange(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.ctx.http.request(method, API + path, headers=headers(self.ctx.settings), **more)


def _of_line(line: Mapping[str, Any], request: TaxRequest) -> PartTaxes:
    asked = request.amounts.get(line["reference"])
    if asked is None or from_wire(line["amount"], request.currency.lower()) != Money(asked, request.currency):
        raise WireFault("Stripe calculated a line that it was not asked about")
    return _part(line["reference"], line, request)


def _of_shipping(calculation: Mapping[str, Any], request: TaxRequest) -> PartTaxes:
    shipping = calculation["shipping_cost"]
    if from_wire(shipping["amount"], request.currency.lower()) != Money(request.shipping, request.currency):
        raise WireFault("Stripe calculated another price of shipping than it was asked about")
    return _part(SHIPPING, shipping, request)


def _part(part_id: str, told: Mapping[str, Any], request: TaxRequest) -> PartTaxes:
    """Return the taxes of one part. Raises `WireFault` unless they sum to what Stripe says that its tax is."""
    if told["tax_behavior"] != ("inclusive" if request.is_included else "exclusive"):
        raise WireFault("Stripe calculated prices of the other kind")
    breakdown = told["tax_breakdown"]
    taxes = [_tax(one, request.currency) for one in breakdown]
    if sum(amount for _, amount in taxes) != from_wire(told["amount_tax"], request.currency.lower()).amount:
        raise WireFault("Stripe's taxes do not sum to the tax")
    kept = [(rate, amount) for rate, amount in taxes if rate.ppm or amount]
    reasons = sorted({str(one["taxability_reason"]) for one in breakdown})
    return PartTaxes(part_id=part_id, taxes=_distinct(kept), reason="" if kept else ", ".join(reasons))


def _tax(told: Mapping[str, Any], currency: str) -> tuple[Rate, int]:
    where, details = told["jurisdiction"], told["tax_rate_details"] or {}
    amount = from_wire(told["amount"], currency.lower()).amount
    ppm = round(Decimal(details.get("percentage_decimal", "0")) * 10_000)
    place = where["country"] + (f"-{where['state']}" if where["state"] else "")
    return (
        Rate(
            id=f"{place}-{where['level']}-{where['display_name']}-{details.get('tax_type', 'none')}"[:90],
            name=f"{details.get('display_name') or 'Tax'} {where['display_name']}"[:100],
            ppm=ppm,
            jurisdiction=where["display_name"],
            tax_type=details.get("tax_type", ""),
        ),
        amount,
    )


def _distinct(taxes: list[tuple[Rate, int]]) -> tuple[tuple[Rate, int], ...]:
    """Return taxes under ids of their own: one place may levy two of a kind."""
    seen: dict[str, int] = {}
    found = []
    for rate, amount in taxes:
        seen[rate.id] = seen.get(rate.id, 0) + 1
        named = rate if seen[rate.id] == 1 else _renamed(rate, seen[rate.id])
        found.append((named, amount))
    return tuple(found)


def _renamed(rate: Rate, number: int) -> Rate:
    return Rate(
        id=f"{rate.id}-{number}", name=rate.name, ppm=rate.ppm, jurisdiction=rate.jurisdiction, tax_type=rate.tax_type
    )


def _refusal(response: httpx.Response) -> Refused:
    """Return Stripe's refusal. Raises `WireFault` for what is none: a failure, or a mistake in our own request."""
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return Refused("rate_limited", "Stripe takes no more requests for now")
    if response.status_code in _REFUSED:
        return Refused("configuration", "Stripe refuses the key")
    if response.status_code != HTTPStatus.BAD_REQUEST:
        raise WireFault(f"Stripe answered {response.status_code}")
    code = json_object(response)["error"].get("code")
    if code in _ADDRESS:
        return Refused("address", "Stripe does not know this address", code)
    if code == "stripe_tax_inactive":
        return Refused("configuration", "Stripe Tax is not switched on for this account", code)
    raise WireFault(f"Stripe refused the calculation ({code})")


@hookimpl
def penstock_tax_engines() -> Iterable[type[TaxEngine]]:
    """Offer Stripe Tax."""
    return [StripeTax]
