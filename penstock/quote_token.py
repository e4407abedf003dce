"""Quote tokens: what a storefront shows to ask for estimates. Made once, shown once, kept as a keyed hash."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

MOST_TOKENS: Final = 100
"""How many active tokens an application may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteToken:
    """A token's metadata. The raw token is never kept: ``digest`` is its HMAC, ``prefix`` and ``last4`` are for people."""

    id: str
    name: str
    prefix: str
    last4: str
    digest: str = field(repr=False)
    created_at: datetime
    created_by: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
