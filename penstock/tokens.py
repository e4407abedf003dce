"""Tokens that this server signs: each purpose has its own key, its own ``typ`` and its own audience.

The one rule: a token is read by its whole form. Another header, a claim too few or another purpose, and it is nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import jwt

from penstock.clock import Clock, epoch_seconds
from penstock.ids import new_id
from penstock.keyring import Keyring

ALGORITHM: Final = "HS256"
MIN_KEY_BYTES: Final = 32
MAX_TOKEN: Final = 4096
LEEWAY_SECONDS: Final = 30
"""How far two clocks may differ."""

EMBED_LIFETIME: Final = timedelta(minutes=15)
_TIMES: Final = ("exp", "iat", "nbf")
_REQUIRED: Final = ["exp", "iat", "iss", "aud", "jti"]
_OPTIONS: Final[Any] = {
    "require": _REQUIRED,
    # The moment comes from the house's clock, not from the library's.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class BadToken(Exception):
    """The token is not one of these, or is not good now."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs and reads tokens of one purpose (JWT, HS256). ``key`` has 32 bytes or more."""

    key: bytes = field(repr=False)
    issuer: str
    purpose: str

    def __post_init__(self) -> None:
        if len(self.key) < MIN_KEY_BYTES:
            raise ValueError("a signing key needs 32 bytes")

    def sign(self, claims: Mapping[str, Any], *, now: datetime, lifetime: timedelta) -> str:
        """Return a token that is good from ``now`` on, for ``lifetime``."""
        stamp = {
            "iss": self.issuer,
            "aud": self.purpose,
            "iat": epoch_seconds(now),
            "exp": epoch_seconds(now + lifetime),
            "jti": new_id(),
        }
        return jwt.encode({**claims, **stamp}, self.key, ALGORITHM, {"typ": self._typ})

    def read(self, token: str, *, now: datetime) -> Mapping[str, Any]:
        """Return the claims of a token that is good at ``now``; raises `BadToken` for every other text."""
        if len(token) > MAX_TOKEN:
            raise BadToken("it is too long")
        try:
            if jwt.get_unverified_header(token) != {"alg": ALGORITHM, "typ": self._typ}:
                raise BadToken("its header is not ours")
            claims: dict[str, Any] = jwt.decode(
                token, self.key, [ALGORITHM], _OPTIONS, issuer=self.issuer, audience=self.purpose
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as exc:
            raise BadToken(type(exc).__name__) from None
        _check_times(claims, epoch_seconds(now))
        return claims

    def is_mine(self, token: str) -> bool:
        """Tell, without trusting it, whether a token claims to be of this issuer and purpose."""
        if len(token) > MAX_TOKEN:
            return False
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
            return (jwt.get_unverified_header(token).get("typ"), claims.get("iss")) == (self._typ, self.issuer)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return False

    @property
    def _typ(self) -> str:
        return f"{self.purpose}+jwt"


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    if any(type(claims[name]) is not int for name in _TIMES if name in claims):
        raise BadToken("a moment in it is not a whole number")
    if claims["exp"] <= now - LEEWAY_SECONDS:
        raise BadToken("it has expired")
    if max(claims["iat"], claims.get("nbf", 0)) > now + LEEWAY_SECONDS:
        raise BadToken("it is not good yet")


class Tokens:
    """The tokens that this installation hands out: for embedded checkouts, and for people at the dashboard."""

    def __init__(self, keyring: Keyring, clock: Clock, *, issuer: str = "penstock") -> None:
        self._clock = clock
        self.embed = Signer(keyring.key("embed-tokens"), issuer, "penstock-embed")
        self.dashboard = Signer(keyring.key("dashboard-tokens"), issuer, "penstock-dashboard")

    def mint_embed(
        self, session_id: str, *, environment: str, amount: int | None, currency: str | None
    ) -> tuple[str, datetime]:
        """Return a token for the embedded checkout of one session, and when it ends: in 15 minutes."""
        now = self._clock.now()
        claims = {"sub": session_id, "environment": environment, "amount": amount, "currency": currency}
        return self.embed.sign(claims, now=now, lifetime=EMBED_LIFETIME), now + EMBED_LIFETIME

    def mint_dashboard(
        self,
        subject: str,
        *,
        workspace_id: str,
        lifetime: timedelta,
        application_id: str | None = None,
        environment_id: str | None = None,
    ) -> str:
        """Return a person's session in a workspace. The application and environment are used where no header names one."""
        claims = {"sub": subject, "workspace_id": workspace_id}
        defaults = {"application_id": application_id, "environment_id": environment_id}
        claims |= {name: value for name, value in defaults.items() if value is not None}
        return self.dashboard.sign(claims, now=self._clock.now(), lifetime=lifetime)
