"""What is wrong with an account's settings, in words: what the connector's schema asks for, and never what was sent."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jsonschema_rs

_LONGEST: Final = 300
_MOST_EXAMPLES: Final = 3
_TYPES: Final[Mapping[str, str]] = {
    "string": "a string", "integer": "an integer", "number": "a number", "boolean": "true or false",
    "object": "an object", "array": "a list", "null": "null",
}  # fmt: skip
_BOUNDS: Final[Mapping[str, str]] = {
    "minimum": "must be {} or more",
    "maximum": "must be {} or less",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
}
_SIZES: Final[Mapping[str, tuple[str, str]]] = {
    "minLength": ("least", "character"),
    "maxLength": ("most", "character"),
    "minItems": ("least", "item"),
    "maxItems": ("most", "item"),
}


@dataclass(frozen=True, slots=True)
class SettingsFault:
    """One thing wrong with an account's settings: a JSON pointer, a word and a sentence for it. Never the value."""

    pointer: str
    message: str
    code: str = "schema"


def settings_fault(error: jsonschema_rs.ValidationError, schema: Mapping[str, Any]) -> SettingsFault:
    """Return the fault that a validator found; ``schema`` is the whole schema that the settings did not fit."""
    rule = str(error.schema_path[-1]) if error.schema_path else "schema"
    # Most of the validator's own sentences repeat the value, and the value may be a secret.
    message = error.message if rule in ("required", "additionalProperties") else _message(error, rule, schema)
    place = [*error.instance_path, *([error.kind.as_dict()["property"]] if rule == "required" else ())]
    code = (
        "unrecognized_keys" if rule == "additionalProperties" else re.sub("[A-Z]", lambda x: f"_{x[0].lower()}", rule)
    )
    return SettingsFault("".join(f"/{_escaped(part)}" for part in place), message, code)


def _message(error: jsonschema_rs.ValidationError, rule: str, schema: Mapping[str, Any]) -> str:
    nodes = [*_nodes(schema, error.schema_path)]
    said = next((text for node in nodes if (text := _text(node.get("description")))), "")
    examples = next((shown for node in nodes if (shown := _examples(node.get("examples")))), "")
    return ". ".join(part.rstrip(".") for part in (_asked(rule, error.kind.as_dict()), said, examples) if part)


def _asked(rule: str, facts: Mapping[str, Any]) -> str:
    """Return what a rule asks for. The facts that are used here stand in the schema, whatever was sent."""
    if rule in _BOUNDS:
        return _BOUNDS[rule].format(facts["limit"])
    if rule in _SIZES:
        (bound, noun), limit = _SIZES[rule], facts["limit"]
        return f"must have at {bound} {limit} {noun}{'' if limit == 1 else 's'}"
    if rule == "type":
        return "must be " + " or ".join(_TYPES.get(name, name) for name in sorted(facts["types"], key="null".__eq__))
    if rule == "enum":
        return ("must be one of: " + ", ".join(_shown(option) for option in facts["options"]))[:_LONGEST]
    if rule == "pattern":
        return f"must fit the pattern `{facts['pattern'][:_LONGEST]}`"
    return f"does not fit the schema ({rule})"


def _nodes(schema: Mapping[str, Any], path: Sequence[object]) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas on the way to a rule, the nearest first; the whole one speaks of the account, so not that."""
    node: Any = schema
    passed: list[Mapping[str, Any]] = []
    for step in path[:-1]:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            break  # a reference led out of this schema
        if isinstance(node, Mapping):
            passed.append(node)
    yield from reversed(passed)


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _examples(values: object) -> str:
    if not isinstance(values, list) or not values:
        return ""
    return f"For example: {', '.join(_shown(each) for each in values[:_MOST_EXAMPLES])}"[:_LONGEST]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
