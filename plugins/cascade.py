"""Which connections can take a payment, in which order, and what came of asking one.

The one rule: a connector can only *narrow* "unknown". Whatever it raises, returns or fails to return, nobody else is
asked unless it is certain that nothing happened.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, cast

import httpx
import pluggy
import structlog

from connectors.http import CONNECT_PHASE, UnreadableAnswer, begin_call, has_spoken
from penstock.connector import NotSent, PaymentMethod
from penstock.money import Money
from penstock.outcome import (
    Approved,
    CaptureMode,
    CardFacts,
    FollowUp,
    Outcome,
    ProxyTransaction,
    Widget,
    check_answer,
    check_follow_up,
    check_widget,
)
from penstock.request import ChargeRequest, FollowUpRequest, ResumeRequest, WidgetRequest
from penstock.verdict import BREAKER_OPEN, Candidate, Connection, StepVerdict, Verdict, VerdictState
from plugins.cards import describe_card
from plugins.guard import Call, Crowded, DeadlinePassed, Guard
from plugins.health import Health
from plugins.masking import texts, told
from plugins.objections import objection, takes
from plugins.registry import Registry, UnusableConnection
from plugins.steps import can_follow_up, verb_for

__all__ = ["Candidate", "Cascade", "Connection", "Offer", "ProviderSilent", "Verdict"]

_RANK: Final = "(rank)"
_RANK_SECONDS: Final = 1.0
T = TypeVar("T")
_log = structlog.get_logger(__name__)


class ProviderSilent(Exception):
    """A provider could not be asked, or what it said cannot be used. Nothing was decided."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A way to pay at one connection."""

    connection_id: str
    connector_name: str
    method: str
    display_name: str


