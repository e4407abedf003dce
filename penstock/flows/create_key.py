"""Make an API key for the caller's application and environment."""

from collections.abc import Sequence

from penstock import api_key, catalogue
from penstock.api_key import KeyKind, RawKey
from penstock.caller import Caller
from penstock.errors import InvalidScope
from penstock.ids import new_id
from penstock.ports import UnitOfWork
from penstock.tenant import ApiKey


def create_key(
    uow: UnitOfWork, caller: Caller, *, name: str, scopes: Sequence[str], pepper: bytes
) -> tuple[ApiKey, RawKey]:
    """Make a key and return what is kept of it, and the key itself: nothing else will ever show it.

    With ``publishable`` as the first scope the key is publishable. Raises `InvalidScope` for a scope that is unknown,
    staff-only or not for this kind, for a publishable key without scopes, and for ``publishable`` in another place.
    """
    kind: KeyKind = "publishable" if scopes[0] == catalogue.PUBLISHABLE else "secret"
    wanted = list(dict.fromkeys(scopes[1:] if kind == "publishable" else scopes))
    _check(wanted, kind)
    raw = api_key.mint(kind, caller.environment_slug)
    key = ApiKey(
        id=new_id(),
        scope=uow.scope,
        name=name,
        kind=kind,
        prefix=raw.prefix,
        last4=raw.last4,
        digest=raw.digest(pepper),
        scopes=wanted,
        created_at=uow.now,
        created_by=caller.principal_id,
    )
    uow.keys.add(key)
    return key, raw


def _check(scopes: Sequence[str], kind: KeyKind) -> None:
    registry = catalogue.scopes()
    found = {scope: registry.refusal(scope, for_publishable=kind == "publishable") for scope in scopes}
    refusals = [{"scope": scope, "reason": reason} for scope, reason in found.items() if reason is not None]
    if refusals or not scopes:
        named = ", ".join(refusal["scope"] for refusal in refusals) or "none at all"
        raise InvalidScope(f"A {kind} key cannot have {named}.", details={"rejected": refusals})
