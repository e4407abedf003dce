"""The built-in issuer: checks the dashboard tokens that this server signed itself."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from penstock.hooks import Identity, IdentityVerifier, InvalidToken, NotMine, hookimpl
from penstock.ids import is_uuid
from penstock.tokens import BadToken, Signer

MAX_SUBJECT = 255


class BuiltinIssuer:
    """Verifies dashboard tokens of the built-in issuer, and is the plugin that offers itself."""

    name = "builtin"

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def verify(self, token: str, now: datetime) -> Identity:
        """Return whom the token speaks for; raise `NotMine` or `InvalidToken`."""
        try:
            claims = self._signer.read(token, now=now)
        except BadToken as exc:
            if self._signer.is_mine(token):
                raise InvalidToken(str(exc)) from None
            raise NotMine from None
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
            raise InvalidToken("it speaks for nobody")
        return Identity(
            subject,
            workspace_id=_id(claims, "workspace_id", is_required=True),
            application_id=_id(claims, "application_id"),
            environment_id=_id(claims, "environment_id"),
        )

    @hookimpl
    def penstock_identity_verifiers(self) -> Iterable[IdentityVerifier]:
        """Offer this verifier."""
        return [self]


def _id(claims: Mapping[str, Any], name: str, *, is_required: bool = False) -> str | None:
    value = claims.get(name)
    if value is None and not is_required:
        return None
    if not isinstance(value, str) or not is_uuid(value):
        raise InvalidToken(f"its {name} is not an id")
    return value