class Cascade:
    """Filters, orders and asks. ``deadline`` is in seconds; ``places`` is how many calls one connector may hold."""

    def __init__(
        self,
        registry: Registry,
        pm: pluggy.PluginManager | None = None,
        *,
        deadline: float = 25.0,
        places: int = 32,
        health: Health | None = None,
    ) -> None:
        self._registry = registry
        self._pm = pm
        self._deadline = deadline
        self._guard = Guard(places=places)
        self.health = health or Health()

    def candidates(
        self, connections: Iterable[Connection], request: ChargeRequest, *, is_imagined: bool = False
    ) -> Sequence[Candidate]:
        """Return who can take this charge: the application's order, then points from `penstock_rank`, stable.

        An imagined charge has no token, so that nobody's token can be the wrong one.
        """
        able = [c for c in self._usable(connections) if not objection(c.connector, request, is_imagined=is_imagined)]
        if len(able) > 1:
            points = self._points(request, [c.connector_name for c in able])
            able.sort(key=lambda c: -points.get(c.connector_name, 0))
        return able

    def objection(self, connection: Connection, request: ChargeRequest, *, is_imagined: bool = False) -> str:
        """Return why a connection cannot take a charge, or "" where it can."""
        for candidate in self._usable([connection]):
            return objection(candidate.connector, request, is_imagined=is_imagined)
        return "unusable"

    def candidate(self, connection: Connection) -> Candidate | None:
        """Return the candidate for one connection, active or not: to ask it about an earlier attempt. None if unusable."""
        return next(iter(self._usable([replace(connection, is_active=True)])), None)

    def offers(self, connections: Iterable[Connection], *, currency: str) -> list[Offer]:
        """Return the ways to pay in a currency, in the application's order. A connector that fails offers nothing."""
        return [
            Offer(c.connection_id, c.connector_name, offered.method, offered.display_name)
            for c in self._usable(connections)
            if takes(c.connector, currency)
            for offered in self._methods(c)
        ]

    @property
    def deadline(self) -> float:
        """How many seconds all the attempts of one payment may take together."""
        return self._deadline

    def is_failing(self, connection_id: str) -> bool:
        """Tell whether too many charges of a connection fail, so that it is passed over or tried with care."""
        return self.health.state_of(connection_id) != "closed"

    def ways(self, connection: Connection) -> list[Offer] | None:
        """Return the ways to pay at one connection in any currency; None where it is unusable or could not say."""
        for candidate in self._usable([connection]):
            try:
                found = self._claimed(candidate)
            except ProviderSilent as exc:
                _log.warning("connector_offers_nothing", connector=candidate.connector_name, error=str(exc))
                return None
            name = candidate.connector_name
            return [Offer(connection.id, name, offered.method, offered.display_name) for offered in found]
        return None

    def describe(self, connections: Iterable[Connection], token: str) -> CardFacts | None:
        """Return what the first connector that knows it says about the card behind a token; None if nobody does."""
        return describe_card(self._guard, self._usable(connections), token)

    def call(self, candidate: Candidate, request: ChargeRequest, *, within: float | None = None) -> Verdict:
        """Charge once, in ``within`` seconds or the deadline. Raises `CalledInsideTransaction`; the verdict has the rest."""

        def work() -> Outcome:
            begin_call()
            return check_answer(candidate.connector.charge(request), request.money, request.capture)

        if not self.health.admits(candidate, "charge"):
            return Verdict("not_sent", error=BREAKER_OPEN)
        secrets = (request.method_token, *texts(candidate.connector))
        verdict = self._verdict(candidate, work, secrets, within=within)
        self.health.note(candidate, "charge", verdict)
        return verdict

    def resume(self, candidate: Candidate, request: ResumeRequest, *, within: float | None = None) -> Verdict:
        """Go on with a charge whose buyer came back. Whatever is not an answer leaves its outcome open."""

        def work() -> Outcome:
            return check_answer(candidate.connector.resume(request), request.money, request.capture)

        secrets = (*request.query.values(), *texts(candidate.connector))
        told = self._verdict(candidate, work, secrets, within=within)
        # The charge was sent long ago: that its sequel was not says nothing about it.
        return Verdict("unknown", error=told.error) if told.state in ("not_sent", "rejected") else told

    def find(
        self,
        candidate: Candidate,
        key: str,
        *,
        money: Money | None = None,
        capture: CaptureMode = "automatic",
        within: float | None = None,
    ) -> Verdict | None:
        """Ask what became of a charge; None means the provider has none. Give ``money`` to have the amount checked.

        A failure to ask is "unknown": it says nothing about the charge.
        """

        def work() -> Outcome | None:
            found = candidate.connector.find(key)
            return None if found is None else _checked(found, money, capture)

        if not candidate.connector.capabilities.lookup:
            return Verdict("unknown", error=f"{candidate.connector_name} cannot look charges up")
        try:
            ended = self._guard.run(candidate.connector_name, work, seconds=within or self._deadline)
        except (Crowded, DeadlinePassed) as exc:
            return Verdict("unknown", error=str(exc))
        if ended.raised is not None:
            return Verdict("unknown", error=told(ended, texts(candidate.connector)))
        return None if ended.value is None else Verdict.of(ended.value)

    def reverse(self, candidate: Candidate, key: str, *, within: float | None = None) -> bool:
        """Ask the provider to undo whatever the charge with this key did. True only if it confirmed that in time."""
        if not candidate.connector.capabilities.reverse_by_reference:
            return False
        try:
            ended = self._guard.run(
                candidate.connector_name, lambda: candidate.connector.reverse(key), seconds=within or self._deadline
            )
        except (Crowded, DeadlinePassed) as exc:
            _log.warning("reversal_unanswered", connector=candidate.connector_name, error=str(exc))
            return False
        if ended.raised is not None:
            error = told(ended, texts(candidate.connector))
            _log.warning("reversal_failed", connector=candidate.connector_name, error=error)
        return ended.value is True

    def _verdict(
        self, candidate: Candidate, work: Callable[[], Outcome], secrets: Iterable[str], *, within: float | None
    ) -> Verdict:
        seconds = self._deadline if within is None else min(within, self._deadline)
        try:
            ended = self._guard.run(candidate.connector_name, work, seconds=seconds)
        except Crowded as exc:
            return Verdict("not_sent", error=str(exc))
        except DeadlinePassed as exc:
            return Verdict("unknown", error=str(exc), doubt="running")
        if ended.value is not None:
            return Verdict.of(ended.value)
        state: VerdictState = "not_sent" if _is_unsent(ended) else "unknown"
        return Verdict(state, error=told(ended, secrets), doubt="transport" if _is_silence(ended) else "")

    def read_transaction(self, candidate: Candidate, ref: str) -> ProxyTransaction | None:
        """Read a payment made in the provider's own widget. Raises `ProviderSilent`."""
        found = self._asked(candidate, lambda: candidate.connector.read_transaction(ref))
        if found is not None and not (isinstance(found, ProxyTransaction) and found.ref == ref):
            raise ProviderSilent(f"{candidate.connector_name} answered for something else")
        return found

    def open_widget(self, candidate: Candidate, request: WidgetRequest) -> Widget:
        """Have a provider's own widget opened for one session. Raises `ProviderSilent`."""
        try:
            return self._asked(candidate, lambda: check_widget(candidate.connector.open_widget(request)))
        except ProviderSilent as exc:
            _log.warning("widget_not_opened", connector=candidate.connector_name, error=str(exc))
            raise

    def follow_up(self, candidate: Candidate, request: FollowUpRequest) -> StepVerdict:
        """Capture, void or refund once. Raises `CalledInsideTransaction`; everything else is in the verdict."""

        def work() -> FollowUp:
            begin_call()
            return check_follow_up(verb_for(candidate.connector, request)(), request.money)

        if not can_follow_up(candidate.connector, request):
            return StepVerdict("not_sent", error=f"{candidate.connector_name} does not claim this")
        try:
            ended = self._guard.run(candidate.connector_name, work, seconds=self._deadline)
        except Crowded as exc:
            return StepVerdict("not_sent", error=str(exc))
        except DeadlinePassed as exc:
            return StepVerdict("unknown", error=str(exc), is_running=True)
        if ended.value is not None:
            return StepVerdict.of(ended.value)
        error = told(ended, texts(candidate.connector))
        return StepVerdict("not_sent" if _is_unsent(ended) else "unknown", error=error)

    def find_follow_up(self, candidate: Candidate, request: FollowUpRequest) -> StepVerdict | None:
        """Ask what became of a capture, void or refund; None means that the provider has none under its key.

        A failure to ask is "unknown": it says nothing about what was asked before.
        """

        def work() -> FollowUp | None:
            found = candidate.connector.find_follow_up(request)
            return None if found is None else check_follow_up(found, request.money)

        if not candidate.connector.capabilities.follow_up_lookup:
            return StepVerdict("unknown", error=f"{candidate.connector_name} cannot look this up")
        try:
            ended = self._guard.run(candidate.connector_name, work, seconds=self._deadline)
        except (Crowded, DeadlinePassed) as exc:
            return StepVerdict("unknown", error=str(exc))
        if ended.raised is not None:
            return StepVerdict("unknown", error=told(ended, texts(candidate.connector)))
        return None if ended.value is None else StepVerdict.of(ended.value)

    def _methods(self, candidate: Candidate) -> list[PaymentMethod]:
        try:
            return self._claimed(candidate)
        except ProviderSilent as exc:
            _log.warning("connector_offers_nothing", connector=candidate.connector_name, error=str(exc))
            return []

    def _claimed(self, candidate: Candidate) -> list[PaymentMethod]:
        """Return the methods that the account offers, of those that the connector claims. Raises `ProviderSilent`."""
        offered = self._asked(candidate, lambda: list(candidate.connector.payment_methods()))
        claimed = candidate.connector.capabilities.methods
        return [
            m
            for m in offered
            if isinstance(m, PaymentMethod) and m.method in claimed and isinstance(m.display_name, str)
        ]

    def _asked(self, candidate: Candidate, work: Callable[[], T]) -> T:
        try:
            ended = self._guard.run(candidate.connector_name, work, seconds=self._deadline)
        except (Crowded, DeadlinePassed) as exc:
            raise ProviderSilent(str(exc)) from exc
        if ended.raised is not None:
            raise ProviderSilent(told(ended, texts(candidate.connector)))
        return cast("T", ended.value)

    def _usable(self, connections: Iterable[Connection]) -> list[Candidate]:
        usable = []
        for connection in connections:
            if not connection.is_active:
                continue
            try:
                built = self._registry.build(connection)
            except UnusableConnection as exc:
                _log.warning("connection_unusable", connection_id=connection.id, error=str(exc))
                continue
            scope = getattr(connection, "scope", None)
            usable.append(Candidate(connection.id, connection.connector, built, scope))
        return usable

    def _points(self, request: ChargeRequest, names: Sequence[str]) -> Mapping[str, int]:
        if self._pm is None or not self._pm.hook.penstock_rank.get_hookimpls():
            return {}
        hook, shown = self._pm.hook.penstock_rank, replace(request, method_token="")
        try:
            ended = self._guard.run(
                _RANK, lambda: _summed(hook(request=shown, candidates=tuple(names))), seconds=_RANK_SECONDS
            )
        except (Crowded, DeadlinePassed) as exc:
            _log.warning("rank_ignored", error=str(exc))
            return {}
        if ended.raised is not None or ended.value is None:
            _log.warning("rank_ignored", error=told(ended, ()))
            return {}
        return ended.value


def _summed(given: Iterable[Any]) -> dict[str, int]:
    points: dict[str, int] = {}
    for one in given:
        for name, score in one.items():
            points[name] = points.get(name, 0) + int(score)
    return points


def _checked(found: Outcome, money: Money | None, capture: CaptureMode) -> Outcome:
    if money is None and isinstance(found, Approved):
        is_held = found.authorized is not None and found.captured.amount == 0
        money, capture = (found.authorized, "manual") if is_held else (found.captured, "automatic")
    return check_answer(found, money or Money(0, "XXX"), capture)


def _is_unsent(ended: Call[Any]) -> bool:
    if isinstance(ended.raised, NotSent):
        return True
    # A connector with a client of its own: proof only if this was the first thing it sent.
    return isinstance(ended.raised, CONNECT_PHASE) and not has_spoken(ended.context)


def _is_silence(ended: Call[Any]) -> bool:
    """Tell whether the wire failed and not the answer: the only doubt that a repeat with the same key may clear up."""
    return isinstance(ended.raised, (httpx.TransportError, OSError)) and not isinstance(ended.raised, UnreadableAnswer)
