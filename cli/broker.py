"""Whether the broker answers, before somebody waits for it."""

from jobs.broker import build_broker


def assert_broker(redis_url: str) -> None:
    """Raise redis's own error unless Redis answers."""
    broker = build_broker(redis_url)
    try:
        broker.client.ping()  # type: ignore[attr-defined]  # a Redis broker has a client
    finally:
        broker.close()
