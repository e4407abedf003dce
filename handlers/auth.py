"""Who asks, and whether the operation's policy lets them: both stand in the spec and are compiled from there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from connexion.security import AbstractSecurityHandler, SecurityHandlerFactory

from handlers.contract import Identity
from handlers.request import Request
from handlers.schema import BadSpec
from penstock import errors
from penstock.caller import Caller
from penstock.catalogue import EVERYTHING, Scopes
from penstock.errors import ApiError, Forbidden, InsufficientScopes, PermissionDenied, Unauthorized
from penstock.routing_errors import ApplicationKeyWorkspaceRoute

KEY_HEADER: Final = b"x-api-key"
BEARER_HEADER: Final = b"authorization"
APPLICATION_HEADER: Final = b"x-application-id"
ENVIRONMENT_HEADER: Final = b"x-throttle-environment-id"
_LONGEST_KEY: Final = 256
_LONGEST_TOKEN: Final = 16384
BY_PATH: Final = frozenset({"session", "provider"})
"""Callers that the path names: a buyer by the session's id, a provider by the connection's."""

_KEYLESS: Final = BY_PATH | {"quote", "public"}
_ORIGIN: Final = b"origin"

Verify = Callable[[Request], Caller | None]
"""Returns the caller, or None where the credential of this scheme is absent. Raises where it is not good."""


class Gate(Protocol):
    """Lets callers through, or raises. None stands for a caller that nobody needs to know."""

    def admit(self, request: Request, values: Mapping[str, Any]) -> Caller | None:
        """Return who asks."""
        ...


class KeyHandler(AbstractSecurityHandler):
    """Connexion's handler for API keys in a header, without its decorators and its event loop."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def get_fn(self, security_scheme: Mapping[str, Any], required_scopes: list[str]) -> Verify:  # noqa: ARG002 -- connexion's own signature
        """Return what looks for the key and asks whose it is."""
        if security_scheme.get("in") != "header" or security_scheme["name"].lower().encode() != KEY_HEADER:
            raise BadSpec("API keys come in the X-API-Key header")
        return partial(_by_key, self._identity)


class DashboardHandler(AbstractSecurityHandler):
    """Connexion's handler for bearer tokens, without its decorators and its event loop."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def get_fn(self, security_scheme: Mapping[str, Any], required_scopes: list[str]) -> Verify:  # noqa: ARG002 -- connexion's own signature
        """Return what looks for the token and asks whose it is."""
        return partial(_by_token, self._identity)


def security_map(identity: Identity) -> dict[str, Callable[[], AbstractSecurityHandler]]:
    """Return what connexion's `SecurityHandlerFactory` builds verifiers with."""
    return {"apiKey": partial(KeyHandler, identity), "bearer": partial(DashboardHandler, identity)}


def _by_key(identity: Identity, request: Request) -> Caller | None:
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not key or len(key) > _LONGEST_KEY:
        raise Unauthorized
    return identity.by_key(key.decode("latin-1"))


def _by_token(identity: Identity, request: Request) -> Caller | None:
    header = request.headers.get(BEARER_HEADER)
    if header is None:
        return None
    kind, _, token = header.partition(b" ")
    if kind.lower() != b"bearer" or not token or len(token) > _LONGEST_TOKEN:
        raise Unauthorized
    return identity.by_dashboard_token(
        token.strip().decode("latin-1"), request.text(APPLICATION_HEADER), request.text(ENVIRONMENT_HEADER)
    )


class OpenGate:
    """For what anybody may ask."""

    def admit(self, request: Request, values: Mapping[str, Any]) -> Caller | None:  # noqa: ARG002 -- one of several gates
        """Let everybody through."""
        return None


class SessionGate:
    """For a buyer's browser: the session's id in the path is the permission."""

    def __init__(self, identity: Identity, not_found: type[ApiError]) -> None:
        self._identity = identity
        self._not_found = not_found

    def admit(self, request: Request, values: Mapping[str, Any]) -> Caller | None:  # noqa: ARG002 -- one of several gates
        """Return the session as a caller. Its id is the first value of the path."""
        caller = self._identity.by_session(next(iter(values.values())))
        if caller is None:
            raise self._not_found
        return caller


class QuoteGate:
    """For a storefront's page: the quote token in the body is the permission, for pages of allowed origins."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def admit(self, request: Request, values: Mapping[str, Any]) -> Caller | None:
        """Return the token as a caller. ``values`` is the body, which has been checked."""
        return self._identity.by_quote_token(values["quoteToken"], values["applicationId"], request.text(_ORIGIN))


class ProviderGate:
    """For a provider's messages: the path names the connection, and the operation checks the signature."""

    def __init__(self, identity: Identity, not_found: type[ApiError]) -> None:
        self._identity = identity
        self._not_found = not_found

    def admit(self, request: Request, values: Mapping[str, Any]) -> Caller | None:  # noqa: ARG002 -- one of several gates
        """Return the connection as a caller. Its id is the last value of the path."""
        caller = self._identity.by_connection(list(values.values())[-1])
        if caller is None:
            raise self._not_found
        return caller


