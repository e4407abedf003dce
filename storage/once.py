"""A property that is worked out when it is first asked for, and kept."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Made = TypeVar("Made")


class Once(Generic[Made]):
    """As `functools.cached_property`, for objects that one thread has at a time.

    In Python 3.11 that one takes a lock which all objects of a class share: it costs a twentieth of a read, and threads
    that have nothing to do with each other wait for it.
    """

    def __init__(self, make: Callable[[Any], Made]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Made:
        """Make it; what stands in the instance afterwards is found without coming here."""
        made = instance.__dict__[self._name] = self._make(instance)
        return made
