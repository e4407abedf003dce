"""Answers kept for repeats are sealed: what was to be shown once must not stand in the database for a day."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class Unreadable(Exception):
    """The seal does not fit: another root secret, another row, or altered bytes."""


class Seal:
    """Seals bytes for one place (AES-256-GCM). What was sealed for one place opens at no other."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, body: bytes, place: bytes) -> bytes:
        """Return the bytes, sealed for a place."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, body, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Return what was sealed for this place; raises `Unreadable`."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
        except (InvalidTag, ValueError):
            raise Unreadable from None
