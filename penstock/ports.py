"""What the flows and the front door need from storage and plugins. Those rooms fit these shapes."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from penstock.caller import Scope
from penstock.cart import Cart, LineItem
from penstock.connector import ProviderKind
from penstock.discount import Discount
from penstock.discount_ports import Discounts
from penstock.follow_up import Step
from penstock.health import Incident
from penstock.inbox import Inbox
from penstock.ledger import Posting
from penstock.order import Order
from penstock.page import Page
from penstock.payment import Payment, Transaction
from penstock.provider_ports import Cascade, Mailer, Offer
from penstock.routing_ports import Routing
from penstock.schedule_ports import Due, Environments, Mails
from penstock.session import CheckoutSession
from penstock.tax_ports import Calculations, QuoteTokens, ShippingTax
from penstock.tenant import ApiKey, Connection, EmbedConfig
from penstock.webhook import Delivery, Endpoint

__all__ = [
    "Abandoned",
    "Carts",
    "Cascade",
    "Connections",
    "Discounts",
    "Due",
    "DueRow",
    "EmbedConfigs",
    "Environments",
    "Idempotency",
    "Incidents",
    "Keys",
    "Mailer",
    "Mails",
    "Offer",
    "OpenWork",
    "Orders",
    "Page",
    "Payments",
    "Routing",
    "Sessions",
    "Steps",
    "StoredAnswer",
    "UnitOfWork",
    "Webhooks",
    "Work",
]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered to the first request with an idempotency key."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DueRow:
    """Something that must happen later. ``attempt`` counts the claims of this row, this one included.

    ``failures`` counts those that failed since one last went well.
    """

    id: str
    scope: Scope
    kind: str
    object_id: str
    run_at: datetime
    attempt: int
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Abandoned:
    """How many carts were left, and what they are worth: (currency, count, total in minor units) for each currency."""

    by_currency: Sequence[tuple[str, int, int]]
    emails: int


class Carts(Protocol):
    """Carts. Every save writes the row and the noted events in one transaction."""

    def get(self, cart_id: str) -> Cart | None: ...
    def shown(self, cart_id: str) -> Mapping[str, Any] | None:
        """Return a cart with its lines in the wire's shape, or None: `get` then tells whether there is one.

        A cart with a discount or tax lines is left to the rules, which say what falls to which line.
        """
        ...

    def get_for_update(self, cart_id: str) -> Cart | None: ...
    def get_to_change(self, cart_id: str) -> tuple[Cart, list[Discount]] | None:
        """Return the cart under its lock, with the automatic discounts that could be used now."""
        ...

    def add(self, cart: Cart) -> None: ...
    def save(self, cart: Cart) -> None:
        """Write the cart's own row and its events. Lines are written by the three methods below."""
        ...

    def add_item(self, cart_id: str, item: LineItem) -> None: ...
    def save_item(self, item: LineItem) -> None: ...
    def remove_item(self, item_id: str) -> None: ...
    def events(self, cart_id: str, *, after: int, limit: int) -> Sequence[Mapping[str, Any]]:
        """Return events in the wire's shape {id, eventType, sequence, payload, createdAt}, by sequence."""
        ...

    def page_abandoned(self, *, cursor: str | None, limit: int) -> Page:
        """List what is abandoned in the wire's shape, most recently abandoned first."""
        ...

    def abandoned_since(self, since: datetime) -> Abandoned:
        """Return what was abandoned since then and still is, and how many buyers were sent an e-mail since then."""
        ...


class Sessions(Protocol):
    """Checkout sessions."""

    def get(self, session_id: str) -> CheckoutSession | None: ...
    def get_for_update(self, session_id: str) -> CheckoutSession | None: ...
    def add(self, session: CheckoutSession) -> None: ...
    def save(self, session: CheckoutSession) -> None: ...


