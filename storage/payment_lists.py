"""Payments, attempts and transactions as the wire's lists have them, straight from their rows."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from penstock.payment import PaymentStatus
from penstock.ports import Page
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.cursors import Cursors
from storage.lists import Listing, nothing, wired
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import orders, payment_attempts, payments, transactions

_INVOICES: Final = frozenset({"due_from", "due_to", "aging"})
_STATUSES: Final = len(PaymentStatus)


def page(
    connection: ScopedConnection, cursors: Cursors, filters: Mapping[str, Any], *, cursor: str | None, limit: int
) -> Page:
    """Return a page of payments, newest first."""
    if not _INVOICES.isdisjoint(filters):
        return nothing(cursor, limit)
    wanted = {name: wanted for name, wanted in filters.items() if name not in {"status", *_INVOICES}}
    chosen = list(filters.get("status", ()))
    if len(chosen) == 1:
        wanted["status"] = chosen[0]
    elif chosen:
        # As many parameters as there are statuses, the last one repeated: one statement serves every choice.
        chosen += chosen[-1:] * (_STATUSES - len(chosen))
        wanted |= {f"status_{index}": status for index, status in enumerate(chosen)}
    return _LISTING.page(connection, cursors, wanted, cursor=cursor, limit=limit)


def of_order(connection: ScopedConnection, order_id: str) -> Page | None:
    """Return all payments of an order with their attempts, newest first; None for an unknown order."""
    rows = connection.rows(_OF_ORDER, {"order_id": order_id})
    if not rows and connection.row(_ORDER, {"id": order_id}) is None:
        return None
    attempts: dict[str, list[dict[str, Any]]] = {row.id: [] for row in rows}
    for each in connection.rows(_ATTEMPTS_OF_ORDER, {"order_id": order_id}) if rows else ():
        if each.payment_id in attempts:
            attempts[each.payment_id].append(_attempt(each))
    records = [{**_record(row), "attempts": attempts[row.id]} for row in rows]
    return Page(records, max(len(records), 1))


def shown(connection: ScopedConnection, payment_id: str) -> Mapping[str, Any] | None:
    """Return one payment with its attempts; None for an unknown one."""
    row = connection.row(_ONE, {"id": payment_id})
    if row is None:
        return None
    return {**_record(row), "attempts": [_attempt(each) for each in connection.rows(_ATTEMPTS, {"id": payment_id})]}


def transactions_of(connection: ScopedConnection, payment_id: str) -> Sequence[Mapping[str, Any]] | None:
    """Return the transactions of a payment, oldest first; None for an unknown payment."""
    rows = connection.rows(_TRANSACTIONS, {"payment_id": payment_id})
    if not rows and connection.row(_PAYMENT, {"id": payment_id}) is None:
        return None
    return [_transaction(row) for row in rows]


def _record(row: Any) -> dict[str, Any]:
    """Return a payment; its metadata is an `orjson.Fragment`."""
    return {
        "id": row.id,
        "orderId": row.order_id,
        "sessionId": row.session_id,
        "applicationId": row.application_id,
        "environmentId": row.environment_id,
        "status": row.status,
        "pendingReason": row.pending_reason,
        "method": row.method,
        "amount": row.amount,
        "amountAuthorized": row.amount_authorized,
        "amountCaptured": row.amount_captured,
        "amountRefunded": row.amount_refunded,
        "amountRefunding": row.amount_refunding,
        "currency": row.currency,
        "connector": row.connector,
        "providerRef": row.provider_ref,
        "declineKind": row.decline_kind,
        "needsReview": row.needs_review,
        "captureMode": row.capture_mode,
        "metadata": row.metadata,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def _attempt(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "number": row.number,
        "connectionId": row.connection_id,
        "connector": row.connector,
        "state": row.state,
        "kind": row.kind,
        "providerCode": row.provider_code,
        "providerRef": row.provider_ref,
        "message": row.message,
        "startedAt": row.started_at,
        "finishedAt": row.finished_at,
    }


def _transaction(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "paymentId": row.payment_id,
        "attemptId": row.attempt_id,
        "type": row.type,
        "status": row.status,
        "amount": row.amount,
        "currency": row.currency,
        "connector": row.connector,
        "providerRef": row.provider_ref,
        "createdAt": row.created_at,
    }


_COLUMNS = [each for each in payments.columns if each.name not in ("workspace_id", "order_number", "sequence")]
_of_order = payments.c.order_id == value(payments.c.order_id)
_LISTING = Listing(
    payments,
    _COLUMNS,
    {
        "method": payments.c.method == value(payments.c.method),
        "order_id": _of_order,
        "amount_min": payments.c.amount >= value(payments.c.amount, "amount_min"),
        "amount_max": payments.c.amount <= value(payments.c.amount, "amount_max"),
        "status": payments.c.status == value(payments.c.status),
        "status_0": payments.c.status.in_([value(payments.c.status, f"status_{index}") for index in range(_STATUSES)]),
        **{f"status_{index}": sa.true() for index in range(1, _STATUSES)},
    },
    _record,
)
_newest = (payments.c.created_at.desc(), payments.c.id.desc())
_OF_ORDER = Statement(scoped.select(*map(wired, _COLUMNS)).where(_of_order).order_by(*_newest))
_ORDER = Statement(scoped.select(orders.c.id).where(scoped.by_id(orders)))
_PAYMENT = Statement(scoped.select(payments.c.id).where(scoped.by_id(payments)))
_ATTEMPTS_OF_ORDER = Statement(
    scoped.select(*(wired(each) for each in payment_attempts.columns if each.name not in SCOPE_COLUMNS))
    .where(payment_attempts.c.payment_id.in_(scoped.select(payments.c.id).where(_of_order)))
    .order_by(payment_attempts.c.payment_id, payment_attempts.c.number)
)
_attempts = scoped.select(*(wired(each) for each in payment_attempts.columns if each.name not in SCOPE_COLUMNS))
_ONE = Statement(scoped.select(*map(wired, _COLUMNS)).where(scoped.by_id(payments)))
_ATTEMPTS = Statement(
    _attempts.where(payment_attempts.c.payment_id == value(payments.c.id)).order_by(payment_attempts.c.number)
)
_TRANSACTIONS = Statement(
    scoped.select(*(wired(each) for each in transactions.columns if each.name not in SCOPE_COLUMNS))
    .where(transactions.c.payment_id == value(transactions.c.payment_id))
    .order_by(transactions.c.created_at, transactions.c.id)
)
