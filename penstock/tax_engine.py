"""The tax engine contract: what an engine is asked about a cart, what it may answer, and what it must keep.

An engine answers with rates or with amounts, whichever it has. Rates are applied and rounded by Penstock as the
merchant configured it; amounts are taken as they are. Either way every part of the cart is answered for: one without
tax has a reason.
"""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass, replace
from datetime import date
from typing import ClassVar, Final

from penstock.connector import Provider
from penstock.exemption import Exemption
from penstock.money import MAX_AMOUNT
from penstock.outcome import BrokenPromise
from penstock.place import Detail, Place
from penstock.source import Refused, check_code, check_refusal, check_whole, clip
from penstock.totals import MILLION, SHIPPING, GivenTax, Rate, Rounding, TaxRules

MOST_PPM: Final = 10 * MILLION
"""The highest rate that is believed: ten times the price."""

MOST_TAXES: Final = 20
_MOST_PRIORITY: Final = 1000
_COUNTRY: Final[frozenset[Detail]] = frozenset({"country"})


@dataclass(frozen=True, slots=True)
class TaxClaims:
    """What an engine can do. None for ``countries`` (of the destination) or ``currencies`` means every one.

    ``needs`` is what of the destination it cannot do without; ``needs_origin`` that it has to know where goods are
    sent from. ``inclusive`` and ``exclusive`` say which prices it understands. ``exemptions`` says that it wants to judge a
    buyer's exemption itself; an engine without it is not asked about an exempt buyer. ``verify`` claims `verify_account`.
    """

    countries: frozenset[str] | None
    currencies: frozenset[str] | None = None
    _: KW_ONLY
    needs: frozenset[Detail] = _COUNTRY
    needs_origin: bool = False
    inclusive: bool = True
    exclusive: bool = True
    exemptions: bool = False
    verify: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxableLine:
    """One line. ``amount`` is its whole price less all discounts, in minor units; ``category`` the merchant's own word."""

    id: str
    amount: int
    quantity: int = 1
    category: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRequest:
    """A cart to be taxed on a day. Amounts are minor units of ``currency``; ``shipping`` is the price of shipping.

    ``is_included`` says that the prices contain the tax. ``destination`` is where the tax is due, by the merchant's
    choice of shipping or billing address; ``origin`` is where goods are sent from. ``exemption`` is why the merchant says
    that this buyer pays no tax; only engines that claim ``exemptions`` are ever given one.
    """

    currency: str
    on: date
    lines: tuple[TaxableLine, ...]
    destination: Place
    origin: Place | None = None
    shipping: int = 0
    is_included: bool = False
    exemption: Exemption | None = None

    @property
    def amounts(self) -> dict[str, int]:
        """The price of every part by id: the lines, and shipping under ``SHIPPING`` where it costs something."""
        shipping = {SHIPPING: self.shipping} if self.shipping else {}
        return {line.id: line.amount for line in self.lines} | shipping


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRates:
    """The rates of one part. Without any, ``reason`` says why nothing is taxed (``not_collecting``, say)."""

    part_id: str
    rates: tuple[Rate, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTaxes:
    """The taxes of one part: each a rate and its amount in minor units. Without any, ``reason`` says why."""

    part_id: str
    taxes: tuple[tuple[Rate, int], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RatesFound:
    """The engine knows rates: Penstock applies and rounds them. ``parts`` holds every part of the request once."""

    parts: tuple[PartRates, ...]

    def rules(self, *, is_included: bool, rounding: Rounding = "line") -> TaxRules:
        """Return the rates as the totals function takes them."""
        return TaxRules({part.part_id: part.rates for part in self.parts}, is_included, rounding)


@dataclass(frozen=True, slots=True)
class TaxesCalculated:
    """The engine calculated amounts. ``parts`` holds every part of the request once, ``ref`` is its own reference."""

    parts: tuple[PartTaxes, ...]
    _: KW_ONLY
    ref: str | None = None

    def given(self) -> list[GivenTax]:
        """Return the amounts as the totals function takes them."""
        return [
            GivenTax(part_id=part.part_id, rate=rate, amount=amount)
            for part in self.parts
            for rate, amount in part.taxes
        ]


TaxAnswer = RatesFound | TaxesCalculated | Refused


class TaxEngine(Provider):
    """One source of taxes. An instance serves one configured account, from many threads; see `Provider`."""

    kind = "tax"
    capabilities: ClassVar[TaxClaims]

    @abstractmethod
    def calculate(self, request: TaxRequest) -> TaxAnswer:
        """Return rates or amounts for every part, or `Refused`. Raise for everything else: there is no answer then."""


def exempted(request: TaxRequest, exemption: Exemption) -> RatesFound:
    """Return that nothing is taxed, with the exemption as every part's reason."""
    return RatesFound(tuple(PartRates(part_id=part, reason=exemption.reason) for part in request.amounts))


def check_taxes(answer: object, request: TaxRequest) -> TaxAnswer:
    """Return what an engine answered, with its texts clipped. Raises `BrokenPromise` where it cannot be so."""
    match answer:
        case Refused():
            return check_refusal(answer)
        case RatesFound():
            _check_parts((part.part_id for part in answer.parts), request)
            return RatesFound(tuple(_checked_rates(part) for part in answer.parts))
        case TaxesCalculated():
            _check_parts((part.part_id for part in answer.parts), request)
            ref = None if answer.ref is None else check_code(answer.ref, "its reference")
            return TaxesCalculated(tuple(_checked_taxes(part, request) for part in answer.parts), ref=ref)
    raise BrokenPromise(f"it answered with {type(answer).__name__}, which is no answer of a tax engine")


def _check_parts(told: Iterable[str], request: TaxRequest) -> None:
    answered, asked = list(told), set(request.amounts)
    if len(answered) != len(set(answered)):
        raise BrokenPromise("it answered for a part twice")
    if missing := asked - set(answered):
        raise BrokenPromise(f"it did not answer for {len(missing)} of {len(asked)} parts")
    if set(answered) - asked:
        raise BrokenPromise("it answered for a part that it was not asked about")


def _checked_rates(part: PartRates) -> PartRates:
    rates = tuple(_checked_rate(rate) for rate in part.rates)
    return replace(part, rates=rates, reason=_reason(part.reason, has_taxes=bool(rates), ids=[r.id for r in rates]))


def _checked_taxes(part: PartTaxes, request: TaxRequest) -> PartTaxes:
    taxes = tuple((_checked_rate(rate), check_whole(amount, "a tax", MAX_AMOUNT)) for rate, amount in part.taxes)
    price, tax = request.amounts[part.part_id], sum(amount for _, amount in taxes)
    if request.is_included and tax > price:
        raise BrokenPromise(f"it says that a price of {price} contains a tax of {tax}")
    if tax > price * (MOST_PPM // MILLION):
        raise BrokenPromise(f"it says that the tax on {price} is {tax}")
    return replace(part, taxes=taxes, reason=_reason(part.reason, has_taxes=bool(taxes), ids=[r.id for r, _ in taxes]))


def _reason(reason: str, *, has_taxes: bool, ids: list[str]) -> str:
    if len(ids) > MOST_TAXES or len(ids) != len(set(ids)):
        raise BrokenPromise(f"the taxes of a part are at most {MOST_TAXES}, each with an id of its own")
    told = clip(reason)
    if not has_taxes and not told.strip():
        raise BrokenPromise("it found no tax on a part and gave no reason")
    return told


def _checked_rate(rate: object) -> Rate:
    if not isinstance(rate, Rate):
        raise BrokenPromise(f"it gave {type(rate).__name__} where a Rate belongs")
    check_code(rate.id, "a rate's id")
    check_code(rate.name, "a rate's name")
    check_whole(rate.ppm, "a rate in parts of a million", MOST_PPM)
    check_whole(rate.priority, "a rate's priority", _MOST_PRIORITY)
    if type(rate.is_compound) is not bool:
        raise BrokenPromise("a rate is compound or it is not")
    return replace(rate, jurisdiction=clip(rate.jurisdiction, 100), tax_type=clip(rate.tax_type, 100))
