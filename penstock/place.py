"""A place as tax engines and rate sources are told it. What is not known is an empty text."""

from dataclasses import dataclass, field
from typing import Literal

Detail = Literal["country", "state", "postal_code", "city", "line1"]
"""What of a place an engine or a source may need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """``country`` is ISO 3166-1 alpha-2, ``state`` the subdivision's code without the country (``CA``, ``QC``)."""

    country: str
    state: str = ""
    postal_code: str = ""
    city: str = ""
    line1: str = field(default="", repr=False)
    line2: str = field(default="", repr=False)

    def lacks(self, needed: frozenset[Detail]) -> tuple[Detail, ...]:
        """Return which of the needed details are empty, sorted."""
        return tuple(sorted(detail for detail in needed if not getattr(self, detail).strip()))
