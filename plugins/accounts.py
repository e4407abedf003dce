"""Asks connectors about accounts: are the settings usable, are the credentials good.

The one rule: a connector is called here as in a payment: under a deadline, with places of its own, everything caught.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from penstock.account import Check
from penstock.connector import BadCredentials, Provider
from penstock.errors import Fault, ServiceUnavailable
from penstock.verdict import Connection
from plugins.guard import Call, Crowded, DeadlinePassed, Guard
from plugins.masking import texts as texts_of
from plugins.masking import told
from plugins.shelf import Shelf, UnusableConnection

_RETRY: Final = {"Retry-After": "60"}
_LONGEST: Final = 200
T = TypeVar("T")


class AccountDesk:
    """Fits `penstock.account.Accounts`. ``seconds`` is the deadline of one call, ``places`` how many may run at once."""

    def __init__(self, *shelves: Shelf[Any], seconds: float = 10.0, places: int = 8) -> None:
        self._shelves = {name: shelf for shelf in shelves for name in shelf.names()}
        self._seconds = seconds
        self._guard = Guard(places=places)

    def names(self) -> Sequence[str]:
        """Return the names of all connectors, tax engines and rate sources, sorted."""
        return sorted(self._shelves)

    def get(self, name: str) -> type[Provider] | None:
        """Return the class of this name, of whatever kind, or None."""
        shelf = self._shelves.get(name)
        return None if shelf is None else shelf.get(name)

    def build(self, connection: Connection) -> Provider:
        """Return the object for a connection of whatever kind. Raises `UnusableConnection`."""
        built: Provider = self._shelf(connection).build(connection)
        return built

    def faults(self, connection: Connection) -> Sequence[Fault]:
        """Return what is wrong with a connection's settings; an empty list for one that can be built."""
        found = [
            Fault(f"/settings{fault.pointer}", fault.code, fault.message)
            for fault in self._shelf(connection).account_faults(connection)
        ]
        if found:
            return found[:20]
        try:
            ended = self._run(connection.connector, lambda: self.build(connection))
        except (Crowded, DeadlinePassed) as exc:
            raise ServiceUnavailable(f"The connector did not look at the settings: {exc}.", headers=_RETRY) from None
        if ended.raised is None:
            return []
        if isinstance(ended.raised, UnusableConnection):
            return [Fault("/settings", "unusable", ended.text[:_LONGEST])]
        return [Fault("/settings", "unusable", "the connector does not take them")]

    def verify(self, connection: Connection) -> Check:
        """Ask the provider whether it accepts an account's credentials. Never raises for the connector's sake."""
        cls = self.get(connection.connector)
        if cls is None or not cls.capabilities.verify:
            return Check("unsupported", f"{connection.connector} cannot verify credentials")
        try:
            built = self.build(connection)
            ended = self._run(connection.connector, built.verify_account)
        except UnusableConnection as exc:
            return Check("refused", str(exc)[:_LONGEST])
        except (Crowded, DeadlinePassed) as exc:
            return Check("unreachable", str(exc)[:_LONGEST])
        if ended.raised is None:
            return Check("accepted")
        said = told(ended, texts_of(built))
        is_refused = isinstance(ended.raised, BadCredentials)
        return Check("refused" if is_refused else "unreachable", said.partition(": ")[2] if is_refused else said)

    def _shelf(self, connection: Connection) -> Shelf[Any]:
        shelf = self._shelves.get(connection.connector)
        if shelf is None:
            raise UnusableConnection(f"no plugin offers a connector named {connection.connector!r}")
        return shelf

    def _run(self, name: str, work: Callable[[], T]) -> Call[T]:
        return self._guard.run(name, work, seconds=self._seconds)
