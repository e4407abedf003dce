"""The rate source contract: what a source is asked about a delivery, what it may answer, and what it must keep.

Prices are in the currency that was asked for: a source leaves out what it only knows in another, and says so in
`notes`. An empty list of rates is no answer; a source that goes nowhere near refuses with ``not_served``.
"""

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass, replace
from datetime import date
from typing import ClassVar, Final

from penstock.connector import Provider
from penstock.money import MAX_AMOUNT, Money
from penstock.outcome import BrokenPromise
from penstock.place import Detail, Place
from penstock.source import Refused, check_code, check_notes, check_refusal, check_whole

MOST_RATES: Final = 100
_MOST_DAYS: Final = 365
_COUNTRY: Final[frozenset[Detail]] = frozenset({"country"})


@dataclass(frozen=True, slots=True)
class RateClaims:
    """What a source can do. None for ``destinations`` or ``origins`` (countries) or ``currencies`` means every one.

    ``needs`` is what of the destination it cannot do without, ``needs_of_origin`` the same of the origin.
    ``most_parcels`` is how many parcels one question may have. ``verify`` claims `verify_account`.
    """

    destinations: frozenset[str] | None = None
    origins: frozenset[str] | None = None
    currencies: frozenset[str] | None = None
    _: KW_ONLY
    needs: frozenset[Detail] = _COUNTRY
    needs_of_origin: frozenset[Detail] = frozenset()
    most_parcels: int = 1
    verify: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One parcel: grams, and millimetres where they are known (0 where they are not)."""

    weight_g: int
    length_mm: int = 0
    width_mm: int = 0
    height_mm: int = 0

    @property
    def is_measured(self) -> bool:
        """Whether all three dimensions are known."""
        return min(self.length_mm, self.width_mm, self.height_mm) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRequest:
    """A delivery to be priced in ``currency``. ``goods`` is what the goods cost, in minor units; ``on`` the day it leaves.

    ``origin`` is where it is sent from, None where the merchant has not said.
    """

    currency: str
    on: date
    destination: Place
    parcels: tuple[Parcel, ...]
    origin: Place | None = None
    goods: int = 0


@dataclass(frozen=True, slots=True)
class ShippingRate:
    """One way to send it. ``code`` is the source's own word for it, the same tomorrow, and unlike its other codes.

    A rate of zero says ``is_free``. Days are working or calendar days as the carrier counts them.
    """

    code: str
    name: str
    money: Money
    _: KW_ONLY
    carrier: str = ""
    min_days: int | None = None
    max_days: int | None = None
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class RatesOffered:
    """The ways to send it. ``notes`` tell what is missing among them, and why, for people."""

    rates: tuple[ShippingRate, ...]
    _: KW_ONLY
    notes: tuple[str, ...] = ()


RateAnswer = RatesOffered | Refused


class RateSource(Provider):
    """One source of shipping rates. An instance serves one configured account, from many threads; see `Provider`."""

    kind = "shipping"
    capabilities: ClassVar[RateClaims]

    @abstractmethod
    def quote(self, request: RateRequest) -> RateAnswer:
        """Return the ways to send it, or `Refused`. Raise for everything else: there is no answer then."""


def check_rates(answer: object, request: RateRequest) -> RateAnswer:
    """Return what a source answered, with its texts clipped. Raises `BrokenPromise` where it cannot be so."""
    match answer:
        case Refused():
            return check_refusal(answer)
        case RatesOffered():
            rates = tuple(_checked(rate, request.currency) for rate in answer.rates)
            if not rates:
                raise BrokenPromise("it offered nothing and did not refuse")
            if len(rates) > MOST_RATES or len({rate.code for rate in rates}) != len(rates):
                raise BrokenPromise(f"rates are at most {MOST_RATES}, each with a code of its own")
            return RatesOffered(rates, notes=check_notes(answer.notes))
    raise BrokenPromise(f"it answered with {type(answer).__name__}, which is no answer of a rate source")


def _checked(rate: object, currency: str) -> ShippingRate:
    if not isinstance(rate, ShippingRate):
        raise BrokenPromise(f"it gave {type(rate).__name__} where a ShippingRate belongs")
    check_code(rate.code, "a rate's code")
    check_code(rate.name, "a rate's name")
    if not isinstance(rate.money, Money) or rate.money.currency != currency:
        raise BrokenPromise(f"a rate is not in {currency}")
    check_whole(rate.money.amount, "a rate", MAX_AMOUNT)
    if rate.money.amount == 0 and rate.is_free is not True:
        raise BrokenPromise("a rate is zero and does not say that it is free")
    carrier = check_code(rate.carrier, "a carrier") if rate.carrier else ""
    days = [
        check_whole(count, "a number of days", _MOST_DAYS)
        for count in (rate.min_days, rate.max_days)
        if count is not None
    ]
    if days != sorted(days):
        raise BrokenPromise("a rate takes at least more days than at most")
    return replace(rate, carrier=carrier)
