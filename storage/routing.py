"""Routing in rows: the four lists with all their versions, and how each payment was routed."""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import Any, Final

import sqlalchemy as sa

from penstock.ports import Page
from penstock.routing import LIST_NAMES, Decision, Facts, ListName, Route, RoutingVersion
from penstock.ruleset import RuleList, compile_list
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.cursors import Cursors
from storage.lists import Listing
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import payment_routes, routing_lists, routing_versions
from storage.types import Whole

_LIST_KEYS: Final = (*SCOPE_COLUMNS, "list_name")
_VERSION: Final = [each.name for each in routing_versions.columns if each.name not in SCOPE_COLUMNS]
_KEPT: Final = 128
"""How many compiled lists a process keeps. A version never changes, so what is kept is never stale."""

_by_name = routing_lists.c.list_name == value(routing_lists.c.list_name)
_heads = scoped.select(routing_lists.c.list_name, routing_lists.c.number, routing_lists.c.version_id)
_HEADS = Statement(_heads)
_HEAD = Statement(_heads.where(_by_name))
_HOLD = Statement(_heads.where(_by_name).with_for_update())
_CLAIM = scoped.upsert(routing_lists, _LIST_KEYS, [])
_PUT_HEAD = Statement(scoped.update(routing_lists, ["number", "version_id", "updated_at"]).where(_by_name))
_versions = scoped.select(*(routing_versions.c[name] for name in _VERSION))
_GET = Statement(_versions.where(scoped.by_id(routing_versions)))
_by_number = routing_versions.c.number == value(routing_versions.c.number)
_NUMBERED = Statement(_versions.where(routing_versions.c.list_name == value(routing_versions.c.list_name), _by_number))
_ADD = Statement(scoped.insert(routing_versions))
_ROUTE = [each.name for each in payment_routes.columns if each.name not in SCOPE_COLUMNS]
_routes = scoped.select(*(payment_routes.c[name] for name in _ROUTE))
_ADD_ROUTE = Statement(scoped.insert(payment_routes))
_GET_ROUTE = Statement(_routes.where(scoped.by_id(payment_routes)))
_newest = _routes.order_by(payment_routes.c.created_at.desc(), payment_routes.c.id.desc())
_ROUTES = Statement(_newest.limit(sa.bindparam("limit", type_=Whole())))
_LISTING: Final = Listing(
    routing_versions,
    [each for each in routing_versions.columns if each.name not in (*SCOPE_COLUMNS, "body")],
    {"list_name": routing_versions.c.list_name == value(routing_versions.c.list_name)},
    lambda row: {
        "id": row.id,
        "list": row.list_name,
        "number": row.number,
        "createdAt": row.created_at,
        "createdBy": row.created_by,
    },
)


class RoutingRows:
    """The lists of one scope, and the routes of its payments."""

    def __init__(self, connection: ScopedConnection, now: datetime, cursors: Cursors) -> None:
        self._connection = connection
        self._now = now
        self._cursors = cursors

    def in_force(self, names: Collection[ListName] = LIST_NAMES) -> Mapping[ListName, RuleList]:
        """Return those of the lists that stand, compiled; one that was never set is not among them."""
        heads = self._connection.rows(_HEADS, {})
        standing = [head for head in heads if head.version_id is not None and head.list_name in names]
        return {head.list_name: self._compiled(head) for head in standing}

    def standing(self, name: ListName) -> RoutingVersion | None:
        """Return the version of a list that stands, or None where it was never set."""
        head = self._connection.row(_HEAD, {"list_name": name})
        return None if head is None or head.version_id is None else self.version(head.version_id)

    def hold(self, name: ListName) -> int:
        """Return the number of the version that stands, 0 for none, and let nobody replace it until the block ends."""
        empty = {"list_name": name, "number": 0, "version_id": None, "updated_at": self._now}
        self._connection.put(_CLAIM, empty)
        number: int = self._connection.row(_HOLD, {"list_name": name}).number
        return number

    def version(self, version_id: str) -> RoutingVersion | None:
        """Return one version of any list."""
        row = self._connection.row(_GET, {"id": version_id})
        return None if row is None else RoutingVersion(**row._asdict())

    def numbered(self, name: ListName, number: int) -> RoutingVersion | None:
        """Return one version of a list by its number."""
        row = self._connection.row(_NUMBERED, {"list_name": name, "number": number})
        return None if row is None else RoutingVersion(**row._asdict())

    def replace(self, version: RoutingVersion) -> None:
        """Write a new version of a list that is held, and let it stand."""
        self._connection.put(_ADD, {name: getattr(version, name) for name in _VERSION})
        head = {"list_name": version.list_name, "number": version.number, "version_id": version.id}
        self._connection.put(_PUT_HEAD, {**head, "updated_at": self._now})

    def versions(self, name: ListName | None, *, cursor: str | None, limit: int) -> Page:
        """Return a page of versions in the wire's shape without their rules, newest first; of one list, or of all."""
        filters = {} if name is None else {"list_name": name}
        return _LISTING.page(self._connection, self._cursors, filters, cursor=cursor, limit=limit)

    def add_route(self, payment_id: str, route: Route) -> None:
        """Write how a payment was routed."""
        decision = route.decision
        kept = {**decision.shape(), "versions": decision.versions}
        kept |= {"taking": route.taking, "passedOver": route.passed_over}
        row = {"id": payment_id, "facts": route.facts.shape(), "decision": kept, "created_at": self._now}
        self._connection.put(_ADD_ROUTE, row)

    def route(self, payment_id: str) -> Route | None:
        """Return how a payment was routed, or None where it is unknown or older than routing."""
        row = self._connection.row(_GET_ROUTE, {"id": payment_id})
        return None if row is None else _route(row)

    def routes(self, *, limit: int) -> Sequence[tuple[str, Route]]:
        """Return payments' ids with their routes, newest first."""
        return [(row.id, _route(row)) for row in self._connection.rows(_ROUTES, {"limit": limit})]

    def _compiled(self, head: Any) -> RuleList:
        found = _kept.get(head.version_id)
        if found is None:
            version = self.version(head.version_id)
            if version is None:
                raise LookupError(f"the list {head.list_name} has lost its version {head.number}")
            found = compile_list(version.list_name, version.number, version.body)
            _kept.put(head.version_id, found)
        return found


class _Compiled:
    """The lists that this process has compiled, the least recently used one leaves first. Ids are unique everywhere."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, RuleList] = OrderedDict()
        self._lock = Lock()

    def get(self, version_id: str) -> RuleList | None:
        with self._lock:
            found = self._found.get(version_id)
            if found is not None:
                self._found.move_to_end(version_id)
            return found

    def put(self, version_id: str, compiled: RuleList) -> None:
        with self._lock:
            self._found[version_id] = compiled
            if len(self._found) > _KEPT:
                self._found.popitem(last=False)


_kept: Final = _Compiled()


def _route(row: Any) -> Route:
    kept = row.decision
    ids = kept["connectorIds"]
    decision = Decision(
        way=kept["outcome"],
        list_name=kept["list"],
        rule=kept["rule"],
        error_code=kept["errorCode"],
        connector_ids=None if ids is None else tuple(ids),
        versions=kept["versions"],
    )
    return Route(
        facts=Facts.read(row.facts),
        decision=decision,
        taking=tuple(kept["taking"]),
        passed_over=kept["passedOver"],
    )
