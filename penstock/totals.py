"""What a cart costs, line by line: prices, discount, shipping and tax, in one pure function over integers.

Amounts are minor units of one currency. ``total = subtotal - discount + shipping + tax`` holds always: ``tax`` is
what is added to the prices; tax that the prices contain already is told apart as ``included_tax``. The order of the
lines makes no difference: wherever one unit is left over, equal claims are settled by the parts' ids (semantics 1.9,
1.10).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal

from penstock.rounding import Exact, Ties, allocate, half_even, to_unit

MILLION: Final = 1_000_000
SHIPPING: Final = "shipping"
"""The id of the part that shipping is. No line has it: their ids are UUIDs."""

Rounding = Literal["line", "invoice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: ``own_discount`` is what the merchant took off it by hand. Not negative, and at most its price."""

    id: str
    unit_price: int
    quantity: int
    own_discount: int = 0
    is_discountable: bool = True

    @property
    def price(self) -> int:
        """Unit price times quantity."""
        return self.unit_price * self.quantity


@dataclass(frozen=True, slots=True)
class Percentage:
    """So many parts of a million off the eligible lines: 10 % is 100,000."""

    ppm: int


@dataclass(frozen=True, slots=True)
class FixedAmount:
    """A sum off the eligible lines, at most their price."""

    amount: int


