"""Connections and connectors as the wire has them. No secret is ever part of either."""

from collections.abc import Mapping
from typing import Any

from bootstrap import House
from handlers.wire import Json, snake_in
from penstock.account import secrets, visible
from penstock.clock import rfc3339
from penstock.connector import Capabilities, PaymentConnector
from penstock.flows.connect_account import Account
from penstock.tenant import Connection


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
        "displayName": connection.display_name,
        "environment": connection.environment,
        "isActive": connection.is_active,
        "isUsable": cls is not None and connection.is_readable,
        "position": connection.position,
        "settings": visible(schema, connection.settings),
        "secretsSet": secrets(schema, connection.settings),
        "applicationId": connection.scope.application_id,
        "environmentId": connection.scope.environment_id,
        "createdAt": rfc3339(connection.created_at),
        "updatedAt": rfc3339(connection.updated_at or connection.created_at),
    }


def connector_out(cls: type[PaymentConnector]) -> Json:
    """Return what an installed connector is and claims."""
    return {
        "name": cls.name,
        "displayName": cls.display_name,
        "environments": sorted(cls.environments),
        "capabilities": capabilities_out(cls.capabilities),
        "settingsSchema": dict(cls.settings_schema),
    }


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
