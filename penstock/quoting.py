"""What asking outside tax engines and rate sources comes to. A source that fails is told of; it never counts as zero."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from penstock.place import Detail
from penstock.rate_source import RateRequest, ShippingRate
from penstock.source import RefusalKind
from penstock.tax_engine import RatesFound, TaxesCalculated, TaxRequest
from penstock.verdict import Connection

FailureKind = RefusalKind | Literal["unreachable", "timeout", "busy", "contract", "failed"]

_PASSING: Final = frozenset({"rate_limited", "unreachable", "timeout", "busy", "failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFailure:
    """Why a source gave no answer. ``message`` may be shown to the merchant: it holds no secret.

    Beside the kinds of `Refused`: ``unreachable`` (it never heard us), ``timeout``, ``busy`` (all its places were
    taken), ``contract`` (its answer cannot be so), ``failed`` (anything else). ``missing`` names what of the
    destination has to be known first; the source was not asked then.
    """

    connection_id: str
    source: str
    kind: FailureKind
    message: str
    missing: tuple[Detail, ...] = ()

    @property
    def may_pass(self) -> bool:
        """Whether asking again later could help, with nothing changed."""
        return self.kind in _PASSING


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedRate:
    """One way to send it, and who offers it."""

    connection_id: str
    source: str
    rate: ShippingRate
    is_cached: bool = field(default=False, compare=False)

    @property
    def method_id(self) -> str:
        """What a buyer chooses it by: the same for the same connection and code."""
        return f"{self.connection_id}:{self.rate.code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNote:
    """What a source said beside its rates."""

    connection_id: str
    source: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatheredRates:
    """What all sources together came to: cheapest first, and everything that is missing is told of."""

    offers: tuple[OfferedRate, ...] = ()
    failures: tuple[SourceFailure, ...] = ()
    notes: tuple[SourceNote, ...] = ()

    def offer(self, method_id: str) -> OfferedRate | None:
        """Return the offer that a buyer chose, or None if nobody makes it."""
        return next((each for each in self.offers if each.method_id == method_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxFound:
    """What an engine answered, checked: rates or amounts for every part of the request."""

    connection_id: str
    source: str
    answer: RatesFound | TaxesCalculated
    is_cached: bool = field(default=False, compare=False)


class Quoter(Protocol):
    """Asks tax engines and rate sources, under one deadline, never inside a transaction. Neither call raises for a source.

    ``version`` is whatever else an answer depends on, the version of the merchant's configuration say: answers that
    were kept are only given again under the same.
    """

    def gather(self, connections: Sequence[Connection], request: RateRequest, *, version: str = "") -> GatheredRates:
        """Ask all these sources side by side and return what came in time."""
        ...

    def tax(self, connection: Connection, request: TaxRequest, *, version: str = "") -> TaxFound | SourceFailure:
        """Ask one engine."""
        ...
