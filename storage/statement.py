"""Statements, written in SQLAlchemy Core, compiled once for each kind of database, and run by the driver itself.

Core's own execution costs three times what SQLite needs for a row by its key. So Core writes the SQL and knows the
types; a `Statement` keeps what it compiled, with what turns values into columns and back.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Executable
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler

Core = Executable | Callable[[str], Executable]
Values = Mapping[str, Any]
SCOPE_NAMES: Final = frozenset({"scope_workspace", "scope_environment", "scope_application"})
_PREPARE: Final = 1


class Unscoped(RuntimeError):
    """A statement that may run for one tenant alone does not say for which."""


class Statement:
    """A statement for both databases.

    ``core`` is a Core statement, or a function that returns one for ``sqlite`` or ``postgresql`` where the two need
    other words. Every statement is bound to one scope unless it says that it goes ``across`` all of them.
    """

    __slots__ = ("_core", "_ready", "is_across")

    def __init__(self, core: Core, *, across: bool = False) -> None:
        self._core = core
        self._ready: dict[str, Ready] = {}
        self.is_across = across

    def ready(self, dialect: Dialect) -> "Ready":
        """Return the statement as compiled for a database."""
        ready = self._ready.get(dialect.name)
        if ready is None:
            ready = self._ready[dialect.name] = self._compile(dialect)
        return ready

    def _compile(self, dialect: Dialect) -> "Ready":
        core = self._core if isinstance(self._core, Executable) else self._core(dialect.name)
        ready = Ready(core, dialect)
        if not self.is_across and not ready.names.issuperset(SCOPE_NAMES):
            raise Unscoped(f"not bound to a scope: {ready.sql}")
        return ready


class Ready:
    """A compiled statement: ``sql`` with positional parameters, and the processors on its way in and out."""

    __slots__ = ("_binds", "_fixed", "_makers", "_row", "names", "sql")

    def __init__(self, core: Executable, dialect: Dialect) -> None:
        compiled = core.compile(dialect=dialect)  # type: ignore[attr-defined]  # every Core statement is a ClauseElement
        if not isinstance(compiled, SQLCompiler):
            raise TypeError("only statements that can be run are prepared")
        self.sql: str = compiled.string
        order = compiled.positiontup or []
        self.names = frozenset(order)
        self._fixed = {name: kept for name, kept in compiled.params.items() if not compiled.binds[name].required}
        self._binds = [(name, _binder(compiled, name, dialect)) for name in order]
        columns: ReadOnlyColumnCollection[str, Any] | tuple[()] = getattr(core, "exported_columns", ())
        kinds = [(column.key, column.type.dialect_impl(dialect).result_processor(dialect, None)) for column in columns]
        self._makers = [(index, maker) for index, (_, maker) in enumerate(kinds) if maker is not None]
        self._row = row_class([name for name, _ in kinds]) if kinds else None

    def bind(self, values: Values) -> list[Any]:
        """Return the values in the driver's order, each in the form that its column has."""
        if self._fixed:
            values = {**self._fixed, **values}
        return [values[name] if made is None else made(values[name]) for name, made in self._binds]

    def row(self, raw: Sequence[Any]) -> Any:
        """Return a driver's row with names and with Python's values."""
        if self._row is None:
            raise TypeError("the statement returns no rows")
        if not self._makers:
            return self._row(raw)
        values = list(raw)
        for index, made in self._makers:
            values[index] = made(values[index])
        return self._row(values)


def row_class(names: Sequence[str]) -> Callable[[Sequence[Any]], Any]:
    """Return what makes rows whose values go by these names."""
    made: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024  the names are known only here
    return made._make  # a namedtuple's public way in, in spite of its name


def _binder(compiled: SQLCompiler, name: str, dialect: Dialect) -> Callable[[Any], Any] | None:
    return compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
