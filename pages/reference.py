"""The pages about the API, written from the document that it publishes: reference, errors, events, scopes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import orjson

from pages import tokens
from pages.layout import render, security_headers
from pages.schemas import Field, Reader
from penstock import catalogue
from penstock.catalogue import ErrorEntry, EventEntry
from penstock.event_example import example_event
from penstock.web_page import PageRequest, PageResponse

_METHODS: Final = ("get", "put", "post", "patch", "delete")
_RETRY: Final[Mapping[str, str]] = {
    "never": "The same request will never do better.",
    "new_request": "Change the request as said above and send it under a new Idempotency-Key.",
    "same_request": "Send the very same request again, with the same Idempotency-Key.",
    "after_delay": "Wait for as many seconds as Retry-After says, then send the very same request again.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document, and what the pages link it by."""

    name: str
    method: str
    path: str
    summary: str
    scope: str | None
    emits: Sequence[str]
    errors: frozenset[str]

    @property
    def address(self) -> str:
        """Where the interactive reference shows it."""
        tag = self.name.partition(".")[0]
        return f"/docs#tag/{tag}/{self.method.upper()}{self.path}"


@dataclass(frozen=True, slots=True)
class ErrorSection:
    """One error with everything that its entry shows."""

    entry: ErrorEntry
    retry: str
    details: Sequence[Field]
    example: str
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True)
class EventSection:
    """One event with everything that its entry shows."""

    entry: EventEntry
    fields: Sequence[Field]
    example: str
    message: str
    operations: Sequence[Operation]

    @property
    def address(self) -> str:
        """Where the event's own page is."""
        return f"/docs/events/{self.entry.type}"


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """One scope: what it permits, and the operations that ask for it."""

    name: str
    title: str
    is_publishable: bool
    operations: Sequence[Operation] = field(default_factory=tuple)


class Reference:
    """The pages about one published document. What they show is made once, at the first visit."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._reader = Reader(document)

    def front(self, _: PageRequest) -> PageResponse:
        """Say what this server is."""
        return render("front.html", {"here": "/", "base": self._base, "tokens": tokens.CHOICES})

    def interactive(self, _: PageRequest) -> PageResponse:
        """Show the interactive reference. It is the one page whose policy is not the strict one."""
        answer = render("reference.html")
        csp = answer.headers["content-security-policy"]
        # The renderer writes style elements and attributes while it runs, without a nonce to give them.
        loose = ";".join(
            " style-src 'self' 'unsafe-inline'" if part.strip().startswith("style-src") else part
            for part in csp.split(";")
        )
        return PageResponse(200, answer.body, {**answer.headers, **security_headers(loose)})

    def errors(self, _: PageRequest) -> PageResponse:
        """Show every error under an anchor of its code."""
        return render("errors.html", {"here": "/docs/errors", "sections": self._errors})

    def events(self, _: PageRequest) -> PageResponse:
        """Show every event type under an anchor of its name."""
        return render("events.html", {"here": "/docs/events", "sections": self._events})

    def event(self, request: PageRequest) -> PageResponse:
        """Show one event type: when it happens, what is posted, and which operations cause it."""
        wanted = request.params["type"]
        found = next((one for one in self._events if one.entry.type == wanted), None)
        if found is None:
            return render("missing.html", {"here": "/docs/events", "what": "event"}, status=404)
        return render("event.html", {"here": "/docs/events", "one": found, "sections": self._events})

    def scopes(self, _: PageRequest) -> PageResponse:
        """Show what a key may be allowed to do."""
        return render("scopes.html", {"here": "/docs/scopes", "rows": self._scopes})

    @property
    def _base(self) -> str:
        servers = self._document.get("servers") or [{"url": "/"}]
        return str(servers[0]["url"])

    @cached_property
    def _operations(self) -> Sequence[Operation]:
        return tuple(self._read_operations())

    def _read_operations(self) -> Iterator[Operation]:
        known = catalogue.errors()
        for path, item in self._document["paths"].items():
            for method in _METHODS:
                if method not in item:
                    continue
                found = item[method]
                yield Operation(
                    name=found["operationId"],
                    method=method,
                    path=path,
                    summary=found.get("summary", ""),
                    scope=found.get("x-scope"),
                    emits=found.get("x-emits", ()),
                    errors=frozenset(code for code in self._examples(found) if code in known),
                )

    def _examples(self, operation: Mapping[str, Any]) -> Iterator[str]:
        for response in operation["responses"].values():
            content = self._reader.resolve(response).get("content", {})
            yield from content.get("application/json", {}).get("examples", {})

    @cached_property
    def _errors(self) -> Sequence[ErrorSection]:
        return tuple(self._error(entry) for entry in catalogue.errors().values())

    def _error(self, entry: ErrorEntry) -> ErrorSection:
        examples = self._document.get("components", {}).get("examples", {})
        return ErrorSection(
            entry=entry,
            retry=_RETRY[entry.retry],
            details=tuple(self._reader.fields(entry.details)) if entry.details else (),
            example=pretty(examples.get(entry.code, {}).get("value", {})),
            operations=[one for one in self._operations if entry.code in one.errors],
        )

    @cached_property
    def _events(self) -> Sequence[EventSection]:
        return tuple(self._event(entry) for entry in catalogue.events().values())

    def _event(self, entry: EventEntry) -> EventSection:
        schema = self._reader.named(entry.data)
        return EventSection(
            entry=entry,
            fields=tuple(self._reader.fields(schema)),
            example=pretty(catalogue.event_example(entry.type)),
            message=pretty(example_event(entry.type)),
            operations=[one for one in self._operations if entry.type in one.emits],
        )

    @cached_property
    def _scopes(self) -> Sequence[ScopeRow]:
        registry = catalogue.scopes()
        return tuple(
            ScopeRow(name, title, name in registry.publishable, [one for one in self._operations if one.scope == name])
            for name, title in registry.titles.items()
        )


def pretty(value: Any) -> str:
    """Return JSON as people read it."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
