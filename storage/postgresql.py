"""PostgreSQL through psycopg: READ COMMITTED, one connection for each open block, statements prepared on the server."""

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import psycopg
from psycopg.pq import ExecStatus
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import TextLoader
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL

from storage.database import (
    BrokenRule,
    Collision,
    Connection,
    Database,
    DatabaseUnavailable,
    LockTimeout,
    ReadOnlyBlock,
)
from storage.statement import Statement, Values

POOL_WAIT_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5
SETTINGS: Final = {
    "TimeZone": "UTC",
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
    "application_name": "penstock",
}
_COLLISIONS: Final = frozenset({"40001", "40P01"})
_LOCK_TIMEOUT: Final = "55P03"
_OUTSIDE: Final = ("08", "25006", "53", "57", "58")
_STATEMENTS_KEPT: Final = 500

Cursor = psycopg.Cursor[tuple[Any, ...]]


class PostgresqlConnection(Connection):
    """An open block on a PostgreSQL connection."""

    __slots__ = ("_database", "_is_fresh", "_is_writing", "cursor")

    def __init__(self, database: "PostgresqlDatabase", *, is_writing: bool) -> None:
        self._database = database
        self._is_writing = is_writing
        self.cursor = database.take()
        self._is_fresh = True
        if is_writing:
            try:
                self._begin()
            except BaseException:
                database.give_back(self.cursor)
                raise

    def rows(self, statement: Statement, values: Values) -> list[Any]:
        """Return all rows of a statement."""
        ready = statement.ready(self._database.dialect)
        make = ready.row
        return [make(raw) for raw in self._execute(ready.sql, ready.bind(values)).fetchall()]

    def row(self, statement: Statement, values: Values) -> Any:
        """Return the first row of a statement, or None."""
        ready = statement.ready(self._database.dialect)
        raw = self._execute(ready.sql, ready.bind(values)).fetchone()
        return None if raw is None else ready.row(raw)

    def first(self, sql: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """Return the first row of SQL as the driver has it, or None."""
        return self._execute(sql, values).fetchone()

    def run(self, statement: Statement, values: Values) -> int:
        """Write, and return how many rows were touched."""
        self._assert_writing()
        ready = statement.ready(self._database.dialect)
        return self._execute(ready.sql, ready.bind(values)).rowcount

    def run_many(self, statement: Statement, values: Sequence[Values]) -> None:
        """Write once for each set of values."""
        if len(values) == 1:
            self.run(statement, values[0])
            return
        self._assert_writing()
        ready = statement.ready(self._database.dialect)
        try:
            self.cursor.executemany(ready.sql, [ready.bind(each) for each in values])
        except psycopg.Error as exc:
            raise _translated(exc) from exc

    def commit(self) -> None:
        """Keep what was done. Raises where the server undid it instead, as it does after an error that nobody passed on."""
        if self._control(b"COMMIT") != b"COMMIT":
            raise DatabaseUnavailable("The transaction was undone.")

    def abandon(self) -> None:
        """Undo what was done and give the connection back, whatever state it is in."""
        # Where this fails the connection is gone, and the transaction with it.
        with suppress(psycopg.Error, DatabaseUnavailable):
            self._control(b"ROLLBACK")
        self._database.give_back(self.cursor)

    def _execute(self, sql: str, values: Sequence[Any]) -> Cursor:
        try:
            done = self.cursor.execute(sql, values)
        except psycopg.Error as exc:
            if not (self._is_fresh and self.cursor.connection.closed):
                raise _translated(exc) from exc
            # Nothing was asked of this block yet: the server went away while the connection lay idle.
            self.cursor = self._database.renew(self.cursor)
            self._is_fresh = False
            return self._execute(sql, values)
        self._is_fresh = False
        return done

    def _begin(self) -> None:
        if self._control(b"BEGIN") is None:
            # The server went away while the connection lay idle.
            self.cursor = self._database.renew(self.cursor)
            self._control(b"BEGIN")
        self._is_fresh = False

    def _control(self, command: bytes) -> bytes | None:
        """Run a word of transaction control by the shortest way; None where the connection is gone."""
        result = self.cursor.connection.pgconn.exec_(command)
        if result.status == ExecStatus.COMMAND_OK:
            return result.command_status
        if self.cursor.connection.closed:
            if command == b"BEGIN" and self._is_fresh:
                self._is_fresh = False
                return None
            raise DatabaseUnavailable
        raise _translated(psycopg.errors.error_from_result(result))

    def _assert_writing(self) -> None:
        if not self._is_writing:
            raise ReadOnlyBlock("this block was opened for reading")


class PostgresqlDatabase(Database):
    """A PostgreSQL database and the connections to it, the last one used first."""

    def __init__(self, url: URL, *, pool_size: int) -> None:
        super().__init__(url, PGDialect_psycopg(paramstyle="format"))  # type: ignore[no-untyped-call]  # untyped there
        self._idle: deque[Cursor] = deque()
        self._free = threading.BoundedSemaphore(pool_size)
        self._is_closed = False

    def writing(self) -> "Block":
        """Open one transaction."""
        return Block(self, is_writing=True)

    def reading(self) -> "Block":
        """Open a block of which each statement sees what is committed when it begins; it costs no round trip."""
        return Block(self, is_writing=False)

    def first(self, sql: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """Run one statement that reads, without a block, and return its first row as the driver has it."""
        with Block(self, is_writing=False) as connection:
            return connection.first(sql, values)

    def close(self) -> None:
        """Close every connection that nobody uses; the ones in use close when they are given back."""
        self._is_closed = True
        self._close_idle()

    def enter(self) -> None:
        """Wait for room: there are only so many connections."""
        if not self._free.acquire(timeout=POOL_WAIT_SECONDS):
            raise DatabaseUnavailable("Every connection to the database was in use for too long.")

    def leave(self) -> None:
        """Make room for the next."""
        self._free.release()

    def take(self) -> Cursor:
        """Return a connection's cursor, the last one given back if there is one."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def give_back(self, cursor: Cursor) -> None:
        """Keep a connection for the next block, unless it is of no use any more."""
        connection = cursor.connection
        if self._is_closed or connection.closed or connection.pgconn.transaction_status:
            connection.close()
        else:
            self._idle.append(cursor)

    def renew(self, cursor: Cursor) -> Cursor:
        """Return a new connection in place of one that the server has closed, as it has closed the idle ones."""
        cursor.connection.close()
        self._close_idle()
        return self._connect()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().connection.close()

    def _connect(self) -> Cursor:
        _, given = self.dialect.create_connect_args(self.url)
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        try:
            connection = psycopg.connect(
                **{"connect_timeout": CONNECT_SECONDS, **given, "options": f"{given.get('options', '')} {options}"},
                autocommit=True,
                prepare_threshold=2,
            )
        except psycopg.Error as exc:
            raise DatabaseUnavailable from exc
        connection.prepared_max = _STATEMENTS_KEPT
        for name in ("uuid", "json"):
            connection.adapters.register_loader(name, TextLoader)
        # One width for all integers, or each mixture of small and large ones is prepared as a statement of its own.
        connection.adapters.register_dumper(int, Int8Dumper)
        return connection.cursor()


class Block:
    """A block on a connection; a class, because it is opened and closed at every request."""

    __slots__ = ("_connection", "_database", "_is_writing")

    def __init__(self, database: PostgresqlDatabase, *, is_writing: bool) -> None:
        self._database = database
        self._is_writing = is_writing

    def __enter__(self) -> PostgresqlConnection:
        """Wait for room, take a connection, and begin what is to be kept."""
        self._database.enter()
        try:
            self._connection = PostgresqlConnection(self._database, is_writing=self._is_writing)
        except BaseException:
            self._database.leave()
            raise
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Commit, or undo what failed, and give the connection back."""
        connection = self._connection
        try:
            if self._is_writing:
                self._end(connection, is_good=kind is None)
            else:
                self._database.give_back(connection.cursor)
        finally:
            self._database.leave()

    def _end(self, connection: PostgresqlConnection, *, is_good: bool) -> None:
        try:
            if is_good:
                connection.commit()
        except BaseException:
            is_good = False
            raise
        finally:
            if is_good:
                self._database.give_back(connection.cursor)
            else:
                connection.abandon()


def _translated(exc: psycopg.Error) -> Exception:
    """Return what an error of the driver means here; one that is our fault stays as it is."""
    state = exc.sqlstate or ""
    if state in _COLLISIONS:
        return Collision("Two requests stood in each other's way; send this one again.")
    if state == _LOCK_TIMEOUT:
        return LockTimeout("Another request held a row for too long.")
    if state.startswith("23"):
        return BrokenRule(exc.diag.constraint_name or state)
    if state.startswith(_OUTSIDE) or (not state and isinstance(exc, psycopg.OperationalError)):
        return DatabaseUnavailable()
    return exc
