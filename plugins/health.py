"""Keeps a breaker for each connection and operation, and tells when one opens or closes.

The one rule: a call costs a lock and a few additions. Redis and the database are only reached from a thread beside.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Final, Protocol

import structlog

from penstock.caller import Scope
from penstock.clock import monotonic_seconds
from penstock.health import Breaker, Change, Incident, State, is_refusal, is_technical
from penstock.ids import new_id
from penstock.verdict import Candidate, Verdict

CREDENTIALS: Final = "credentials"
"""What stands for the operation where a provider refuses a connection's credentials, whatever was asked of it."""

SHARE_SECONDS: Final = 1.0
"""How often processes tell each other what they counted."""

Key = tuple[str, str]
"""A connection's id and an operation."""

Announce = Callable[[Incident], object]
_log = structlog.get_logger(__name__)
_ACCOUNT: Final = frozenset[Change]({"refused", "accepted"})
_BEGINNINGS: Final = frozenset[Change]({"refused", "degraded"})
_TAKEN: Final = frozenset({"approved", "pending", "declined"})
"""How a call ends that a provider let in."""


class Board(Protocol):
    """Where processes share what they counted. `plugins.health_board.RedisBoard` fits this."""

    def exchange(self, counted: dict[Key, tuple[int, int]], known: list[Key]) -> dict[Key, tuple[int, int]]:
        """Add what was counted here and return the calls and failures of the last five minutes, for each known key."""
        ...

    def open(self, key: Key, incident_id: str) -> bool:
        """Write down that a breaker opened. False if another process was first."""
        ...

    def open_seconds(self, known: list[Key]) -> dict[Key, float]:
        """Return how much longer the breakers that any process opened stay open."""
        ...

    def close(self, key: Key) -> str | None:
        """Return the incident that ends, to the first process that asks."""
        ...


