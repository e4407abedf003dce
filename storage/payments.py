"""Payments in rows, with their attempts, transactions and postings."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from penstock.caller import Scope
from penstock.ids import new_id
from penstock.ledger import Posting
from penstock.payment import Attempt, AttemptState, Payment, PaymentStatus, Transaction
from penstock.ports import Page
from storage import payment_lists, scoped
from storage.children import with_children
from storage.columns import SCOPE_COLUMNS
from storage.cursors import Cursors
from storage.events import write_events
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import ledger_entries, payment_attempts, payments, transactions
from storage.types import Whole

_OWN = [each.name for each in payments.columns if each.name not in SCOPE_COLUMNS]
_KEPT = ("id", "order_id", "order_number", "session_id", "amount", "currency", "method", "created_at", "capture_mode")
_CHANGED = [name for name in _OWN if name not in _KEPT]
_ATTEMPT = [each.name for each in payment_attempts.columns if each.name not in SCOPE_COLUMNS]
_ATTEMPT_KEPT = ("id", "payment_id", "number", "connection_id", "connector", "started_at", "card_ref")
_ATTEMPT_CHANGED = [name for name in _ATTEMPT if name not in _ATTEMPT_KEPT]
_TRANSACTION = [each.name for each in transactions.columns if each.name not in SCOPE_COLUMNS]
_CHANGING: Final = 2
"""How many attempts one block can change: the one that ended, and the next."""

_select = scoped.select(*(payments.c[name] for name in _OWN)).where(scoped.by_id(payments))
_GET_FOR_UPDATE = Statement(_select.with_for_update())
_ADD = Statement(scoped.insert(payments))
_SAVE = Statement(scoped.update(payments, _CHANGED).where(scoped.by_id(payments)))
_of_payment = payment_attempts.c.payment_id == value(payments.c.id)
_GET = with_children(
    payments,
    [payments.c[name] for name in _OWN],
    [payment_attempts.c[name] for name in _ATTEMPT],
    _of_payment,
    "number",
)
_ATTEMPTS = Statement(
    scoped.select(*(payment_attempts.c[name] for name in _ATTEMPT))
    .where(_of_payment)
    .order_by(payment_attempts.c.number)
)
_PUT_ATTEMPT = scoped.upsert(payment_attempts, ["id"], _ATTEMPT_CHANGED)
_PUT_TRANSACTION = scoped.upsert(transactions, ["id"], ["status", "provider_ref"])
_taken = payments.c.amount_refunded + payments.c.amount_refunding
_RESERVE = Statement(
    scoped.update(payments, [])
    .values(amount_refunding=payments.c.amount_refunding + value(payments.c.amount))
    .where(scoped.by_id(payments), _taken + value(payments.c.amount) <= payments.c.amount_captured)
)
_DECLINES = Statement(
    scoped.select(payment_attempts.c.id)
    .where(
        payment_attempts.c.card_ref == value(payment_attempts.c.card_ref),
        payment_attempts.c.started_at > value(payment_attempts.c.started_at),
        payment_attempts.c.card_ref.is_not(None),
        # As the index has it: a parameter would not tell the planner that this is its part of the table.
        payment_attempts.c.state == sa.literal_column("'declined'"),
    )
    .limit(sa.bindparam("limit", type_=Whole()))
)
_ADD_ENTRY = Statement(scoped.insert(ledger_entries))


class PaymentRows:
    """The payments of one scope."""

    def __init__(self, connection: ScopedConnection, now: datetime, cursors: Cursors) -> None:
        self._connection = connection
        self._now = now
        self._cursors = cursors

    def get(self, payment_id: str) -> Payment | None:
        """Return a payment with its attempts."""
        row = self._connection.row(_GET, {"id": payment_id})
        return None if row is None else _from_row(row, row.children, self._connection.scope)

    def get_for_update(self, payment_id: str) -> Payment | None:
        """Return a payment with its attempts and hold its row until the block ends."""
        one = {"id": payment_id}
        found, attempts = self._connection.batch([(_GET_FOR_UPDATE, one), (_ATTEMPTS, one)])
        return _from_row(found[0], attempts, self._connection.scope) if found else None

    def add(self, payment: Payment) -> None:
        """Write a new payment with its attempts, transactions and events."""
        self._connection.put(_ADD, _to_row(payment))
        self._write_rest(payment, payment.attempts)

    def save(self, payment: Payment) -> None:
        """Write the payment's row, its last two attempts and its strays, its new transactions and its events."""
        self._connection.put(_SAVE, _to_row(payment))
        strays = [each for each in payment.attempts[:-_CHANGING] if each.state is AttemptState.STRAY]
        self._write_rest(payment, strays + payment.attempts[-_CHANGING:])

    def post(self, posting: Posting) -> None:
        """Write a posting's entries."""
        entries = [
            {
                "id": new_id(),
                "posting_id": posting.id,
                "payment_id": posting.payment_id,
                "kind": posting.kind,
                "account": entry.account,
                "amount": entry.amount,
                "currency": posting.currency,
                "created_at": posting.created_at,
            }
            for entry in posting.entries
        ]
        self._connection.put(_ADD_ENTRY, *entries)

    def reserve_refund(self, payment_id: str, amount: int) -> bool:
        """Set minor units aside for a refund; False where not so much is left, whoever took it meanwhile."""
        return self._connection.run(_RESERVE, {"id": payment_id, "amount": amount}) == 1

    def declines(self, card_ref: str, since: datetime, *, limit: int) -> int:
        """Count the declines of a card, up to a limit."""
        return len(self._connection.rows(_DECLINES, {"card_ref": card_ref, "started_at": since, "limit": limit}))

    def shown(self, payment_id: str) -> Mapping[str, Any] | None:
        """Return one payment with its attempts in the wire's shape."""
        return payment_lists.shown(self._connection, payment_id)

    def page(self, filters: Mapping[str, Any], *, cursor: str | None, limit: int) -> Page:
        """Return a page of payments, newest first.

        Filters: method, status (several), order_id, due_from, due_to, amount_min, amount_max, aging. The three that
        look at invoices find nothing: no payment has a due date.
        """
        return payment_lists.page(self._connection, self._cursors, filters, cursor=cursor, limit=limit)

    def of_order(self, order_id: str) -> Page | None:
        """Return all payments of an order with their attempts, newest first; None for an unknown order."""
        return payment_lists.of_order(self._connection, order_id)

    def transactions(self, payment_id: str) -> Sequence[Mapping[str, Any]] | None:
        """Return the transactions of a payment, oldest first; None for an unknown payment."""
        return payment_lists.transactions_of(self._connection, payment_id)

    def _write_rest(self, payment: Payment, attempts: Sequence[Attempt]) -> None:
        # In order: the attempt that ended has to leave the index of open ones before the next comes into it.
        for attempt in attempts:
            self._connection.put(_PUT_ATTEMPT, _attempt_to_row(attempt))
        made, payment.transactions = payment.transactions, []
        for each in made:
            put_transaction(self._connection, each)
        write_events(self._connection, "payment", payment.id, payment, self._now)


