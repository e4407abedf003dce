"""The bell that wakes workers: Redis where there is one, the process itself where there is none.

The one rule: nothing is kept here. What must happen stands in the database; a broker that loses every message delays
the work by one lease and loses none of it. So dramatiq's own retries are left out: the row decides.
"""

from typing import Final

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker

HEARTBEAT_MILLISECONDS: Final = 15_000
"""After so long without a sign of life a worker's messages go to another. At dramatiq's default it takes minutes."""

MAINTENANCE_CHANCE: Final = 100_000
"""In a million, for each command to Redis: how often dead workers are looked for."""

NAMESPACE: Final = "penstock"


def build_broker(redis_url: str | None) -> dramatiq.Broker:
    """Return a new broker: Redis if there is a URL, else one that lives in this process. Nothing is bound globally."""
    if redis_url:
        return RedisBroker(  # type: ignore[no-untyped-call]  # dramatiq leaves this one untyped
            url=redis_url,
            middleware=[],
            namespace=NAMESPACE,
            heartbeat_timeout=HEARTBEAT_MILLISECONDS,
            maintenance_chance=MAINTENANCE_CHANCE,
        )
    return StubBroker(middleware=[])
