"""One operation of the spec, compiled at start: who may, what comes in, what is done, what goes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handlers.answers import ANYTHING
from handlers.auth import BY_PATH, gate_for, not_found_error
from handlers.body import DEFAULT_LIMIT, JsonBody, RawBody
from handlers.calling import CallPlan
from handlers.checks import BrokenPromise, ResponseChecks, Watch
from handlers.contract import DoorHouse
from handlers.envelope import Envelope
from handlers.failures import error_for
from handlers.idempotency import Claim, OneBlock, OwnBlocks, claim_for
from handlers.pace import Pace
from handlers.parameters import Parameters
from handlers.request import Request, current_id
from handlers.respond import Answer, answer_from
from handlers.routes import WRITES
from handlers.schema import BadSpec, Compiler
from handlers.sealing import Seal
from penstock.caller import Caller
from penstock.catalogue import Scopes
from penstock.errors import ApiError
from penstock.events import declared_events
from penstock.ports import UnitOfWork, Work
from penstock.tax_errors import UnknownFields
from storage.retry import again_on_collision


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What all operations of one document are compiled with."""

    house: DoorHouse
    envelope: Envelope
    seal: Seal
    watch: Watch
    scopes: Scopes
    compiler: Compiler
    document: Mapping[str, Any]

    def resolve(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow a reference within the document."""
        while "$ref" in node:
            found: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            node = found
        return node


class _Call:
    """One call of a handler that waits for what the operation opens for it.

    A refusal that the handler raises undoes the open block; one that it returns keeps what the block has written.
    """

    __slots__ = ("_envelope", "_lent", "_plan", "_status", "_values")

    def __init__(
        self, operation: "Operation", envelope: Envelope, values: dict[str, Any], lent: dict[str, Any]
    ) -> None:
        self._plan = operation.plan
        self._status = operation.status
        self._envelope = envelope
        self._values = values
        self._lent = lent

    def alone(self) -> Answer:
        """Call without a unit of work."""
        result = self._plan.call(self._values, self._lent)
        if isinstance(result, ApiError):
            return self._envelope.answer(result, current_id.get())
        return answer_from(result, self._status)

    def with_uow(self, uow: UnitOfWork) -> Answer:
        """Call inside a block."""
        self._lent["uow"] = uow
        return self.alone()

    def with_work(self, work: Work) -> Answer:
        """Call with an opener of blocks."""
        self._lent["work"] = work
        return self.alone()


class Operation:
    """One operation. `run` never raises."""

    def __init__(self, operation: Any, item: Mapping[str, Any], shop: Workshop) -> None:
        raw = item[operation.method]
        house = shop.house
        self.name: str = raw["operationId"]
        self.is_browser_safe = raw.get("x-caller") in ("session", "quote")
        self._is_asked_by_body = raw.get("x-caller") == "quote"
        self._shop = shop
        self._parameters = _parameters(operation, item, shop)
        self._gate = gate_for(operation, raw, house.identity, shop.scopes)
        self._is_named_by_path = raw.get("x-caller") in BY_PATH
        self._body = _body(raw, shop)
        self.body_limit: int | None = raw.get("x-body-limit", DEFAULT_LIMIT) if self._body else None
        self._is_write = operation.method.upper() in WRITES
        self._takes_key = self._is_write and raw.get("x-idempotent", "off") != "off"
        self._emits = frozenset(raw.get("x-emits", ())) if shop.watch.is_loud else None
        self._checks = ResponseChecks(self.name, raw["responses"], shop.resolve, shop.compiler)
        self.status = self._checks.default_status
        self.plan = CallPlan(
            self.name,
            operation.function,
            self._parameters.arguments,
            has_body=self._body is not None,
            has_caller=bool(operation.security) or raw.get("x-caller", "public") != "public",
        )
        is_file = house.settings.sqlite_file is not None
        is_brief = is_file and not self._is_write and self.plan.wants_uow
        is_one_block = is_file and self._is_write and self.plan.wants_uow
        self.pace = Pace(is_here=is_brief, is_measured=is_brief, is_in_turn=is_one_block)
        self._lent = {"house": house, "clock": house.clock}
        self._one_block = OneBlock(house.work, shop.envelope)
        self._own_blocks = OwnBlocks(house.work, shop.envelope)

    def run(self, request: Request) -> Answer:
        """Answer a request, whatever comes of it."""
        current_id.set(request.id)
        declared_events.set(self._emits)
        envelope, watch = self._shop.envelope, self._shop.watch
        try:
            answer = self._answer(request)
        except Exception as error:  # noqa: BLE001 -- the last line of defense: every failure becomes an envelope
            answer = envelope.answer(error_for(error, self.name), request.id)
        if watch.is_off:
            return answer
        try:
            watch.look(self._checks, self.name, answer)
        except BrokenPromise as error:
            return envelope.answer(error_for(error, self.name), request.id)
        return answer

    def _answer(self, request: Request) -> Answer:
        parameters = self._parameters
        if request.has_repeats:
            parameters.refuse_repeats(request)
        body: Any = None
        if self._is_asked_by_body and self._body is not None:
            values, body = parameters.read_path(request.values), self._body.read(request)
            request.caller = caller = self._gate.admit(request, body)
        elif self._is_named_by_path:
            values = parameters.read_path(request.values)
            request.caller = caller = self._gate.admit(request, values)
        else:
            request.caller = caller = self._gate.admit(request, {})
            values = parameters.read_path(request.values)
        parameters.read(request, values)
        if body is None and self._body is not None:
            body = self._body.read(request)
        call = _Call(self, self._shop.envelope, values, {**self._lent, "caller": caller, "body": body})
        if caller is None:
            return call.alone()
        claim = claim_for(request, self.name, caller, body, self._shop.seal) if self._takes_key else None
        return self._perform(request, caller, claim, call)

    def _perform(self, request: Request, caller: Caller, claim: Claim | None, call: _Call) -> Answer:
        if not self.plan.wants_uow:
            return self._own_blocks.run(request, caller, claim, call.with_work)
        if self._is_write:
            # Nothing but the database is touched here, so a block that two transactions' meeting undid may run again.
            return again_on_collision(lambda: self._one_block.run(request, caller, claim, call.with_uow))
        with self._shop.house.work(caller.scope, read=True) as uow:
            return call.with_uow(uow)


def _parameters(operation: Any, item: Mapping[str, Any], shop: Workshop) -> Parameters:
    raw = item[operation.method]
    declared = [shop.resolve(one) for one in (*raw.get("parameters", ()), *item.get("parameters", ()))]
    code = raw.get("x-not-found", "not_found")
    return Parameters(declared, operation.path, shop.compiler, lambda own: not_found_error(own or code))


def _body(raw: Mapping[str, Any], shop: Workshop) -> JsonBody | RawBody | None:
    if "requestBody" not in raw:
        return None
    declared = shop.resolve(raw["requestBody"])
    if list(declared["content"]) == [ANYTHING]:
        return RawBody()
    if list(declared["content"]) != ["application/json"]:
        raise BadSpec(f"{raw['operationId']}: the door reads application/json bodies alone")
    schema = declared["content"]["application/json"]["schema"]
    return JsonBody(
        shop.compiler.compile(schema, "request"),
        is_required=declared.get("required", False),
        tells_unknown=UnknownFields.code in raw.get("x-errors", ()),
    )
