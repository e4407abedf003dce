"""VAT of the European Union for a seller established in one of its members, from data sets that are installed with it.

Standard rates by day: Duty27 (https://duty27.com/vat-rates/history), CC BY 4.0, package ``duty27-eu-vat``. Reduced
rates: the European Commission's TEDB, through the package ``eu-vat-rates-data``. It calls nobody.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final

from duty27_eu_vat import DATA_FIRST_DATE, get_standard_rate
from eu_vat_rates_data import VatRate, data_version, get_all_rates

from connectors.tax.eu_places import NORTHERN_IRELAND, standing_of
from penstock.plugin import (
    SHIPPING,
    Context,
    PartRates,
    Rate,
    RatesFound,
    Refused,
    TaxAnswer,
    TaxClaims,
    TaxEngine,
    TaxRequest,
    hookimpl,
)

MEMBERS: Final[Mapping[str, VatRate]] = {code: rate for code, rate in get_all_rates().items() if rate["eu_member"]}
"""The member states by ISO code."""

_AS_OF: Final = date.fromisoformat(data_version)
_REDUCED_SINCE: Final = _AS_OF - timedelta(days=60)
"""Reduced rates are known as of one day only; a sale long before it may have had others."""

_COUNTED_AS: Final = {"MC": "FR"}
"""Monaco is treated as France (Directive 2006/112/EC, article 7)."""

_RULE: Final = re.compile(
    r"([^=@]{1,60})(?:@([A-Z]{2}))?=(standard|reduced|super_reduced|parking|exempt|\d{1,2}(?:[.]\d{1,2})?)"
)
_KINDS: Final = {"standard": "standard", "reduced": "reduced", "super_reduced": "super_reduced", "parking": "parking"}


class _Unknown(Exception):
    """The data do not hold the rate that was asked for. The text says which."""


class EuVat(TaxEngine):
    """VAT by the buyer's member state, or by the seller's below the threshold for distance sales."""

    name = "eu_vat"
    display_name = "EU VAT"
    capabilities = TaxClaims(countries=None)
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["home"],
        "additionalProperties": False,
        "properties": {
            "home": {
                "type": "string",
                "enum": sorted(MEMBERS),
                "description": "The member state in which the seller is established.",
            },
            "distance_sales": {
                "type": "string",
                "enum": ["destination", "home"],
                "description": (
                    "Whose rate a buyer in another member state pays: the buyer's (One Stop Shop, the default), or the "
                    "seller's, for those who stay below the threshold of 10,000 euros a year."
                ),
            },
            "categories": {
                "type": "array",
                "maxItems": 500,
                "items": {"type": "string", "pattern": f"^{_RULE.pattern}$"},
                "description": (
                    "How your tax categories are taxed, as 'books=reduced' or, for one country, 'books@AT=10'. A member "
                    "without such a rate taxes at its standard rate. Whatever is not named is taxed at the standard rate."
                ),
            },
            "shipping_category": {
                "type": "string",
                "maxLength": 60,
                "description": "The category that shipping is taxed as. Without it, shipping shares the highest rate of the goods.",
            },
        },
    }

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._rules: dict[tuple[str, str], str] = {}
        for text in ctx.settings.get("categories", ()):
            found = _RULE.fullmatch(text)
            if found is None:
                raise ValueError(f"{text!r} is no rule for a category")
            self._rules[found[1], found[2] or ""] = found[3]

    def calculate(self, request: TaxRequest) -> TaxAnswer:
        """Return the rates of every part, or why there is no VAT."""
        country = _COUNTED_AS.get(request.destination.country, request.destination.country)
        postal_code = request.destination.postal_code
        if country not in MEMBERS:
            if country == "GB" and NORTHERN_IRELAND.match(postal_code):
                return Refused("not_served", "goods to Northern Ireland are taxed by the United Kingdom")
            return _untaxed(request, "export")
        standing = standing_of(country, postal_code)
        if standing == "outside":
            return _untaxed(request, "outside_vat_area")
        if standing == "special":
            return Refused("not_served", f"this part of {country} has rates of its own, which the data do not hold")
        if self.ctx.settings.get("distance_sales") == "home":
            country = self.ctx.settings["home"]
        try:
            return self._rates(request, country)
        except _Unknown as exc:
            return Refused("configuration", str(exc))

    def _rates(self, request: TaxRequest, country: str) -> RatesFound:
        lines = {line.id: self._rate(line.category, country, request.on) for line in request.lines}
        parts = [_part(part, rate) for part, rate in lines.items()]
        if request.shipping:
            parts.append(_part(SHIPPING, self._of_shipping([*lines.values()], country, request.on)))
        return RatesFound(tuple(parts))

    def _of_shipping(self, rates: list[Rate | None], country: str, on: date) -> Rate | None:
        category = self.ctx.settings.get("shipping_category")
        if category is not None:
            return self._rate(category, country, on)
        taxed = [rate for rate in rates if rate is not None]
        if rates and not taxed:
            return None
        return max(taxed, key=lambda rate: rate.ppm, default=_standard(country, on))

    def _rate(self, category: str, country: str, on: date) -> Rate | None:
        """Return the rate of a category in a member state; None where it is exempt. Raises `_Unknown`."""
        word = self._rules.get((category, country)) or self._rules.get((category, "")) or "standard"
        if word == "exempt":
            return None
        if word == "standard":
            return _standard(country, on)
        return _reduced(word, country, on)


def _part(part_id: str, rate: Rate | None) -> PartRates:
    return PartRates(part_id=part_id, reason="exempt") if rate is None else PartRates(part_id=part_id, rates=(rate,))


def _untaxed(request: TaxRequest, reason: str) -> RatesFound:
    return RatesFound(tuple(PartRates(part_id=part, reason=reason) for part in request.amounts))


def _standard(country: str, on: date) -> Rate:
    if on < DATA_FIRST_DATE:
        raise _Unknown(f"rates are known since {DATA_FIRST_DATE}")
    percent = get_standard_rate(country, on)
    told = _percent(MEMBERS[country]["standard"])
    if on >= _AS_OF and percent != told:
        raise _Unknown(f"two sources name different standard rates for {country}: {percent} and {told} %")
    return _as_rate(country, percent, "standard")


def _reduced(word: str, country: str, on: date) -> Rate:
    if on < _REDUCED_SINCE:
        raise _Unknown(f"reduced rates are known since {_REDUCED_SINCE}")
    known = _known(country)
    if word in _KINDS:
        found = [percent for percent, kind in known.items() if kind == word]
        if not found:
            return _standard(country, on)
        if len(found) > 1:
            choices = ", ".join(f"{percent:f}" for percent in sorted(found))
            raise _Unknown(
                f"{country} has several {word} rates: name one of {choices}, as in 'category@{country}={found[0]:f}'"
            )
        return _as_rate(country, found[0], word)
    percent = _percent(word)
    if percent not in known:
        raise _Unknown(f"{country} has no rate of {word} %")
    return _as_rate(country, percent, known[percent])


def _known(country: str) -> dict[Decimal, str]:
    """Return the rates of a member state with their kinds. A parking rate is only looked for by its name or number."""
    row = MEMBERS[country]
    found = {_percent(row["parking"]): "parking"} if row["parking"] is not None else {}
    found |= {_percent(one): "reduced" for one in row["reduced"]}
    if row["super_reduced"] is not None:
        found[_percent(row["super_reduced"])] = "super_reduced"
    return found | {_percent(row["standard"]): "standard"}


def _percent(value: object) -> Decimal:
    try:
        return Decimal(str(value)).normalize()
    except InvalidOperation as exc:
        raise _Unknown(f"the data hold {value!r} where a rate belongs") from exc


def _as_rate(country: str, percent: Decimal, kind: str) -> Rate:
    name = MEMBERS[country]["vat_abbr"]
    shown = f"{percent:f}"
    return Rate(
        id=f"{country}-{kind}-{shown}",
        name=f"{name} {shown} %",
        ppm=int(percent * 10_000),
        jurisdiction=country,
        tax_type="vat",
    )


@hookimpl
def penstock_tax_engines() -> Iterable[type[TaxEngine]]:
    """Offer the VAT of the European Union."""
    return [EuVat]
