"""Which pages of other origins may use a session or ask for a quote: exact origins, from the embed configuration."""

from typing import Final

from handlers import strict_json
from handlers.contract import DoorHouse
from handlers.failures import error_for
from handlers.request import Request
from handlers.respond import Answer, Header
from handlers.routes import Route
from penstock.ids import is_uuid

ORIGIN: Final = b"origin"
WANTED_METHOD: Final = b"access-control-request-method"
_UNFIT: Final = 422
_VARY: Final = (b"vary", b"Origin")
_EXPOSED: Final = (b"access-control-expose-headers", b"X-Request-Id, Idempotency-Replay, Retry-After")
_ALLOWED: Final = (b"access-control-allow-headers", b"Content-Type, Idempotency-Key, X-Request-Id")
_KEPT: Final = (b"access-control-max-age", b"600")


class Cors:
    """Adds the headers to what a session's operations answer, and answers what browsers ask beforehand."""

    def __init__(self, house: DoorHouse) -> None:
        self._house = house

    def grant(self, request: Request, answer: Answer) -> Answer:
        """Add the headers for a request that names its origin."""
        if self._is_allowed(request) or self._may_read_its_faults(request, answer):
            answer.add(_VARY, (b"access-control-allow-origin", request.headers[ORIGIN]), _EXPOSED)
        else:
            answer.add(_VARY)
        return answer

    def preflight(self, request: Request, route: Route) -> Answer:
        """Answer OPTIONS, with the permission for this origin if it has one."""
        headers: tuple[Header, ...] = ((b"allow", route.allow.encode()), _VARY)
        # What a quote is asked with stands in a body that has not come yet, so any page may send it. Whether a page gets
        # to read the answer is decided when its token is known.
        if self._is_allowed(request) or self._is_for_quotes(request):
            methods = (b"access-control-allow-methods", route.allow.encode())
            headers = (*headers, (b"access-control-allow-origin", request.headers[ORIGIN]), methods, _ALLOWED, _KEPT)
        return Answer(204, b"", headers)

    def _is_for_quotes(self, request: Request) -> bool:
        return not request.values and request.headers.get(ORIGIN) not in {None, b"null"}

    def _is_allowed(self, request: Request) -> bool:
        origin = request.headers.get(ORIGIN)
        if origin is None or origin == b"null":
            return False
        if not request.values:
            # The token's gate has looked at the origin.
            return request.caller is not None and request.caller.kind == "quote"
        try:
            return origin.decode("latin-1") in self._house.cors_origins(request.values[0].decode("latin-1"))
        except Exception as failure:  # noqa: BLE001 -- without a permission the browser keeps the answer from the page
            error_for(failure, "cors")
            return False

    def _may_read_its_faults(self, request: Request, answer: Answer) -> bool:
        """Tell whether a body that was refused before anybody asked for its quote token holds a good one all the same."""
        if answer.status != _UNFIT or request.values or request.caller is not None:
            return False
        try:
            return self._is_good(strict_json.parse(request.body), request.text(ORIGIN))
        except Exception as failure:  # noqa: BLE001 -- the answer stays what it is; the page does not get to read it
            error_for(failure, "cors")
            return False

    def _is_good(self, body: object, origin: str | None) -> bool:
        if not isinstance(body, dict) or origin in {None, "null"}:
            return False
        token, application_id = body.get("quoteToken"), body.get("applicationId")
        if not isinstance(token, str) or not isinstance(application_id, str) or not is_uuid(application_id):
            return False
        return self._house.identity.by_quote_token(token, application_id, origin).kind == "quote"
