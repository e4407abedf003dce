"""A relay and the threads that do what it announces, started and stopped together."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, Self

import dramatiq
import httpx

from bootstrap import House
from connectors.egress import Policy, client
from jobs.actors import Rooms, Runner, declare
from jobs.clockwork import Clockwork
from jobs.post import Post, Watch
from jobs.relay import Chore, DueRows, Relay
from penstock.standing import ADVANCE
from storage.database import Database
from storage.due import DueTable
from storage.idempotency import sweep
from storage.inbox import sweep as sweep_inbox
from storage.outgoing import BATCH, Outgoing
from storage.rotation import purge_deleted

IDLE_MILLISECONDS: Final = 500
"""How long an idle thread sleeps between two looks at whether it should stop."""

SWEPT_AT_ONCE: Final = 500
"""How many old idempotency keys are deleted in one transaction: few enough to hold nobody up."""


class Crew:
    """The relay, the post and the workers of one process. Any number of processes may have one over the same database."""

    def __init__(
        self,
        rooms: Rooms,
        rows: DueRows,
        broker: dramatiq.Broker,
        *,
        outgoing: Outgoing,
        http: Callable[[], httpx.AsyncClient],
        threads: int,
        watch: Watch | None = None,
        chores: Sequence[Chore] = (),
    ) -> None:
        self._broker = broker
        self._worker = dramatiq.Worker(broker, worker_timeout=IDLE_MILLISECONDS, worker_threads=threads)
        self._post = Post(outgoing, rooms.clock, http, watch)
        runner = Runner(rooms, rows)
        post, hand_on = self._post.take, outgoing.hand_on
        clockwork = Clockwork(rooms.work, rooms.clock, rows, hand_on=hand_on, run=runner.run_due, post=post)
        runner.learn(ADVANCE, clockwork.move)
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
        self._worker.stop(timeout=int(timeout * 1000))
        self._post.stop(timeout)
        self._broker.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def crew_of(house: House, broker: dramatiq.Broker, *, threads: int, watch: Watch | None = None) -> Crew:
    """Return the crew of a house. Its chores: forget old idempotency keys and messages, and purge what is deleted."""
    chores: list[Chore] = [
        partial(_forget_keys, house.database),
        partial(purge_deleted, house.database),
        partial(sweep_inbox, house.database),
    ]
    policy = Policy(may_loop_back=house.settings.webhook_loopback)
    crew = Crew(
        house,
        DueTable(house.database),
        broker,
        outgoing=Outgoing(house.database, house.vault),
        http=partial(client, policy),
        threads=threads,
        watch=watch,
        chores=chores,
    )
    house.bell.listen(crew.nudge)
    return crew


def _forget_keys(database: Database, now: datetime) -> None:
    while sweep(database, now, limit=SWEPT_AT_ONCE) == SWEPT_AT_ONCE:
        pass
