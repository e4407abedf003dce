"""PostgreSQL through psycopg: READ COMMITTED, one connection for each open block, statements prepared on the server."""

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import psycopg
from psycopg.pq.abc import PGresult
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
from storage.link import Link, Lost, Step
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

_BEGIN: Final[Step] = ("BEGIN", ())
_COMMIT: Final[Step] = ("COMMIT", ())


class PostgresqlConnection(Connection):
    """An open block on a PostgreSQL connection. What is only to be written waits for the next question, or the commit."""

    __slots__ = ("_database", "_is_fresh", "_is_writing", "_waiting", "link")

    def __init__(self, database: "PostgresqlDatabase", *, is_writing: bool) -> None:
        self._database = database
        self._is_writing = is_writing
        self._waiting: list[Step] = [_BEGIN] if is_writing else []
        self._is_fresh = True
        self.link = database.take()

    def rows(self, statement: Statement, values: Values) -> list[Any]:
        """Return all rows of a statement."""
        return self.batch([(statement, values)])[0]

    def row(self, statement: Statement, values: Values) -> Any:
        """Return the first row of a statement, or None."""
        found = self.rows(statement, values)
        return found[0] if found else None

    def batch(self, asked: Sequence[tuple[Statement, Values]]) -> list[list[Any]]:
        """Return all rows of each statement."""
        ready = [(statement.ready(self._database.dialect), values) for statement, values in asked]
        results = self._send([(one.sql, one.bind(values)) for one, values in ready])
        read = self.link.rows
        return [[one.row(raw) for raw in read(result)] for (one, _), result in zip(ready, results, strict=True)]

    def first(self, sql: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """Return the first row of SQL as the driver has it, or None."""
        found = self.link.rows(self._send([(sql, values)])[0])
        return found[0] if found else None

    def run(self, statement: Statement, values: Values) -> int:
        """Write, and return how many rows were touched."""
        self._assert_writing()
        ready = statement.ready(self._database.dialect)
        return self._send([(ready.sql, ready.bind(values))])[0].command_tuples or 0

    def put(self, statement: Statement, *values: Values) -> None:
        """Write once for each set of values, at the latest when the block ends."""
        self._assert_writing()
        ready = statement.ready(self._database.dialect)
        self._waiting += [(ready.sql, ready.bind(each)) for each in values]

    def commit(self) -> None:
        """Keep what was done. Raises where the server undid it instead, as it does after an error that nobody passed on."""
        if self._is_fresh:
            if self._waiting == [_BEGIN]:
                return
            # Not with the commit: where the connection turns out to be gone, all of this may be sent once more.
            self._send([])
        if self._send([_COMMIT])[0].command_status != b"COMMIT":
            raise DatabaseUnavailable("The transaction was undone.")

    def abandon(self) -> None:
        """Undo what was done and give the connection back, whatever state it is in."""
        # Where this fails the connection is gone, and the transaction with it.
        with suppress(psycopg.Error):
            if self.link.connection.pgconn.transaction_status:
                self.link.send([("ROLLBACK", ())])
        self._database.give_back(self.link)

    def raw(self) -> psycopg.Cursor[Any]:
        """Return psycopg's cursor in this block, for SQL by hand."""
        if self._waiting:
            self._send([])
        return self.link.connection.cursor()

    def _send(self, steps: Sequence[Step]) -> list[PGresult]:
        """Run what waits and these steps, and return what these came to."""
        waiting, self._waiting = self._waiting, []
        every = [*waiting, *steps]
        try:
            results = self.link.send(every)
        except Lost as exc:
            if not self._is_fresh:
                raise DatabaseUnavailable from exc
            # Nothing was asked of this block yet: the server went away while the connection lay idle.
            self._is_fresh = False
            self.link = self._database.renew(self.link)
            results = self._again(every)
        except psycopg.Error as exc:
            raise _translated(exc) from exc
        self._is_fresh = False
        return results[len(waiting) :]

    def _again(self, steps: Sequence[Step]) -> list[PGresult]:
        try:
            return self.link.send(steps)
        except psycopg.Error as exc:
            raise _translated(exc) from exc

    def _assert_writing(self) -> None:
        if not self._is_writing:
            raise ReadOnlyBlock("this block was opened for reading")


class PostgresqlDatabase(Database):
    """A PostgreSQL database and the connections to it, the last one used first."""

    def __init__(self, url: URL, *, pool_size: int) -> None:
        super().__init__(url, PGDialect_psycopg(paramstyle="format"))  # type: ignore[no-untyped-call]  # untyped there
        self._idle: deque[Link] = deque()
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

    def take(self) -> Link:
        """Return a connection, the last one given back if there is one."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def give_back(self, link: Link) -> None:
        """Keep a connection for the next block, unless it is of no use any more."""
        connection = link.connection
        if self._is_closed or connection.closed or connection.pgconn.transaction_status:
            connection.close()
        else:
            self._idle.append(link)

    def renew(self, link: Link) -> Link:
        """Return a new connection in place of one that the server has closed, as it has closed the idle ones."""
        link.connection.close()
        self._close_idle()
        return self._connect()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().connection.close()

    def _connect(self) -> Link:
        _, given = self.dialect.create_connect_args(self.url)
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        try:
            connection = psycopg.connect(
                **{"connect_timeout": CONNECT_SECONDS, **given, "options": f"{given.get('options', '')} {options}"},
                autocommit=True,
            )
        except psycopg.Error as exc:
            raise DatabaseUnavailable from exc
        for name in ("uuid", "json"):
            connection.adapters.register_loader(name, TextLoader)
        return Link(connection)


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
                self._database.give_back(connection.link)
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
                self._database.give_back(connection.link)
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
