"""Quote tokens in rows. Finding the one that a request shows goes across tenants and stands in `storage.identity`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from penstock.quote_token import QuoteToken
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import quote_tokens

_OWN: Final = [each.name for each in quote_tokens.columns if each.name not in SCOPE_COLUMNS]

_LIST = Statement(
    scoped.select(*(quote_tokens.c[name] for name in _OWN))
    .where(quote_tokens.c.revoked_at.is_(None))
    .order_by(quote_tokens.c.created_at.desc(), quote_tokens.c.id.desc())
)
_ADD = Statement(scoped.insert(quote_tokens))
_REVOKE = Statement(
    scoped.update(quote_tokens, ["revoked_at"]).where(scoped.by_id(quote_tokens), quote_tokens.c.revoked_at.is_(None))
)


class QuoteTokenRows:
    """The quote tokens of one scope."""

    def __init__(self, connection: ScopedConnection) -> None:
        self._connection = connection

    def list_active(self) -> Sequence[QuoteToken]:
        """Return the tokens that are not revoked, newest first."""
        return [QuoteToken(**row._asdict()) for row in self._connection.rows(_LIST, {})]

    def add(self, token: QuoteToken) -> None:
        """Write a new token."""
        self._connection.put(_ADD, {name: getattr(token, name) for name in _OWN})

    def revoke(self, token_id: str, at: datetime) -> bool:
        """Revoke an active token; False where there is none with this id."""
        return self._connection.run(_REVOKE, {"id": token_id, "revoked_at": at}) == 1
