"""Whether this process lives, and whether it can serve: for load balancers and people on call."""

from collections.abc import Callable
from contextlib import suppress

from handlers.contract import DoorHouse
from handlers.envelope import Envelope
from handlers.failures import error_for
from handlers.metrics import Metrics
from handlers.pace import Pace
from handlers.request import Request
from handlers.respond import Answer, answer_from
from penstock.errors import ServiceUnavailable
from storage.backlog import Look
from storage.database import DatabaseUnavailable


class Live:
    """The process answers."""

    name = "health.live"
    body_limit: int | None = None
    pace = Pace(is_here=True)
    is_browser_safe = False

    def run(self, request: Request) -> Answer:  # noqa: ARG002 -- an endpoint like any other
        """Answer."""
        return answer_from({"status": "live"}, 200)


class Ready:
    """The database is there and its schema is the one that this code knows."""

    name = "health.ready"
    body_limit: int | None = None
    pace = Pace(is_here=False)
    is_browser_safe = False

    def __init__(self, house: DoorHouse, envelope: Envelope) -> None:
        self._house = house
        self._envelope = envelope

    def run(self, request: Request) -> Answer:
        """Answer 200, or 503 with the reason."""
        try:
            reason = self._house.unready()
        except Exception as failure:  # noqa: BLE001 -- whatever it is, this server is not ready
            error_for(failure, self.name)
            reason = "the database cannot be reached"
        if reason is None:
            return answer_from({"status": "ready"}, 200)
        return self._envelope.answer(ServiceUnavailable(f"Not ready: {reason}."), request.id)


class Exposition:
    """The metrics."""

    name = "metrics"
    body_limit: int | None = None
    pace = Pace(is_here=False)
    is_browser_safe = False

    def __init__(self, metrics: Metrics, waiting: Callable[[], int], look: Callable[[], Look] | None = None) -> None:
        self._metrics = metrics
        self._waiting = waiting
        self._look = look

    def run(self, request: Request) -> Answer:  # noqa: ARG002 -- an endpoint like any other
        """Answer in the text format of Prometheus."""
        if self._look is not None:
            with suppress(DatabaseUnavailable):  # what was counted here is worth as much without it
                self._metrics.set_backlog(self._look())
        return self._metrics.exposition(self._waiting())
