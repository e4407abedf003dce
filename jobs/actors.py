"""Does what a due row asks for: one actor for every kind of row.

The one rule: an effect and its row's end are committed together, so that work done twice is an effect had once.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import dramatiq
import structlog

from jobs.relay import DueRows
from jobs.turns import Turns
from penstock.cart import ABANDON
from penstock.clock import Clock
from penstock.failpoint import failpoint
from penstock.flows.abandon_cart import abandon_cart
from penstock.flows.expire_session import expire_session
from penstock.flows.follow_message import follow_message
from penstock.flows.lapse_discount import LAPSE, lapse_discount
from penstock.flows.queue_delivery import DELIVER
from penstock.flows.reconcile_follow_up import RECONCILE_STEP, reconcile_follow_up, review_follow_up
from penstock.flows.reconcile_payment import flag_for_review, reconcile_payment
from penstock.flows.return_stray import leave_stray, return_stray
from penstock.flows.send_mail import send_mail
from penstock.flows.settle_payment import EXPIRE, RECONCILE, RETURN_STRAY, SCHEDULE
from penstock.flows.take_message import FOLLOW
from penstock.mail import SEND
from penstock.ports import Cascade, DueRow, Mailer, OpenWork, Work
from penstock.standing import ADVANCE
from storage.outgoing import TELL

QUEUE: Final = "due"
FIRST_RETRY: Final = timedelta(seconds=5)
LAST_RETRY: Final = timedelta(hours=1)
"""The shortest and the longest wait after a failure of our own; it doubles in between."""

UNKNOWN_KIND_RETRY: Final = timedelta(minutes=5)
"""The wait for a kind that this version does not know: a newer worker may."""

_log = structlog.get_logger(__name__)


OUTSIDE: Final = frozenset({RECONCILE, RECONCILE_STEP, RETURN_STRAY, FOLLOW, SEND, ADVANCE, TELL})
"""The kinds of rows whose work waits for providers, for mail servers, for plugins, or for all of them."""


class Rooms(Protocol):
    """What the jobs need of `bootstrap.House`."""

    @property
    def clock(self) -> Clock:
        """What tells the time."""
        ...

    @property
    def work(self) -> OpenWork:
        """Opens units of work."""
        ...

    @property
    def cascade(self) -> Cascade:
        """Asks providers."""
        ...

    @property
    def mailer(self) -> Mailer:
        """Sends mails."""
        ...


class Runner:
    """Runs claimed rows. Safe to call from many threads, and for the same row more than once."""

    def __init__(self, rooms: Rooms, rows: DueRows, *, outside: int = 1) -> None:
        """So many threads may wait for others: one application holds a quarter of them, one kind three quarters."""
        self._rooms = rooms
        self._rows = rows
        self._of_all = Turns(outside)
        self._of_kind, self._of_one = Turns(max(outside - outside // 4, 1)), Turns(max(outside // 4, 1))
        self._kinds: dict[str, Callable[[DueRow], None]] = {
            RECONCILE: self._reconcile_payment,
            RECONCILE_STEP: self._reconcile_follow_up,
            RETURN_STRAY: self._return_stray,
            EXPIRE: self._expire_session,
            ABANDON: self._abandon_cart,
            LAPSE: self._lapse_discount,
            SEND: self._send_mail,
            FOLLOW: self._follow_message,
        }

    def learn(self, kind: str, work: Callable[[DueRow], None]) -> None:
        """Have rows of another kind done by ``work``."""
        self._kinds[kind] = work

    def run_due(self, row_id: str, attempt: int) -> None:
        """Do what the row asks for, unless it is done or another claim has it. Never raises for the row's sake.

        A row whose work waits for somebody else is done as soon as its kind and its application have room.
        """
        row = self._rows.read(row_id, attempt)
        if row is None:
            return
        if row.kind not in OUTSIDE:
            self._do(row)
            return
        of_one = (row.kind, row.scope.environment_id, row.scope.application_id)
        work = partial(self._of_one.run, of_one, partial(self.run_now, row_id, attempt))
        self._of_all.run(None, partial(self._of_kind.run, row.kind, work))

    def run_now(self, row_id: str, attempt: int) -> None:
        """Do the same without regard to how many others wait for somebody else."""
        row = self._rows.read(row_id, attempt)
        if row is not None:
            self._do(row)

    def _do(self, row: DueRow) -> None:
        work = self._kinds.get(row.kind)
        if work is None:
            _log.error("due_row_of_unknown_kind", kind=row.kind, row_id=row.id)
            self._rows.retry(row, self._rooms.clock.now() + UNKNOWN_KIND_RETRY)
            return
        try:
            work(row)
        except Exception:  # noqa: BLE001  one row's failure is its own: it is tried again, and the worker goes on
            run_at = self._rooms.clock.now() + backoff(row.attempt)
            _log.exception("due_row_failed", kind=row.kind, row_id=row.id, attempt=row.attempt, run_at=run_at)
            self._rows.retry(row, run_at)

    def stop(self) -> None:
        """Begin nothing more of what waits for room."""
        for turns in (self._of_all, self._of_kind, self._of_one):
            turns.close()

    def _expire_session(self, row: DueRow) -> None:
        with self._rooms.work(row.scope) as uow:
            expire_session(uow, row.object_id)
            uow.due.done(row.kind, row.object_id)

    def _abandon_cart(self, row: DueRow) -> None:
        with self._rooms.work(row.scope) as uow:
            again = abandon_cart(uow, row.object_id)
        failpoint("abandon.after_commit")
        if again is not None:
            self._rows.put_off(row, again)

    def _lapse_discount(self, row: DueRow) -> None:
        with self._rooms.work(row.scope) as uow:
            lapse_discount(uow, row.object_id)
            uow.due.done(row.kind, row.object_id)

    def _send_mail(self, row: DueRow) -> None:
        again = send_mail(partial(self._rooms.work, row.scope), self._rooms.mailer, row.object_id)
        if again is not None:
            self._rows.put_off(row, again, went_well=False)

    def _follow_message(self, row: DueRow) -> None:
        self._end(row, follow_message(partial(self._rooms.work, row.scope), self._rooms.cascade, row.object_id))

    def _reconcile_payment(self, row: DueRow) -> None:
        work = partial(self._rooms.work, row.scope)
        payment = reconcile_payment(work, self._rooms.cascade, row.object_id)
        since = payment.attempts[-1].started_at if payment is not None and payment.is_open else None
        self._look_again(row, since, flag_for_review)

    def _reconcile_follow_up(self, row: DueRow) -> None:
        work = partial(self._rooms.work, row.scope)
        step = reconcile_follow_up(work, self._rooms.cascade, row.object_id)
        since = step.started_at if step is not None and step.is_open else None
        self._look_again(row, since, review_follow_up)

    def _look_again(self, row: DueRow, open_since: datetime | None, review: Callable[[Work, str], None]) -> None:
        """Have the provider asked again about what is still open (None: it is not), or a person if that is enough."""
        run_at = None
        if open_since is not None:
            now = row.scope.stands_at or self._rooms.clock.now()
            run_at = next_look(row.attempt, since=open_since, now=now)
            if run_at is None:
                review(partial(self._rooms.work, row.scope), row.object_id)
        self._end(row, run_at)

    def _end(self, row: DueRow, run_at: datetime | None) -> None:
        """Put a row off to ``run_at``, or call it done where that is None."""
        if run_at is not None:
            self._rows.put_off(row, run_at)
            return
        with self._rooms.work(row.scope) as uow:
            uow.due.done(row.kind, row.object_id)

    def _return_stray(self, row: DueRow) -> None:
        work = partial(self._rooms.work, row.scope)
        return_stray(work, self._rooms.cascade, row.object_id)
        is_over = row.attempt >= len(SCHEDULE)
        with work() as uow:
            if leave_stray(uow, row.object_id, is_over=is_over):
                uow.due.done(row.kind, row.object_id)
                return
        self._rows.put_off(row, self._rooms.clock.now() + SCHEDULE[row.attempt])


def next_look(attempt: int, *, since: datetime, now: datetime) -> datetime | None:
    """Return when to ask the provider again about an attempt begun at ``since``, or None if a person must look.

    Both the number of looks and the time that has passed must have run out: an outage of ours uses up neither alone.
    """
    at = since
    for wait in SCHEDULE:
        at += wait
        if at > now:
            return at
    return None if attempt >= len(SCHEDULE) else now + SCHEDULE[-1]


def backoff(attempt: int) -> timedelta:
    """Return the wait after the failure of the claim with this number: 5 s, 10 s, 20 s … one hour."""
    return min(FIRST_RETRY * (1 << min(attempt - 1, 20)), LAST_RETRY)


Take = Callable[[Sequence[DueRow]], object]


def declare(broker: dramatiq.Broker, runner: Runner, take: Take) -> Callable[[Sequence[DueRow]], None]:
    """Put the actor on a broker and return what sends it a batch of claimed rows.

    Deliveries do not go through the broker. Whoever claimed them posts them: they wait for receivers and not for
    threads, and each process claims only as many as it has room for.
    """
    run_due = _actor(broker, runner.run_due, "run_due", QUEUE)

    def send(claimed: Sequence[DueRow]) -> None:
        letters = [row for row in claimed if row.kind == DELIVER]
        if letters:
            take(letters)
        for row in claimed:
            if row.kind != DELIVER:
                run_due.send(row.id, row.attempt)

    return send


def _actor(broker: dramatiq.Broker, work: Callable[..., None], name: str, queue: str) -> "dramatiq.Actor[..., None]":
    return dramatiq.Actor(work, broker=broker, actor_name=name, queue_name=queue, priority=0, options={})
