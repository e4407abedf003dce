"""The unit of work: one block, one transaction, one commit at its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property

from penstock.boundary import transaction
from penstock.caller import Scope
from penstock.clock import Clock
from penstock.ports import OpenWork
from storage.carts import CartRows
from storage.connections import ConnectionRows
from storage.cursors import Cursors
from storage.database import Database
from storage.due import DueRows
from storage.embed_configs import EmbedConfigRows
from storage.idempotency import IdempotencyRows
from storage.keys import KeyRows
from storage.orders import OrderRows
from storage.payments import PaymentRows
from storage.scoped import ScopedConnection
from storage.sessions import SessionRows
from storage.vault import Vault


class RowsOfWork:
    """The repositories over one open transaction, for one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime, cursors: Cursors, vault: Vault) -> None:
        self._connection = connection
        self._cursors = cursors
        self._vault = vault
        self.scope = connection.scope
        self.now = now

    @cached_property
    def carts(self) -> CartRows:
        """Carts with their lines."""
        return CartRows(self._connection, self.now)

    @cached_property
    def sessions(self) -> SessionRows:
        """Checkout sessions."""
        return SessionRows(self._connection, self.now)

    @cached_property
    def orders(self) -> OrderRows:
        """Orders with their lines."""
        return OrderRows(self._connection, self.now, self._cursors)

    @cached_property
    def payments(self) -> PaymentRows:
        """Payments with their attempts, transactions and postings."""
        return PaymentRows(self._connection, self.now, self._cursors)

    @cached_property
    def keys(self) -> KeyRows:
        """API keys."""
        return KeyRows(self._connection)

    @cached_property
    def connections(self) -> ConnectionRows:
        """Configured accounts at providers."""
        return ConnectionRows(self._connection, self.now, self._vault)

    @cached_property
    def embed_configs(self) -> EmbedConfigRows:
        """The one embed configuration."""
        return EmbedConfigRows(self._connection, self.now)

    @cached_property
    def due(self) -> DueRows:
        """What must happen later."""
        return DueRows(self._connection)

    @cached_property
    def idempotency(self) -> IdempotencyRows:
        """Idempotency keys."""
        return IdempotencyRows(self._connection, self.now)


def open_work(database: Database, clock: Clock, *, cursor_key: bytes, vault: Vault) -> OpenWork:
    """Return what opens units of work over a database.

    ``cursor_key`` is the secret under which list cursors are signed; all processes of a house share it. ``vault`` seals
    what must not stand in a row as it is.
    """
    cursors = Cursors(cursor_key)

    @contextmanager
    def opened(scope: Scope, *, read: bool = False) -> Iterator[RowsOfWork]:
        with transaction(), database.reading() if read else database.writing() as connection:
            yield RowsOfWork(ScopedConnection(connection, scope), clock.now(), cursors, vault)

    return opened
