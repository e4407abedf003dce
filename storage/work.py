"""The unit of work: one block, one transaction, one commit at its end."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType

from penstock.boundary import transaction
from penstock.caller import Scope
from penstock.clock import Clock
from penstock.ports import OpenWork
from storage.calculations import CalculationRows
from storage.carts import CartRows
from storage.connections import ConnectionRows
from storage.cursors import Cursors
from storage.database import Connection, Database
from storage.discounts import DiscountRows
from storage.due import DueRows
from storage.embed_configs import EmbedConfigRows
from storage.environments import EnvironmentRows
from storage.idempotency import IdempotencyRows
from storage.inbox import InboxRows
from storage.incidents import IncidentRows
from storage.keys import KeyRows
from storage.mails import MailRows
from storage.once import Once
from storage.orders import OrderRows
from storage.payments import PaymentRows
from storage.quote_tokens import QuoteTokenRows
from storage.routing import RoutingRows
from storage.scoped import ScopedConnection
from storage.sessions import SessionRows
from storage.shipping_tax import ShippingTaxRows
from storage.steps import StepRows
from storage.stream import EventRows
from storage.vault import Vault
from storage.webhooks import WebhookRows


class RowsOfWork:
    """The repositories over one open transaction, for one scope."""

    def __init__(self, connection: ScopedConnection, cursors: Cursors, vault: Vault) -> None:
        self._connection = connection
        self._cursors = cursors
        self._vault = vault
        self.scope = connection.scope
        self.now = connection.scope.stands_at or connection.machine_now
        self.request_ref: str | None = None

    @Once
    def carts(self) -> CartRows:
        """Carts with their lines."""
        return CartRows(self._connection, self.now, self._cursors)

    @Once
    def sessions(self) -> SessionRows:
        """Checkout sessions."""
        return SessionRows(self._connection, self.now)

    @Once
    def orders(self) -> OrderRows:
        """Orders with their lines."""
        return OrderRows(self._connection, self.now, self._cursors)

    @Once
    def payments(self) -> PaymentRows:
        """Payments with their attempts, transactions and postings."""
        return PaymentRows(self._connection, self.now, self._cursors)

    @Once
    def steps(self) -> StepRows:
        """Captures, voids and refunds."""
        return StepRows(self._connection)

    @Once
    def discounts(self) -> DiscountRows:
        """Discounts, and the places that carts hold of their limits."""
        return DiscountRows(self._connection, self.now, self._cursors)

    @Once
    def keys(self) -> KeyRows:
        """API keys."""
        return KeyRows(self._connection)

    @Once
    def connections(self) -> ConnectionRows:
        """Configured accounts at providers."""
        return ConnectionRows(self._connection, self.now, self._vault)

    @Once
    def routing(self) -> RoutingRows:
        """The lists of routing rules with their versions, and how payments were routed."""
        return RoutingRows(self._connection, self.now, self._cursors)

    @Once
    def shipping_tax(self) -> ShippingTaxRows:
        """The shipping and tax configuration with its versions."""
        return ShippingTaxRows(self._connection, self.now, self._cursors)

    @Once
    def calculations(self) -> CalculationRows:
        """Calculations of shipping and tax that were kept."""
        return CalculationRows(self._connection)

    @Once
    def quote_tokens(self) -> QuoteTokenRows:
        """Quote tokens."""
        return QuoteTokenRows(self._connection)

    @Once
    def embed_configs(self) -> EmbedConfigRows:
        """The one embed configuration."""
        return EmbedConfigRows(self._connection, self.now)

    @Once
    def incidents(self) -> IncidentRows:
        """What happened to connections."""
        return IncidentRows(self._connection, self.now)

    @Once
    def events(self) -> EventRows:
        """What happened, in the order in which it was handed on."""
        return EventRows(self._connection)

    @Once
    def webhooks(self) -> WebhookRows:
        """Webhook endpoints and deliveries."""
        return WebhookRows(self._connection, self.now, self._vault)

    @property
    def has_news(self) -> bool:
        """Whether something was written that the jobs wait for."""
        return self._connection.has_news

    @Once
    def mails(self) -> MailRows:
        """E-mails that are to be sent, or were."""
        return MailRows(self._connection)

    @Once
    def environment(self) -> EnvironmentRows:
        """The environment itself, and its test clock."""
        return EnvironmentRows(self._connection)

    @Once
    def due(self) -> DueRows:
        """What must happen later."""
        return DueRows(self._connection)

    @Once
    def inbox(self) -> InboxRows:
        """Providers' own messages."""
        return InboxRows(self._connection, self.now)

    @Once
    def idempotency(self) -> IdempotencyRows:
        """Idempotency keys. They live by the machine's clock: repeats come as fast as ever."""
        return IdempotencyRows(self._connection, self._connection.machine_now)


class Opened:
    """One block: the transaction, and the mark that no provider may be called meanwhile. ``ring`` follows its commit."""

    __slots__ = ("_block", "_made", "_mark", "_ring", "_rows")

    def __init__(
        self,
        block: AbstractContextManager[Connection],
        made: Callable[[Connection], RowsOfWork],
        ring: Callable[[], object] | None,
    ) -> None:
        self._block = block
        self._made = made
        self._ring = ring
        self._rows: RowsOfWork | None = None
        self._mark = transaction()

    def __enter__(self) -> RowsOfWork:
        """Open it."""
        self._mark.__enter__()
        try:
            connection = self._block.__enter__()
        except BaseException:
            self._mark.__exit__()
            raise
        try:
            self._rows = self._made(connection)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self._rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit it, or undo it where the block failed."""
        try:
            self._block.__exit__(kind, error, trace)
        finally:
            self._mark.__exit__()
        if kind is None and self._ring is not None and self._rows is not None and self._rows.has_news:
            self._ring()


def open_work(
    database: Database, clock: Clock, *, cursor_key: bytes, vault: Vault, ring: Callable[[], object] | None = None
) -> OpenWork:
    """Return what opens units of work over a database.

    ``cursor_key`` is the secret under which list cursors are signed; all processes of a house share it. ``vault`` seals
    what must not stand in a row as it is. ``ring`` is called after each commit that the jobs wait for.
    """
    cursors = Cursors(cursor_key)
    after = partial(database.after_commit, ring) if ring is not None else None

    def opened(scope: Scope, *, read: bool = False) -> Opened:
        def made(connection: Connection) -> RowsOfWork:
            # A writer may have waited for its turn, so the clock is read now.
            return RowsOfWork(ScopedConnection(connection, scope, clock.now()), cursors, vault)

        if read:
            return Opened(database.reading(), made, None)
        return Opened(database.writing(), made, after)

    return opened
