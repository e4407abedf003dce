"""Postal codes and the patterns of them that a merchant's zones and rates are written in.

A pattern is one code (``12345``), all that begin alike (``12*``), or a range of numbers (``10000..10499``, read as the
beginning of the code). White space and hyphens do not count, and of a ZIP+4 only the first five digits do.
"""

import re
from dataclasses import dataclass
from typing import Final

_IGNORED: Final = re.compile(r"[\s-]+")
_PATTERN: Final = re.compile(r"([A-Z0-9]{1,10})(?:(\*)|\.\.([0-9]{1,10}))?")
_ZIP_LENGTH: Final = 5
_EXACT: Final = 1_000


class BadPattern(ValueError):
    """A text that is no pattern; the message says why."""


@dataclass(frozen=True, slots=True)
class PostalPattern:
    """A set of postal codes: those that begin with something from ``low`` to ``high``, or ``low`` alone."""

    text: str
    low: str
    high: str
    is_exact: bool

    @property
    def precision(self) -> int:
        """How narrow the pattern is: of two that match, the greater is the more specific."""
        if self.is_exact:
            return _EXACT
        shared = next((i for i, (a, b) in enumerate(zip(self.low, self.high, strict=True)) if a != b), len(self.low))
        # A range within a prefix is narrower than the prefix, and wider than one character more.
        return 2 * shared + (self.low != self.high)

    def matches(self, code: str) -> bool:
        """Tell whether a normal postal code belongs to the set."""
        if self.is_exact:
            return code == self.low
        start = code[: len(self.low)]
        return len(start) == len(self.low) and start.isascii() and self.low <= start <= self.high


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