class Orders(Protocol):
    """Orders with their lines."""

    def get(self, order_id: str) -> Order | None: ...
    def shown(self, order_id: str) -> Mapping[str, Any] | None:
        """Return an order with its lines in the wire's shape."""
        ...

    def get_for_update(self, order_id: str) -> Order | None: ...
    def add(self, order: Order) -> None: ...
    def save(self, order: Order) -> None:
        """Write the order's own row (totals and addresses too) and its events; not its lines."""
        ...

    def replace_lines(self, order: Order) -> None: ...
    def page(self, filters: Mapping[str, Any], *, cursor: str | None, limit: int) -> Page:
        """List, newest first. Filters: status, payment_status, q, customer_id, application_id."""
        ...


class Payments(Protocol):
    """Payments with their attempts, transactions and postings."""

    def get(self, payment_id: str) -> Payment | None: ...
    def get_for_update(self, payment_id: str) -> Payment | None: ...
    def add(self, payment: Payment) -> None:
        """Write the payment with its attempts, new transactions and events."""
        ...

    def save(self, payment: Payment) -> None:
        """Write the payment's row, its last two attempts (new ones inserted) and strays, new transactions and events."""
        ...

    def post(self, posting: Posting) -> None: ...
    def reserve_refund(self, payment_id: str, amount: int) -> bool:
        """Set minor units aside for a refund; False where not so much is left, whoever took it meanwhile."""
        ...

    def declines(self, card_ref: str, since: datetime, *, limit: int) -> int:
        """Count the declines of a card, up to a limit."""
        ...

    def shown(self, payment_id: str) -> Mapping[str, Any] | None:
        """Return one payment with its attempts in the wire's shape."""
        ...

    def page(self, filters: Mapping[str, Any], *, cursor: str | None, limit: int) -> Page:
        """List, newest first.

        Filters: method, status (several), order_id, due_from, due_to, amount_min, amount_max, aging.
        """
        ...

    def of_order(self, order_id: str) -> Page | None:
        """Return all payments of an order in the wire's shape, newest first; None for an unknown order."""
        ...

    def transactions(self, payment_id: str) -> Sequence[Mapping[str, Any]] | None:
        """Return the transactions in the wire's shape, oldest first; None for an unknown payment."""
        ...


class Steps(Protocol):
    """Captures, voids and refunds. Whoever changes one holds its payment's row."""

    def get(self, step_id: str) -> Step | None: ...
    def of_payment(self, payment_id: str) -> Sequence[Step]: ...
    def add(self, step: Step, transaction: Transaction) -> None: ...
    def save(self, step: Step) -> None: ...


class Keys(Protocol):
    """API keys of the scope."""

    def list_active(self) -> Sequence[ApiKey]: ...
    def add(self, key: ApiKey) -> None: ...
    def revoke(self, key_id: str, at: datetime) -> bool:
        """Revoke an active key; False where there is none with this id."""
        ...


class Connections(Protocol):
    """Configured provider accounts, in the application's order."""

    def list_active(self, kind: ProviderKind = "payment") -> Sequence[Connection]: ...
    def list_all(self) -> Sequence[Connection]: ...
    def get(self, connection_id: str) -> Connection | None:
        """Return a connection, even a deleted one: a payment that was begun there may have to ask it."""
        ...

    def get_kept(self, connection_id: str) -> Connection | None: ...
    def get_for_update(self, connection_id: str) -> Connection | None: ...
    def add(self, connection: Connection) -> None: ...
    def save(self, connection: Connection) -> None: ...
    def is_used(self, connection_id: str) -> bool: ...
    def remove(self, connection_id: str) -> None: ...


class Incidents(Protocol):
    """Times in which a connection failed."""

    def note(self, incident: Incident) -> None:
        """Write what the incident has noted."""
        ...


class Events(Protocol):
    """What happened in the scope, in the order in which it was handed on."""

    def get(self, event_id: str) -> Mapping[str, Any] | None:
        """Return an event that was handed on, in the wire's shape."""
        ...

    def page(self, *, after: int, limit: int, object_id: str | None = None) -> Sequence[Mapping[str, Any]]:
        """Return events behind a number, in the wire's shape and in their order; of one object, or of all."""
        ...

    def last(self) -> int: ...