class Watcher(Protocol):
    """What counts calls and changes for the operator. `handlers.metrics.Metrics` fits this."""

    def count_call(self, connector: str, operation: str, state: str) -> None:
        """Count one call of a provider."""
        ...

    def count_change(self, connector: str, operation: str, change: str) -> None:
        """Count a breaker that opened or closed."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """One breaker as it stands, with the calls and failures of the last five minutes."""

    connection_id: str
    operation: str
    state: State
    calls: int
    failures: int


@dataclass(frozen=True, slots=True)
class _News:
    key: Key
    change: Change
    scope: Scope | None
    connector: str


class Health:
    """The breakers of this process. With ``is_dry_run`` they open and close in the log alone."""

    def __init__(
        self,
        *,
        is_dry_run: bool = False,
        board: Board | None = None,
        announce: Announce | None = None,
        now: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self._is_dry_run = is_dry_run
        self._board = board
        self._announce = announce
        self._now = now
        self._lock = Lock()
        self._sharing = Lock()
        self._breakers: dict[Key, Breaker] = defaultdict(Breaker)
        self._counted: dict[Key, list[int]] = defaultdict(lambda: [0, 0])
        self._incidents: dict[Key, str] = {}
        self._refused: set[str] = set()
        self._news: deque[_News] = deque()
        self._over = Event()
        self._thread: Thread | None = None
        self._watchers: tuple[Watcher, ...] = ()

    def watch(self, watcher: Watcher) -> None:
        """Have every call and every change counted from now on."""
        self._watchers = (watcher,)

    def admits(self, candidate: Candidate, operation: str) -> bool:
        """Whether this connection may be called for this operation now."""
        key = (candidate.connection_id, operation)
        with self._lock:
            breaker = self._breakers.get(key)
            is_admitted = breaker is None or breaker.admit(self._now())
        return is_admitted or self._is_dry_run

    def note(self, candidate: Candidate, operation: str, verdict: Verdict) -> None:
        """Count how a call ended."""
        key, is_failure = (candidate.connection_id, operation), is_technical(verdict)
        with self._lock:
            change = self._breakers[key].note(self._now(), is_failure=is_failure)
            if self._board is not None:
                counted = self._counted[key]
                counted[0] += 1
                counted[1] += is_failure
        for watcher in self._watchers:
            watcher.count_call(candidate.connector_name, operation, verdict.state)
        if change is not None:
            self._changed(candidate, key, change)
        change = self._note_credentials(candidate, operation, verdict) or change
        if self._thread is None and (self._board is not None or change is not None):
            self._start()

    def _note_credentials(self, candidate: Candidate, operation: str, verdict: Verdict) -> Change | None:
        """Tell the merchant once that the provider refuses the account, until it takes it again."""
        is_refused = is_refusal(verdict)
        if not is_refused and (not self._refused or verdict.state not in _TAKEN):
            return None
        with self._lock:
            if is_refused == (candidate.connection_id in self._refused):
                return None
            (self._refused.add if is_refused else self._refused.discard)(candidate.connection_id)
        change: Change = "refused" if is_refused else "accepted"
        self._changed(candidate, (candidate.connection_id, operation), change)
        return change

    def _changed(self, candidate: Candidate, key: Key, change: Change) -> None:
        name = candidate.connector_name
        _log.warning(f"connector_{change}", connector=name, connection_id=key[0], operation=key[1])
        for watcher in self._watchers:
            watcher.count_change(name, key[1], change)
        if not self._is_dry_run or change in _ACCOUNT:
            self._news.append(_News(key, change, candidate.scope, name))

    def reports(self) -> list[Report]:
        """Return every breaker of this process that was ever asked."""
        now = self._now()
        with self._lock:
            return [Report(*key, one.state, *one.totals(now)) for key, one in self._breakers.items()]

    def state_of(self, connection_id: str, operation: str = "charge") -> State:
        """Return how one connection stands."""
        with self._lock:
            breaker = self._breakers.get((connection_id, operation))
            return "closed" if breaker is None else breaker.state

    def close(self) -> None:
        """Tell what is still to be told, and end."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(5)

    def share(self) -> None:
        """Tell the other processes and the merchants what happened here, and take over what others saw."""
        with self._sharing:
            while self._news:
                self._tell(self._news[0])
                self._news.popleft()  # only now: what could not be told is told again
            if self._board is not None:
                self._exchange(self._board)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._over.is_set():
                self._thread = Thread(target=self._run, name="penstock-health", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            is_last = self._over.wait(SHARE_SECONDS)
            try:
                self.share()
            except Exception:  # noqa: BLE001  whoever cannot be reached now is told again in a second
                _log.exception("health_not_shared")
            if is_last:
                return

    def _tell(self, news: _News) -> None:
        is_account = news.change in _ACCOUNT
        shared = (news.key[0], CREDENTIALS) if is_account else news.key
        if news.change in _BEGINNINGS:
            incident_id: str | None = self._incidents.setdefault(shared, new_id())
            if self._board is not None and not self._board.open(shared, str(incident_id)):
                return
        else:
            mine = self._incidents.pop(shared, None)
            incident_id = self._board.close(shared) if self._board is not None else mine
        if incident_id is None or news.scope is None or self._announce is None or news.change == "accepted":
            return
        incident = Incident(
            id=incident_id,
            scope=news.scope,
            connection_id=news.key[0],
            connector=news.connector,
            operation=news.key[1],
        )
        match news.change:
            case "refused":
                incident.refuse()
            case "degraded":
                incident.begin()
            case _:
                incident.end()
        self._announce(incident)

    def _exchange(self, board: Board) -> None:
        with self._lock:
            counted = {key: (calls, failures) for key, (calls, failures) in self._counted.items()}
            self._counted.clear()
            known = list(self._breakers)
        totals, still_open = board.exchange(counted, known), board.open_seconds(known)
        now = self._now()
        with self._lock:
            for key, (calls, failures) in totals.items():
                breaker = self._breakers[key]
                breaker.elsewhere = (0, 0)
                own = breaker.totals(now)
                breaker.elsewhere = (max(calls - own[0], 0), max(failures - own[1], 0))
            for key, seconds in still_open.items():
                if self._breakers[key].state == "closed":
                    self._breakers[key].trip(now, seconds)
