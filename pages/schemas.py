"""Schemas as a reader sees them: a table of fields and an example."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_DEPTH: Final = 6
_MOST_WORDS: Final = 12
_BY_FORMAT: Final[Mapping[str, Any]] = {
    "uuid": "0199f3a2-6c41-7b52-9d0e-3f1c5a7b9e21",
    "date-time": "2026-11-20T14:05:09.182Z",
    "email": "ada@example.com",
    "int64": 2599,
}
_BY_TYPE: Final[Mapping[str, Any]] = {"string": "text", "integer": 1, "number": 0.5, "boolean": True}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object: its dotted name, its type in a word, and what it is."""

    name: str
    type: str
    is_required: bool
    description: str


class Reader:
    """Reads schemas of one OpenAPI document, following its references."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def named(self, name: str) -> Mapping[str, Any]:
        """Return a component schema by its name; an empty one where there is none."""
        found: Mapping[str, Any] = self._document.get("components", {}).get("schemas", {}).get(name, {})
        return found

    def resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a schema with its own reference followed and its ``allOf`` merged."""
        if "$ref" in schema:
            return self.resolve(self._follow(str(schema["$ref"])))
        if "allOf" in schema:
            merged: dict[str, Any] = {}
            for part in schema["allOf"]:
                merged.update(self.resolve(part))
            return {**merged, **{name: value for name, value in schema.items() if name != "allOf"}}
        return schema

    def _follow(self, reference: str) -> Mapping[str, Any]:
        place, _, path = reference.partition("#/")
        if place:  # a file of spec/components: its schemas stand in the document under their own names
            return self.named(path)
        found: Any = self._document
        for part in path.split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~"), {})
        return found if isinstance(found, Mapping) else {}

    def fields(self, schema: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[Field]:
        """Yield the fields of an object, or of the objects in an array, those of inner objects after their own."""
        found = self.resolve(schema)
        if found.get("type") == "array":
            yield from self.fields(found.get("items", {}), f"{prefix}[]", depth)
            return
        required = found.get("required", ())
        for name, inner in found.get("properties", {}).items():
            own = self.resolve(inner)
            path = f"{prefix}.{name}" if prefix else name
            yield Field(
                path, self.word(own), name in required, str(inner.get("description", own.get("description", "")))
            )
            if depth < _DEPTH and own.get("type") in ("object", "array"):
                yield from self.fields(own, path, depth + 1)

    def word(self, schema: Mapping[str, Any]) -> str:
        """Return a type as one reads it: ``string (uuid) or null``, ``array of object``."""
        found = self.resolve(schema)
        word = str(found.get("type", "any"))
        if word == "array":
            word = f"array of {self.word(found.get('items', {}))}"
        elif "enum" in found and len(found["enum"]) <= _MOST_WORDS:
            word = " | ".join(str(one) for one in found["enum"] if one is not None)
        elif "format" in found and found["format"] not in ("int64", "int32"):
            word = f"{word} ({found['format']})"
        return f"{word} or null" if found.get("nullable") else word

    def example(self, schema: Mapping[str, Any], depth: int = 0) -> Any:
        """Return a value that fits a schema: its own example where it has one."""
        found = self.resolve(schema)
        for key in ("example", "default"):
            if key in found:
                return found[key]
        if "enum" in found:
            return found["enum"][0]
        if found.get("nullable") and depth > 1:
            return None
        if found.get("type") == "object" and depth < _DEPTH:
            return {name: self.example(inner, depth + 1) for name, inner in found.get("properties", {}).items()}
        if found.get("type") == "array" and depth < _DEPTH:
            return [self.example(found.get("items", {}), depth + 1)]
        by_format = _BY_FORMAT.get(str(found.get("format")))
        return by_format if by_format is not None else _BY_TYPE.get(str(found.get("type")))
