"""API keys: made once, shown once, and kept as a keyed hash. The last six characters tell a typo without a database.

A key is ``sk_`` or ``pk_``, the environment's slug, ``_``, 32 random base 62 characters, and six of their CRC-32.
"""

import hmac
import re
from dataclasses import dataclass, field
from typing import Final, Literal
from zlib import crc32

from penstock.ids import BASE62, random_text

KeyKind = Literal["secret", "publishable"]

RANDOM_LENGTH: Final = 32
CHECKSUM_LENGTH: Final = 6
MAX_LENGTH: Final = 128
SHOWN: Final = 4
"""How many characters at a key's end are kept to be shown."""

_MARKS: Final[dict[KeyKind, str]] = {"secret": "sk", "publishable": "pk"}
_KINDS: Final[dict[str, KeyKind]] = {mark: kind for kind, mark in _MARKS.items()}
_PAIRS: Final = tuple(first + second for first in BASE62 for second in BASE62)
_SHAPE: Final = re.compile(r"(sk|pk)_([a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?)_([0-9A-Za-z]{32})([0-9A-Za-z]{6})")


@dataclass(frozen=True, slots=True)
class RawKey:
    """A key as its holder sends it. ``text`` is the secret, and in no repr."""

    text: str = field(repr=False)
    kind: KeyKind
    environment: str

    @property
    def prefix(self) -> str:
        """What it begins with: kind and environment, nothing of the secret."""
        return f"{_MARKS[self.kind]}_{self.environment}_"

    @property
    def last4(self) -> str:
        """Its last four characters."""
        return self.text[-SHOWN:]

    def digest(self, pepper: bytes) -> str:
        """Return what is kept of the key: HMAC-SHA-256 under ``pepper``, 64 hexadecimal digits."""
        return hmac.digest(pepper, self.text.encode(), "sha256").hex()


def mint(kind: KeyKind, environment: str) -> RawKey:
    """Return a new key (190 random bits) for an environment's slug."""
    body = f"{_MARKS[kind]}_{environment}_{random_text(RANDOM_LENGTH)}"
    key = parse(body + _checksum(body))
    if key is None:
        raise ValueError(f"{environment!r} cannot stand in a key")
    return key


def parse(text: str) -> RawKey | None:
    """Return the key that a text is, or None for one that was never a key: wrong shape or wrong checksum."""
    found = _SHAPE.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if found is None or not hmac.compare_digest(found[4], _checksum(text[:-CHECKSUM_LENGTH])):
        return None
    return RawKey(text, _KINDS[found[1]], found[2])


def masked(text: str) -> str:
    """Return a key as it may be shown or logged: its prefix, dots, and its last four characters."""
    key = parse(text)
    return f"{key.prefix}…{key.last4}" if key else "…"


def _checksum(body: str) -> str:
    rest, last = divmod(crc32(body.encode()), len(_PAIRS))
    first, middle = divmod(rest, len(_PAIRS))
    return _PAIRS[first] + _PAIRS[middle] + _PAIRS[last]
