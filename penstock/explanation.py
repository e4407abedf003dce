"""Why a calculation came to what it came to: each part with its base, its rates, the rule behind each, and the rounding."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any, Final

from penstock.calculation import Calculation, Discounted, Goods
from penstock.places import Locality
from penstock.shipping_tax import CALCULATING, TaxRate
from penstock.totals import Part, TaxPart

_PLACES: Final = Decimal("0.000001")
_WIDE: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)


def explain(calculation: Calculation) -> dict[str, Any]:
    """Return the explanation in the wire's shape. Exact amounts are decimal texts, of six places at the most."""
    config, priced = calculation.config, calculation.breakdown
    goods = {each.line.id: each for each in calculation.basket.goods}
    rules = calculation.taxed.rules
    return {
        "configVersion": config.version or None,
        "taxBasis": calculation.taxed.basis,
        "taxExemption": _exemption(calculation),
        "taxPlace": _place(calculation.taxed.place),
        "rounding": {"mode": f"half_{config.tax.ties}", "level": config.tax.rounding},
        "lines": [
            {
                **_line(goods[part.id], part, rules),
                "discounts": _discounts(goods[part.id], part, calculation.basket.reduced_by),
                "untaxedBecause": calculation.taxed.reasons.get(part.id),
            }
            for part in priced.lines
        ],
        "shipping": _shipping(calculation, priced.shipping, rules),
        "sum": _sum(calculation),
    }


def _exemption(calculation: Calculation) -> dict[str, Any] | None:
    """Return why nothing is taxed, where an exemption is what decided."""
    exemption, tax = calculation.basket.exemption, calculation.config.tax
    counts = tax.are_exemptions_allowed and tax.mode in CALCULATING
    return exemption.kept() if exemption is not None and counts else None


def _sum(calculation: Calculation) -> str:
    """Return the one sum that all totals obey, in minor units."""
    totals = calculation.breakdown
    parts = f"{totals.subtotal} - {totals.discount_total} + {totals.shipping_total} + {totals.tax_total}"
    return f"{parts} = {totals.total}"


def _line(goods: Goods, part: Part, rules: Mapping[str, TaxRate]) -> dict[str, Any]:
    return {
        "itemId": goods.ref,
        "name": goods.name,
        "category": goods.category,
        "price": part.price,
        "net": part.net,
        "taxes": [_tax(tax, rules) for tax in part.taxes],
        "taxIncluded": part.is_included,
        "total": part.total,
    }


def _discounts(goods: Goods, part: Part, rest: Discounted) -> list[dict[str, Any]]:
    """Return what was taken off a line, by the discounts' own names. What nobody named goes by the name of the rest."""
    unnamed = part.discount_total - sum(each.amount for each in goods.discounts)
    found = [*goods.discounts, *([replace(rest, amount=unnamed)] if unnamed else [])]
    return [{"code": each.code, "name": each.name, "amount": each.amount} for each in found]


def _shipping(calculation: Calculation, part: Part, rules: Mapping[str, TaxRate]) -> dict[str, Any]:
    chosen = calculation.shipped.selected
    return {
        "methodId": chosen.id if chosen else None,
        "zoneId": chosen.zone_id if chosen else None,
        "source": calculation.shipped.source,
        "rule": chosen.rule if chosen else None,
        "price": part.price,
        "taxes": [_tax(tax, rules) for tax in part.taxes],
        "taxIncluded": part.is_included,
        "total": part.total,
        "untaxedBecause": calculation.taxed.reasons.get(part.id),
    }


def _tax(tax: TaxPart, rules: Mapping[str, TaxRate]) -> dict[str, Any]:
    rule = rules.get(tax.rate.id)
    return {
        "rateId": tax.rate.id,
        "name": tax.rate.name,
        "ratePpm": tax.rate.ppm,
        "compound": tax.rate.is_compound,
        "rule": rule and _rule(rule),
        "base": text_of(tax.base),
        "exact": text_of(tax.exact),
        "amount": tax.amount,
        "rounded": _direction(tax),
    }


def _rule(rule: TaxRate) -> dict[str, Any]:
    return {
        "level": rule.level,
        "country": rule.country,
        "state": rule.state,
        "postalCodePattern": rule.pattern.text if rule.pattern else None,
        "category": rule.category,
        "priority": rule.rate.priority,
    }


def _direction(tax: TaxPart) -> str:
    if tax.amount == tax.exact:
        return "no"
    return "up" if tax.amount > tax.exact else "down"


def text_of(exact: int | Fraction) -> str:
    """Return an exact sum of minor units as a decimal text, of six places at the most."""
    value = Fraction(exact)
    found = _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator)).quantize(_PLACES, context=_WIDE)
    return format(found, "f").rstrip("0").rstrip(".")


def _place(place: Locality | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"countryCode": place.country, "stateProvince": place.state, "postalCode": place.postal}
