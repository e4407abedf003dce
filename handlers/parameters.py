"""Parameters of path, query and headers: read strictly, so that what one program writes no other reads differently."""

import builtins
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from handlers.card_numbers import text_holds_card
from handlers.faults import echo, faults_in, suggest
from handlers.pointers import pointer_to
from handlers.request import SINGLE, Request
from handlers.schema import UUID_PATTERN, BadSpec, Compiler, Validator
from handlers.strict_json import may_hold_digits
from penstock.errors import ApiError, CardDataNotAllowed, Fault, InvalidRequest, all_errors
from penstock.ids import is_uuid

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]*")
_MOST_DIGITS: Final = 19
_BEYOND: Final = 10**_MOST_DIGITS - 1
"""Stands for every integer with more digits: further from zero than any parameter may be."""
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_NO_UTF8: Final = "must be percent-encoded UTF-8"
_NUL: Final = "must not hold the character U+0000"
_BOOLEANS: Final = {"true": True, "false": False}
_SINGLE_STYLES: Final = {"path": "simple", "query": "form", "header": "simple"}
_BY_THE_DOOR: Final = frozenset({"idempotency-key", "x-application-id", "x-throttle-environment-id", "x-api-key"})


class NotText(ValueError):
    """Bytes that are no UTF-8, a percent sign without its two digits, or a NUL. Its text says what would do."""


