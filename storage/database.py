"""A database as the rooms see it: blocks that read, blocks that write, and what goes wrong with them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy.engine import URL, Dialect

from penstock.errors import ServiceUnavailable
from storage.statement import Statement, Values

RETRY_AFTER: Final = {"Retry-After": "1"}


class DatabaseUnavailable(ServiceUnavailable):
    """The database cannot be reached, is read-only or full, or took too long. Nothing of the block was kept."""

    def __init__(self, message: str = "The database cannot answer right now.") -> None:
        super().__init__(message, headers=RETRY_AFTER)


class LockTimeout(DatabaseUnavailable):
    """Another transaction held a row for too long."""


class Collision(DatabaseUnavailable):
    """Two transactions stood in each other's way, and this one was undone. It may simply be run again."""


class BrokenRule(Exception):
    """A constraint of the database refused a row. ``name`` is the constraint's, as far as the driver tells it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class ReadOnlyBlock(RuntimeError):
    """A block that was opened for reading was about to write."""


class Seen(NamedTuple):
    """A row as it was found, or None, and the mark of the state it was found in, where the database has such marks."""

    row: Sequence[Any] | None
    mark: Any = None


Receipt = Callable[[], None]
"""Raises `DatabaseUnavailable` if what it stands for was not kept."""


class Together(Protocol):
    """A stretch of blocks of one thread, which are committed by its end. Until then nobody may be told of them."""

    def receipt(self) -> Receipt:
        """Return what stands for the blocks since the last receipt, to be asked when the stretch has ended."""
        ...


class Connection(ABC):
    """One open block on one connection. Statements are compiled once and run by the driver."""

    @abstractmethod
    def rows(self, statement: Statement, values: Values) -> list[Any]:
        """Return all rows of a statement."""

    @abstractmethod
    def row(self, statement: Statement, values: Values) -> Any:
        """Return the first row of a statement, or None."""

    @abstractmethod
    def run(self, statement: Statement, values: Values) -> int:
        """Write, and return how many rows were touched."""

    @abstractmethod
    def put(self, statement: Statement, *values: Values) -> None:
        """Write once for each set of values, at the latest when the block ends; what fails may fail only then."""

    @abstractmethod
    def batch(self, asked: Sequence[tuple[Statement, Values]]) -> list[list[Any]]:
        """Return all rows of each of several statements, run one after the other, in one trip to the server."""


class Database(ABC):
    """Where rows are kept. Safe to use from any number of threads."""

    def __init__(self, url: URL, dialect: Dialect) -> None:
        self.url = url
        self.dialect = dialect

    @abstractmethod
    def writing(self) -> AbstractContextManager[Connection]:
        """Open one transaction. Leaving commits it, an exception rolls it back."""

    def after_commit(self, act: Callable[[], object]) -> None:
        """Do something once the block that this thread has just left is committed."""
        act()

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """Open a block that only reads."""

    @abstractmethod
    def first(self, sql: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """Run one statement that reads, without a block, and return its first row as the driver has it."""

    def look(self, sql: str, values: Sequence[Any], before: Seen | None) -> Seen:  # noqa: ARG002  not every database can tell
        """Do as `first` does, or return what was seen ``before`` itself, where nothing was committed since."""
        return Seen(self.first(sql, values))

    @abstractmethod
    def close(self) -> None:
        """Close every connection that nobody uses; the ones in use close when they are given back."""
