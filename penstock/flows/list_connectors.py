"""List what rules may name: the active connections, and the methods that are not paid by card."""

from collections.abc import Sequence
from typing import Any

from penstock.ports import Cascade
from penstock.routing import CARD_METHODS
from penstock.routing_errors import Gr4vyUpstreamError
from penstock.tenant import Connection

Json = dict[str, Any]


def list_connectors(cascade: Cascade, active: Sequence[Connection]) -> list[Json]:
    """Return the active connections in the wire's shape, in the application's order."""
    return [_connector(cascade, each) for each in active]


def list_methods(cascade: Cascade, active: Sequence[Connection]) -> list[Json]:
    """Ask the connections what they offer, and return the methods that are not paid by card, by name.

    Of two connections with the same method the first one's name for it counts. Raises `Gr4vyUpstreamError` where there
    are connections and none of them could say.
    """
    ways = [cascade.ways(each) for each in active]
    if ways and all(each is None for each in ways):
        raise Gr4vyUpstreamError("No connection could say which methods it offers.")
    labels: dict[str, str] = {}
    for way in ways:
        for offer in way or ():
            labels.setdefault(offer.method, offer.display_name)
    return [{"id": method, "label": labels[method]} for method in sorted(labels.keys() - CARD_METHODS)]


def _connector(cascade: Cascade, connection: Connection) -> Json:
    candidate = cascade.candidate(connection)
    health = "unusable" if candidate is None else "degraded" if cascade.is_failing(connection.id) else "healthy"
    methods = sorted(candidate.connector.capabilities.methods) if candidate else []
    return {
        "id": connection.id,
        "displayName": connection.display_name,
        "method": "card" if "card" in methods else methods[0] if methods else None,
        "methods": methods,
        "connector": connection.connector,
        "health": health,
    }
