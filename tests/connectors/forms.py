"""Reads Stripe's form bodies (``a[b][0]=1``) back into what they mean, guided by a schema."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

Resolve = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def read_form(content: bytes, schema: Mapping[str, Any], resolve: Resolve) -> Any:
    """Return a form as the JSON that its schema describes."""
    return typed(nested(content), schema, resolve)


def nested(content: bytes) -> Any:
    """Return a form as dicts, lists and texts."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(content.decode(), keep_blank_values=True, strict_parsing=bool(content)):
        *path, last = name.replace("]", "").split("[")
        place = root
        for part in path:
            place = place.setdefault(part, {})
        assert last not in place, f"{name} stands twice in the form"
        place[last] = value
    return _lists(root)


def typed(value: Any, schema: Mapping[str, Any], resolve: Resolve) -> Any:
    """Return a value with its texts turned into the numbers and booleans that the schema wants."""
    schema = resolve(schema)
    choices = [resolve(one) for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, [])] or [schema]
    if isinstance(value, dict):
        known = {name: one for choice in choices for name, one in choice.get("properties", {}).items()}
        return {name: typed(one, known.get(name, {}), resolve) for name, one in value.items()}
    if isinstance(value, list):
        items = next((choice["items"] for choice in choices if "items" in choice), {})
        return [typed(one, items, resolve) for one in value]
    kinds = {choice.get("type") for choice in choices}
    if "integer" in kinds and value.isdecimal():
        return int(value)
    if "boolean" in kinds and value in ("true", "false"):
        return value == "true"
    return value


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    inside = {name: _lists(one) for name, one in node.items()}
    if inside and list(inside) == [str(index) for index in range(len(inside))]:
        return list(inside.values())
    return inside
