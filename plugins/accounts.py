"""Asks connectors about accounts: are the settings usable, are the credentials good, what does a message hint at.

The one rule: a connector is called here as in a payment: under a deadline, with places of its own, everything caught.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import httpx
import structlog

from penstock.account import Check
from penstock.account_errors import WebhookSignatureInvalid, WebhookUnreadable
from penstock.connector import BadCredentials, NotSent, PaymentConnector, Provider
from penstock.errors import Fault, NotFound, ServiceUnavailable
from penstock.outcome import MAX_REF
from penstock.request import Forged, Hint, HintKind, WebhookDelivery
from penstock.verdict import Connection
from plugins.guard import Call, Crowded, DeadlinePassed, Guard
from plugins.masking import texts as texts_of
from plugins.masking import told
from plugins.shelf import Shelf, UnusableConnection

KINDS: Final[frozenset[HintKind]] = frozenset({"payment", "refund", "dispute", "other"})
MOST_HINTS: Final = 500
_RETRY: Final = {"Retry-After": "60"}
_LONGEST: Final = 200
T = TypeVar("T")
_log = structlog.get_logger(__name__)


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

    def read_message(self, connection: Connection, delivery: WebhookDelivery) -> Sequence[Hint]:
        """Return what a provider's message hints at, checked.

        Raises `WebhookSignatureInvalid`, `WebhookUnreadable`, `NotFound` for a connector without messages, and
        `ServiceUnavailable` where the connector cannot check it now, so that the provider sends it again.
        """
        cls = self.get(connection.connector)
        if cls is None or not issubclass(cls, PaymentConnector) or not cls.capabilities.webhooks:
            raise NotFound("This connection takes no messages.")
        try:
            built: Any = self.build(connection)  # one of the class above
            ended = self._run(connection.connector, lambda: _checked(built.parse_webhook(delivery)))
        except (UnusableConnection, Crowded, DeadlinePassed) as exc:
            _log.warning("message_not_read", connector=connection.connector, reason=str(exc)[:_LONGEST])
            raise ServiceUnavailable("The message cannot be checked right now.", headers=_RETRY) from None
        if ended.raised is not None:
            raise _refusal(ended, connection, texts_of(built))
        return ended.value or ()

    def _shelf(self, connection: Connection) -> Shelf[Any]:
        shelf = self._shelves.get(connection.connector)
        if shelf is None:
            raise UnusableConnection(f"no plugin offers a connector named {connection.connector!r}")
        return shelf

    def _run(self, name: str, work: Callable[[], T]) -> Call[T]:
        return self._guard.run(name, work, seconds=self._seconds)


def _refusal(ended: Call[Any], connection: Connection, secrets: Sequence[str]) -> Exception:
    said = told(ended, secrets)
    _log.warning("message_refused", connector=connection.connector, object_id=connection.id, reason=said)
    if isinstance(ended.raised, Forged):
        return WebhookSignatureInvalid()
    if isinstance(ended.raised, NotSent | httpx.HTTPError):  # it asks its provider about the message, in vain
        return ServiceUnavailable("The message cannot be checked right now.", headers=_RETRY)
    return WebhookUnreadable()


def _checked(hints: object) -> Sequence[Hint]:
    if not isinstance(hints, list | tuple) or len(hints) > MOST_HINTS:
        raise ValueError("it gave no list of hints, or too many")
    for hint in hints:
        if not isinstance(hint, Hint) or hint.kind not in KINDS or not _is_name(hint.event_id):
            raise ValueError("it gave a hint without a usable event_id or kind")
        if not all(name is None or _is_name(name) for name in (hint.key, hint.ref)):
            raise ValueError("it gave a hint whose key or ref is no usable text")
    return hints


def _is_name(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= MAX_REF and text.isprintable()
