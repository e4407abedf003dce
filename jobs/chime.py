"""Rings the bell of other processes: a commit here wakes the relays there, through Redis publish and subscribe.

The one rule: nobody waits for it. A commit only says that there is something, a thread of its own publishes; what is
lost on the way is found at the next beat.
"""

import threading
from collections.abc import Callable
from typing import Any, Final, Self

import redis
import structlog

CHANNEL: Final = "penstock:bell"
PATIENCE_SECONDS: Final = 2.0
"""How long Redis may take to connect and to answer."""

LISTEN_SECONDS: Final = 1.0
"""How long a listener waits for a word before it looks whether it should stop."""

BREATH_SECONDS: Final = 0.005
"""The shortest wait between two words: what is committed meanwhile shares the next one."""

FIRST_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 10.0
"""The shortest and the longest wait before Redis is tried again; it doubles in between."""

_log = structlog.get_logger(__name__)


class _Thread:
    """A loop that goes on after every failure of Redis, until it is told to stop."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End. ``timeout`` is in seconds."""
        self._stopping.set()
        self._wake()
        self._thread.join(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wake(self) -> None:
        """Let the loop look at whether it should stop."""

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            client: Any = redis.Redis.from_url(
                self._url, socket_timeout=LISTEN_SECONDS + PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
            )
            try:
                client.ping()
                pause = FIRST_PAUSE_SECONDS
                self._work(client)
            except (redis.RedisError, OSError) as exc:
                _log.warning("bell_unreachable", error=type(exc).__name__, retry_in_seconds=pause)
                self._stopping.wait(pause)
                pause = min(pause * 2, MAX_PAUSE_SECONDS)
            finally:
                client.close()

    def _work(self, client: Any) -> None:
        raise NotImplementedError


class Ringer(_Thread):
    """Tells the others. `ring` returns at once; several rings close together are one."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "penstock-ringer")
        self._rung = threading.Event()

    def ring(self) -> None:
        """Say that there is something to do. Called from any thread."""
        self._rung.set()

    def _wake(self) -> None:
        self._rung.set()

    def _work(self, client: Any) -> None:
        while not self._stopping.is_set():
            self._rung.wait()
            self._rung.clear()
            client.publish(CHANNEL, b"")
            self._stopping.wait(BREATH_SECONDS)


class Listener(_Thread):
    """Hears the others and calls ``nudge``; once more whenever Redis is back, for what was missed."""

    def __init__(self, url: str, nudge: Callable[[], object]) -> None:
        super().__init__(url, "penstock-listener")
        self._nudge = nudge

    def _work(self, client: Any) -> None:
        with client.pubsub(ignore_subscribe_messages=True) as heard:
            heard.subscribe(CHANNEL)
            self._nudge()
            while not self._stopping.is_set():
                if heard.get_message(timeout=LISTEN_SECONDS) is not None:
                    self._nudge()
