"""Asks outside tax engines and rate sources: side by side, under one deadline, every answer checked.

The one rule: a source that gives no answer is told of. It is never left out in silence, and it never counts as zero.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import httpx
import structlog

from penstock.boundary import assert_no_transaction
from penstock.clock import Clock, monotonic_seconds
from penstock.connector import NotSent, Provider
from penstock.outcome import BrokenPromise
from penstock.place import Detail
from penstock.quoting import FailureKind, GatheredRates, OfferedRate, SourceFailure, SourceNote, TaxFound
from penstock.rate_source import RateAnswer, RateClaims, RateRequest, check_rates
from penstock.source import Refused
from penstock.tax_engine import TaxAnswer, TaxClaims, TaxRequest, check_taxes, exempted
from penstock.verdict import Connection
from plugins.answers import Answers, Key, Numbered, key_of
from plugins.guard import Call, Crowded, DeadlinePassed, Guard, Running
from plugins.masking import texts, told
from plugins.pauses import Pauses
from plugins.registry import Engines, Sources
from plugins.shelf import Shelf, UnusableConnection

SECONDS: Final = 6.0
"""How long all sources of one question may take together. A buyer waits."""

PLACES: Final = 32
MOST_SOURCES: Final = 20
"""How many sources one question may go to."""

_TOO_MANY: Final = f"it was not asked: one question goes to {MOST_SOURCES} sources"

T = TypeVar("T")
P = TypeVar("P", bound=Provider)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T]):
    """A question on its way: to whom, whose settings must not be told, and under which key its answer is kept."""

    connection: Connection
    provider: Provider
    key: Key
    running: Running[T]


class Quoting:
    """Fits `penstock.quoting.Quoter`. ``seconds`` is the deadline, ``places`` how many calls one plugin may hold."""

    def __init__(
        self,
        engines: Engines,
        sources: Sources,
        clock: Clock,
        *,
        seconds: float = SECONDS,
        places: int = PLACES,
        answers: Answers | None = None,
    ) -> None:
        self._engines = engines
        self._sources = sources
        self._seconds = seconds
        self._guard = Guard(places=places)
        self._answers = Answers(clock) if answers is None else answers
        self._pauses = Pauses(clock)

    def gather(self, connections: Sequence[Connection], request: RateRequest, *, version: str = "") -> GatheredRates:
        """Ask these sources side by side; give what came in time, the cheapest first, and tell of everything else.

        Raises `CalledInsideTransaction`.
        """
        assert_no_transaction()
        until = monotonic_seconds() + self._seconds
        begun = [(each, self._begin_rates(each, request, version)) for each in connections[:MOST_SOURCES]]
        ended = [(each, self._ended(one, until) if isinstance(one, _Asked) else one) for each, one in begun]
        late = [(each, _failure(each, "busy", _TOO_MANY)) for each in connections[MOST_SOURCES:]]
        return _together([*ended, *late])

    def tax(self, connection: Connection, request: TaxRequest, *, version: str = "") -> TaxFound | SourceFailure:
        """Ask one engine for every part of a cart. Raises `CalledInsideTransaction`, and nothing for the engine's sake."""
        assert_no_transaction()
        until = monotonic_seconds() + self._seconds
        numbered = Numbered(request)
        one = self._begin_tax(connection, numbered.request, version)
        given = self._ended(one, until) if isinstance(one, _Asked) else one
        if isinstance(given, SourceFailure):
            return given
        answer, is_cached = given
        return TaxFound(
            connection_id=connection.id,
            source=connection.connector,
            answer=numbered.named(answer),
            is_cached=is_cached,
        )

    def close(self) -> None:
        """Close the HTTP clients of engines and sources."""
        self._engines.close()
        self._sources.close()

    def _begin_rates(
        self, connection: Connection, request: RateRequest, version: str
    ) -> "_Asked[RateAnswer] | SourceFailure | tuple[Any, bool]":
        source = _built(self._sources, connection)
        if isinstance(source, SourceFailure):
            return source
        for unfit in _unfit_rates(source.capabilities, request):
            return _failure(connection, *unfit)
        return self._begin(
            connection,
            source,
            key_of(connection, version, request),
            lambda: check_rates(source.quote(request), request),
        )

    def _begin_tax(
        self, connection: Connection, request: TaxRequest, version: str
    ) -> "_Asked[TaxAnswer] | SourceFailure | tuple[Any, bool]":
        engine = _built(self._engines, connection)
        if isinstance(engine, SourceFailure):
            return engine
        for unfit in _unfit_tax(engine.capabilities, request):
            return _failure(connection, *unfit)
        if request.exemption is not None and not engine.capabilities.exemptions:
            return exempted(request, request.exemption), False
        return self._begin(
            connection,
            engine,
            key_of(connection, version, request),
            lambda: check_taxes(engine.calculate(request), request),
        )

    def _begin(
        self, connection: Connection, provider: Provider, key: Key, work: Callable[[], T]
    ) -> "_Asked[T] | SourceFailure | tuple[Any, bool]":
        kept = self._answers.get(key)
        if kept is not None:
            return kept, True
        if self._pauses.is_paused(connection.id):
            return _failure(connection, "busy", "it failed several times in a row, and is left alone for some seconds")
        try:
            return _Asked(connection, provider, key, self._guard.start(connection.connector, work))
        except Crowded:
            return _failure(connection, "busy", "too many questions are on their way to it")

    def _ended(self, asked: _Asked[Any], until: float) -> SourceFailure | tuple[Any, bool]:
        """Wait for an answer until a moment, keep it if it is a good one, and note how it ended."""
        ended = self._answer(asked, until)
        self._pauses.note(asked.connection.id, ended.kind if isinstance(ended, SourceFailure) else None)
        return ended

    def _answer(self, asked: _Asked[Any], until: float) -> SourceFailure | tuple[Any, bool]:
        connection = asked.connection
        try:
            call = asked.running.wait(max(until - monotonic_seconds(), 0.0))
        except DeadlinePassed:
            return _failure(connection, "timeout", f"it did not answer within {self._seconds:g} seconds")
        if call.raised is not None:
            return _failure(connection, _kind_of(call), told(call, texts(asked.provider)))
        answer = call.value
        if isinstance(answer, Refused):
            said = answer.message if not answer.provider_code else f"{answer.message} ({answer.provider_code})"
            return _failure(connection, answer.kind, _clean(said, asked.provider))
        self._answers.keep(asked.key, answer)
        return answer, False


