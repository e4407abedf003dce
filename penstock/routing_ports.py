"""What the flows need from the rows of routing."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from penstock.page import Page
from penstock.routing import LIST_NAMES, ListName, Route, RoutingVersion
from penstock.ruleset import RuleList


class Routing(Protocol):
    """The four lists of rules with their versions, and how each payment was routed."""

    def in_force(self, names: Collection[ListName] = LIST_NAMES) -> Mapping[ListName, RuleList]:
        """Return those of the lists that stand, compiled; one that was never set is not among them."""
        ...

    def standing(self, name: ListName) -> RoutingVersion | None: ...
    def hold(self, name: ListName) -> int:
        """Return the number of the version that stands, 0 for none; nobody replaces it until the block ends."""
        ...

    def version(self, version_id: str) -> RoutingVersion | None: ...
    def numbered(self, name: ListName, number: int) -> RoutingVersion | None: ...
    def replace(self, version: RoutingVersion) -> None:
        """Write a new version of a list that is held, and let it stand."""
        ...

    def versions(self, name: ListName | None, *, cursor: str | None, limit: int) -> Page: ...
    def add_route(self, payment_id: str, route: Route) -> None: ...
    def route(self, payment_id: str) -> Route | None: ...
    def routes(self, *, limit: int) -> Sequence[tuple[str, Route]]:
        """Return payments' ids with their routes, newest first."""
        ...
