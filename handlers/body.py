"""Bodies: how much is taken, of which type, and what may never be in them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from handlers import strict_json
from handlers.card_numbers import card_places
from handlers.faults import faults_in
from handlers.request import Request
from handlers.schema import Validator
from penstock.errors import (
    CardDataNotAllowed,
    Fault,
    InvalidJson,
    InvalidRequest,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationError,
)
from penstock.tax_errors import UnknownFields

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
DEFAULT_LIMIT: Final = 1024 * 1024
_LONGEST_LENGTH: Final = 18


class ClientGone(Exception):
    """The client hung up before its body was complete."""


async def receive_body(request: Request, receive: Receive, limit: int) -> bytes:
    """Return the body, or raise `PayloadTooLarge` as soon as it is known to be too large."""
    length = request.headers.get(b"content-length")
    if length is not None:
        if not length.isdigit() or len(length) > _LONGEST_LENGTH:
            raise InvalidRequest(Fault("/Content-Length", "pattern", "must be a number of bytes"))
        if int(length) > limit:
            raise too_large(limit)
    elif b"transfer-encoding" not in request.headers:
        return b""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return _within(message, body, limit)
    chunks = [body]
    taken = len(body)
    while message.get("more_body"):
        message = await receive()
        chunk = _within(message, message.get("body", b""), limit - taken, limit)
        taken += len(chunk)
        chunks.append(chunk)
    return b"".join(chunks)


def too_large(limit: int) -> PayloadTooLarge:
    """Return the error that names the limit."""
    return PayloadTooLarge(
        f"The body is larger than the {limit} bytes that this operation takes.", details={"limit": limit}
    )


def _within(message: Mapping[str, Any], chunk: bytes, left: int, limit: int | None = None) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone
    if len(chunk) > left:
        raise too_large(left if limit is None else limit)
    return chunk


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A request as it came: header names in lower case (a repeated one's values are joined), and the body unparsed."""

    headers: Mapping[str, str]
    content: bytes


class RawBody:
    """The body of an operation that checks who sent it before it reads it: any media type, handed on as it is."""

    __slots__ = ()

    def read(self, request: Request) -> RawMessage:
        """Return the request's headers and body. Nothing is looked at."""
        headers: dict[str, str] = {}
        for name, value in request.raw_headers:
            text, key = value.decode("latin-1"), name.decode("latin-1").lower()
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return RawMessage(headers, request.body)


class JsonBody:
    """The body of one operation, compiled once."""

    __slots__ = ("_is_required", "_tells_unknown", "_validator")

    def __init__(self, validator: Validator, *, is_required: bool, tells_unknown: bool = False) -> None:
        self._validator = validator
        self._is_required = is_required
        self._tells_unknown = tells_unknown

    def read(self, request: Request) -> Any:
        """Return the document in a request's body; None where an optional body was left out."""
        raw = request.body
        if not raw:
            if self._is_required:
                raise InvalidJson("The body is missing.")
            return None
        headers = request.headers
        if headers.get(b"content-type") != b"application/json" or b"content-encoding" in headers:
            _check_media(headers)
        document = strict_json.parse(raw)
        places = card_places(raw, document)
        if places:
            raise CardDataNotAllowed(
                details=[Fault(place, "card_number", "seems to be a card number").shape() for place in places[:20]]
            )
        if not self._validator.fits(document):
            self._refuse(faults_in(self._validator, document))
        return document

    def _refuse(self, faults: Sequence[Fault]) -> NoReturn:
        if self._tells_unknown and any(fault.code == "unrecognized_keys" for fault in faults):
            raise UnknownFields(*faults)
        raise ValidationError(*faults)


def _check_media(headers: Mapping[bytes, bytes]) -> None:
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise UnsupportedMediaType("Send the body without a content encoding.")
    media, *parameters = headers.get(b"content-type", b"").lower().split(b";")
    if media.strip() != b"application/json":
        raise UnsupportedMediaType
    for parameter in parameters:
        name, _, value = parameter.strip().partition(b"=")
        if name.strip() == b"charset" and value.strip().strip(b'"') not in {b"utf-8", b"utf8"}:
            raise UnsupportedMediaType("Send the body in UTF-8.")
