"""Moves the test clocks of environments: from one moment at which something is due to the next.

The one rule: it needs nobody else. What it sets free it does itself, so that a crew of one thread can move a clock; others
may help.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from jobs.relay import BATCH, LEASE, DueRows
from penstock.clock import Clock, monotonic_seconds
from penstock.flows.move_clock import advance_clock
from penstock.flows.queue_delivery import DELIVER
from penstock.ports import DueRow, OpenWork

BUDGET_SECONDS: Final = 20.0
"""How long one claim of the row moves a clock before it gives the row back: well within its lease."""

GLANCE_SECONDS: Final = 0.02
"""How long to wait for deliveries that are on their way."""

AGAIN: Final = timedelta(milliseconds=100)


class Clockwork:
    """Moves clocks. ``hand_on`` turns events into deliveries, ``run`` does a row, ``post`` takes deliveries."""

    def __init__(
        self,
        work: OpenWork,
        clock: Clock,
        rows: DueRows,
        *,
        hand_on: Callable[[datetime], object],
        run: Callable[[str, int], object],
        post: Callable[[Sequence[DueRow]], object],
    ) -> None:
        self._work = work
        self._clock = clock
        self._rows = rows
        self._hand_on = hand_on
        self._run = run
        self._post = post

    def move(self, row: DueRow) -> None:
        """Move the clock of a row's environment until it stands where it should, or for as long as one claim may last."""
        until = monotonic_seconds() + BUDGET_SECONDS
        while monotonic_seconds() < until:
            with self._work(row.scope) as uow:
                moved = advance_clock(uow)
                if moved is None:
                    uow.due.done(row.kind, row.object_id)
                    return
            if not self._do(row.scope.environment_id) and not moved:
                time.sleep(GLANCE_SECONDS)
        self._rows.retry(row, self._clock.now() + AGAIN, went_well=True)

    def _do(self, environment_id: str) -> bool:
        """Do what is due in the environment; tell whether there was anything."""
        now = self._clock.now()
        self._hand_on(now)
        claimed = self._rows.claim_there(environment_id, now, limit=BATCH, lease=LEASE)
        for row in claimed:
            if row.kind != DELIVER:
                self._run(row.id, row.attempt)
        letters = [row for row in claimed if row.kind == DELIVER]
        if letters:
            self._post(letters)
        return bool(claimed)
