"""SQLite: one file, one host, one writer at a time, and many readers that never wait for it."""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sqlalchemy import FromClause
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL

from storage.database import (
    BrokenRule,
    Connection,
    Database,
    DatabaseUnavailable,
    LockTimeout,
    ReadOnlyBlock,
    Seen,
    Together,
)
from storage.group_commit import GroupCommit
from storage.statement import Statement, Values

WAIT_SECONDS: Final = 10.0
"""How long a writer waits for another one, in this process or the next."""

_STATEMENTS_KEPT: Final = 512
_SETTINGS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    f"PRAGMA busy_timeout={int(WAIT_SECONDS * 1000)}",
)


class SqliteConnection(Connection):
    """An open block on a SQLite connection."""

    __slots__ = ("_cursor", "_dialect", "_is_writing")

    def __init__(self, cursor: sqlite3.Cursor, dialect: SQLiteDialect_pysqlite, *, is_writing: bool) -> None:
        self._cursor = cursor
        self._dialect = dialect
        self._is_writing = is_writing

    def rows(self, statement: Statement, values: Values) -> list[Any]:
        """Return all rows of a statement."""
        ready = statement.ready(self._dialect)
        make = ready.row
        return [make(raw) for raw in self._execute(ready.sql, ready.bind(values)).fetchall()]

    def row(self, statement: Statement, values: Values) -> Any:
        """Return the first row of a statement, or None."""
        ready = statement.ready(self._dialect)
        raw = self._execute(ready.sql, ready.bind(values)).fetchone()
        return None if raw is None else ready.row(raw)

    def run(self, statement: Statement, values: Values) -> int:
        """Write, and return how many rows were touched."""
        self._assert_writing()
        ready = statement.ready(self._dialect)
        return self._execute(ready.sql, ready.bind(values)).rowcount

    def put(self, statement: Statement, *values: Values) -> None:
        """Write once for each set of values."""
        self._assert_writing()
        ready = statement.ready(self._dialect)
        for each in values:
            self._execute(ready.sql, ready.bind(each))

    def batch(self, asked: Sequence[tuple[Statement, Values]]) -> list[list[Any]]:
        """Return all rows of each statement."""
        return [self.rows(statement, values) for statement, values in asked]

    def _execute(self, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        try:
            return self._cursor.execute(sql, values)
        except sqlite3.Error as exc:
            raise _translated(exc) from exc

    def _assert_writing(self) -> None:
        if not self._is_writing:
            raise ReadOnlyBlock("this block was opened for reading")


class _Compiler(SQLiteCompiler):
    """Writes a statement's hints, which SQLAlchemy leaves out on SQLite: ``INDEXED BY`` behind a table."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002  the signature is SQLAlchemy's
        """Return a hint as it stands."""
        return text


class _Dialect(SQLiteDialect_pysqlite):
    statement_compiler = _Compiler
    supports_statement_cache = True


class SqliteDatabase(Database):
    """A SQLite file. Writers of this process stand in line; those of other processes are waited for by SQLite."""

    def __init__(self, url: URL) -> None:
        super().__init__(url, _Dialect())
        self._path = url.database or ""
        self._idle: deque[sqlite3.Cursor] = deque()
        self._writer = GroupCommit(self._connect)
        self._is_closed = False

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open one transaction, as the only writer."""
        try:
            with self._writer.block(WAIT_SECONDS) as cursor:
                yield SqliteConnection(cursor, self.dialect, is_writing=True)  # type: ignore[arg-type]  # set in __init__
        except sqlite3.Error as exc:
            raise _translated(exc) from exc

    def together(self) -> AbstractContextManager[Together]:
        """Open a stretch whose blocks share one trip to the disk, at its end."""
        return self._writer.together()

    def after_commit(self, act: Callable[[], object]) -> None:
        """Do something once the block that this thread has just left is on the disk."""
        self._writer.after_commit(act)

    def reading(self) -> "Reading":
        """Open a block that reads one state of the database, whatever is written meanwhile."""
        return Reading(self)

    def first(self, sql: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """Run one statement that reads, without a block, and return its first row as the driver has it."""
        cursor = self.take()
        try:
            rows = cursor.execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            cursor.connection.close()
            raise _translated(exc) from exc
        self.give_back(cursor)
        return rows[0] if rows else None

    def look(self, sql: str, values: Sequence[Any], before: Seen | None) -> Seen:
        """Run one statement as `first` does, unless nothing was committed since ``before``.

        SQLite tells each connection whether another one committed anything, for a quarter of what a row costs. The
        connections that read never write, so nothing is missed. A mark is good on its own connection alone.
        """
        cursor = self.take()
        try:
            mark = cursor, cursor.execute("PRAGMA data_version").fetchall()[0][0]
            if before is not None and before.mark == mark:
                seen = before
            else:
                rows = cursor.execute(sql, values).fetchall()
                seen = Seen(rows[0] if rows else None, mark)
        except sqlite3.Error as exc:
            cursor.connection.close()
            raise _translated(exc) from exc
        self.give_back(cursor)
        return seen

    def close(self) -> None:
        """Close every connection that nobody uses; the ones in use close when they are given back."""
        self._is_closed = True
        self._writer.close()
        while self._idle:
            self._idle.pop().connection.close()

    def take(self) -> sqlite3.Cursor:
        """Return a connection's cursor, the last one given back if there is one."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def give_back(self, cursor: sqlite3.Cursor) -> None:
        """End what the cursor has open, and keep its connection for the next block."""
        try:
            if cursor.connection.in_transaction:
                cursor.execute("COMMIT")
        except sqlite3.Error:
            cursor.connection.close()
            return
        if self._is_closed:
            cursor.connection.close()
        else:
            self._idle.append(cursor)

    def _connect(self) -> sqlite3.Cursor:
        try:
            connection = sqlite3.connect(
                self._path,
                timeout=WAIT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_STATEMENTS_KEPT,
            )
            cursor = connection.cursor()
            for setting in _SETTINGS:
                cursor.execute(setting)
        except sqlite3.Error as exc:
            raise _translated(exc) from exc
        return cursor


class Reading:
    """A block that reads; a class, because a generator's way in and out costs as much as its statements."""

    __slots__ = ("_cursor", "_database")

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def __enter__(self) -> Connection:
        """Begin."""
        self._cursor = cursor = self._database.take()
        try:
            cursor.execute("BEGIN")
        except sqlite3.Error as exc:
            self._database.give_back(cursor)
            raise _translated(exc) from exc
        return SqliteConnection(cursor, self._database.dialect, is_writing=False)  # type: ignore[arg-type]  # as above

    def __exit__(self, *_: object) -> None:
        """End."""
        self._database.give_back(self._cursor)


def _translated(exc: sqlite3.Error) -> Exception:
    """Return what an error of the driver means here; one that is our fault stays as it is."""
    code = (getattr(exc, "sqlite_errorcode", None) or 0) & 0xFF
    if isinstance(exc, sqlite3.IntegrityError):
        return BrokenRule(str(exc).rpartition(": ")[2])
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LockTimeout("Another process held the database for too long.")
    if code in _OUTSIDE:
        return DatabaseUnavailable()
    return exc


_OUTSIDE: Final = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    }
)