class Webhooks(Protocol):
    """Webhook endpoints of the scope, and deliveries to them."""

    def list_endpoints(self) -> Sequence[Endpoint]: ...
    def get_endpoint(self, endpoint_id: str) -> Endpoint | None: ...
    def get_endpoint_for_update(self, endpoint_id: str) -> Endpoint | None: ...
    def add_endpoint(self, endpoint: Endpoint) -> None: ...
    def save_endpoint(self, endpoint: Endpoint) -> None: ...
    def add_message(self, event_id: str, event_type: str, body: bytes) -> None:
        """Keep the bytes of an event as they are delivered; the first ones stay."""
        ...

    def message(self, event_id: str) -> bytes | None: ...
    def add_delivery(self, delivery: Delivery) -> None: ...
    def get_delivery(self, delivery_id: str) -> Delivery | None: ...
    def pending_of(self, endpoint_id: str) -> Sequence[Delivery]: ...
    def attempts(self, delivery_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the tries of a delivery in the wire's shape, oldest first."""
        ...

    def page_deliveries(
        self, *, endpoint_id: str | None, order_id: str | None, limit: int, offset: int
    ) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Return deliveries in the wire's shape, newest first, and how many match."""
        ...


class EmbedConfigs(Protocol):
    """The one embed configuration of the scope."""

    def get(self) -> EmbedConfig: ...
    def put(self, config: EmbedConfig) -> None: ...


class Idempotency(Protocol):
    """Idempotency keys: who asked what, and what was answered."""

    def claim(
        self, principal_id: str, operation: str, key: str, fingerprint: str, lease_seconds: int
    ) -> StoredAnswer | None:
        """Claim the key, or return the answer it has. Raises `IdempotencyConflict` or `IdempotencyInProgress`."""
        ...

    def store(self, principal_id: str, operation: str, key: str, answer: StoredAnswer) -> None: ...
    def forget(self, principal_id: str, operation: str, key: str) -> None:
        """Free a claimed key that has no answer yet: its request ended in one that a repeat must not get again."""
        ...


class UnitOfWork(Protocol):
    """One transaction over the rows of one scope. Leaving the block commits it; an exception rolls it back.

    ``request_ref`` stands for the request that the block belongs to, the same for each repeat under its
    Idempotency-Key; None where it has none, and in blocks that only read.
    """

    request_ref: str | None

    @property
    def scope(self) -> Scope: ...
    @property
    def now(self) -> datetime:
        """The moment at which the block was opened, by the environment's clock."""
        ...

    @property
    def carts(self) -> Carts: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def orders(self) -> Orders: ...
    @property
    def payments(self) -> Payments: ...
    @property
    def steps(self) -> Steps: ...
    @property
    def discounts(self) -> Discounts: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def routing(self) -> Routing: ...
    @property
    def shipping_tax(self) -> ShippingTax: ...
    @property
    def calculations(self) -> Calculations: ...
    @property
    def quote_tokens(self) -> QuoteTokens: ...
    @property
    def embed_configs(self) -> EmbedConfigs: ...
    @property
    def incidents(self) -> Incidents: ...
    @property
    def events(self) -> Events: ...
    @property
    def webhooks(self) -> Webhooks: ...
    @property
    def mails(self) -> Mails: ...
    @property
    def environment(self) -> Environments: ...
    @property
    def due(self) -> Due: ...
    @property
    def inbox(self) -> Inbox: ...
    @property
    def idempotency(self) -> Idempotency: ...


class Work(Protocol):
    """Opens units of work for one scope. Flows that call a provider hold this, never a transaction."""

    def __call__(self, *, read: bool = False) -> AbstractContextManager[UnitOfWork]: ...


class OpenWork(Protocol):
    """Opens units of work for any scope; what the front door and the jobs hold."""

    def __call__(self, scope: Scope, *, read: bool = False) -> AbstractContextManager[UnitOfWork]: ...