def _built(shelf: Shelf[P], connection: Connection) -> P | SourceFailure:
    try:
        return shelf.build(connection)
    except UnusableConnection as exc:
        return _failure(connection, "configuration", str(exc)[:300])


_Unfit = tuple[FailureKind, str, tuple[Detail, ...]]


def _unfit_rates(claims: RateClaims, request: RateRequest) -> Iterator[_Unfit]:
    """Yield why a source need not be asked."""
    origin, destination, parcels = request.origin, request.destination, len(request.parcels)
    if not _has(claims.currencies, request.currency):
        yield "not_served", f"it gives no rates in {request.currency}", ()
    if not _has(claims.destinations, destination.country):
        yield "not_served", f"it sends nothing to {destination.country}", ()
    if missing := destination.lacks(claims.needs):
        yield "address", f"the destination lacks {', '.join(missing)}", missing
    if origin is None and (claims.origins is not None or claims.needs_of_origin):
        yield "configuration", "it has to know where parcels are sent from", ()
    if origin is not None and not _has(claims.origins, origin.country):
        yield "not_served", f"it sends nothing from {origin.country}", ()
    if origin is not None and (lacks := origin.lacks(claims.needs_of_origin)):
        yield "configuration", f"the place that parcels are sent from lacks {', '.join(lacks)}", ()
    if not 0 < parcels <= claims.most_parcels:
        yield "not_served", f"it takes 1 to {claims.most_parcels} parcels, not {parcels}", ()


def _unfit_tax(claims: TaxClaims, request: TaxRequest) -> Iterator[_Unfit]:
    """Yield why an engine need not be asked."""
    if not _has(claims.currencies, request.currency):
        yield "not_served", f"it knows no taxes in {request.currency}", ()
    if not _has(claims.countries, request.destination.country):
        yield "not_served", f"it knows no taxes in {request.destination.country}", ()
    if not (claims.inclusive if request.is_included else claims.exclusive):
        yield "not_served", f"it knows no prices {'with' if request.is_included else 'without'} tax", ()
    if missing := request.destination.lacks(claims.needs):
        yield "address", f"the destination lacks {', '.join(missing)}", missing
    if claims.needs_origin and request.origin is None:
        yield "configuration", "it has to know where goods are sent from", ()


def _has(claimed: frozenset[str] | None, value: str) -> bool:
    return claimed is None or value in claimed


def _kind_of(call: Call[Any]) -> FailureKind:
    if isinstance(call.raised, BrokenPromise):
        return "contract"
    if isinstance(call.raised, httpx.TimeoutException):
        return "timeout"
    return "unreachable" if isinstance(call.raised, NotSent) else "failed"


def _failure(
    connection: Connection, kind: FailureKind, message: str, missing: tuple[Detail, ...] = ()
) -> SourceFailure:
    if kind not in ("address", "not_served"):
        _log.warning("source_gave_no_answer", source=connection.connector, kind=kind, error=message)
    return SourceFailure(
        connection_id=connection.id, source=connection.connector, kind=kind, message=message, missing=missing
    )


def _clean(text: str, provider: Provider) -> str:
    for secret in texts(provider):
        text = text.replace(secret, "***")
    return text


def _together(ended: Sequence[tuple[Connection, SourceFailure | tuple[Any, bool]]]) -> GatheredRates:
    offers: list[OfferedRate] = []
    failures: list[SourceFailure] = []
    notes: list[SourceNote] = []
    for connection, given in ended:
        if isinstance(given, SourceFailure):
            failures.append(given)
            continue
        answer, is_cached = given
        names = {"connection_id": connection.id, "source": connection.connector}
        offers += [OfferedRate(**names, rate=rate, is_cached=is_cached) for rate in answer.rates]
        notes += [SourceNote(**names, message=note) for note in answer.notes]
    offers.sort(key=lambda offer: offer.rate.money.amount)
    return GatheredRates(offers=tuple(offers), failures=tuple(failures), notes=tuple(notes))
