"""Replace one list of routing rules, whole and at once."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.caller import Caller
from penstock.ids import new_id
from penstock.ports import Cascade, UnitOfWork
from penstock.routing import ListName, RoutingVersion
from penstock.routing_errors import PreconditionFailed
from penstock.rule_reading import Connectors, canonical_list, check_list
from penstock.tenant import Connection


def replace_list(
    uow: UnitOfWork, cascade: Cascade, caller: Caller, *, name: ListName, body: Mapping[str, Any], if_match: str | None
) -> RoutingVersion:
    """Write the next version of a list and let it stand; payments that have begun keep the one they began with.

    ``if_match`` is the header as it came. Raises `PreconditionFailed`, and the error of the first thing wrong with the
    list (semantics 2.1).
    """
    number = uow.routing.hold(name)
    if if_match is not None and if_match != "*" and tag_of(number) not in re.findall(r'"[^"]*"', if_match):
        raise PreconditionFailed(details={"etag": tag_of(number)})
    check_list(name, body, connectors_of(cascade, uow.connections.list_active()))
    version = RoutingVersion(
        id=new_id(),
        list_name=name,
        number=number + 1,
        body=canonical_list(body),
        created_at=uow.now,
        created_by=caller.principal_id,
    )
    uow.routing.replace(version)
    return version


def tag_of(number: int) -> str:
    """Return the ``ETag`` of a list whose version has this number; 0 stands for one that was never set."""
    return f'"v{number}"'


def connectors_of(cascade: Cascade, active: Sequence[Connection]) -> Connectors:
    """Return what rules may name: every active connection, with no methods where its plugin cannot be used."""
    usable = {each.id: cascade.candidate(each) for each in active}
    return Connectors({id_: c.connector.capabilities.methods if c else () for id_, c in usable.items()})
