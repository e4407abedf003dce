"""What the spec keeps as lists: errors, events, scopes and roles, each declared once, read once, and typed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, get_args

import yaml

from penstock._roots import root

Retry = Literal["never", "new_request", "same_request", "after_delay"]
Condition = Literal["always", "own_applications", "non_production", "not_owner"]

PUBLISHABLE = "publishable"
"""The first entry of ``scopes`` that asks for a publishable key. It is no scope itself."""

EVERYTHING = "*"
"""The scope that stands for all others that a key may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEntry:
    """An error that a client can see. ``details`` is an OpenAPI schema, or None where the code has no details.

    ``pattern`` is set for a code that stands for a family of codes, which merchants name themselves; ``told_as`` for one
    that clients are told under another code, with a status of its own.
    """

    code: str
    status: int
    title: str
    cause: str
    fix: str
    retry: Retry
    pattern: str | None = None
    told_as: str | None = None
    details: Mapping[str, Any] | None = None
    example: Any = None

    @property
    def is_replayed(self) -> bool:
        """Whether a repeat with the same idempotency key gets this answer again: refusals that will not pass."""
        is_refusal = self.status in (402, 404, 409, 410, 422) and not self.code.startswith("idempotency_")
        return is_refusal and self.retry in ("never", "new_request")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry:
    """An event type: when it happens, to what, and the name of the component schema that its data fits."""

    type: str
    when: str
    object: str
    data: str
    by: Literal["request", "worker"] = "request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scopes:
    """The scopes that keys may have, by name with their titles."""

    titles: Mapping[str, str]
    publishable: frozenset[str]
    staff: frozenset[str]

    def covers(self, held: Iterable[str], needed: str) -> bool:
        """Tell whether a key with these scopes may do what needs that one: ``*`` may all, a write includes its read."""
        mine = set(held)
        if needed in mine:
            return True
        if EVERYTHING in mine:
            return needed in self.titles
        resource, _, action = needed.partition(":")
        return action == "read" and f"{resource}:write" in mine

    def refusal(self, scope: str, *, for_publishable: bool) -> str | None:
        """Return why a key cannot be given a scope (``unknown``, ``staff_only``, ``not_publishable``), or None."""
        if scope.partition(":")[0] in self.staff:
            return "staff_only"
        if scope not in self.titles and scope != EVERYTHING:
            return "unknown"
        if for_publishable and scope not in self.publishable:
            return "not_publishable"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEntry:
    """A role: what it grants and on which condition. A higher rank may give the roles of lower ones."""

    name: str
    title: str
    rank: int
    grants: Mapping[str, Condition] = field(default_factory=dict)

    def permissions(self, *, is_production: bool) -> frozenset[str]:
        """Return what the role permits in an environment. ``own_applications`` and ``not_owner`` are the flow's to check."""
        return frozenset(
            name for name, condition in self.grants.items() if condition != "non_production" or not is_production
        )


@cache
def errors() -> Mapping[str, ErrorEntry]:
    """Return every error by code, in the order of the file."""
    return MappingProxyType({code: ErrorEntry(code=code, **entry) for code, entry in _read("errors").items()})


@cache
def events() -> Mapping[str, EventEntry]:
    """Return every event type by name, in the order of the file."""
    return MappingProxyType({kind: EventEntry(type=kind, **entry) for kind, entry in _read("events").items()})


def event_example(kind: str) -> Mapping[str, Any]:
    """Return data as an event of this type might carry it. Raises KeyError for an unknown type."""
    example: Mapping[str, Any] = _read("event_examples")[events()[kind].data]
    return example


@cache
def scopes() -> Scopes:
    """Return the registry of scopes."""
    read = _read("scopes")
    return Scopes(
        titles=MappingProxyType({name: entry["title"] for name, entry in read["scopes"].items()}),
        publishable=frozenset(name for name, entry in read["scopes"].items() if entry.get("publishable")),
        staff=frozenset(read["staff"]),
    )


@cache
def roles() -> Mapping[str, RoleEntry]:
    """Return every role by name, the highest first. Raises ValueError for a grant that the file does not explain."""
    read = _read("roles")
    found = {name: RoleEntry(name=name, **entry) for name, entry in read["roles"].items()}
    for role in found.values():
        strange = {*role.grants} - {*read["permissions"]} | {*role.grants.values()} - {*get_args(Condition)}
        if strange:
            raise ValueError(f"spec/roles.yaml: {role.name} grants what the file does not explain: {sorted(strange)}")
    return MappingProxyType(found)


@cache
def permissions() -> Mapping[str, str]:
    """Return every permission of a role with what it permits."""
    return MappingProxyType(_read("roles")["permissions"])


def _read(name: str) -> dict[str, Any]:
    text = (root() / "spec" / f"{name}.yaml").read_bytes()
    loaded: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
    return loaded
