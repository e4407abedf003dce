"""A relay and the threads that do what it announces, started and stopped together."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, Self

import dramatiq
import pluggy

from bootstrap import House
from connectors.egress import Outlet, Policy
from jobs.actors import UNKNOWN_KIND_RETRY, Rooms, Runner, declare
from jobs.clockwork import Clockwork
from jobs.post import Post, Watch
from jobs.relay import Chore, DueRows, Relay
from penstock.clock import Clock
from penstock.ports import DueRow
from penstock.standing import ADVANCE
from plugins.listeners import has_listeners, tell
from storage.database import Database
from storage.due import DueTable
from storage.outgoing import BATCH, TELL, Outgoing
from storage.retention import CHORES, HOUSEKEEPING, ensure

IDLE_MILLISECONDS: Final = 500
"""How long an idle thread sleeps between two looks at whether it should stop."""


OUTSIDE_SHARE: Final = 2
"""For each thread that is there for what is ours alone, how many more may wait for others."""


class Crew:
    """The relay, the post and the workers of one process. Any number of processes may have one over the same database.

    ``threads`` are always there for what is ours alone; what waits for others has more of them.
    """

    def __init__(
        self,
        rooms: Rooms,
        rows: DueRows,
        broker: dramatiq.Broker,
        *,
        outgoing: Outgoing,
        outlet: Callable[[], Outlet],
        threads: int,
        watch: Watch | None = None,
        chores: Sequence[Chore] = (),
        more: Mapping[str, Callable[[DueRow], None]] | None = None,
    ) -> None:
        self._broker = broker
        outside = OUTSIDE_SHARE * threads
        self._worker = dramatiq.Worker(broker, worker_timeout=IDLE_MILLISECONDS, worker_threads=threads + outside)
        self._post = Post(outgoing, rooms.clock, outlet, watch)
        self._runner = runner = Runner(rooms, rows, outside=outside)
        post, hand_on = self._post.take, outgoing.hand_on
        clockwork = Clockwork(rooms.work, rooms.clock, rows, hand_on=hand_on, run=runner.run_now, post=post)
        for kind, work in {ADVANCE: clockwork.move, **(more or {})}.items():
            runner.learn(kind, work)
        send = declare(broker, runner, post)
        self._relay = Relay(
            rows,
            send,
            rooms.clock,
            chores,
            hand_on=lambda now: outgoing.hand_on(now) == BATCH,
            has_plenty=lambda: self._post.has_plenty,
        )

    def start(self) -> None:
        """Begin to work."""
        self._post.start()
        self._worker.start()
        self._relay.start()

    def nudge(self) -> None:
        """Look for due rows now rather than at the next beat."""
        self._relay.nudge()

    def stop(self, timeout: float = 30.0) -> None:
        """Claim no more, finish what was begun, and end. What is left undone stays in the database."""
        self._relay.stop(timeout)
        self._runner.stop()
        self._worker.stop(timeout=int(timeout * 1000))
        self._post.stop(timeout)
        self._broker.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def crew_of(house: House, broker: dramatiq.Broker, *, threads: int, watch: Watch | None = None) -> Crew:
    """Return the crew of a house. Whatever the house has to have done again and again is a due row like any other."""
    policy = Policy(may_loop_back=house.settings.webhook_loopback)
    rows = DueTable(house.database)
    listening = has_listeners(house.plugins)
    outgoing = Outgoing(house.database, house.vault, tells=listening)
    telling = {TELL: partial(_tell, house.plugins, outgoing)} if listening else {}
    chore = partial(_do_chore, house.database, house.clock, rows)
    crew = Crew(
        house,
        rows,
        broker,
        outgoing=outgoing,
        outlet=partial(Outlet, policy),
        threads=threads,
        watch=watch,
        chores=[partial(ensure, house.database)],
        more={HOUSEKEEPING: chore, **telling},
    )
    house.bell.listen(crew.nudge)
    return crew


def _do_chore(database: Database, clock: Clock, rows: DueRows, row: DueRow) -> None:
    chore = CHORES.get(row.object_id)
    if chore is None:  # a newer version knows it
        rows.retry(row, clock.now() + UNKNOWN_KIND_RETRY)
        return
    chore.do(database, clock.now())
    rows.retry(row, clock.now() + chore.every, went_well=True)


def _tell(pm: pluggy.PluginManager, outgoing: Outgoing, row: DueRow) -> None:
    event = outgoing.event_of(row)
    if event is not None:
        tell(pm, event)
    outgoing.told(row)
