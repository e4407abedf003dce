"""What processes tell each other about providers' health, in Redis. Losing it costs nothing but some counts."""

from typing import Any, Final, cast

import redis

from penstock.clock import Clock
from penstock.health import BUCKET_SECONDS, COOL_DOWN_SECONDS, WINDOW_SECONDS
from plugins.health import Key

_PREFIX: Final = "penstock:health"
_BUCKETS: Final = int(WINDOW_SECONDS // BUCKET_SECONDS)
_KEPT_SECONDS: Final = int(WINDOW_SECONDS + 2 * BUCKET_SECONDS)
_INCIDENT_SECONDS: Final = 7 * 24 * 3600
_PATIENCE: Final = 2.0


class RedisBoard:
    """Counts of 30 seconds each, one key for each open breaker, one for each incident."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE)
        self._clock = clock

    def exchange(self, counted: dict[Key, tuple[int, int]], known: list[Key]) -> dict[Key, tuple[int, int]]:
        """Add what was counted here and return the calls and failures of the last five minutes, for each known key."""
        latest = int(self._clock.now().timestamp() // BUCKET_SECONDS)
        pipe = self._redis.pipeline(transaction=False)
        for key, (calls, failures) in counted.items():
            place = _place("count", key, str(latest))
            pipe.hincrby(place, "calls", calls)
            pipe.hincrby(place, "failures", failures)
            pipe.expire(place, _KEPT_SECONDS)
        writes = 3 * len(counted)
        for key in known:
            for bucket in range(latest - _BUCKETS + 1, latest + 1):
                pipe.hmget(_place("count", key, str(bucket)), "calls", "failures")
        rows = pipe.execute()[writes:]
        chunks = [rows[n * _BUCKETS : (n + 1) * _BUCKETS] for n in range(len(known))]
        return {key: (_sum(chunk, 0), _sum(chunk, 1)) for key, chunk in zip(known, chunks, strict=True)}

    def open(self, key: Key, incident_id: str) -> bool:
        """Write down that a breaker opened. False if another process was first."""
        self._redis.set(_place("open", key), "1", ex=int(COOL_DOWN_SECONDS))
        place = _place("incident", key)
        if self._redis.set(place, incident_id, ex=_INCIDENT_SECONDS, nx=True):
            return True
        return bool(self._redis.get(place) == incident_id.encode())

    def open_seconds(self, known: list[Key]) -> dict[Key, float]:
        """Return how much longer the breakers that any process opened stay open."""
        pipe = self._redis.pipeline(transaction=False)
        for key in known:
            pipe.pttl(_place("open", key))
        return {key: left / 1000 for key, left in zip(known, pipe.execute(), strict=True) if left > 0}

    def close(self, key: Key) -> str | None:
        """Return the incident that ends, to the first process that asks."""
        latest = int(self._clock.now().timestamp() // BUCKET_SECONDS)
        counts = [_place("count", key, str(latest - age)) for age in range(_BUCKETS)]
        self._redis.delete(_place("open", key), *counts)  # old failures say nothing about a provider that works again
        found = cast("bytes | None", self._redis.getdel(_place("incident", key)))
        return None if found is None else found.decode()


def _place(kind: str, key: Key, *rest: str) -> str:
    return ":".join((_PREFIX, kind, *key, *rest))


def _sum(rows: list[list[bytes | None]], index: int) -> int:
    return sum(int(row[index] or 0) for row in rows)
