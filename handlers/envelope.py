"""The one error envelope, and which status each code has."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from handlers.respond import JSON_HEADERS, Answer, encoded
from penstock.errors import ApiError, Forbidden, InternalError, ServiceUnavailable

_CHALLENGE: Final = {"WWW-Authenticate": 'ApiKey realm="penstock", Bearer realm="penstock"'}
_BY_CODE: Final[Mapping[str, Mapping[str, str]]] = {
    "unauthorized": _CHALLENGE,
    "idempotency_in_progress": {"Retry-After": "1"},
    "payment_in_progress": {"Retry-After": "1"},
    "service_unavailable": {"Retry-After": "2"},
}
_WAITS: Final = frozenset({"same_request", "after_delay"})
_STORED: Final = frozenset({402, 404, 409, 410, 422})


class Envelope:
    """Writes errors. Built from ``spec/errors.yaml`` and the address at which the documentation stands."""

    def __init__(self, errors: Mapping[str, Mapping[str, Any]], public_url: str) -> None:
        self._errors = errors
        self._docs = f"{public_url.rstrip('/')}/docs/errors#"
        missing = [cls.code for cls in (Forbidden, InternalError, ServiceUnavailable) if cls.code not in errors]
        if missing:
            raise ValueError(f"spec/errors.yaml lacks {', '.join(missing)}")

    def answer(self, error: ApiError, request_id: str) -> Answer:
        """Return the answer that an error is."""
        entry = self._errors.get(error.code)
        if entry is None:
            return self.answer(InternalError(f"The error {error.code} is not declared."), request_id)
        body: dict[str, Any] = {
            "code": error.wire_code,
            "message": error.message,
            "requestId": request_id,
            "docs": self._docs + error.code,
        }
        if error.details is not None:
            body["details"] = error.details
        content = {"error": body}
        headers = {**_BY_CODE.get(error.code, {}), **error.headers}
        return Answer(
            entry["status"],
            orjson.dumps(content),
            (*JSON_HEADERS, *encoded(headers)) if headers else JSON_HEADERS,
            code=error.code,
            content=content,
        )

    def may_pass(self, answer: Answer) -> bool:
        """Tell whether an answer is an error that a repeat under the same Idempotency-Key need not get again."""
        return bool(answer.code) and not self.is_final(answer)

    def is_final(self, answer: Answer) -> bool:
        """Tell whether a repeat under the same Idempotency-Key must get this very answer again.

        Errors that pass by themselves are not final: the repeat is how a client finds out that they did.
        """
        if not answer.code:
            return answer.status < 300  # noqa: PLR2004 -- the end of the 2xx
        return answer.status in _STORED and self._errors[answer.code].get("retry") not in _WAITS
