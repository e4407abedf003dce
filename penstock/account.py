"""Accounts at providers: what their settings may show, how a change is merged in, and where a new one stands in order.

The one rule: a setting is shown only where its connector's schema says plainly that it is none of the secrets.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from penstock.connector import Provider
from penstock.errors import Fault
from penstock.request import Hint, WebhookDelivery
from penstock.verdict import Connection

MIDDLE: Final = 1_000_000
"""The position of a first connection: there is room before it and behind it."""

CheckStatus = Literal["accepted", "refused", "unreachable", "unsupported"]
Json = Mapping[str, Any]

_SOUNDS_SECRET: Final = re.compile(r"secret|passw|private|token|hmac|signature|credential|key$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Check:
    """What asking a provider about an account's credentials came to. ``message`` is for the operator, without secrets."""

    status: CheckStatus
    message: str = ""


class Accounts(Protocol):
    """Asks connectors about one account: outside of payments, and never inside a transaction."""

    def names(self) -> Sequence[str]:
        """Return the names of all connectors, tax engines and rate sources, sorted."""
        ...

    def get(self, name: str) -> type[Provider] | None:
        """Return the class of this name, of whatever kind, or None."""
        ...

    def faults(self, connection: Connection) -> Sequence[Fault]:
        """Return what is wrong with a connection's settings, with pointers into ``/settings``."""
        ...

    def verify(self, connection: Connection) -> Check:
        """Ask the provider whether it accepts the account's credentials."""
        ...

    def read_message(self, connection: Connection, delivery: WebhookDelivery) -> Sequence[Hint]:
        """Return what a provider's message hints at.

        Raises `WebhookSignatureInvalid`, `WebhookUnreadable`, `NotFound`, `ServiceUnavailable`.
        """
        ...


def visible(schema: Json, settings: Json) -> dict[str, Any]:
    """Return the settings that may be shown: neither secret nor the operator's alone."""
    shown: dict[str, Any] = {}
    for name, value in settings.items():
        rule = _rule_of(schema, name)
        if rule is None or is_secret(name, rule) or is_operators(rule):
            continue
        if isinstance(value, Mapping):
            inner = visible(rule, value)
            if inner:
                shown[name] = inner
        elif not isinstance(value, list | tuple) or _is_plain_list(rule):
            shown[name] = value
    return shown


def secrets(schema: Json, settings: Json, at: str = "") -> list[str]:
    """Return the pointers of the settings that are set and not shown, sorted; what the operator alone sets left out."""
    found: list[str] = []
    for name, value in settings.items():
        rule, pointer = _rule_of(schema, name), f"{at}/{_escaped(name)}"
        if rule is not None and is_operators(rule):
            continue
        if rule is None or is_secret(name, rule):
            found.append(pointer)
        elif isinstance(value, Mapping):
            found += secrets(rule, value, pointer)
        elif isinstance(value, list | tuple) and not _is_plain_list(rule):
            found.append(pointer)
    return sorted(found)


def operators_faults(schema: Json, settings: Json, at: str = "/settings") -> list[Fault]:
    """Return a fault for each setting that only the operator may choose (``readOnly`` in the connector's schema)."""
    found: list[Fault] = []
    for name, value in settings.items():
        rule, pointer = _rule_of(schema, name), f"{at}/{_escaped(name)}"
        if rule is not None and is_operators(rule):
            found.append(Fault(pointer, "read_only", "is for the operator of this server to set: penstock connect"))
        elif rule is not None and isinstance(value, Mapping):
            found += operators_faults(rule, value, pointer)
    return found


def merged(settings: Json, change: Json) -> dict[str, Any]:
    """Return settings with a change merged in as RFC 7396 says: null removes, objects merge, everything else replaces."""
    result = dict(settings)
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping):
            before = result.get(name)
            result[name] = merged(before if isinstance(before, Mapping) else {}, value)
        else:
            result[name] = value
    return result


def place_after(positions: Sequence[int]) -> int:
    """Return the position of a new connection: behind the ones that are there."""
    return max(positions) + 1 if positions else MIDDLE


def is_secret(name: str, rule: Json) -> bool:
    """Whether a setting is never shown: its schema says so, or its name sounds like one and it is no mere choice."""
    if rule.get("writeOnly") is True or rule.get("format") == "password":
        return True
    is_choice = "enum" in rule or "const" in rule or rule.get("type") in ("boolean", "integer", "number")
    return bool(_SOUNDS_SECRET.search(name)) and not is_choice


def is_operators(rule: Json) -> bool:
    """Whether only the operator of the server may choose a setting: an address or a file of the machine, say."""
    return rule.get("readOnly") is True


def _rule_of(schema: Json, name: str) -> Json | None:
    properties = schema.get("properties")
    rule = properties.get(name) if isinstance(properties, Mapping) else None
    return rule if isinstance(rule, Mapping) and "type" in rule else None


def _is_plain_list(rule: Json) -> bool:
    items = rule.get("items")
    return isinstance(items, Mapping) and items.get("type") in ("string", "integer", "number", "boolean")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
