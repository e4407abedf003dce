"""Postal codes and the patterns of them that a merchant's zones and rates are written in.

A pattern is one code (``12345``), all that begin alike (``12*``), or a range of numbers (``10000..10499``, read as the
beginning of the code). White space and hyphens do not count, and of a ZIP+4 only the first five digits do.
"""

import re
from dataclasses import dataclass, field
from typing import Final

_IGNORED: Final = re.compile(r"[\s-]+")
_PATTERN: Final = re.compile(r"([A-Z0-9]{1,10})(?:(\*)|\.\.([0-9]{1,10}))?")
_ZIP_LENGTH: Final = 5
_DIGITS: Final = 10
_LETTERS: Final = 26
EVERY_CODE: Final = -1.0
"""How narrow it is to have no pattern: wider than every one."""


class BadPattern(ValueError):
    """A text that is no pattern; the message says why."""


@dataclass(frozen=True, slots=True)
class PostalPattern:
    """A set of postal codes: those that begin with something from ``low`` to ``high``, or ``low`` alone.

    ``precision`` says how narrow it is: of two that match a code, the greater is the more specific. It is 0 for one code
    alone, else the share of all codes that belong to it, below 0.
    """

    text: str
    low: str
    high: str
    is_exact: bool
    precision: float = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Weigh it once: rates are chosen far more often than they are read."""
        object.__setattr__(self, "precision", 0.0 if self.is_exact else -_share(self.low, self.high))

    def matches(self, code: str) -> bool:
        """Tell whether a normal postal code belongs to the set."""
        if self.is_exact:
            return code == self.low
        start = code[: len(self.low)]
        if self.low == self.high:
            return start == self.low
        return len(start) == len(self.low) and start.isascii() and start.isdigit() and self.low <= start <= self.high

    def meets(self, other: "PostalPattern") -> bool:
        """Tell whether some code belongs to both."""
        if self.is_exact or other.is_exact:
            return other.matches(self.low) if self.is_exact else self.matches(other.low)
        end = min(len(self.low), len(other.low))
        return self.low[:end] <= other.high[:end] and other.low[:end] <= self.high[:end]

    def within(self, country: str) -> "PostalPattern":
        """Return the pattern as it counts in a country: in the US only the first five digits do."""
        if country != "US" or len(self.low) <= _ZIP_LENGTH:
            return self
        return PostalPattern(self.text, self.low[:_ZIP_LENGTH], self.high[:_ZIP_LENGTH], self.is_exact)


def read_pattern(text: str) -> PostalPattern:
    """Return the pattern that a text is. Raises `BadPattern`."""
    plain = _IGNORED.sub("", text).upper()
    found = _PATTERN.fullmatch(plain)
    if found is None:
        raise BadPattern("a pattern is a code, a beginning with * behind it, or two numbers with .. between them")
    low, star, high = found.groups()
    if high is None:
        return PostalPattern(text, low, low, is_exact=star is None)
    if not low.isdigit() or len(low) != len(high) or low > high:
        raise BadPattern("a range has two numbers of one length, the lower one first")
    return PostalPattern(text, low, high, is_exact=False)


def normal_code(code: str, country: str) -> str:
    """Return a postal code as patterns are matched with it."""
    plain = _IGNORED.sub("", code).upper()
    return plain[:_ZIP_LENGTH] if country == "US" else plain


def _share(low: str, high: str) -> float:
    """Return how much of all codes begins with something from ``low`` to ``high``."""
    many = 1 if low == high else int(high) - int(low) + 1
    all_ = 1
    for sign in low:
        all_ *= _DIGITS if sign.isdigit() else _LETTERS
    return many / all_
