"""Which endpoint a raw path belongs to: decided on the bytes as they came, so that no decoding can move a request."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from handlers.pace import Pace
from handlers.request import Request
from handlers.respond import Answer

WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Endpoint(Protocol):
    """What answers one method of one path. `body_limit` is None where a body is never read."""

    name: str
    body_limit: int | None
    pace: Pace
    is_browser_safe: bool

    def run(self, request: Request) -> Answer:
        """Answer. Never raises."""
        ...


class Route:
    """One path with its methods. `allow` lists them as the header does; `methods` has HEAD where there is GET."""

    __slots__ = ("allow", "methods", "template")

    def __init__(self, template: str) -> None:
        self.template = template
        self.methods: dict[str, Endpoint] = {}
        self.allow = ""

    def add(self, method: str, endpoint: Endpoint) -> None:
        """Bind a method. Two endpoints for one method stop the start."""
        if method in self.methods:
            raise ValueError(f"two operations want {method} {self.template}")
        self.methods[method] = endpoint
        if method == "GET":
            self.methods.setdefault("HEAD", endpoint)
        self.allow = ", ".join(sorted({*self.methods, "OPTIONS"}))


class _Node:
    __slots__ = ("literals", "route", "wildcard")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.wildcard: _Node | None = None
        self.route: Route | None = None


class Routes:
    """A trie over path segments. Literal segments win over parameters; an empty segment matches nothing."""

    def __init__(self) -> None:
        self._fixed: dict[bytes, Route] = {}
        self._root = _Node()

    def add(self, method: str, template: str, endpoint: Endpoint) -> None:
        """Bind a method of a path template such as ``/carts/{id}/items``."""
        if "{" not in template:
            self._fixed.setdefault(template.encode(), Route(template)).add(method, endpoint)
            return
        node = self._root
        for segment in template[1:].split("/"):
            node = _child(node, segment, template)
        if node.route is None:
            node.route = Route(template)
        node.route.add(method, endpoint)

    def find(self, path: bytes) -> tuple[Route, tuple[bytes, ...]] | None:
        """Return the route of a raw path and the raw values of its parameters, in order."""
        route = self._fixed.get(path)
        if route is not None:
            return route, ()
        if path[:1] != b"/":
            return None
        segments = path.split(b"/")
        node: _Node | None = self._root
        values: list[bytes] = []
        for segment in segments[1:]:
            child = node.literals.get(segment)  # type: ignore[union-attr]  # the loop ends where there is no node
            if child is None and segment:
                child = node.wildcard  # type: ignore[union-attr]  # the same
                values.append(segment)
            node = child
            if child is None:
                break
        if node is not None and node.route is not None:
            return node.route, tuple(values)
        # The literal way was a dead end: go back and try the parameters.
        return _find(self._root, segments[1:], 0, ())

    def endpoints(self) -> Mapping[str, Any]:
        """Return every endpoint by name."""
        routes = list(self._fixed.values())
        queue = [self._root]
        while queue:
            node = queue.pop()
            queue.extend(node.literals.values())
            if node.wildcard is not None:
                queue.append(node.wildcard)
            if node.route is not None:
                routes.append(node.route)
        return {endpoint.name: endpoint for route in routes for endpoint in route.methods.values()}


def _child(node: _Node, segment: str, template: str) -> _Node:
    if segment.startswith("{") and segment.endswith("}"):
        if node.wildcard is None:
            node.wildcard = _Node()
        return node.wildcard
    if "{" in segment:
        raise ValueError(f"{template}: a parameter must be a whole segment")
    return node.literals.setdefault(segment.encode(), _Node())


def _find(
    node: _Node, segments: list[bytes], index: int, values: tuple[bytes, ...]
) -> tuple[Route, tuple[bytes, ...]] | None:
    if index == len(segments):
        return None if node.route is None else (node.route, values)
    segment = segments[index]
    child = node.literals.get(segment)
    if child is not None:
        found = _find(child, segments, index + 1, values)
        if found is not None:
            return found
    if node.wildcard is None or not segment:
        return None
    return _find(node.wildcard, segments, index + 1, (*values, segment))
