"""From what a validator found to what a client can act on: the place, the fault, and what was probably meant."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import jsonschema_rs

from handlers.formats import ADVICE
from handlers.pointers import pointer_to
from handlers.schema import UUID_PATTERN, Validator
from penstock.errors import Fault

MOST_FAULTS: Final = 20
_MOST_GUESSES: Final = 5
_LONGEST_ECHO: Final = 64
_LONGEST_NAME: Final = 64
_LIKENESS: Final = 0.7
_LONGEST_MESSAGE: Final = 500
_SECRET_NAME: Final = re.compile(
    r"token|secret|key|passw|pan\b|card|cvc|cvv|auth|signature|number|iban|session", re.IGNORECASE
)
_SECRET_VALUE: Final = re.compile(r"(?:sk|pk|tok|cs|whsec|eyJ)[_A-Za-z0-9]|.*[0-9]{12}", re.DOTALL)
_ADVICE: Final = frozenset(ADVICE.values())
_TYPES: Final[Mapping[str, str]] = {
    "string": "a string", "integer": "an integer", "number": "a number", "boolean": "true or false",
    "object": "an object", "array": "an array", "null": "null",
}  # fmt: skip


def faults_in(validator: Validator, instance: Any, *, below: tuple[object, ...] = ()) -> list[Fault]:
    """Return up to 20 faults of an instance, in the order of the validator; `below` names where it stands."""
    found: list[Fault] = []
    for error in validator.errors(instance):
        found.extend(_faults_of(error, validator.document, below))
        if len(found) >= MOST_FAULTS:
            break
    return _telling(found)[:MOST_FAULTS]


def _telling(faults: Sequence[Fault]) -> list[Fault]:
    """Return faults without those of a value of which another one says in whole what it must be."""
    whole = {fault.pointer: fault for fault in reversed(faults) if fault.message in _ADVICE}
    return [fault for fault in faults if whole.get(fault.pointer, fault) is fault]


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, if one is near enough."""
    if len(name) > _LONGEST_NAME:
        return None
    names = list(known)
    flat = _flat(name)
    for candidate in names:
        if _flat(candidate) == flat:
            return candidate
    near = difflib.get_close_matches(name, names, n=1, cutoff=_LIKENESS)
    return near[0] if near else None


def echo(place: Iterable[object], value: Any) -> Any:
    """Return a value that may be shown to the one who sent it: a short scalar that is no secret; else None."""
    if isinstance(value, str):
        if len(value) > _LONGEST_ECHO or _SECRET_VALUE.match(value):
            return None
    elif not isinstance(value, bool | int | float) or abs(value) >= 10**12:
        return None
    return None if any(_SECRET_NAME.search(str(name)) for name in place) else value


def _flat(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _faults_of(error: jsonschema_rs.ValidationError, document: Any, below: tuple[object, ...]) -> Iterable[Fault]:
    place = (*below, *error.instance_path)
    word = error.kind.name
    facts = error.kind.as_dict()
    if word == "additionalProperties":
        return _unknown_keys(facts["unexpected"], place, _known_keys(error, document))
    if word == "required":
        name = facts["property"]
        return [Fault(pointer_to((*place, name)), "required", "is missing")]
    if word in {"anyOf", "oneOf"} and facts.get("context"):
        return _nearest_branch(error, facts["context"], document, below)
    known = ADVICE.get(_node(error, document).get("format")) if word == "pattern" else None
    message = (known or _message(word, facts, error.instance))[:_LONGEST_MESSAGE]
    value = echo(place, error.instance)
    meant = suggest(value, _texts(facts["options"])) if word == "enum" and isinstance(value, str) else None
    return [Fault(pointer_to(place), _snake(word), message, value, meant)]


def _unknown_keys(names: list[str], place: tuple[object, ...], known: list[str]) -> list[Fault]:
    found = []
    for index, name in enumerate(names[:MOST_FAULTS]):
        meant = suggest(name, known) if index < _MOST_GUESSES else None
        message = "is not a known field" + (f"; did you mean {meant}?" if meant else "")
        found.append(Fault(pointer_to((*place, name[:_LONGEST_NAME])), "unrecognized_keys", message, None, meant))
    return found


def _known_keys(error: jsonschema_rs.ValidationError, document: Any) -> list[str]:
    return list(_node(error, document).get("properties", ()))


def _node(error: jsonschema_rs.ValidationError, document: Any) -> Any:
    """Return the schema that an instance does not fit."""
    node = document
    for step in error.schema_path[:-1]:
        node = node[step]
    return node


def _nearest_branch(
    error: jsonschema_rs.ValidationError,
    context: list[list[jsonschema_rs.ValidationError]],
    document: Any,
    below: tuple[object, ...],
) -> list[Fault]:
    """Report the branch that the instance comes nearest to: deepest in, then with the fewest faults."""
    place = (*below, *error.instance_path)
    own_depth = len(error.instance_path)

    def distance(branch: list[jsonschema_rs.ValidationError]) -> tuple[bool, int]:
        misses_type = any(e.kind.name == "type" and len(e.instance_path) <= own_depth for e in branch)
        return misses_type, len(branch)

    branch = min(context, key=distance)
    if not branch or distance(branch)[0]:
        return [
            Fault(
                pointer_to(place),
                _snake(error.kind.name),
                "fits none of the allowed shapes",
                echo(place, error.instance),
            )
        ]
    return [fault for inner in branch for fault in _faults_of(inner, document, below)]


def _texts(options: Iterable[Any]) -> list[str]:
    return [option for option in options if isinstance(option, str)]


def _message(word: str, facts: Mapping[str, Any], instance: Any) -> str:
    if word == "type":
        return "must be " + " or ".join(_TYPES.get(name, name) for name in sorted(facts["types"], key=_null_last))
    if word == "enum":
        return "must be one of: " + ", ".join("null" if o is None else str(o) for o in facts["options"])
    if word == "format":
        return ADVICE.get(facts["format"], f"is not a {facts['format']}")
    if word in {"minLength", "maxLength"}:
        bound = "least" if word == "minLength" else "most"
        return f"must have at {bound} {_count(facts['limit'], 'character')}, has {len(instance)}"
    return _message_about_amounts(word, facts)


def _message_about_amounts(word: str, facts: Mapping[str, Any]) -> str:
    limit = facts.get("limit")
    sentences = {
        "pattern": _pattern_message(facts.get("pattern")),
        "minimum": f"must be {limit} or more",
        "maximum": f"must be {limit} or less",
        "exclusiveMinimum": f"must be more than {limit}",
        "exclusiveMaximum": f"must be less than {limit}",
        "multipleOf": f"must be a multiple of {facts.get('multiple_of')}",
        "minItems": f"must have at least {_count(limit, 'item')}",
        "maxItems": f"must have at most {_count(limit, 'item')}",
        "uniqueItems": "must not hold the same item twice",
        "minProperties": f"must have at least {_count(limit, 'field')}",
        "maxProperties": f"must have at most {_count(limit, 'field')}",
        "oneOf": "must fit exactly one of the allowed shapes",
        "anyOf": "fits none of the allowed shapes",
        "not": "is not allowed here",
    }
    return sentences.get(word, "does not fit")


def _pattern_message(pattern: Any) -> str:
    return (
        ADVICE["uuid"]
        if pattern == UUID_PATTERN
        else "holds characters that are not allowed here, or has the wrong form"
    )


def _count(limit: Any, noun: str) -> str:
    return f"{limit} {noun}" if limit == 1 else f"{limit} {noun}s"


def _null_last(name: str) -> tuple[bool, str]:
    return name == "null", name


def _snake(word: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word)
