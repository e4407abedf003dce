"""Secrets at rest: sealed under a key of their tenant's own, which is wrapped by a master key of the installation.

The one rule: what was sealed for one place (tenant, table, row, column) opens at no other, so a row that is copied over
another's is refused and not used. AES-256-GCM throughout, with 96-bit random nonces.
"""

import hashlib
import os
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penstock.caller import Scope
from penstock.ids import is_uuid

KEY_BYTES: Final = 32
MASTER_ID_LENGTH: Final = 16
_NONCE_BYTES: Final = 12
_FORM: Final = "v1"
_PARTS: Final = 3


class Unopenable(Exception):
    """A sealed value does not open: another place, an unknown master key, or altered bytes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands."""

    scope: Scope
    table: str
    row_id: str
    column: str


@dataclass(frozen=True, slots=True)
class DataKey:
    """A tenant's key. ``id`` and ``version`` are bound into everything that is sealed under it."""

    id: str
    version: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key as it may be kept: sealed under the master key that is named."""

    master_key: str
    sealed: bytes


class MasterKeys:
    """The ring of master keys, 32 bytes each, the newest first. The newest wraps; every one of them unwraps."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_name(key): AESGCM(key) for key in keys}
        self.newest = _name(keys[0])

    def wrap(self, key: DataKey, scope: Scope) -> Wrapped:
        """Return a data key, sealed under the newest master key for its own row."""
        return Wrapped(self.newest, _close(self._ciphers[self.newest], key.secret, _bound_to_row(key.id, scope)))

    def unwrap(self, key_id: str, version: int, wrapped: Wrapped, scope: Scope) -> DataKey:
        """Return a data key from its row. Raises `Unopenable`."""
        cipher = self._ciphers.get(wrapped.master_key)
        if cipher is None:
            raise Unopenable(f"a data key is wrapped by the master key {wrapped.master_key}, which is not set")
        return DataKey(key_id, version, _open(cipher, wrapped.sealed, _bound_to_row(key_id, scope)))


def new_data_key(key_id: str, version: int) -> DataKey:
    """Return a fresh data key of 256 random bits."""
    return DataKey(key_id, version, os.urandom(KEY_BYTES))


def seal(key: DataKey, place: Place, plain: bytes) -> str:
    """Return the bytes, sealed for a place, as text that names the data key: ``v1.<key id>.<base64>``."""
    sealed = _close(AESGCM(key.secret), plain, _bound_to(place, key))
    return f"{_FORM}.{key.id}.{urlsafe_b64encode(sealed).decode()}"


def key_id_of(text: str) -> str:
    """Return the id of the data key that a sealed text names. Raises `Unopenable` for a text that is none."""
    parts = text.split(".")
    if len(parts) != _PARTS or parts[0] != _FORM or not is_uuid(parts[1]):
        raise Unopenable("the value is not in a form that this version seals in")
    return parts[1]


def unseal(key: DataKey, place: Place, text: str) -> bytes:
    """Return what was sealed for this place. Raises `Unopenable`."""
    if key_id_of(text) != key.id:
        raise Unopenable("the value is sealed under another data key")
    try:
        sealed = b64decode(text.rpartition(".")[2], altchars=b"-_", validate=True)
    except ValueError as exc:
        raise Unopenable("the sealed value is damaged") from exc
    return _open(AESGCM(key.secret), sealed, _bound_to(place, key))


def _name(master: bytes) -> str:
    return hashlib.sha256(b"penstock master key\n" + master).hexdigest()[:MASTER_ID_LENGTH]


def _bound_to(place: Place, key: DataKey) -> bytes:
    where = (place.table, place.row_id, place.column, key.id, str(key.version))
    return "\n".join((*_tenant(place.scope), *where)).encode()


def _bound_to_row(key_id: str, scope: Scope) -> bytes:
    return "\n".join((*_tenant(scope), "data_keys", key_id, "wrapped")).encode()


def _tenant(scope: Scope) -> tuple[str, str, str]:
    return scope.workspace_id, scope.environment_id, scope.application_id


def _close(cipher: AESGCM, plain: bytes, bound_to: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound_to)


def _open(cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as exc:
        raise Unopenable("the value was altered, moved from another row, or sealed under another key") from exc
