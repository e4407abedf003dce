"""The one rule of the house: no provider is called while a transaction is open. And nobody is held up while one is."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from threading import local

_transaction_open: ContextVar[bool] = ContextVar("transaction_open", default=False)


_thread = local()


class CalledInsideTransaction(RuntimeError):
    """A provider was about to be called while rows were locked."""


class Transaction:
    """The length of one unit of work."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        """Mark the context, or raise `RuntimeError` where it is marked already."""
        if _transaction_open.get():
            raise RuntimeError("a unit of work is already open in this context: finish it first")
        self._token = _transaction_open.set(True)

    def __exit__(self, *_: object) -> None:
        """Take the mark away."""
        _transaction_open.reset(self._token)


def transaction() -> Transaction:
    """Mark the block in which a unit of work is open. Blocks do not nest."""
    return Transaction()


def is_transaction_open() -> bool:
    """Tell whether this context holds an open unit of work."""
    return _transaction_open.get()


def assert_no_transaction() -> None:
    """Raise `CalledInsideTransaction` if this context holds an open unit of work."""
    if _transaction_open.get():
        raise CalledInsideTransaction("finish the unit of work before you call a provider")


def lend_thread(away: Callable[[], AbstractContextManager[object]]) -> None:
    """Have ``away`` opened whenever this thread waits for a provider: whoever owns it may let another one work then."""
    _thread.away = away


def waiting() -> AbstractContextManager[object]:
    """Mark the block in which this thread waits for a provider."""
    away: Callable[[], AbstractContextManager[object]] = getattr(_thread, "away", nullcontext)
    return away()