def put_transaction(connection: ScopedConnection, transaction: Transaction) -> None:
    """Write a transaction, or what became of one that is there."""
    connection.put(_PUT_TRANSACTION, {name: getattr(transaction, name) for name in _TRANSACTION})


def _to_row(payment: Payment) -> dict[str, Any]:
    return {**{name: getattr(payment, name) for name in _OWN}, "status": payment.status.value}


def _from_row(row: Any, attempts: Sequence[Any], scope: Scope) -> Payment:
    own = {**{name: getattr(row, name) for name in _OWN}, "status": PaymentStatus(row.status)}
    return Payment(scope=scope, attempts=[_attempt_from_row(each) for each in attempts], **own)


def _attempt_to_row(attempt: Attempt) -> dict[str, Any]:
    # What a provider says is cut rather than refused: an outcome must never be lost over the length of its wording.
    return {
        **{name: getattr(attempt, name) for name in _ATTEMPT},
        "state": attempt.state.value,
        "provider_code": cut(attempt.provider_code, 255),
        "message": cut(attempt.message, 1000),
    }


def cut(text: str | None, length: int) -> str | None:
    """Return a provider's words as far as a column takes them."""
    return None if text is None else text.replace("\0", "")[:length]


def _attempt_from_row(row: Any) -> Attempt:
    return Attempt(**{**row._asdict(), "state": AttemptState(row.state)})
