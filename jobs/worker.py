"""``penstock worker``: does what is due until it is told to stop. Several may run, on several machines."""

import signal
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import structlog

from bootstrap import House
from jobs.broker import build_broker
from jobs.chime import Listener
from jobs.crew import crew_of
from jobs.post import Watch

THREADS: Final = 8

_log = structlog.get_logger(__name__)


def run_worker(house: House, *, threads: int = THREADS, watch: Watch | None = None) -> None:
    """Work until SIGTERM or SIGINT, then finish what was begun. A second signal ends the process at once."""
    told = threading.Event()

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    redis_url = house.settings.redis_url
    crew = crew_of(house, build_broker(redis_url), threads=threads, watch=watch)
    hears: AbstractContextManager[object] = Listener(redis_url, crew.nudge) if redis_url else nullcontext()
    with crew, hears:
        _log.info("worker_started", broker="redis" if redis_url else "in process", threads=threads)
        told.wait()
        _log.info("worker_stopping")
    _log.info("worker_stopped")
