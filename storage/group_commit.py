"""SQLite's one writer: blocks take turns on one connection, and those that follow at once share one trip to the disk.

A commit costs a write to the disk (0.3 to 1 ms), a block a tenth of that. So a block that ends while another one waits
for its turn hands over without committing, and waits; the last of the row commits for all of them. A block returns only
when what it wrote is on the disk, is undone alone if it fails, and sees what was written before its turn: it is a
transaction like any other.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from storage.database import DatabaseUnavailable, LockTimeout, Receipt
from storage.fair_lock import FairLock

MOST_BLOCKS: Final = 32
"""How many blocks share a commit at the most, so that the first of them does not wait for long."""


class Batch:
    """The blocks that will be committed together."""

    __slots__ = ("done", "error", "kept")

    def __init__(self) -> None:
        self.kept = 0
        self.done = threading.Event()
        self.error: BaseException | None = None

    def end(self, error: BaseException | None = None) -> None:
        """Tell every block of the batch what became of it."""
        self.error = error
        self.done.set()


class Stretch:
    """The blocks of one thread that are committed together. ``has_line``: between two of them the thread keeps its turn."""

    __slots__ = ("_after", "_batches", "_next", "has_line")

    def __init__(self) -> None:
        self.has_line = False
        self._batches: list[Batch] = []
        self._next = 0
        self._after: list[Callable[[], object]] = []

    def receipt(self) -> Receipt:
        """Return a function for the blocks since the last receipt: called behind the stretch, it raises if they are lost."""
        batches, self._next = self._batches[self._next :], len(self._batches)
        return partial(_insist, batches)

    def keep(self, batch: Batch) -> None:
        """Note that a block was kept."""
        self._batches.append(batch)

    def afterwards(self, act: Callable[[], object]) -> None:
        """Do something when the stretch has ended."""
        self._after.append(act)

    def end(self) -> None:
        """Wait until every block is committed or lost."""
        for batch in self._batches:
            batch.done.wait()
        for act in self._after:
            act()


def _insist(batches: Sequence[Batch]) -> None:
    for batch in batches:
        if batch.error is not None:
            raise DatabaseUnavailable from batch.error


class _Here(threading.local):
    stretch: Stretch | None = None


class GroupCommit:
    """The line of writers of one process."""

    def __init__(self, connect: Callable[[], sqlite3.Cursor]) -> None:
        self._connect = connect
        self._here = _Here()
        self._line = FairLock()
        self._cursor: sqlite3.Cursor | None = None
        self._batch = Batch()
        self._is_closed = False

    @contextmanager
    def block(self, wait_seconds: float) -> Iterator[sqlite3.Cursor]:
        """Open one transaction. Leaving keeps it for good, an exception undoes it."""
        stretch = self._here.stretch
        if stretch is not None and stretch.has_line:
            stretch.has_line = False
        elif not self._line.acquire(wait_seconds):
            raise LockTimeout("Other writers held the database for too long.")
        batch = self._batch
        try:
            cursor = self._begin(batch)
            try:
                yield cursor
                self._keep(cursor, batch)
            except BaseException:
                self._undo(cursor, batch)
                raise
        except BaseException as failure:
            self._leave_undone(stretch, batch, failure)
            raise
        if stretch is not None:
            self._stay(stretch, batch)
            return
        if not self._leave(batch):
            batch.done.wait()
        _insist([batch])

    @contextmanager
    def together(self) -> Iterator[Stretch]:
        """Let blocks of this thread end before they are committed. Whoever leaves this one waits for them all.

        Until then nobody may be told of them, and then only what their receipts say.
        """
        stretch = self._here.stretch = Stretch()
        try:
            yield stretch
        finally:
            self._here.stretch = None
            if stretch.has_line:
                self._settle(self._batch)
            stretch.end()

    def after_commit(self, act: Callable[[], object]) -> None:
        """Do something once the block that this thread has just left is committed."""
        if self._here.stretch is None:
            act()
        else:
            self._here.stretch.afterwards(act)

    def _stay(self, stretch: Stretch, batch: Batch) -> None:
        """Leave a block of a stretch: keep the line, unless somebody waits for it or the batch is full."""
        stretch.keep(batch)
        if batch.kept >= MOST_BLOCKS:
            self._settle(batch)
        elif not self._line.hand_over():
            stretch.has_line = True

    def close(self) -> None:
        """Close the connection, now or when the block that uses it has ended."""
        self._is_closed = True
        if self._line.acquire(0):
            self._release()

    def _begin(self, batch: Batch) -> sqlite3.Cursor:
        if self._cursor is None:
            self._cursor = self._connect()
        self._cursor.execute("SAVEPOINT block" if batch.kept else "BEGIN IMMEDIATE")
        return self._cursor

    def _keep(self, cursor: sqlite3.Cursor, batch: Batch) -> None:
        if not cursor.connection.in_transaction:
            raise sqlite3.OperationalError("the transaction was undone within the block")
        if batch.kept:
            cursor.execute("RELEASE block")
        batch.kept += 1

    def _undo(self, cursor: sqlite3.Cursor, batch: Batch) -> None:
        """Undo this block alone, or find that SQLite has undone all: on a full disk it does so by itself."""
        try:
            if batch.kept and cursor.connection.in_transaction:
                cursor.execute("ROLLBACK TO block")
                cursor.execute("RELEASE block")
            elif cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop()
        if batch.kept and (self._cursor is None or not cursor.connection.in_transaction):
            self._batch = Batch()
            batch.end(sqlite3.OperationalError("the transaction was undone by a block that came later"))

    def _leave(self, batch: Batch) -> bool:
        """Hand over to the next in line, or commit for all and let go; True where nothing is left to wait for."""
        if batch.kept < MOST_BLOCKS and self._line.hand_over():
            return batch.kept == 0
        self._settle(batch)
        return True

    def _leave_undone(self, stretch: Stretch | None, batch: Batch, failure: BaseException) -> None:
        """Leave a block that failed. What it says may follow from what others wrote, so it waits until that is kept too.

        An answer that a repeat finds under its key is such a thing. Raises `DatabaseUnavailable` where that is lost.
        """
        if isinstance(failure, sqlite3.Error) or not batch.kept:
            self._leave(batch)
        elif stretch is not None:
            self._stay(stretch, batch)
        else:
            if not self._leave(batch):
                batch.done.wait()
            _insist([batch])

    def _settle(self, batch: Batch) -> None:
        """Commit for all, and let go."""
        try:
            self._commit(batch)
        finally:
            self._release()

    def _commit(self, batch: Batch) -> None:
        if self._cursor is None or not batch.kept or batch.done.is_set():
            return
        self._batch = Batch()
        try:
            self._cursor.execute("COMMIT")
        except sqlite3.Error as exc:
            self._drop()
            batch.end(exc)
        else:
            batch.end()

    def _drop(self) -> None:
        """Give the connection up, and with it whatever it had not committed."""
        if self._cursor is not None:
            self._cursor.connection.close()
            self._cursor = None

    def _release(self) -> None:
        if self._is_closed:
            self._drop()
        self._line.release()