Reduction = Percentage | FixedAmount


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A tax rate in parts of a million (8.875 % is 88,750). A compound one is also taken on taxes of lower priority."""

    id: str
    name: str
    ppm: int
    jurisdiction: str = ""
    tax_type: str = ""
    is_compound: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTax:
    """A tax amount that somebody else calculated for one part (a line's id, or `SHIPPING`)."""

    part_id: str
    rate: Rate
    amount: int


@dataclass(frozen=True, slots=True)
class TaxRules:
    """The rates of each part by id, and how amounts are rounded. ``is_included``: the prices contain the tax.

    Where ``carried`` names lines, shipping is taxed as they are: each share of it, by what the lines cost, with their rates.
    """

    rates: Mapping[str, Sequence[Rate]] = field(default_factory=dict)
    is_included: bool = False
    rounding: Rounding = "line"
    ties: Ties = "even"
    carried: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxPart:
    """One tax on one part: ``exact`` before rounding, ``amount`` in minor units, on ``base``."""

    rate: Rate
    base: Exact
    exact: Exact
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One line, or shipping, with all that makes its total. ``is_included`` says that the price contains the tax."""

    id: str
    price: int
    own_discount: int = 0
    discount: int = 0
    taxes: tuple[TaxPart, ...] = ()
    is_included: bool = False

    @property
    def discount_total(self) -> int:
        """All that was taken off: by hand, and by the cart's discount."""
        return self.own_discount + self.discount

    @property
    def net(self) -> int:
        """The price less both discounts."""
        return self.price - self.own_discount - self.discount

    @property
    def tax(self) -> int:
        """All tax on the part, in or on top of its price."""
        return sum(tax.amount for tax in self.taxes)

    @property
    def total(self) -> int:
        """What the buyer pays for the part."""
        return self.net + (0 if self.is_included else self.tax)


@dataclass(frozen=True, slots=True)
class Totals:
    """A cart's totals in minor units: ``total = subtotal - discount_total + shipping_total + tax_total``."""

    subtotal: int = 0
    discount_total: int = 0
    shipping_total: int = 0
    tax_total: int = 0

    @property
    def total(self) -> int:
        """What the buyer pays."""
        return self.subtotal - self.discount_total + self.shipping_total + self.tax_total


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A calculated cart. Every total is the sum of its parts."""

    lines: tuple[Part, ...]
    shipping: Part

    def line(self, line_id: str) -> Part:
        """Return a line's part. Raises KeyError for an id that is none of the lines'."""
        for part in self.lines:
            if part.id == line_id:
                return part
        raise KeyError(line_id)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The lines and shipping."""
        return (*self.lines, self.shipping)

    @property
    def subtotal(self) -> int:
        """All lines' prices."""
        return self.totals.subtotal

    @property
    def discount_total(self) -> int:
        """All that was taken off."""
        return self.totals.discount_total

    @property
    def shipping_total(self) -> int:
        """The price of shipping."""
        return self.shipping.price

    @property
    def tax_total(self) -> int:
        """The tax that comes on top of the prices."""
        return self.totals.tax_total

    @property
    def included_tax_total(self) -> int:
        """The tax that the prices contain."""
        return sum(part.tax for part in self.parts if part.is_included)

    @property
    def total(self) -> int:
        """What the buyer pays."""
        return self.totals.total

    @property
    def totals(self) -> Totals:
        """The sums that carts and orders keep; their tax is what comes on top of the prices."""
        subtotal = discount = tax = 0
        for part in self.parts:
            subtotal += part.price
            discount += part.own_discount + part.discount
            if part.taxes and not part.is_included:
                tax += part.tax
        shipping = self.shipping.price
        return Totals(subtotal - shipping, discount, shipping, tax)


def compute_totals(
    lines: Sequence[Line], *, reduction: Reduction | None = None, shipping: int = 0, tax: TaxRules | None = None
) -> Breakdown:
    """Calculate a cart: line prices, then the discount, then shipping, then tax on what is left.

    Raises ValueError for a negative amount, a discount above its line, or two lines with one id.
    """
    priced = _discounted(_checked(lines, shipping), reduction)
    rules = tax or TaxRules()
    return _taxed(priced, shipping, rules)


def with_given_taxes(
    lines: Sequence[Line],
    given: Iterable[GivenTax],
    *,
    reduction: Reduction | None = None,
    shipping: int = 0,
    is_included: bool = False,
) -> Breakdown:
    """Calculate a cart whose taxes came from elsewhere. Raises ValueError as above, or for a tax on no part of it."""
    priced = _discounted(_checked(lines, shipping), reduction)
    return _assembled(priced, shipping, _given(given, priced, shipping), is_included=is_included)


def reduction_of(reduction: Reduction | None, eligible: int) -> int:
    """Return what a reduction takes off eligible prices, in minor units: half-even, never more than they are."""
    match reduction:
        case Percentage(ppm):
            return min(half_even(Fraction(eligible * ppm, MILLION)), eligible)
        case FixedAmount(amount):
            return min(amount, eligible)
    return 0


def _given(given: Iterable[GivenTax], priced: Sequence[Part], shipping: int) -> Mapping[str, tuple[TaxPart, ...]]:
    found: dict[str, list[TaxPart]] = {}
    bases: dict[str, int] = {}
    for one in given:
        bases = bases or {part.id: part.net for part in priced} | {SHIPPING: shipping}
        if one.part_id not in bases or one.amount < 0:
            raise ValueError(f"a tax of {one.amount} on {one.part_id!r}")
        tax = TaxPart(rate=one.rate, base=bases[one.part_id], exact=one.amount, amount=one.amount)
        found.setdefault(one.part_id, []).append(tax)
    return {key: tuple(taxes) for key, taxes in found.items()}


def _checked(lines: Sequence[Line], shipping: int) -> Sequence[Line]:
    ids = {SHIPPING}
    for line in lines:
        ids.add(line.id)
        if line.unit_price < 0 or line.quantity < 0 or line.own_discount < 0:
            raise ValueError("amounts and quantities are not negative")
        if line.own_discount > line.price:
            raise ValueError("a discount is larger than its line's price")
    if shipping < 0:
        raise ValueError("amounts and quantities are not negative")
    if len(ids) != len(lines) + 1:
        raise ValueError("each line has an id of its own")
    return lines


def _discounted(lines: Sequence[Line], reduction: Reduction | None) -> list[Part]:
    if reduction is None:
        return [Part(id=line.id, price=line.price, own_discount=line.own_discount) for line in lines]
    eligible = {line.id: line.price - line.own_discount for line in lines if line.is_discountable}
    shares = allocate(reduction_of(reduction, sum(eligible.values())), eligible)
    return [
        Part(id=line.id, price=line.price, own_discount=line.own_discount, discount=shares.get(line.id, 0))
        for line in lines
    ]


def _taxed(priced: Sequence[Part], shipping: int, rules: TaxRules) -> Breakdown:
    bases = {part.id: part.net for part in priced} | {SHIPPING: shipping}
    exact = {
        key: _exact_taxes(base, rates, is_included=rules.is_included)
        for key, base in bases.items()
        if (rates := rules.rates.get(key))  # a part without a rate stays with plain integers
    }
    if rules.carried and shipping:
        exact[SHIPPING] = _carried_taxes(priced, shipping, rules)
    rounded = _by_line if rules.rounding == "line" else _by_invoice
    return _assembled(priced, shipping, rounded(exact, rules.ties), is_included=rules.is_included)


def _assembled(
    priced: Sequence[Part], shipping: int, taxes: Mapping[str, tuple[TaxPart, ...]], *, is_included: bool
) -> Breakdown:
    parts = [*priced, Part(id=SHIPPING, price=shipping)]
    for index, part in enumerate(parts):
        if own := taxes.get(part.id):
            parts[index] = replace(part, taxes=own, is_included=is_included)
    return Breakdown(tuple(parts[:-1]), parts[-1])


_Exact = tuple[Rate, Fraction, Fraction]


def _carried_taxes(priced: Sequence[Part], shipping: int, rules: TaxRules) -> list[_Exact]:
    """Return the exact taxes of shipping, shared out over the lines that it carries; evenly where those cost nothing."""
    carried = [part for part in priced if part.id in rules.carried]
    has_price = any(part.net for part in carried)
    weights: dict[tuple[Rate, ...], int] = {}
    for part in carried:
        rates = tuple(rules.rates.get(part.id, ()))
        weights[rates] = weights.get(rates, 0) + (part.net if has_price else 1)
    whole = sum(weights.values())
    found: dict[str, _Exact] = {}
    for rates, weight in weights.items():
        for rate, base, tax in _exact_taxes(Fraction(shipping * weight, whole), rates, is_included=rules.is_included):
            _, bases, taxes = found.get(rate.id, (rate, Fraction(0), Fraction(0)))
            found[rate.id] = rate, bases + base, taxes + tax
    return sorted(found.values(), key=lambda each: (each[0].priority, each[0].id))


def _exact_taxes(price: Exact, rates: Sequence[Rate], *, is_included: bool) -> list[_Exact]:
    """Return each rate with its base and its exact tax, by priority. Included tax is taken out of the price first."""
    shares, gross = _shares(tuple(rates))
    net = Fraction(price * gross.denominator, gross.numerator) if is_included else Fraction(price)
    return [(rate, net * base, net * factor) for rate, base, factor in shares]


@lru_cache(maxsize=1024)
def _shares(rates: tuple[Rate, ...]) -> tuple[Sequence[tuple[Rate, Fraction, Fraction]], Fraction]:
    """Return each rate by priority with the share of a net price that it is on, and that it takes; then price with tax."""
    shares: list[tuple[Rate, Fraction, Fraction]] = []
    taxed, pending, level = Fraction(1), Fraction(0), None
    for rate in sorted(rates, key=lambda rate: (rate.priority, rate.id)):
        if level is not None and rate.priority != level:
            taxed, pending = taxed + pending, Fraction(0)
        level = rate.priority
        base = taxed if rate.is_compound else Fraction(1)
        factor = base * Fraction(rate.ppm, MILLION)
        pending += factor
        shares.append((rate, base, factor))
    return shares, taxed + pending


def _by_line(exact: Mapping[str, Sequence[_Exact]], ties: Ties) -> dict[str, tuple[TaxPart, ...]]:
    return {
        key: tuple(TaxPart(rate=rate, base=base, exact=tax, amount=to_unit(tax, ties)) for rate, base, tax in found)
        for key, found in exact.items()
    }


def _by_invoice(exact: Mapping[str, Sequence[_Exact]], ties: Ties) -> dict[str, tuple[TaxPart, ...]]:
    """Round each rate's sum over the whole cart once, and share it out so that the parts sum to it."""
    sums: dict[str, dict[str, Fraction]] = {}
    for key, found in exact.items():
        for rate, _, tax in found:
            sums.setdefault(rate.id, {})[key] = tax
    amounts = {rate_id: _shared(taxes, ties) for rate_id, taxes in sums.items()}
    return {
        key: tuple(TaxPart(rate=rate, base=base, exact=tax, amount=amounts[rate.id][key]) for rate, base, tax in found)
        for key, found in exact.items()
    }


def _shared(taxes: Mapping[str, Fraction], ties: Ties) -> dict[str, int]:
    floors = {key: tax.numerator // tax.denominator for key, tax in taxes.items()}
    rest = to_unit(sum(taxes.values(), Fraction(0)), ties) - sum(floors.values())
    first = set(sorted(taxes, key=lambda key: (floors[key] - taxes[key], key))[:rest])
    return {key: floor + (key in first) for key, floor in floors.items()}
