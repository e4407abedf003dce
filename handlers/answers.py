"""Writes into each operation the errors that it can give: those that it names and those that follow from its shape."""

from collections.abc import Iterable, Mapping
from typing import Any

from penstock.catalogue import ErrorEntry

Json = dict[str, Any]

# Any request has a query, in which an unknown parameter or a card number may stand.
ALWAYS = ("invalid_request", "card_data_not_allowed", "headers_too_large", "internal_error", "service_unavailable")
ANYTHING = "*/*"
"""The media type of a body that is handed on unread."""
WITH_BODY = ("invalid_json", "unsupported_media_type", "payload_too_large", "validation_error")
WITH_ANY_BODY = ("payload_too_large",)
WITH_KEY = ("idempotency_conflict", "idempotency_in_progress")
WITH_DASHBOARD = ("missing_application_id", "missing_environment_id", "environment_not_found")
METHODS = ("get", "put", "post", "patch", "delete")

REQUEST_ID = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
REPLAY = {"Idempotency-Replay": {"$ref": "#/components/headers/IdempotencyReplay"}}
RETRY_AFTER = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
CHALLENGE = {"WWW-Authenticate": {"$ref": "#/components/headers/Challenge"}}


def expand(document: Json, errors: Mapping[str, ErrorEntry]) -> None:
    """Write the errors and the common headers into every operation of a joined document."""
    components = document["components"]
    for entry in errors.values():
        components["schemas"][schema_name(entry.code)] = _envelope(entry)
        components["examples"][entry.code] = {"summary": entry.title, "value": example(entry)}
    components["responses"] = {}
    for operation in operations(document):
        for response in operation["responses"].values():
            response["headers"] = (
                REQUEST_ID | (REPLAY if is_idempotent(operation) else {}) | response.get("headers", {})
            )
        _refuse(operation, document, errors)


def operations(document: Json) -> Iterable[Json]:
    """Return every operation of a document."""
    return [item[method] for item in document["paths"].values() for method in METHODS if method in item]


def is_idempotent(operation: Json) -> bool:
    """Tell whether an operation takes an idempotency key."""
    return bool(operation.get("x-idempotent", "off") != "off")


def codes(operation: Json, document: Json) -> list[str]:
    """Return the codes that an operation can give, sorted: the ones it names and the ones its shape implies."""
    found = {*operation.get("x-errors", ()), *ALWAYS}
    if "requestBody" in operation:
        found.update(WITH_ANY_BODY if ANYTHING in operation["requestBody"]["content"] else WITH_BODY)
    if is_idempotent(operation):
        found.update(WITH_KEY)
    if operation.get("security", document.get("security")):
        found.add("unauthorized")
    if any("dashboard" in way for way in operation.get("security", ())):
        found.update(WITH_DASHBOARD)
    if "x-scope" in operation:
        found.add("insufficient_scopes")
    if "x-permission" in operation:
        found.add("permission_denied")
    for part in (operation, *(_parameter(p, document) for p in operation.get("parameters", ()))):
        found.update(part[policy] for policy in ("x-not-found", "x-missing") if policy in part)
        if part.get("name") == "cursor":
            found.add("invalid_cursor")
    return sorted(found)


def example(entry: ErrorEntry) -> Json:
    """Return an error as it looks on the wire."""
    error: Json = {
        "code": entry.told_as or entry.code,
        "message": f"{entry.title}.",
        "requestId": "0199f3a6-2b3c-7d4e-8f50-617283940516",
        "docs": f"https://pay.example.com/docs/errors#{entry.code}",
    }
    return {"error": error | ({} if entry.example is None else {"details": entry.example})}


def schema_name(code: str) -> str:
    """Return the name of the component for an error code: ``cart_not_open`` is ``CartNotOpenError``."""
    name = "".join(word.capitalize() for word in code.split("_"))
    return name if name.endswith("Error") else f"{name}Error"


def _parameter(node: Json, document: Json) -> Json:
    name = node.get("$ref", "").rpartition("/")[2]
    found: Json = document["components"]["parameters"][name] if name else node
    return found


def _refuse(operation: Json, document: Json, errors: Mapping[str, ErrorEntry]) -> None:
    by_status: dict[int, list[ErrorEntry]] = {}
    for code in codes(operation, document):
        if code not in errors:
            raise ValueError(f"{operation['operationId']}: spec/errors.yaml does not declare {code}")
        by_status.setdefault(errors[code].status, []).append(errors[code])
    for status, entries in sorted(by_status.items()):
        is_replayed = is_idempotent(operation) and any(entry.is_replayed for entry in entries)
        name = ".".join([str(status), *(entry.code for entry in entries), *(["replayed"] if is_replayed else [])])
        shared = document["components"]["responses"]
        if name not in shared:
            shared[name] = _response(entries, REPLAY if is_replayed else {})
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}


def _response(entries: list[ErrorEntry], replay: Json) -> Json:
    schemas = [{"$ref": f"#/components/schemas/{schema_name(entry.code)}"} for entry in entries]
    waits = any(entry.retry == "after_delay" for entry in entries)
    asks = any(entry.code == "unauthorized" for entry in entries)
    return {
        "description": " ".join(f"{entry.title} (`{entry.code}`)." for entry in entries),
        "headers": REQUEST_ID | replay | (RETRY_AFTER if waits else {}) | (CHALLENGE if asks else {}),
        "content": {
            "application/json": {
                "schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
                "examples": {entry.code: {"$ref": f"#/components/examples/{entry.code}"} for entry in entries},
            }
        },
    }


def _codes(entry: ErrorEntry) -> Json:
    return {"enum": [entry.told_as or entry.code]} if entry.pattern is None else {"pattern": entry.pattern}


def _envelope(entry: ErrorEntry) -> Json:
    properties: Json = {
        "code": {"type": "string", **_codes(entry), "maxLength": 64},
        "message": {"$ref": "#/components/schemas/ErrorMessage"},
        "requestId": {"$ref": "#/components/schemas/RequestIdText"},
        "docs": {"$ref": "#/components/schemas/ErrorDocs"},
    }
    if entry.details is not None:
        properties["details"] = entry.details
    error = {
        "type": "object",
        "description": entry.cause,
        "additionalProperties": False,
        "required": ["code", "message", "requestId", "docs"],
        "properties": properties,
    }
    return {
        "type": "object",
        "description": entry.title,
        "additionalProperties": False,
        "required": ["error"],
        "properties": {"error": error},
    }
