"""How Gr4vy is spoken to: where an account lives, tokens signed with its private key, and what is an answer at all."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP521R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from penstock.plugin import Context

SCOPES: Final = ("transactions.read", "transactions.write", "checkout-sessions.write", "payment-methods.read")
"""What our calls need, and no more."""

_LIFETIME: Final = timedelta(minutes=5)
_COORDINATE: Final = 66
"""Bytes of one coordinate of a point on the curve P-521."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Gr4vy answered: a status below 500 and a JSON object."""

    status: int
    body: Mapping[str, Any]


class Signer:
    """Signs Gr4vy's tokens (JWT, ES512) with an account's private key. Raises TypeError or ValueError for another kind of key."""

    def __init__(self, pem: str) -> None:
        key = load_pem_private_key(pem.encode(), password=None)
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP521R1):
            raise TypeError("a private key of Gr4vy's is an elliptic curve key, P-521")
        self._key = key
        self._kid = thumbprint(key)

    def __repr__(self) -> str:
        return f"<Signer {self._kid}>"

    def sign(self, ctx: Context, scopes: Sequence[str], lifetime: timedelta, **claims: Any) -> str:
        """Return a token that is good from now on, for ``lifetime``."""
        now = ctx.clock.now()
        stamp = {
            "iss": "penstock",
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "jti": str(uuid4()),
        }
        return jwt.encode({**claims, **stamp, "scopes": list(scopes)}, self._key, "ES512", {"kid": self._kid})


def thumbprint(key: EllipticCurvePrivateKey) -> str:
    """Return the public key's thumbprint (RFC 7638), by which Gr4vy knows the key."""
    point = key.public_key().public_numbers()
    jwk = {"crv": "P-521", "kty": "EC", "x": _coordinate(point.x), "y": _coordinate(point.y)}
    text = json.dumps(jwk, sort_keys=True, separators=(",", ":"))
    return _text(hashlib.sha256(text.encode()).digest())


class Wire:
    """Speaks to Gr4vy for one account. It keeps the signing key and nothing else."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        where = "" if ctx.environment == "production" else "sandbox."
        self._host = f"https://api.{where}{ctx.settings['gr4vy_id']}.gr4vy.app"
        self.account: str = ctx.settings.get("merchant_account_id", "default")
        self.signer = Signer(ctx.settings["private_key"])

    def __repr__(self) -> str:
        return f"<Wire {self._host}>"

    def read(self, path: str, **query: str) -> Mapping[str, Any]:
        """Get one resource. Raises ValueError for every answer but 200."""
        answer = self.ask(path, **query)
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"Gr4vy answered {answer.status}")
        return answer.body

    def ask(self, path: str, **query: str) -> Answer:
        """Get one resource, or learn why not."""
        return self._exchange("GET", path, {}, params=query)

    def write(self, path: str, key: str | None, body: Mapping[str, Any] | None, *, prefer: str = "") -> Answer:
        """Post, under an idempotency key if there is one. ``prefer`` names the resource that Gr4vy is to answer with."""
        named = {"Idempotency-Key": key, "Prefer": prefer and f"resource={prefer}"}
        headers = {name: value for name, value in named.items() if value}
        return self._exchange("POST", path, headers, **({} if body is None else {"json": body}))

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], **content: Any) -> Answer:
        token = self.signer.sign(self._ctx, SCOPES, _LIFETIME)
        own = {"Authorization": f"Bearer {token}", "X-Gr4vy-Merchant-Account-Id": self.account}
        response = self._ctx.http.request(method, self._host + path, headers={**own, **headers}, **content)
        if response.is_redirect or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ValueError(f"Gr4vy answered {response.status_code}")
        found = response.json()
        if not isinstance(found, dict):
            raise TypeError("Gr4vy's answer is no object")
        return Answer(response.status_code, found)


def _coordinate(number: int) -> str:
    return _text(number.to_bytes(_COORDINATE, "big"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
