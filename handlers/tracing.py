"""A span for each request where OpenTelemetry is installed and an exporter is set up; nothing at all elsewhere."""

import importlib
from contextlib import AbstractContextManager
from typing import Any, Protocol

from handlers.request import Request


class Tracer(Protocol):
    """What starts a span."""

    def span(self, name: str, request: Request) -> AbstractContextManager[Any]:
        """Return the span around one operation."""
        ...


class _OpenTelemetry:
    def __init__(self, trace: Any, propagate: Any) -> None:
        self._tracer = trace.get_tracer("penstock")
        self._kind = trace.SpanKind.SERVER
        self._propagate = propagate

    def span(self, name: str, request: Request) -> AbstractContextManager[Any]:
        parent = request.text(b"traceparent")
        context = self._propagate.extract({"traceparent": parent}) if parent else None
        span: AbstractContextManager[Any] = self._tracer.start_as_current_span(
            name,
            context=context,
            kind=self._kind,
            record_exception=False,  # a message may quote what must not leave this process
            attributes={"http.request.method": request.method, "penstock.request_id": request.id},
        )
        return span


def tracer() -> Tracer | None:
    """Return a tracer if OpenTelemetry is there and somebody gave it a provider, else None."""
    try:
        trace: Any = importlib.import_module("opentelemetry.trace")
        propagate: Any = importlib.import_module("opentelemetry.propagate")
    except ImportError:
        return None
    if type(trace.get_tracer_provider()).__name__ in {"ProxyTracerProvider", "NoOpTracerProvider"}:
        return None
    return _OpenTelemetry(trace, propagate)
