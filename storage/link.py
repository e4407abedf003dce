"""One connection to PostgreSQL: statements prepared at their first use, and several of them sent in one trip.

psycopg connects, looks after TLS and passwords, and knows how columns are read. What lies between is libpq's pipeline
mode, driven here: psycopg's own costs more processor time for a statement than the server spends on it.
"""

import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any, Final

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult

Step = tuple[str, Sequence[Any]]
"""SQL with ``%s`` for each value, and the values as their columns have them."""

_STATEMENTS_KEPT: Final = 500
_GOOD: Final = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK})
_numbers: Final = count(1)
_words: Final[dict[str, tuple[bytes, bytes]]] = {}


class Lost(psycopg.OperationalError):
    """The connection is gone."""


class Link:
    """A connection, used by one block at a time."""

    __slots__ = ("_kept", "_poll", "_reader", "connection")

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._reader = Transformer(connection)
        self._kept: set[str] = set()
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)

    def send(self, steps: Sequence[Step]) -> list[PGresult]:
        """Run statements in one trip and return what each came to.

        Raises psycopg's error for the first that fails, with those behind it not run, and `Lost` where the connection
        is gone, after which it is closed.
        """
        pgconn = self.connection.pgconn
        try:
            pgconn.enter_pipeline_mode()
            new: dict[str, int] = {}
            for place, (sql, values) in enumerate(steps):
                self._put(sql, values, place, new)
            pgconn.pipeline_sync()
            results = list(self._results(pgconn))
            if not self.connection.closed:
                pgconn.exit_pipeline_mode()
        except BaseException as exc:
            # What was sent and not read would be taken for the answer to the next statement.
            self.connection.close()
            if isinstance(exc, psycopg.OperationalError):
                raise Lost(str(exc)) from exc
            raise
        return self._checked(steps, new, results)

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """Return the rows of a result, with Python's values."""
        self._reader.set_pgresult(result)
        return self._reader.load_rows(0, result.ntuples, tuple)

    def _put(self, sql: str, values: Sequence[Any], place: int, new: dict[str, int]) -> None:
        """Queue a statement, with its preparation where this is the first time; ``new`` notes at which place."""
        pgconn = self.connection.pgconn
        name, text = _words.get(sql) or _worded(sql)
        made = [None if value is None else _TEXTS[type(value)](value) for value in values]
        formats = [Format.BINARY if type(value) is bytes else Format.TEXT for value in values]
        if sql not in self._kept and sql not in new:
            if len(self._kept) + len(new) >= _STATEMENTS_KEPT:
                pgconn.send_query_params(text, made, param_formats=formats)
                return
            pgconn.send_prepare(name, text)
            new[sql] = place
        pgconn.send_query_prepared(name, made, param_formats=formats)

    def _results(self, pgconn: Any) -> Iterator[PGresult]:
        """Return one result for each thing sent. Waits without holding the interpreter."""
        while pgconn.flush():
            self._poll.modify(pgconn.socket, select.POLLIN | select.POLLOUT)
            self._poll.poll()
            self._poll.modify(pgconn.socket, select.POLLIN)
            pgconn.consume_input()
        while True:
            while pgconn.is_busy():
                self._poll.poll()
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:
                if pgconn.status != ConnStatus.OK:
                    raise Lost
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                return
            yield result

    def _checked(self, steps: Sequence[Step], new: Mapping[str, int], results: Sequence[PGresult]) -> list[PGresult]:
        found, left = [], iter(results)
        for place, (sql, _) in enumerate(steps):
            if new.get(sql) == place:
                self._good(next(left))
                self._kept.add(sql)
            found.append(self._good(next(left)))
        return found

    def _good(self, result: PGresult) -> PGresult:
        if result.status in _GOOD:
            return result
        if self.connection.closed:
            raise Lost(str(psycopg.errors.error_from_result(result)))
        raise psycopg.errors.error_from_result(result)


def _worded(sql: str) -> tuple[bytes, bytes]:
    """Return the name under which a statement is prepared, and the statement in PostgreSQL's own words.

    Two threads that come at the same moment get the same name: connections remember that they have prepared a statement,
    not under which name.
    """
    first, *others = sql.split("%s")
    text = first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))
    return _words.setdefault(sql, (b"p%d" % next(_numbers), text.replace("%%", "%").encode()))


def _flag(value: bool) -> bytes:  # noqa: FBT001  it is the value itself
    return b"t" if value else b"f"


_TEXTS: Final[dict[type, Callable[[Any], bytes]]] = {
    str: str.encode,
    int: b"%d".__mod__,
    bool: _flag,
    bytes: bytes,
    datetime: lambda value: value.isoformat().encode(),
}