class CredentialGate:
    """For keys and members. The first credential that is there decides; a bad one is never passed over."""

    def __init__(self, verifiers: Mapping[str, Verify], foreign: "Foreign | None", policy: "Policy") -> None:
        self._verifiers = tuple(verifiers.values())
        self._foreign = foreign
        self._policy = policy

    def admit(self, request: Request, values: Mapping[str, Any]) -> Caller | None:  # noqa: ARG002 -- one of several gates
        """Return who asks, if the policy lets them."""
        for verify in self._verifiers:
            caller = verify(request)
            if caller is not None:
                self._policy.check(caller)
                return caller
        if self._foreign is not None and self._foreign.verify(request) is not None:
            raise self._foreign.refusal
        raise Unauthorized


@dataclass(frozen=True, slots=True)
class Foreign:
    """A key where only a person may come: how it is known, and what it is told."""

    verify: Verify
    refusal: type[ApiError]


class Policy:
    """What an operation asks of a caller: a scope of a key, a permission of a member."""

    def __init__(self, scope: str | None, permission: str | None, registry: Scopes) -> None:
        self._scope = scope
        self._permission = permission
        self._is_publishable = scope in registry.publishable
        resource, _, action = (scope or "").partition(":")
        wider = {f"{resource}:write"} if action == "read" else set()
        self._enough = frozenset({scope, EVERYTHING, *wider} - {None})

    def check(self, caller: Caller) -> None:
        """Raise unless the caller may."""
        if caller.kind == "dashboard":
            if self._permission not in caller.permissions:
                raise PermissionDenied(details={"required": [self._permission]})
            return
        if caller.kind == "publishable" and not (self._is_publishable and self._scope in caller.scopes):
            raise InsufficientScopes(details={"required": [self._scope]})
        if self._enough.isdisjoint(caller.scopes):
            raise InsufficientScopes(details={"required": [self._scope], "granted": sorted(caller.scopes)[:50]})


def gate_for(operation: Any, raw: Mapping[str, Any], identity: Identity, registry: Scopes) -> Gate:
    """Return the gate of one of connexion's operations, or raise `BadSpec` where its policy has a hole."""
    name = raw["operationId"]
    if not operation.security:
        return _keyless_gate(name, raw, identity)
    factory = SecurityHandlerFactory(security_map(identity))
    verifiers: dict[str, Verify] = {}
    for requirement in operation.security:
        if len(requirement) != 1:
            raise BadSpec(f"{name}: each way in must name one security scheme; none at all would let everybody in")
        ((scheme, scopes),) = requirement.items()
        if scheme not in ("apiKey", "dashboard"):
            raise BadSpec(f"{name}: {scheme} is not a security scheme that the door knows")
        verify = factory.parse_security_scheme(operation.security_schemes[scheme], scopes)
        if verify is None:
            raise BadSpec(f"{name}: connexion cannot verify {scheme}")
        verifiers[scheme] = verify
    scope, permission = raw.get("x-scope"), raw.get("x-permission")
    if "apiKey" in verifiers and scope not in registry.titles:
        raise BadSpec(f"{name}: x-scope must name a scope of spec/scopes.yaml, not {scope}")
    if "dashboard" in verifiers and not permission:
        raise BadSpec(f"{name}: x-permission must say which permission a member needs")
    refusal = (
        ApplicationKeyWorkspaceRoute if ApplicationKeyWorkspaceRoute.code in raw.get("x-errors", ()) else Forbidden
    )
    foreign = None if "apiKey" in verifiers else Foreign(partial(_by_key, identity), refusal)
    return CredentialGate(verifiers, foreign, Policy(scope, permission, registry))


def _keyless_gate(name: str, raw: Mapping[str, Any], identity: Identity) -> Gate:
    kind = raw.get("x-caller")
    if kind not in _KEYLESS:
        raise BadSpec(f"{name}: an operation without security needs x-caller: session, provider, quote or public")
    if kind == "public":
        return OpenGate()
    if kind == "quote":
        return QuoteGate(identity)
    gate = ProviderGate if kind == "provider" else SessionGate
    return gate(identity, not_found_error(raw.get("x-not-found", "not_found")))


def not_found_error(code: str) -> type[ApiError]:
    """Return the error class of a code that `x-not-found` names."""
    found = errors.all_errors().get(code)
    if found is None:
        raise BadSpec(f"x-not-found: there is no error {code}")
    return found
