"""Holds what a connector sends, and what it is fed, against the provider's own description of its API.

Requests are held strictly: a field that the description does not know is a fault too, since a provider would ignore
it without a word. The descriptions are slices (`descriptions/trim.py`).
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import jsonschema_rs

from penstock.conformance.bench import is_claimed
from penstock.conformance.operations import FOLLOW_UP_LOOKUPS, OPERATIONS
from tests.connectors.forms import read_form

HERE = Path(__file__).parent / "descriptions"


class Undescribed(AssertionError):
    """A request or an answer is not as the provider describes it."""


class Description:
    """One provider's description. ``base`` is the path before the described ones, where servers have one."""

    def __init__(self, name: str, *, base: str = "") -> None:
        self._whole = json.loads((HERE / f"{name}.json").read_text())
        self._base = base
        self._schemas = self._whole["components"].get("schemas", {})
        if self._whole["openapi"].startswith("3.0"):
            self._schemas = _without_nullable(self._schemas)
        self._open = {"schemas": self._schemas}
        self._closed = {"schemas": {name: self._close_inside(one) for name, one in self._schemas.items()}}
        self._routes = [
            (re.compile(re.sub(r"\\{[^}]+\\}", "([^/]+)", re.escape(path))), method.upper(), operation)
            for path, methods in self._whole["paths"].items()
            for method, operation in methods.items()
        ]

    def knows(self, request: httpx.Request) -> bool:
        """Whether this slice has the operation."""
        return self._found(request) is not None

    def check_request(self, request: httpx.Request) -> None:
        """Raise `Undescribed` unless path, query, headers and body are as described."""
        operation = self._operation(request)
        self._check_parameters(request, operation)
        described = self._resolved(operation.get("requestBody", {}))
        if not request.content:
            if described.get("required"):
                raise Undescribed(f"{request.method} {request.url.path} needs a body")
            return
        kind = request.headers.get("content-type", "").split(";")[0]
        media = described.get("content", {}).get(kind)
        if media is None:
            raise Undescribed(f"{request.method} {request.url.path} takes no body of {kind}")
        if kind == "application/json":
            self._check(self._close(media["schema"]), json.loads(request.content), self._closed, "the request")
        if kind == "application/x-www-form-urlencoded":
            # Beside a reference stands a refusal of unknown fields that knows no field at all: a slip of the source.
            schema = {"$ref": media["schema"]["$ref"]} if "$ref" in media["schema"] else media["schema"]
            value = read_form(request.content, schema, self._resolved)
            self._check(self._close(schema), value, self._closed, "the request")

    def check_answer(self, request: httpx.Request, answer: httpx.Response) -> None:
        """Raise `Undescribed` unless the provider describes this status, and such a body for it."""
        responses = self._operation(request)["responses"]
        found = responses.get(str(answer.status_code), responses.get("default"))
        if found is None:
            raise Undescribed(f"{request.method} {request.url.path} never answers {answer.status_code}")
        media = self._resolved(found).get("content", {}).get("application/json")
        if media is None or "schema" not in media:
            if answer.content and "content" in self._resolved(found):
                raise Undescribed(f"{request.method} {request.url.path}: {answer.status_code} has no JSON body")
            return
        self._check(media["schema"], answer.json(), self._open, f"the {answer.status_code} answer")

    def check_schema(self, name: str, value: Any) -> None:
        """Raise `Undescribed` unless a value fits the named schema: for messages that no operation describes."""
        self._check({"$ref": f"#/components/schemas/{name}"}, value, self._open, name)

    def _found(self, request: httpx.Request) -> Mapping[str, Any] | None:
        path = request.url.path.removeprefix(self._base)
        fits = (one for shape, method, one in self._routes if method == request.method and shape.fullmatch(path))
        return next(fits, None)

    def _operation(self, request: httpx.Request) -> Mapping[str, Any]:
        found = self._found(request)
        if found is None:
            raise Undescribed(f"nobody describes {request.method} {request.url.path}")
        return found

    def _check_parameters(self, request: httpx.Request, operation: Mapping[str, Any]) -> None:
        parameters = [self._resolved(one) for one in operation.get("parameters", [])]
        query = parse_qs(request.url.query.decode(), keep_blank_values=True)
        known = {one["name"] for one in parameters if one["in"] == "query"}
        if unknown := {name.partition("[")[0] for name in query} - known:
            raise Undescribed(f"{request.method} {request.url.path} takes no {', '.join(sorted(unknown))} in its query")
        for one in parameters:
            given = query.get(one["name"]) if one["in"] == "query" else None
            if one["in"] == "header" and (text := request.headers.get(one["name"])) is not None:
                given = [text]
            if given is None and one.get("required") and one["in"] in ("query", "header"):
                raise Undescribed(f"{request.method} {request.url.path} needs {one['name']}")
            self._check_parameter(one, given)

    def _check_parameter(self, parameter: Mapping[str, Any], given: list[str] | None) -> None:
        schema = parameter.get("schema")
        if given is None or schema is None:
            return
        candidates = [given, given[0], int(given[0]) if given[0].isdecimal() else given[0], given[0] == "true"]
        if not any(self._fits(schema, value) for value in candidates):
            raise Undescribed(f"{parameter['name']} is {given}, which does not fit {schema}")

    def _fits(self, schema: Mapping[str, Any], value: Any) -> bool:
        return bool(jsonschema_rs.is_valid({**schema, "components": self._open}, value))

    def _check(self, schema: Mapping[str, Any], value: Any, components: Mapping[str, Any], what: str) -> None:
        if self._whole["openapi"].startswith("3.0"):
            schema = _without_nullable(schema)
        whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "components": components}
        faults = [
            f"{'/'.join(map(str, one.instance_path)) or '(root)'}: {one.message}"
            for one in jsonschema_rs.validator_for(whole, validate_formats=True).iter_errors(value)
        ]
        if faults:
            raise Undescribed(f"{what} is not as described: " + "; ".join(faults[:5])[:1500])

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            found: Any = self._whole
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def _close(self, schema: Any) -> Any:
        """Refuse unknown fields where a schema is used, so that the parts of an ``allOf`` stay open to each other."""
        closed = self._close_inside(schema)
        if isinstance(closed, dict) and self._has_fields(schema) and "additionalProperties" not in closed:
            return {**closed, "unevaluatedProperties": False}
        return closed

    def _close_inside(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema
        changed = dict(schema)
        if isinstance(schema.get("properties"), dict):
            changed["properties"] = {name: self._close(one) for name, one in schema["properties"].items()}
        if "items" in schema:
            changed["items"] = self._close(schema["items"])
        for key in ("allOf", "anyOf", "oneOf"):
            if key in schema:
                changed[key] = [self._close_inside(one) for one in schema[key]]
        return changed

    def _has_fields(self, schema: Any, depth: int = 0) -> bool:
        if not isinstance(schema, dict) or depth > 20:
            return False
        if "additionalProperties" in schema:
            return False
        if schema.get("properties"):
            return True
        parts = [*schema.get("allOf", []), *schema.get("anyOf", []), *schema.get("oneOf", [])]
        if "$ref" in schema:
            parts.append(self._schemas.get(schema["$ref"].rsplit("/", 1)[-1]))
        return any(self._has_fields(one, depth + 1) for one in parts)


def _without_nullable(node: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema has it: a type beside null instead of ``nullable``."""
    if isinstance(node, list):
        return [_without_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _without_nullable(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is True:
        return {"anyOf": [changed, {"type": "null"}]}
    return changed


@cache
def description(name: str, base: str = "") -> Description:
    """Return a description, read once."""
    return Description(name, base=base)


class Described(httpx.BaseTransport):
    """Passes requests to another transport and holds both directions against whichever description knows them.

    ``beside`` are paths that no description has (fetching an access token, say); everything else must be known.
    """

    def __init__(self, inner: httpx.BaseTransport, *descriptions: Description, beside: tuple[str, ...] = ()) -> None:
        self._inner = inner
        self._descriptions = descriptions
        self._beside = beside

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        request.read()
        if request.url.path in self._beside:
            return self._inner.handle_request(request)
        one = next((each for each in self._descriptions if each.knows(request)), self._descriptions[0])
        one.check_request(request)
        answer = self._inner.handle_request(request)
        answer.read()
        one.check_answer(request, answer)
        return answer


SCENARIOS = {
    "charge": ("approved", "declined", "pending"),
    "authorize": ("authorized",),
    "find": ("found", "not_found"),
    "capture": ("captured", "capture_refused", "capture_pending"),
    "void": ("voided", "void_refused", "void_pending"),
    "refund": ("refunded", "refund_refused", "refund_pending"),
    "find_capture": ("found_capture", "follow_up_not_found"),
    "find_void": ("found_void", "follow_up_not_found"),
    "find_refund": ("found_refund", "follow_up_not_found"),
}


def check_kit(bench: Any, *names: str) -> int:
    """Hold what a connector sends in the kit, and the kit's answers to it, against the descriptions; return how many."""
    count = 0
    described = [description(name) for name in names]
    operations = (*OPERATIONS, *FOLLOW_UP_LOOKUPS)
    for operation in (one for one in operations if is_claimed(bench.connector, bench.perform, one)):
        for scenario in SCENARIOS[operation.name]:
            if bench.wire.get(scenario) is None:
                continue
            exchanges: list[tuple[httpx.Request, httpx.Response]] = []

            def recorded(
                request: httpx.Request, given: Any = bench.wire[scenario], kept: Any = exchanges
            ) -> httpx.Response:
                kept.append((request, given if isinstance(given, httpx.Response) else given(request)))
                return kept[-1][1]

            bench.perform(operation, recorded)
            for request, answer in exchanges:
                one = next((each for each in described if each.knows(request)), described[0])
                one.check_request(request)
                one.check_answer(request, answer)
                count += 1
    return count
