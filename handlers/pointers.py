"""JSON pointers: the address of a place in a document, as faults name it."""

from collections.abc import Iterable
from typing import Final

LONGEST: Final = 1024


def escape(name: object) -> str:
    """Write one name of a pointer: ``~`` and ``/`` have a meaning there."""
    return str(name).replace("~", "~0").replace("/", "~1")


def pointer_to(names: Iterable[object]) -> str:
    """Return the pointer to a place, cut where it grows beyond what an error may carry."""
    return "".join(f"/{escape(name)}" for name in names)[:LONGEST]
