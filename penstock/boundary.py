"""The one rule of the house: no provider is called while a transaction is open."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_transaction_open: ContextVar[bool] = ContextVar("transaction_open", default=False)


class CalledInsideTransaction(RuntimeError):
    """A provider was about to be called while rows were locked."""


@contextmanager
def transaction() -> Iterator[None]:
    """Mark the block in which a unit of work is open. Blocks do not nest."""
    if _transaction_open.get():
        raise RuntimeError("a unit of work is already open in this context: finish it first")
    token = _transaction_open.set(True)
    try:
        yield
    finally:
        _transaction_open.reset(token)


def is_transaction_open() -> bool:
    """Tell whether this context holds an open unit of work."""
    return _transaction_open.get()


def assert_no_transaction() -> None:
    """Raise `CalledInsideTransaction` if this context holds an open unit of work."""
    if _transaction_open.get():
        raise CalledInsideTransaction("finish the unit of work before you call a provider")
