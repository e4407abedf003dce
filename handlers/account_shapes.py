"""Connections and connectors as the wire has them. No secret is ever part of either."""

from collections.abc import Mapping
from typing import Any, Final

from bootstrap import House
from handlers.wire import Json, snake_in
from penstock.account import secrets, visible
from penstock.clock import rfc3339
from penstock.connector import Capabilities, PaymentConnector, Provider
from penstock.flows.connect_account import Account
from penstock.place import Detail
from penstock.rate_source import RateClaims, RateSource
from penstock.tax_engine import TaxClaims, TaxEngine
from penstock.tenant import Connection

_DETAILS: Final[Mapping[Detail, str]] = {
    "country": "countryCode",
    "state": "stateProvince",
    "postal_code": "postalCode",
    "city": "city",
    "line1": "addressLine1",
}
"""A place's details as addresses name them on the wire."""


def account_in(body: Mapping[str, Any]) -> Account:
    """Return what a request says of a new connection."""
    return Account(**{"settings": {}, **snake_in(body)})


def connection_out(connection: Connection, house: House) -> Json:
    """Return a connection without its secrets: their pointers say which are set."""
    cls = house.accounts.get(connection.connector)
    schema: Mapping[str, Any] = cls.settings_schema if cls is not None else {}
    return {
        "id": connection.id,
        "connector": connection.connector,
        "kind": connection.kind,
        "displayName": connection.display_name,
        "environment": connection.environment,
        "isActive": connection.is_active,
        "isUsable": cls is not None and connection.is_readable,
        "position": connection.position,
        "settings": visible(schema, connection.settings),
        "secretsSet": secrets(schema, connection.settings),
        "webhookUrl": _webhook_url(cls, connection, house),
        "applicationId": connection.scope.application_id,
        "environmentId": connection.scope.environment_id,
        "createdAt": rfc3339(connection.created_at),
        "updatedAt": rfc3339(connection.updated_at or connection.created_at),
    }


def _webhook_url(cls: type[Provider] | None, connection: Connection, house: House) -> str | None:
    if cls is None or not issubclass(cls, PaymentConnector) or not cls.capabilities.webhooks:
        return None
    return f"{house.settings.public_url}/api/v1/inbound/{connection.connector}/{connection.id}"


def installed_out(house: House) -> Json:
    """Return every installed connector, tax engine and rate source, by name."""
    classes = [cls for cls in map(house.accounts.get, house.accounts.names()) if cls is not None]
    return {
        "connectors": [
            _installed(cls, capabilities_out(cls.capabilities)) for cls in classes if issubclass(cls, PaymentConnector)
        ],
        "taxEngines": [_installed(cls, taxes_out(cls.capabilities)) for cls in classes if issubclass(cls, TaxEngine)],
        "rateSources": [_installed(cls, rates_out(cls.capabilities)) for cls in classes if issubclass(cls, RateSource)],
    }


def _installed(cls: type[Provider], capabilities: Json) -> Json:
    return {
        "name": cls.name,
        "displayName": cls.display_name,
        "environments": sorted(cls.environments),
        "capabilities": capabilities,
        "settingsSchema": dict(cls.settings_schema),
    }


def taxes_out(claims: TaxClaims) -> Json:
    """Return a tax engine's claims."""
    return {
        "countries": _every(claims.countries),
        "currencies": _every(claims.currencies),
        "needs": [_DETAILS[each] for each in sorted(claims.needs)],
        "needsOrigin": claims.needs_origin,
        "inclusive": claims.inclusive,
        "exclusive": claims.exclusive,
        "verify": claims.verify,
    }


def rates_out(claims: RateClaims) -> Json:
    """Return a rate source's claims."""
    return {
        "destinations": _every(claims.destinations),
        "origins": _every(claims.origins),
        "currencies": _every(claims.currencies),
        "needs": [_DETAILS[each] for each in sorted(claims.needs)],
        "needsOfOrigin": [_DETAILS[each] for each in sorted(claims.needs_of_origin)],
        "mostParcels": claims.most_parcels,
        "verify": claims.verify,
    }


def _every(held: frozenset[str] | None) -> list[str] | None:
    return None if held is None else sorted(held)


def capabilities_out(claims: Capabilities) -> Json:
    """Return a connector's claims."""
    return {
        "methods": sorted(claims.methods),
        "redirectMethods": sorted(claims.redirect_methods),
        "currencies": None if claims.currencies is None else sorted(claims.currencies),
        "manualCapture": claims.manual_capture,
        "refund": claims.refund,
        "idempotentCreate": claims.idempotent_create,
        "lookup": claims.lookup,
        "lookupIsAuthoritativeAfter": claims.lookup_is_authoritative_after,
        "followUpLookup": claims.follow_up_lookup,
        "reverse": claims.reverse_by_reference,
        "resume": claims.resume,
        "stepUp": claims.step_up,
        "webhooks": claims.webhooks,
        "verify": claims.verify,
        "proxy": claims.proxy,
    }
