"""JSON as the API takes it: UTF-8, no key twice, nothing that a database or another parser would read differently."""

import re
from collections.abc import Iterable
from typing import Any, Final

import orjson

from penstock.errors import InvalidJson

MOST_DEPTH: Final = 32
_TOO_DEEP: Final = f"The body is nested more than {MOST_DEPTH} levels deep."
_LOWEST: Final = -(2**63)
_HIGHEST: Final = 2**63 - 1
# The last quote may be missing where a body broke off within a string, so that no string is looked for twice.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?')
_LONG_INTEGER: Final = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{19,}(?![0-9.eE])")
# Digits become 0, spaces and dashes go, the rest becomes x: a run of zeros is then a run of digits, found by memchr.
_DIGITS: Final = bytes(48 if 48 <= byte <= 57 else 120 for byte in range(256))  # noqa: PLR2004 -- ASCII 0 to 9
_RUN_OF_13: Final = b"0" * 13
_RUN_OF_19: Final = b"0" * 19


def parse(raw: bytes) -> Any:
    """Return the document in a body, or raise `InvalidJson` with the reason."""
    if not raw:
        raise InvalidJson("The body is empty.")
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(_reason(error)) from None
    if raw.count(b"{") + raw.count(b"[") > MOST_DEPTH:
        _check_depth(found)
    if b'\\"' in raw or b"\\u0022" in raw:
        _check_escaped(raw, found)
    elif raw.count(b'"') != orjson.dumps(found).count(b'"'):
        raise InvalidJson("A key stands twice in one object.")
    if b"\\u0000" in raw and any("\x00" in text for text in _texts(found)):
        raise InvalidJson("A string holds the character U+0000.")
    if may_hold_digits(raw, _RUN_OF_19):
        _check_integers(raw)
    return found


def may_hold_digits(raw: bytes, run: bytes = _RUN_OF_13) -> bool:
    """Tell whether a text has a run of digits as long as `run`, spaces and dashes between them not counted."""
    return run in raw.translate(_DIGITS, b" -")


def _reason(error: orjson.JSONDecodeError) -> str:
    # How orjson gives up on what is nested too deep depends on what it had room for, so what it read is counted.
    if _is_deep(error.doc[: error.pos + 1].encode()):
        return _TOO_DEEP
    return f"The body is not strict JSON: {error.msg} (line {error.lineno}, column {error.colno})."


def _is_deep(read: bytes) -> bool:
    """Tell whether the beginning of a document is nested too deep."""
    if read.count(b"{") + read.count(b"[") <= MOST_DEPTH:
        return False
    depth = 0
    for byte in _STRING.sub(b"", read):
        if byte in b"[{":
            depth += 1
            if depth > MOST_DEPTH:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MOST_DEPTH):
        level = [child for node in level for child in _children(node) if type(child) is dict or type(child) is list]
        if not level:
            return
    raise InvalidJson(_TOO_DEEP)


def _children(node: Any) -> Iterable[Any]:
    return node.values() if type(node) is dict else node


def _check_escaped(raw: bytes, document: Any) -> None:
    """With escaped quotes about, quotes cannot be counted: take the strings out, and count the colons that are left."""
    if _STRING.sub(b"", raw).count(b":") != sum(len(node) for node in _nodes(document) if type(node) is dict):
        raise InvalidJson("A key stands twice in one object.")


def _texts(document: Any) -> Iterable[str]:
    for node in _nodes(document):
        if type(node) is dict:
            yield from node
        elif type(node) is str:
            yield node


def _nodes(document: Any) -> Iterable[Any]:
    queue = [document]
    while queue:
        node = queue.pop()
        yield node
        if type(node) is dict or type(node) is list:
            queue.extend(_children(node))


def _check_integers(raw: bytes) -> None:
    for match in _LONG_INTEGER.finditer(_STRING.sub(b"", raw)):
        digits = match.group()
        if len(digits) > len("-9223372036854775808") or not _LOWEST <= int(digits) <= _HIGHEST:
            raise InvalidJson("An integer is beyond 64 bits.")