def snake_name(name: str) -> str:
    """Return the name of a handler's argument: ``cartId`` is ``cart_id``, ``id`` is ``id_``, ``X-A`` is ``x_a``."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
    return f"{snake}_" if keyword.iskeyword(snake) or hasattr(builtins, snake) else snake


def text_of(raw: bytes) -> str:
    """Return the text of a percent-encoded part; raises `NotText`."""
    if b"%" in raw:
        raw = _ESCAPE.sub(_unescaped, raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise NotText(_NO_UTF8) from None
    if "\x00" in text:
        raise NotText(_NUL)
    return text


def _unescaped(match: re.Match[bytes]) -> bytes:
    digits = match.group(1)
    if digits is None:
        raise NotText(_NO_UTF8)
    return bytes((int(digits, 16),))


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise ValueError
    if len(text.lstrip("-")) > _MOST_DIGITS:
        return -_BEYOND if text[0] == "-" else _BEYOND
    return int(text)


def _number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError
    return float(text)


def _boolean(text: str) -> bool:
    if text not in _BOOLEANS:
        raise ValueError
    return _BOOLEANS[text]


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {"integer": _integer, "number": _number, "boolean": _boolean}
_SAYS: Final[Mapping[str, str]] = {
    "integer": "must be an integer in plain ASCII digits",
    "number": "must be a decimal number in plain ASCII digits",
    "boolean": "must be true or false",
}


class Parameter:
    """One parameter, compiled."""

    __slots__ = (
        "_fits", "_is_list", "_read", "_type", "_validator", "argument", "default", "is_for_the_door", "is_required",
        "missing", "name", "not_found",
    )  # fmt: skip

    def __init__(self, declared: Mapping[str, Any], compiler: Compiler) -> None:
        self.name: str = declared["name"]
        self.argument = snake_name(self.name)
        self.is_required: bool = declared.get("required", False)
        _refuse_styles(declared)
        _refuse_endless(declared, compiler)
        schema = compiler.resolve(declared["schema"])
        self.default: Any = schema.get("default")
        self._is_list = schema.get("type") == "array"
        self._type = (compiler.resolve(schema["items"]) if self._is_list else schema).get("type", "string")
        self._read = _READERS.get(self._type)
        self._validator: Validator = compiler.compile(declared["schema"], "request")
        # A UUID's pattern says what its format says; the format's own check is the quicker one.
        self._fits = is_uuid if _is_plain_uuid(schema) else self._validator.fits
        self.not_found: str | None = declared.get("x-not-found")
        self.missing = _missing_error(self.name, declared.get("x-missing"))
        self.is_for_the_door = declared["in"] == "header" and self.name.lower() in _BY_THE_DOOR

    def value(self, texts: Sequence[str]) -> Any:
        """Return the value of what was sent; raises `InvalidRequest`."""
        if not self._is_list and len(texts) > 1:
            raise InvalidRequest(Fault(f"/{self.name}", "repeated", "may be given once"))
        read = self._read
        if read is None:
            value: Any = list(texts) if self._is_list else texts[0]
        else:
            try:
                value = [read(text) for text in texts] if self._is_list else read(texts[0])
            except ValueError:
                raise InvalidRequest(
                    Fault(f"/{self.name}", "type", _SAYS[self._type], echo((self.name,), texts[0]))
                ) from None
        if self._fits(value):
            return value
        raise InvalidRequest(*faults_in(self._validator, value, below=(self.name,)))


def _is_plain_uuid(schema: Mapping[str, Any]) -> bool:
    return (
        schema.get("format") == "uuid" and schema.get("pattern", UUID_PATTERN) == UUID_PATTERN and "enum" not in schema
    )


def _refuse_styles(declared: Mapping[str, Any]) -> None:
    style = declared.get("style", _SINGLE_STYLES.get(declared["in"]))
    if style != _SINGLE_STYLES.get(declared["in"]) or not declared.get("explode", True) or "schema" not in declared:
        raise BadSpec(f"parameter {declared['name']}: the door reads style form, exploded, with a schema")


def _refuse_endless(declared: Mapping[str, Any], compiler: Compiler) -> None:
    schema = compiler.resolve(declared["schema"])
    one = compiler.resolve(schema["items"]) if schema.get("type") == "array" else schema
    if one.get("type") == "integer" and not {"minimum", "maximum"} <= one.keys():
        raise BadSpec(f"parameter {declared['name']}: an integer has a minimum and a maximum")


class Parameters:
    """All parameters of one operation."""

    __slots__ = ("_absent", "_headers", "_names", "_path", "_query", "_required", "_single")

    def __init__(
        self,
        declared: Sequence[Mapping[str, Any]],
        template: str,
        compiler: Compiler,
        not_found: Callable[[str | None], type[ApiError]],
    ) -> None:
        by_place: dict[str, list[Parameter]] = {"path": [], "query": [], "header": []}
        for one in declared:
            if one["in"] == "cookie":
                raise BadSpec(f"parameter {one['name']}: the API reads no cookies")
            by_place[one["in"]].append(Parameter(one, compiler))
        order = [segment[1:-1] for segment in template.split("/") if segment.startswith("{")]
        path = {parameter.name: parameter for parameter in by_place["path"]}
        if sorted(path) != sorted(order):
            raise BadSpec(f"{template}: the path and its declared parameters differ")
        self._path = tuple((path[name], not_found(path[name].not_found)) for name in order)
        self._query = {name: p for p in by_place["query"] for name in _names(p, declared)}
        self._names = frozenset(self._query)
        self._headers = tuple((p.name.lower().encode(), p) for p in by_place["header"])
        self._single = SINGLE | {name for name, _ in self._headers}
        optional = [*by_place["query"], *(p for p in by_place["header"] if not p.is_for_the_door)]
        self._absent = {p.argument: p.default for p in optional}
        self._required = tuple(p for p in by_place["query"] if p.is_required)

    def refuse_repeats(self, request: Request) -> None:
        """Raise where a header that means one thing came twice."""
        repeated = request.repeated(self._single)
        if repeated is not None:
            raise InvalidRequest(Fault(f"/{repeated}", "repeated", "the header may be given once"))

    @property
    def arguments(self) -> frozenset[str]:
        """The names under which handlers are given the values."""
        return frozenset(self._absent) | {parameter.argument for parameter, _ in self._path}

    def read_path(self, values: Sequence[bytes]) -> dict[str, Any]:
        """Return the values in the path; one that cannot be an id is not found."""
        found: dict[str, Any] = {}
        for (parameter, error), raw in zip(self._path, values, strict=True):
            try:
                found[parameter.argument] = parameter.value((text_of(raw),))
            except (NotText, InvalidRequest):
                raise error from None
        return found

    def read(self, request: Request, found: dict[str, Any]) -> None:
        """Add the values of query and headers to those of the path."""
        if self._absent:
            found.update(self._absent)
        if request.query:
            self._read_query(request.query, found)
        elif self._required:
            raise self._required[0].missing()
        for name, parameter in self._headers:
            raw = request.headers.get(name)
            if raw is not None:
                value = parameter.value((_header_text(parameter.name, raw),))
                if not parameter.is_for_the_door:
                    found[parameter.argument] = value
            elif parameter.is_required:
                raise parameter.missing()

    def _read_query(self, query: bytes, found: dict[str, Any]) -> None:
        given = query_values(query)
        unknown = [name for name in given if name not in self._names]
        if unknown:
            raise InvalidRequest(*(_unknown(name, self._names) for name in unknown[:20]))
        seen: set[str] = set()
        for name, texts in given.items():
            parameter = self._query[name]
            if parameter.argument in seen:
                raise InvalidRequest(
                    Fault(f"/{name}", "repeated", f"is the same as {parameter.name}; give one of them")
                )
            seen.add(parameter.argument)
            found[parameter.argument] = parameter.value(texts)
        for parameter in self._required:
            if parameter.argument not in seen:
                raise parameter.missing()


def query_values(query: bytes) -> dict[str, list[str]]:
    """Return the texts of a query string by name; raises `InvalidRequest` for what is no text, or holds a card number."""
    found: dict[str, list[str]] = {}
    is_suspect = may_hold_digits(query) or b"%" in query
    for part in query.split(b"&"):
        if not part:
            continue
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        try:
            key, text = text_of(name), text_of(value)
        except NotText as refusal:
            raise _unreadable(name, str(refusal)) from None
        if is_suspect and (text_holds_card(text) or text_holds_card(key)):
            raise _card_number()
        found.setdefault(key, []).append(text)
    return found


def _unreadable(name: bytes, advice: str) -> ApiError:
    """Return the error for a part of the query that is no text. A name that can be read says where."""
    try:
        key = text_of(name)
    except NotText:
        subject = "the name of a query parameter"
        return InvalidRequest(Fault("", "encoding", f"{subject} {advice}"))
    if text_holds_card(key):
        return _card_number()
    return InvalidRequest(Fault(pointer_to((key[:64],)), "encoding", advice))


def _card_number() -> ApiError:
    return CardDataNotAllowed(
        "The query seems to hold a card number. Send a payment token instead.",
        details=[Fault("", "card_number", "the query seems to hold a card number").shape()],
    )


def _names(parameter: Parameter, declared: Sequence[Mapping[str, Any]]) -> list[str]:
    entry = next(one for one in declared if one["name"] == parameter.name and one["in"] == "query")
    return [parameter.name, *entry.get("x-aliases", ())]


def _header_text(name: str, raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise InvalidRequest(Fault(f"/{name}", "encoding", "must be plain ASCII")) from None


def _missing_error(name: str, code: str | None) -> Callable[[], ApiError]:
    """Return what makes the error for a parameter that is not there: the one that ``x-missing`` names, if it does."""
    if code is None:
        return lambda: InvalidRequest(Fault(f"/{name}", "required", "is missing"))
    found = all_errors().get(code)
    if found is None:
        raise BadSpec(f"parameter {name}: x-missing names no error: {code}")
    return lambda: found(f"{name} is missing.")


def _unknown(name: str, known: frozenset[str]) -> Fault:
    if not name:
        return Fault("", "unrecognized_keys", "a parameter has no name")
    meant = suggest(name, sorted(known))
    message = "is not a parameter of this operation" + (f"; did you mean {meant}?" if meant else "")
    return Fault(pointer_to((name[:64],)), "unrecognized_keys", message, None, meant)
