"""What is counted: requests by operation and status, how long they took, broken promises, the queue in front of the pool."""

import os
from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from handlers.gauges import BacklogGauges
from handlers.respond import Answer
from storage.backlog import Look

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one application. Several processes add theirs up through ``PROMETHEUS_MULTIPROC_DIR``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "penstock_request_seconds",
            "Requests, by operation and status: how many, and how long they took.",
            ["operation", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._breaks = Counter(
            "penstock_response_breaks", "Answers of ours that break the spec.", ["operation"], registry=self.registry
        )
        self._provider_calls = Counter(
            "penstock_provider_calls",
            "Charges that were asked of providers, by connector and how they ended.",
            ["connector", "operation", "state"],
            registry=self.registry,
        )
        self._breaker_changes = Counter(
            "penstock_breaker_changes",
            "How often a provider began to be left alone (degraded), and how often it came back (recovered).",
            ["connector", "operation", "change"],
            registry=self.registry,
        )
        self._waiting = Gauge(
            "penstock_pool_waiting",
            "Requests that wait for a thread.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._attempts = Histogram(
            "penstock_delivery_attempt_seconds",
            "Tries of webhook deliveries, by how they ended: taken, refused, unanswered.",
            ["outcome"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._backlog = BacklogGauges(self.registry)
        self._observers: dict[tuple[str, int], Callable[[float], None]] = {}

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Count one request."""
        observer = self._observers.get((operation, status))
        if observer is None:
            observer = self._observers[operation, status] = self._seconds.labels(operation, str(status)).observe
        observer(seconds)

    def count_break(self, operation: str) -> None:
        """Count an answer that breaks the spec."""
        self._breaks.labels(operation).inc()

    def count_call(self, connector: str, operation: str, state: str) -> None:
        """Count one call of a provider."""
        self._provider_calls.labels(connector, operation, state).inc()

    def count_change(self, connector: str, operation: str, change: str) -> None:
        """Count a breaker that opened or closed."""
        self._breaker_changes.labels(connector, operation, change).inc()

    def count_attempt(self, outcome: str, seconds: float) -> None:
        """Count one try of a webhook delivery."""
        self._attempts.labels(outcome).observe(seconds)

    def set_backlog(self, look: Look) -> None:
        """Take over what is still to be done."""
        self._backlog.set(look)

    def exposition(self, waiting: int) -> Answer:
        """Return everything in the text format of Prometheus."""
        self._waiting.set(waiting)
        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types there
        headers = ((b"content-type", CONTENT_TYPE_LATEST.encode()), (b"cache-control", b"no-store"))
        return Answer(200, generate_latest(registry), headers)
