"""The jobs inside the server's own process: what a laptop has, and whoever runs without Redis."""

from typing import Final

from bootstrap import House
from jobs.broker import build_broker
from jobs.crew import Crew, crew_of
from jobs.post import Watch

THREADS: Final = 2


def embedded(house: House, watch: Watch | None = None) -> Crew:
    """Return a crew on a broker of its own. Start it when the server is up, and stop it before the database closes."""
    return crew_of(house, build_broker(None), threads=THREADS, watch=watch)
