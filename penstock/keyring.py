"""One root secret, and a key of its own for every purpose: a key that leaks opens one door."""

import os
import secrets
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from penstock.settings import BadSettings, Settings
from penstock.vault import MasterKeys

Purpose = Literal["api-keys", "cursors", "embed-tokens", "dashboard-tokens", "digests", "answers"]

_SALT: Final = b"penstock"
_LENGTH: Final = 32
_SQLITE: Final = b"SQLite format 3\x00"
"""What every SQLite file begins with."""


class Keyring:
    """Keys of 32 bytes, derived from the root secret (HKDF with SHA-256). The same root gives the same keys.

    ``masters`` are the secrets that stand before the root secret in the ring of master keys, the newest first.
    """

    def __init__(self, root: bytes, *, masters: Sequence[bytes] = ()) -> None:
        self._root = root
        self._secrets = (*masters, root)
        self._keys: dict[Purpose, bytes] = {}

    def key(self, purpose: Purpose) -> bytes:
        """Return the key for one purpose."""
        if purpose not in self._keys:
            self._keys[purpose] = _derived(self._root, purpose)
        return self._keys[purpose]

    @cached_property
    def masters(self) -> MasterKeys:
        """The ring of master keys: one from each secret that an operator lists, and the root secret's as the oldest."""
        return MasterKeys([_derived(secret, "master") for secret in self._secrets])

    def __repr__(self) -> str:
        return "<Keyring>"


def _derived(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), _LENGTH, _SALT, purpose.encode()).derive(secret)


def open_keyring(settings: Settings, *, may_make: bool = False) -> Keyring:
    """Return the keys of this installation. With SQLite, whoever ``may_make`` the database makes the root secret first.

    Raises `BadSettings` where there is no secret and none may be made up, or where others can read the file.
    """
    masters = [secret.encode() for secret in settings.master_secrets]
    if settings.secret_key is not None:
        return Keyring(settings.secret_key.get_secret_value().encode(), masters=masters)
    database, path = settings.sqlite_file, secret_file(settings)
    if database is None or path is None:
        raise BadSettings(
            "PENSTOCK_SECRET_KEY is not set, and with PostgreSQL it must be: every process needs the same one. "
            "Make one with: openssl rand -base64 32"
        )
    # Looked at before the secret is: of two processes that start together, one may be making both, the secret first.
    is_set_up = _is_set_up(database)
    root = _read(path)
    if root is None and (is_set_up or not may_make):
        raise BadSettings(_missing(database, path, is_set_up=is_set_up))
    return Keyring(root or _make(path), masters=masters)


def secret_file(settings: Settings) -> Path | None:
    """Return where the root secret is kept when no setting holds it: beside the SQLite database."""
    database = settings.sqlite_file
    return database.with_suffix(".key") if database else None


def _is_set_up(database: Path) -> bool:
    """Tell whether there is a SQLite database that is more than an empty file: another secret would not fit it."""
    try:
        with database.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:  # whoever opens the database says what is wrong with it
        return False


def _missing(database: Path, path: Path, *, is_set_up: bool) -> str:
    if is_set_up:
        return (
            f"{path} is missing: it holds the root secret that the database beside it was made with. Put it back from a "
            "backup, or set PENSTOCK_SECRET_KEY to that secret."
        )
    if database.exists():
        return f"the database at {database} is not set up yet; run `penstock migrate`"
    return f"there is no database at {database} yet; run `penstock init`"


def _read(path: Path) -> bytes | None:
    try:
        if path.stat().st_mode & 0o077:
            raise BadSettings(f"{path} holds the root secret and others may read it. Run: chmod 600 {path}")
        root = path.read_bytes().strip()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise BadSettings(f"{path} holds the root secret and cannot be read: {exc.strerror}") from None
    if len(root) < _LENGTH:
        raise BadSettings(f"{path} should hold the root secret and is damaged. Put it back from a backup.")
    return root


def _make(path: Path) -> bytes:
    # Written aside and linked into place, so that of two processes that start together one wins and both read it.
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(secrets.token_urlsafe(48).encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    except OSError as exc:
        raise BadSettings(f"the root secret cannot be written to {path}: {exc.strerror}") from None
    root = _read(path)
    if root is None:
        raise BadSettings(f"{path} was just written and is gone")
    return root
