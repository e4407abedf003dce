"""Checks of values that a schema cannot say: countries, metadata, who owns what, where a browser may be sent."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import pycountry

from penstock.addresses import is_public
from penstock.caller import Caller, Scope
from penstock.errors import Fault, TrialExpired, ValidationError, WorkspaceNotEntitledForLive, WorkspaceNotLive

MAX_METADATA_BYTES: Final = 10_240
RESERVED_PREFIX: Final = "throttle_"
_METADATA_KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")
DEFAULT_PORTS: Final[Mapping[str, int]] = {"https": 443, "http": 80}
"""What browsers leave out of an origin."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1"})


@cache
def _countries() -> frozenset[str]:
    # XK is not assigned, yet every carrier and provider uses it for Kosovo.
    return frozenset({country.alpha_2 for country in pycountry.countries} | {"XK"})


def check_country(code: str | None, pointer: str) -> Iterator[Fault]:
    """Yield a fault unless the code is an assigned ISO 3166-1 alpha-2 country, in upper case."""
    if code is not None and code not in _countries():
        yield Fault(pointer, "unknown_country", "this is not an ISO 3166-1 alpha-2 country code", received=code)


def check_address(address: Mapping[str, Any] | None, pointer: str) -> Iterator[Fault]:
    """Yield what is wrong with an address beyond its schema."""
    if address is None:
        return
    yield from check_country(address.get("countryCode"), f"{pointer}/countryCode")
    for name in ("addressLine1", "city"):
        if name in address and not address[name].strip():
            yield Fault(f"{pointer}/{name}", "blank", "this must hold more than white space")


def check_metadata(metadata: Mapping[str, Any] | None, pointer: str = "/metadata") -> Iterator[Fault]:
    """Yield what is wrong with metadata beyond its schema: its size, and keys that are reserved."""
    if not metadata:
        return
    size = len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode())
    if size > MAX_METADATA_BYTES:
        yield Fault(pointer, "metadata_too_large", f"metadata holds at most {MAX_METADATA_BYTES} bytes as JSON")
    for key in metadata:
        if key.startswith(RESERVED_PREFIX):
            yield Fault(f"{pointer}/{key}", "reserved_key", f"keys that begin with {RESERVED_PREFIX} are reserved")
        elif not _METADATA_KEY.fullmatch(key):
            yield Fault(pointer, "invalid_key", "a key has 1 to 40 characters out of A-Z a-z 0-9 _ . -")
            return


def check_application(scope: Scope, application_id: str) -> Iterator[Fault]:
    """Yield a fault unless the id is the credential's own application; anyone else's is as unknown as none."""
    if application_id != scope.application_id:
        yield Fault("/applicationId", "unknown_application", "this credential knows no application with this id")


def check_return(url: str, pointer: str, caller: Caller, origins: Sequence[str]) -> Iterator[Fault]:
    """Yield what is wrong with an address that a buyer's browser will be sent to.

    It is https without user info; loopback http is fine outside production. In production, where allowed origins
    are configured, its origin is one of them.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        yield Fault(pointer, "invalid_url", "this is not a URL")
        return
    if not parts.hostname or "@" in parts.netloc or "\\" in url:
        yield Fault(pointer, "invalid_url", "this is not a URL that a browser may be sent to")
        return
    loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if parts.scheme != "https" and (caller.is_production or not loopback):
        yield Fault(pointer, "https_required", "an https URL is needed (http on localhost outside production)")
    named = f":{port}" if port and port != DEFAULT_PORTS.get(parts.scheme) else ""
    origin = f"{parts.scheme}://{parts.hostname}{named}"
    if caller.is_production and origins and origin not in origins:
        yield Fault(pointer, "origin_not_allowed", "the URL's origin is not among the allowed origins")


def check_receiver(url: str, caller: Caller, *, may_loop_back: bool) -> Iterator[Fault]:
    """Yield what is wrong with an address that events are posted to, as far as the address itself tells it.

    It is https, without user info or a fragment, on the default port. Where the operator allows it, http on this machine
    is fine outside production. Where its name leads is judged at each try.
    """
    parts = _split(url)
    if parts is None or not parts.hostname or "@" in parts.netloc or "\\" in url or parts.fragment:
        yield Fault("/url", "invalid_url", "this is not a URL that events can be posted to")
        return
    if may_loop_back and not caller.is_production and parts.hostname in _LOOPBACK:
        return
    if parts.scheme != "https":
        yield Fault("/url", "https_required", "an https URL is needed")
    if parts.port not in (None, DEFAULT_PORTS["https"]):
        yield Fault("/url", "port_not_allowed", f"events are posted to port {DEFAULT_PORTS['https']}")
    if _is_private(parts.hostname):
        yield Fault("/url", "address_not_public", "the address is not on the public net")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_private(host: str) -> bool:
    try:
        return not is_public(ip_address(host))
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def require(faults: Iterator[Fault] | Sequence[Fault]) -> None:
    """Raise `ValidationError` with the faults, if there are any."""
    found = tuple(faults)
    if found:
        raise ValidationError(*found)


def require_live(caller: Caller) -> None:
    """Raise unless the caller's workspace may take payments in this environment (402 in production only)."""
    if not caller.is_production:
        return
    if not caller.standing.is_live:
        raise WorkspaceNotLive
    if caller.standing.is_trial_over:
        raise TrialExpired
    if not caller.standing.is_entitled:
        raise WorkspaceNotEntitledForLive
