"""The catalogue of events as it is published: an OpenAPI 3.1 document whose ``webhooks`` are what receivers get.

The API's own document is OpenAPI 3.0 (decision 0004), which knows no ``webhooks``. So this one stands beside it, made
from the same files, with the schemas that events need said in 3.1's words.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import orjson

from handlers import answers, spec
from penstock import catalogue
from penstock.catalogue import EventEntry
from penstock.event_example import example_event

Json = dict[str, Any]

_HEADERS: Final[Mapping[str, tuple[str, str]]] = {
    "webhook-id": ("The event's id: the same on every try and every replay.", "evt_0199f3a58b217c0e9d4a6f2c1b3e5d70"),
    "webhook-timestamp": ("When this try was signed, in Unix seconds.", "1795183920"),
    "webhook-signature": (
        "Standard Webhooks signatures of `<id>.<timestamp>.<body>`, separated by spaces.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
    "X-Throttle-Event-Id": ("The event's id again.", "evt_0199f3a58b217c0e9d4a6f2c1b3e5d70"),
    "X-Throttle-Event-Type": ("The event's type.", "payment.captured"),
    "X-Throttle-Signature": (
        "`t=<unix seconds>,v1=<hex>`: HMAC-SHA256 of `<t>.<body>`, keyed with the whole secret as text.",
        "t=1795183920,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
    ),
}


@cache
def load() -> Json:
    """Return the whole document. It is shared: copy it before changing it."""
    published = spec.load()
    schemas = published["components"]["schemas"]
    causes = _causes(published)
    hooks = {kind: {"post": _hook(entry, causes.get(kind, []))} for kind, entry in catalogue.events().items()}
    needed = _needed({"Event", *(entry.data for entry in catalogue.events().values())}, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Penstock events",
            "version": published["info"]["version"],
            "description": (
                "What is posted to webhook endpoints. Each event comes at least once, signed in two ways, under an id "
                "that stays the same. An event is taken by answering 2xx within ten seconds."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "tags": [{"name": name} for name in dict.fromkeys(each.object for each in catalogue.events().values())],
        "webhooks": hooks,
        "components": {"schemas": {name: _modern(schemas[name]) for name in sorted(needed)}},
    }


@cache
def as_json() -> bytes:
    """Return the document as JSON, the same bytes every time."""
    return orjson.dumps(load())


@cache
def as_yaml() -> bytes:
    """Return the document as YAML for people, the same bytes every time."""
    return spec.in_yaml(load())


def _hook(entry: EventEntry, causes: list[str]) -> Json:
    content = {"schema": _schema(entry), "examples": {entry.type: {"value": example_event(entry.type)}}}
    return {
        "operationId": entry.type,
        "tags": [entry.object],
        "summary": entry.type,
        "description": entry.when,
        "x-caused-by": causes or [entry.by],
        "parameters": [_header(name, entry.type) for name in _HEADERS],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "2XX": {"description": "The event is taken."},
            "410": {"description": "The endpoint wants nothing any more, and is switched off."},
            "default": {
                "description": "The event is not taken, and is tried again later. So it is without any answer."
            },
        },
    }


def _schema(entry: EventEntry) -> Json:
    own = {
        "type": {"const": entry.type},
        "objectType": {"const": entry.object},
        "data": {"$ref": f"#/components/schemas/{entry.data}"},
    }
    return {"allOf": [{"$ref": "#/components/schemas/Event"}], "properties": own}


def _header(name: str, kind: str) -> Json:
    text, shown = _HEADERS[name]
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": text,
        "schema": {"type": "string"},
        "example": kind if name == "X-Throttle-Event-Type" else shown,
    }


def _causes(published: Json) -> dict[str, list[str]]:
    causes: dict[str, list[str]] = {}
    for operation in answers.operations(published):
        for kind in operation.get("x-emits", ()):
            causes.setdefault(kind, []).append(operation["operationId"])
    return causes


def _needed(names: set[str], schemas: Mapping[str, Any]) -> set[str]:
    """Return names of schemas with those of all that they refer to."""
    found: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += _references(schemas[name])
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _modern(node: Any) -> Any:
    """Return an OpenAPI 3.0 schema in the words of 3.1: null is a type, and examples are a list."""
    if isinstance(node, list):
        return [_modern(child) for child in node]
    if not isinstance(node, Mapping):
        return node
    made = {key: _modern(value) for key, value in node.items() if key not in ("nullable", "example")}
    if node.get("nullable"):
        made["type"] = [node["type"], "null"]
    if "example" in node:
        made["examples"] = [node["example"]]
    return made
