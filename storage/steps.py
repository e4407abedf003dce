"""Captures, voids and refunds in rows. Whoever changes one holds its payment's row."""

from collections.abc import Sequence
from typing import Any

from penstock.follow_up import Step, StepState
from penstock.payment import Transaction
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.payments import cut, put_transaction
from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import payment_steps as table

_OWN = [each.name for each in table.columns if each.name not in SCOPE_COLUMNS]
_CHANGED = ("state", "provider_ref", "kind", "provider_code", "message", "finished_at")

_select = scoped.select(*(table.c[name] for name in _OWN))
_GET = Statement(_select.where(scoped.by_id(table)))
_OF_PAYMENT = Statement(
    _select.where(table.c.payment_id == value(table.c.payment_id)).order_by(table.c.started_at, table.c.id)
)
_ADD = Statement(scoped.insert(table))
_SAVE = Statement(scoped.update(table, _CHANGED).where(scoped.by_id(table)))


class StepRows:
    """The captures, voids and refunds of one scope."""

    def __init__(self, connection: ScopedConnection) -> None:
        self._connection = connection

    def get(self, step_id: str) -> Step | None:
        """Return a step."""
        row = self._connection.row(_GET, {"id": step_id})
        return None if row is None else _from_row(row)

    def of_payment(self, payment_id: str) -> Sequence[Step]:
        """Return all steps of a payment, oldest first."""
        return [_from_row(row) for row in self._connection.rows(_OF_PAYMENT, {"payment_id": payment_id})]

    def add(self, step: Step, transaction: Transaction) -> None:
        """Write a new step, and the transaction that shows it."""
        self._connection.put(_ADD, _to_row(step))
        put_transaction(self._connection, transaction)

    def save(self, step: Step) -> None:
        """Write what may change of a step. Its payment's save writes the transaction."""
        self._connection.put(_SAVE, _to_row(step))


def _to_row(step: Step) -> dict[str, Any]:
    return {
        **{name: getattr(step, name) for name in _OWN},
        "state": step.state.value,
        "provider_code": cut(step.provider_code, 255),
        "message": cut(step.message, 1000),
    }


def _from_row(row: Any) -> Step:
    return Step(**{**row._asdict(), "state": StepState(row.state)})
