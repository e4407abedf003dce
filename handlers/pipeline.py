"""The one middleware behind the door: it routes, takes the body, and has the compiled operation run in a thread."""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from typing import Any, Final

from connexion.http_facts import METHODS
from connexion.middleware.abstract import SpecMiddleware
from connexion.spec import Specification

from handlers.auth import BEARER_HEADER
from handlers.body import ClientGone, Receive, receive_body
from handlers.cork import Sender
from handlers.cors import ORIGIN, WANTED_METHOD, Cors
from handlers.envelope import Envelope
from handlers.failures import error_for
from handlers.lane import Lane
from handlers.logs import log_request
from handlers.metrics import Metrics
from handlers.operation import Operation, Workshop
from handlers.pool import Pool
from handlers.request import Request
from handlers.respond import Answer
from handlers.routes import Endpoint, Route, Routes
from handlers.schema import BadSpec
from handlers.tracing import tracer
from penstock.clock import monotonic_seconds
from penstock.errors import MethodNotAllowed, NotFound, ServiceUnavailable

Send = Callable[[Mapping[str, Any]], Awaitable[None]]
_NO_LENGTH: Final = frozenset({204, 304})
_GONE: Final = 499


class Pipeline(SpecMiddleware):
    """Connexion's operations, compiled once. What is no operation (pages, documents, health) joins by `add`."""

    def __init__(
        self, shop: Workshop, metrics: Metrics, pool: Pool[Any, Answer], lane: Lane[Any, Answer] | None = None
    ) -> None:
        self._shop = shop
        self._metrics = metrics
        self._pool = pool
        self._lane = lane
        self._envelope: Envelope = shop.envelope
        self._cors = Cors(shop.house)
        self._tracer = tracer()
        self.routes = Routes()

    def add_api(
        self, specification: Specification, *, base_path: str | None = None, resolver: Any = None, **_: Any
    ) -> None:
        """Compile every operation of a specification."""
        base = specification.base_path if base_path is None else base_path
        raw_paths = self._shop.document["paths"]
        made: Any = specification.operation_cls  # connexion has no types there
        for path, item in specification["paths"].items():
            for method in METHODS & item.keys():
                operation = made.from_spec(specification, path=path, method=method, resolver=resolver)
                try:
                    compiled = Operation(operation, raw_paths[path], self._shop)
                    self.routes.add(method.upper(), base + path, compiled)
                except (BadSpec, ValueError) as error:
                    raise BadSpec(f"{method.upper()} {path}: {error}") from error

    def add(self, method: str, template: str, endpoint: Endpoint) -> None:
        """Bind an endpoint that is no operation of the spec."""
        self.routes.add(method, template, endpoint)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            return
        started = monotonic_seconds()
        request = Request(scope)
        name, is_from_page = "unrouted", False
        try:
            route, request.values = self._find(request)
            endpoint = route.methods.get(request.method)
            if endpoint is None:
                answer = await self._without_endpoint(request, route)
            else:
                name, is_from_page = endpoint.name, endpoint.is_browser_safe and ORIGIN in request.headers
                answer = await self._run(endpoint, request, receive)
        except ClientGone:
            self._note(name, request, Answer(_GONE), started)
            return
        except Exception as error:  # noqa: BLE001 -- the last line of defense: every failure becomes an envelope
            answer = self._envelope.answer(error_for(error, name), request.id)
        if is_from_page:
            answer = await self._granted(request, answer)
        await _send(send, request, answer)
        self._note(name, request, answer, started)

    def _find(self, request: Request) -> tuple[Route, tuple[bytes, ...]]:
        found = self.routes.find(request.path)
        if found is None:
            raise NotFound("There is nothing at this address.")
        return found

    async def _run(self, endpoint: Endpoint, request: Request, receive: Receive) -> Answer:
        pool = self._pool
        if endpoint.pace.is_here:
            answer = self._run_here(endpoint, request)
        else:
            if pool.is_full:
                raise ServiceUnavailable("The server is busy; nothing was done.", headers={"Retry-After": "1"})
            if endpoint.body_limit is not None:
                request.body = await receive_body(request, receive, endpoint.body_limit)
            answer = await self._run_away(endpoint, request)
        return answer

    def _run_here(self, endpoint: Endpoint, request: Request) -> Answer:
        began = monotonic_seconds()
        if self._tracer is None:
            answer = endpoint.run(request)
        else:
            with self._tracer.span(endpoint.name, request):
                answer = endpoint.run(request)
        endpoint.pace.took(monotonic_seconds() - began)
        return answer

    async def _run_away(self, endpoint: Endpoint, request: Request) -> Answer:
        # Whom a token belongs to may have to be asked elsewhere, and nobody in a line waits for that.
        is_in_turn = endpoint.pace.is_in_turn and BEARER_HEADER not in request.headers
        run = self._lane.run if is_in_turn and self._lane is not None else self._pool.run
        if self._tracer is None:
            answer = await run(endpoint.run, request)
        else:
            with self._tracer.span(endpoint.name, request):
                answer = await run(_in_this_context(endpoint.run), request)
        endpoint.pace.was_away()
        return answer

    async def _granted(self, request: Request, answer: Answer) -> Answer:
        return await self._pool.run(lambda asked: self._cors.grant(asked, answer), request)

    async def _without_endpoint(self, request: Request, route: Route) -> Answer:
        if request.method != "OPTIONS":
            raise MethodNotAllowed(headers={"Allow": route.allow})
        if WANTED_METHOD in request.headers and any(one.is_browser_safe for one in route.methods.values()):
            return await self._pool.run(lambda asked: self._cors.preflight(asked, route), request)
        return Answer(204, b"", ((b"allow", route.allow.encode()),))

    def _note(self, name: str, request: Request, answer: Answer, started: float) -> None:
        seconds = monotonic_seconds() - started
        self._metrics.observe(name, answer.status, seconds)
        log_request(name, request, answer.status, answer.code, seconds)


def _in_this_context(act: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
    """Carry the span into the thread."""
    context = copy_context()

    def run(request: Request) -> Answer:
        return context.run(act, request)

    return run


async def _send(send: Send, request: Request, answer: Answer) -> None:
    has_length = answer.status not in _NO_LENGTH
    body = b"" if request.method == "HEAD" else answer.body
    if type(send) is Sender and body and has_length:
        # Neither can hold what would end its line: the one was matched or made, the other is a number.
        own = b"x-request-id: %s\r\ncontent-length: %d\r\n" % (request.id_header, len(body))
        if send.whole(answer.status, answer.headers, own, body):
            return
    headers = [*answer.headers, (b"x-request-id", request.id_header)]
    if has_length:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
