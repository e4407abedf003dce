"""Make a quote token for the caller's application."""

from datetime import datetime

from penstock import api_key
from penstock.api_key import RawKey
from penstock.caller import Caller
from penstock.checks import require
from penstock.errors import Fault
from penstock.ids import new_id
from penstock.ports import UnitOfWork
from penstock.quote_token import MOST_TOKENS, QuoteToken
from penstock.tax_errors import StoreNotFound


def create_token(
    uow: UnitOfWork, caller: Caller, *, application_id: str, name: str, expires_at: datetime | None, pepper: bytes
) -> tuple[QuoteToken, RawKey]:
    """Make a token and return what is kept of it, and the token itself: nothing else will ever show it.

    Raises `StoreNotFound`, and `ValidationError` for a moment that has passed, or where there are enough tokens.
    """
    if application_id != uow.scope.application_id:
        raise StoreNotFound
    if expires_at is not None and expires_at <= uow.now:
        require([Fault("/expiresAt", "past", "a token cannot have expired already")])
    if len(uow.quote_tokens.list_active()) >= MOST_TOKENS:
        require([Fault("", "too_many_tokens", f"an application has at most {MOST_TOKENS} active tokens: revoke some")])
    raw = api_key.mint("publishable", caller.environment_slug)
    token = QuoteToken(
        id=new_id(),
        name=name,
        prefix=raw.prefix,
        last4=raw.last4,
        digest=raw.digest(pepper),
        created_at=uow.now,
        created_by=caller.principal_id,
        expires_at=expires_at,
    )
    uow.quote_tokens.add(token)
    return token, raw
