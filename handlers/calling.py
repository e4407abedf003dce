"""What a handler is given, decided once from its signature: the spec's parameters and what the house lends."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from handlers.schema import BadSpec

LENT: Final = frozenset({"caller", "uow", "work", "house", "clock", "body", "params"})

Handler = Callable[..., Any]


class CallPlan:
    """The arguments of one handler."""

    __slots__ = ("_drops", "_lent", "_wants_params", "handler", "needs", "wants_uow", "wants_work")

    def __init__(
        self, name: str, handler: Handler, offered: frozenset[str], *, has_body: bool, has_caller: bool
    ) -> None:
        asked = _arguments(name, handler)
        lent = asked & LENT
        missing = asked - LENT - offered
        if missing:
            raise BadSpec(f"{name} asks for {', '.join(sorted(missing))}, which its operation does not have")
        ignored = offered - asked
        if ignored and "params" not in asked:
            raise BadSpec(f"{name} ignores {', '.join(sorted(ignored))}, which its operation promises to read")
        if has_body and not asked & {"body", "params"}:
            raise BadSpec(f"{name} ignores the body that its operation takes")
        if "uow" in asked and "work" in asked:
            raise BadSpec(f"{name} asks for a unit of work and for the opener of units of work: take one")
        if not has_caller and asked & {"uow", "work", "caller"}:
            raise BadSpec(f"{name} needs a caller, and its operation lets anybody in")
        self.handler = handler
        self.wants_uow = "uow" in asked
        self.wants_work = "work" in asked
        self._lent = tuple(sorted(lent))
        self._drops = tuple(sorted(ignored))
        self._wants_params = "params" in asked

    def call(self, values: dict[str, Any], lent: Mapping[str, Any]) -> Any:
        """Call the handler with the request's values and what it is lent."""
        if self._wants_params:
            params = dict(values)
            for name in self._drops:
                del values[name]
            lent = {**lent, "params": params}
        for name in self._lent:
            values[name] = lent[name]
        return self.handler(**values)


def _arguments(name: str, handler: Handler) -> frozenset[str]:
    parameters = inspect.signature(handler).parameters
    for parameter in parameters.values():
        if parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY}:
            raise BadSpec(f"{name} must name its arguments")
    return frozenset(parameters)
