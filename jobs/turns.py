"""Who may wait for the outside at the same time: so many of one key, and the rest without a thread.

The one rule: nothing is kept here. What waits and is forgotten is claimed again once its lease is over.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable

import structlog

Work = Callable[[], None]

_log = structlog.get_logger(__name__)


class Turns:
    """Runs work of many keys, at most ``most`` of one key at once. Called from any thread.

    Work that finds no place is done by the thread whose place it gets; whoever brought it goes on at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._guard = threading.Lock()
        self._running: dict[Hashable, int] = defaultdict(int)
        self._waiting: dict[Hashable, deque[Work]] = defaultdict(deque)
        self._is_open = True

    def run(self, key: Hashable, work: Work) -> None:
        """Do the work now, and then what came for its key meanwhile; or leave it to those who are at it."""
        with self._guard:
            if self._running[key] >= self._most:
                self._waiting[key].append(work)
                return
            self._running[key] += 1
        following: Work | None = work
        while following is not None:
            try:
                following()
            except Exception:  # noqa: BLE001  its claim runs out and it is tried again; those behind it go on
                _log.exception("outside_work_failed")
            following = self._next(key)

    def close(self) -> None:
        """Begin nothing more of what waits."""
        with self._guard:
            self._is_open = False
            self._waiting.clear()

    def _next(self, key: Hashable) -> Work | None:
        """Return what waited longest, or give the place back."""
        with self._guard:
            if self._is_open and self._waiting.get(key):
                return self._waiting[key].popleft()
            self._waiting.pop(key, None)
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
            return None
