"""Structured logs: one JSON line for each event, with an allow-list of fields. No bodies, no queries, no keys."""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal

import orjson
import structlog

from handlers.request import Request, current_id
from penstock.clock import SystemClock, rfc3339

FIELDS: Final = frozenset({
    "event", "level", "time", "logger", "requestId", "operation", "method", "status", "duration_ms", "code", "kind",
    "workspaceId", "environmentId", "applicationId", "reason", "error_type", "error", "frames", "connector", "attempt",
    "count", "threads", "workers", "address", "version", "plugin", "object_id", "due",
})  # fmt: skip
_SECRETS: Final = re.compile(r"(?:sk|pk|tok|cs|whsec)_[A-Za-z0-9_]+|eyJ[A-Za-z0-9_.-]+|\d(?:[ -]?\d){11,}|://[^/\s@]+@")
_LONGEST: Final = 500
_MOST_FRAMES: Final = 30
Event = MutableMapping[str, Any]


def configure(level: str = "info", form: Literal["json", "console"] = "json") -> None:
    """Set up structlog and the standard library's logging, so that every line of the process looks alike."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [_about, _reduced]
    final = _as_json if form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    lines = structlog.BytesLogger(sys.stdout.buffer) if form == "json" else None
    structlog.configure(
        processors=[*shared, final],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory() if lines is None else lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    _requests.configure(is_logged=number <= logging.INFO, lines=lines)
    handler = _Bridge()
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)
    # Its lines would repeat ours, with the query string.
    logging.getLogger("uvicorn.access").disabled = True
    for chatty in ("alembic", "asyncio", "connexion", "httpcore", "httpx"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))


def log_request(operation: str, request: Request, status: int, code: str, seconds: float) -> None:
    """Log one request; nothing that it brought along is in the line."""
    if not _requests.is_logged:
        return
    fields: dict[str, Any] = {
        "requestId": request.id,
        "method": request.method,
        "operation": operation,
        "status": status,
        "duration_ms": round(seconds * 1000, 2),
    }
    if code:
        fields["code"] = code
    caller = request.caller
    if caller is not None:
        scope = caller.scope
        fields["kind"] = caller.kind
        fields["workspaceId"] = scope.workspace_id
        fields["environmentId"] = scope.environment_id
        fields["applicationId"] = scope.application_id
    _requests.write("request", fields)


class _RequestLines:
    """The way of the request lines, which are most of all: their fields are the list's own, so nothing is sifted."""

    def __init__(self) -> None:
        self.is_logged = True
        self._lines: structlog.BytesLogger | None = None
        self._logger = structlog.get_logger("penstock.door")

    def configure(self, *, is_logged: bool, lines: structlog.BytesLogger | None) -> None:
        self.is_logged = is_logged
        self._lines = lines

    def write(self, event: str, fields: dict[str, Any]) -> None:
        if self._lines is None:
            self._logger.info(event, **fields)
        else:
            self._lines.info(orjson.dumps({"level": "info", "time": _now(), "event": event, **fields}))


_requests: Final = _RequestLines()


def redacted(text: str) -> str:
    """Return a text without what looks like a credential or a card number, cut to 500 characters."""
    return _SECRETS.sub("***", text[: _LONGEST * 4])[:_LONGEST]


def described(failure: BaseException) -> dict[str, Any]:
    """Return an exception as fields: its type and its frames, without the values in them."""
    return {"error_type": type(failure).__name__, "error": _sentence(failure), "frames": _frames(failure)}


class _Bridge(logging.Handler):
    """Brings the lines of libraries into the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        event = structlog.get_logger("library")
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields["exc_info"] = record.exc_info[1]
        event.log(record.levelno, redacted(record.getMessage()), **fields)


def _about(logger: Any, name: str, event: Event) -> Event:  # noqa: ARG001 -- structlog's own signature
    event["level"] = name
    event["time"] = _now()
    request_id = current_id.get()
    if request_id:
        event.setdefault("requestId", request_id)
    return event


def _now() -> str:
    return rfc3339(_CLOCK.now())


_CLOCK: Final = SystemClock()


def _reduced(logger: Any, name: str, event: Event) -> Event:  # noqa: ARG001 -- structlog's own signature
    """Keep what is on the list; an exception becomes its type and its frames, without the values in them."""
    failure = event.pop("exc_info", None)
    if isinstance(failure, BaseException):
        event.update(described(failure))
    return {field: value for field, value in event.items() if field in FIELDS}


def _sentence(failure: BaseException) -> str:
    """A database's own words quote the row that it refused: there the type must do."""
    if type(failure).__module__.startswith("sqlalchemy"):
        return type(getattr(failure, "orig", failure)).__name__
    return redacted(str(failure))


def _frames(failure: BaseException) -> list[str]:
    frames = traceback.extract_tb(failure.__traceback__)[-_MOST_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _as_json(logger: Any, name: str, event: Mapping[str, Any]) -> bytes:  # noqa: ARG001 -- structlog's own signature
    return orjson.dumps(event, default=str)
