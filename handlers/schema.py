"""From the spec's OpenAPI 3.0 schemas to compiled validators."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import jsonschema_rs
import orjson

from handlers.formats import CHECKS

Json = dict[str, Any]
UUID_PATTERN: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
Direction = Literal["request", "response"]
# What only documents: the validator would read some of these names as something else.
_SILENT: Final = frozenset({"nullable", "example", "examples", "externalDocs", "xml", "discriminator", "deprecated", "default",
                            "readOnly", "writeOnly", "title", "description"})  # fmt: skip
_SCHEMA_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf"})
_SCHEMAS: Final = frozenset({"items", "additionalProperties", "not"})
_PREFIX: Final = "#/components/schemas/"
# In answers of ours only the form is in doubt, and a pattern costs a tenth of a call back into Python.
_SHAPES: Final[Mapping[str, str]] = {
    "uuid": UUID_PATTERN,
    "date-time": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$",
}


class BadSpec(Exception):
    """The spec asks for something that the door cannot enforce, so the server does not start."""


class Validator:
    """One compiled schema. `document` is the JSON Schema it was made from, for finding one's way in errors."""

    __slots__ = ("_rules", "document", "fits")

    def __init__(self, document: Json) -> None:
        # The linear engine: no pattern of the spec can be made to run for long.
        self._rules = jsonschema_rs.Draft4Validator(
            document,
            validate_formats=True,
            formats=dict(CHECKS),
            pattern_options=jsonschema_rs.RegexOptions(),
        )
        self.document = document
        self.fits = self._rules.is_valid

    def errors(self, instance: Any) -> Iterator[jsonschema_rs.ValidationError]:
        """Return what does not fit, one after the other: a hostile body has more of it than anybody wants to see."""
        return self._rules.iter_errors(instance)


class Compiler:
    """Compiles the schemas of one document; equal schemas are compiled once."""

    def __init__(self, components: Mapping[str, Any]) -> None:
        self._schemas: Mapping[str, Any] = components.get("schemas", {})
        self._made: dict[bytes, Validator] = {}

    def compile(self, schema: Mapping[str, Any], direction: Direction) -> Validator:
        """Return the validator of a schema as requests or as responses have it."""
        document = self._with_components(schema, direction)
        key = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        if key not in self._made:
            self._made[key] = Validator(document)
        return self._made[key]

    def resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow a reference to the schema that it names."""
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].removeprefix(_PREFIX)]
        return schema

    def _with_components(self, schema: Mapping[str, Any], direction: Direction) -> Json:
        wanted: list[str] = []
        root: Json = _converted(schema, direction, wanted)
        reached: Json = {}
        while wanted:
            name = wanted.pop()
            if name not in reached:
                if name not in self._schemas:
                    raise BadSpec(f"a schema refers to {_PREFIX}{name}, which is not there")
                reached[name] = _converted(self._schemas[name], direction, wanted)
        return root | {"components": {"schemas": reached}} if reached else root


def _converted(schema: Any, direction: Direction, wanted: list[str]) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        if not schema["$ref"].startswith(_PREFIX):
            raise BadSpec(f"a schema refers to {schema['$ref']}: only {_PREFIX}… can be followed")
        wanted.append(schema["$ref"].removeprefix(_PREFIX))
        return {"$ref": schema["$ref"]}
    out: Json = {}
    for word, value in schema.items():
        if word in _SILENT or word.startswith("x-"):
            continue
        if word == "properties":
            out[word] = _properties(value, direction, wanted)
        elif word in _SCHEMA_LISTS:
            out[word] = [_converted(inner, direction, wanted) for inner in value]
        elif word in _SCHEMAS:
            out[word] = _converted(value, direction, wanted)
        elif word == "format":
            out |= _format(value, schema, direction)
        else:
            out[word] = value
    return _nullable(schema, out)


def _properties(properties: Json, direction: Direction, wanted: list[str]) -> Json:
    return {
        name: _converted(inner, direction, wanted)
        for name, inner in properties.items()
        if not _is_hidden(inner, direction)
    }


def _format(name: str, schema: Mapping[str, Any], direction: Direction) -> Json:
    """Return what is checked of a format. Where a pattern says as much, the engine's own check is the quicker one."""
    has_pattern = "pattern" in schema
    if name not in CHECKS or (
        has_pattern and (direction == "response" or (name, schema["pattern"]) == ("uuid", UUID_PATTERN))
    ):
        return {}
    if direction == "response" and name in _SHAPES:
        return {"pattern": _SHAPES[name]}
    return {"format": name}


def _is_hidden(schema: Mapping[str, Any], direction: Direction) -> bool:
    """A read-only field in a request is an unknown field, and the other way round."""
    return bool(schema.get("readOnly" if direction == "request" else "writeOnly", False))


def _nullable(schema: Mapping[str, Any], out: Json) -> Json:
    if "properties" in out and "required" in out:
        hidden = schema["properties"].keys() - out["properties"].keys()
        out["required"] = [name for name in out["required"] if name not in hidden]
        if not out["required"]:
            del out["required"]
    if schema.get("nullable"):
        if "type" not in out:
            raise BadSpec("nullable without a type beside it has no effect: write the type")
        out["type"] = [out["type"], "null"]
        if "enum" in out and None not in out["enum"]:
            out["enum"] = [*out["enum"], None]
    return out
