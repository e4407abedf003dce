"""Claims what is due and rings the bell for it. Any number of relays may run: each row is claimed by one at a time.

The one rule: a message carries a row's id and the number of its claim, nothing else. Whoever gets it reads the row.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from penstock.clock import Clock, monotonic_seconds
from penstock.ports import DueRow

BATCH: Final = 100
"""How many rows one round claims at the most."""

LEASE: Final = timedelta(seconds=90)
"""How long a claimed row is left to its worker. Longer than a provider's deadline, or work is done twice."""

BEAT_SECONDS: Final = 1.0
"""How often the relay looks when nobody nudges it."""

BREATH_SECONDS: Final = 0.05
"""The shortest wait between two rounds that were nudged: what is written meanwhile shares the next one."""

PATIENCE_SECONDS: Final = 0.5
"""How long the relay holds back at the most while this process has enough to do: other work is due as well."""

CHORES_SECONDS: Final = 60.0
"""How often a relay does its chores."""

MAX_PAUSE_SECONDS: Final = 30.0
"""The longest wait between two rounds while the database or the broker cannot be reached."""

_log = structlog.get_logger(__name__)


Chore = Callable[[datetime], object]


class DueRows(Protocol):
    """The rows of every tenant, as the jobs see them. `storage.due` fits this."""

    def claim(self, now: datetime, *, limit: int, lease: timedelta) -> Sequence[DueRow]:
        """Claim what is due and not leased: counts the claim, sets the lease, commits."""
        ...

    def read(self, row_id: str, attempt: int) -> DueRow | None:
        """Return the row if this claim is its last one and it is not done."""
        ...

    def claim_there(self, environment_id: str, now: datetime, *, limit: int, lease: timedelta) -> Sequence[DueRow]:
        """Claim what is due in one environment by its test clock, in the order of its moments."""
        ...

    def put_off(self, row: DueRow, run_at: datetime, *, went_well: bool = True) -> bool:
        """Give the row back until ``run_at`` by its environment's clock. False if it is done or somebody else's by now."""
        ...

    def retry(self, row: DueRow, run_at: datetime, *, went_well: bool = False) -> bool:
        """Give the row back until ``run_at`` by the machine's clock, as a rule after a failure of our own."""
        ...


class Relay:
    """A thread that turns due rows into messages. ``send`` gets each batch of rows that it claimed.

    ``hand_on`` is done before each look and returns whether there may be more of it at once. While ``has_plenty`` the
    relay holds back for a little. ``chores`` are done once a minute, each with the present moment; several relays may
    do the same one at once.
    """

    def __init__(
        self,
        rows: DueRows,
        send: Callable[[Sequence[DueRow]], object],
        clock: Clock,
        chores: Sequence[Chore] = (),
        *,
        hand_on: Callable[[datetime], bool] | None = None,
        has_plenty: Callable[[], bool] | None = None,
    ) -> None:
        self._rows = rows
        self._send = send
        self._clock = clock
        self._chores = chores
        self._hand_on = hand_on
        self._has_plenty = has_plenty
        self._chores_at = monotonic_seconds()
        self._wake = threading.Event()
        self._breath = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look for due rows."""
        self._thread = threading.Thread(target=self._run, name="penstock-relay", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Look now rather than at the next beat."""
        self._wake.set()

    def stop(self, timeout: float = 10.0) -> None:
        """Finish the round that is running, and end. ``timeout`` is in seconds."""
        self._stopping = True
        self._wake.set()
        self._breath.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def run_once(self) -> int:
        """Claim one batch, send messages for its rows, and return how many there were."""
        claimed = self._rows.claim(self._clock.now(), limit=BATCH, lease=LEASE)
        if claimed:
            self._send(claimed)
        return len(claimed)

    def _run(self) -> None:
        pause = BEAT_SECONDS
        while not self._stopping:
            self._wake.clear()
            try:
                self._do_chores()
                has_more = self._hand_on(self._clock.now()) if self._hand_on is not None else False
                self._hold_back()
                has_more |= self.run_once() == BATCH
                pause = 0.0 if has_more else BEAT_SECONDS
            except Exception:  # noqa: BLE001  whatever fails, the relay must be there when it works again
                pause = min(max(pause, BEAT_SECONDS) * 2, MAX_PAUSE_SECONDS)
                _log.exception("relay_round_failed", retry_in_seconds=pause)
            if not self._stopping and pause and self._wake.wait(pause):
                self._breath.wait(BREATH_SECONDS)

    def _hold_back(self) -> None:
        until = monotonic_seconds() + PATIENCE_SECONDS
        while not self._stopping and self._has_plenty is not None and self._has_plenty():
            if monotonic_seconds() >= until:
                return
            self._breath.wait(BREATH_SECONDS)

    def _do_chores(self) -> None:
        if monotonic_seconds() < self._chores_at:
            return
        self._chores_at = monotonic_seconds() + CHORES_SECONDS
        for chore in self._chores:
            chore(self._clock.now())
