"""One type layer over both databases: what fits here is kept exactly, and what does not is refused before it is sent.

SQLite ignores lengths, keeps fractions in integers and forgets UTC offsets; PostgreSQL refuses NUL. Each type here says
its rule three times: in Python when a value is bound, in PostgreSQL's column type, and in a CHECK of the column.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import Column
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import TypeCompiler
from sqlalchemy.types import UserDefinedType

from penstock.clock import rfc3339
from penstock.money import MAX_AMOUNT

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
UUID_LENGTH: Final = 36
_MICROSECOND: Final = timedelta(microseconds=1)

Processor = Callable[[Any], Any]


class Unstorable(ValueError):
    """A value does not fit its column. It should have been refused long before: this is a fault of ours."""


class Kind(UserDefinedType[Any]):
    """What the types here share: a column type for each database and an optional CHECK."""

    cache_ok = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let SQLAlchemy cache statements with a subclass too: it asks each class for itself."""
        super().__init_subclass__(**kwargs)
        cls.cache_ok = True

    sqlite: str
    postgresql: str

    def check(self, column: str, dialect: str) -> str:  # noqa: ARG002  a kind without a rule needs neither
        """Return the rule as SQL over the column, or "" where the column type says all."""
        return ""


@compiles(Kind)
def _column_type(kind: Kind, compiler: TypeCompiler, type_expression: Column[Any] | None = None, **_: Any) -> str:
    name = compiler.dialect.name
    written = kind.sqlite if name == "sqlite" else kind.postgresql
    if type_expression is None or getattr(type_expression, "table", None) is None:
        return written
    rule = kind.check(type_expression.name, name)
    return (
        f"{written} CONSTRAINT ck_{type_expression.table.name}_{type_expression.name} CHECK ({rule})"
        if rule
        else written
    )


class UtcDateTime(Kind):
    """An aware moment: whole microseconds since 1970 on SQLite, ``timestamptz`` on PostgreSQL; UTC when it comes back."""

    sqlite = "INTEGER"
    postgresql = "TIMESTAMP WITH TIME ZONE"

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Return what turns an aware moment into the column's value."""
        return _to_microseconds if dialect.name == "sqlite" else _aware

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002  the signature is SQLAlchemy's
        """Return what turns the column's value into an aware moment in UTC."""
        return _from_microseconds if dialect.name == "sqlite" else _in_utc


class WireMoment(UtcDateTime):
    """The same column for lists: RFC 3339 with milliseconds, as `penstock.clock.rfc3339` writes it."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002  the signature is SQLAlchemy's
        """Return what turns the column's value into text."""
        return _microseconds_to_wire if dialect.name == "sqlite" else _moment_to_wire


class RawMoment(Kind):
    """The same column for the last row of a page: as the driver has it, for `moment` to read if it is needed."""

    sqlite = UtcDateTime.sqlite
    postgresql = UtcDateTime.postgresql


def moment(raw: int | datetime) -> datetime:
    """Return the moment that a driver's value of a `UtcDateTime` column stands for."""
    return from_microseconds(raw) if isinstance(raw, int) else raw.astimezone(UTC)


@lru_cache(maxsize=4096)
def _second_to_wire(second: int) -> str:
    return (EPOCH + timedelta(0, second)).isoformat()[:19]


def _microseconds_to_wire(value: int | None) -> str | None:
    if value is None:
        return None
    second, rest = divmod(value, 1_000_000)
    return f"{_second_to_wire(second)}.{rest // 1000:03d}Z"


def _moment_to_wire(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)


def _aware(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise Unstorable("a moment without an offset cannot be kept")
    return value


def _to_microseconds(value: datetime | None) -> int | None:
    return None if value is None else to_microseconds(value)


def to_microseconds(moment: datetime) -> int:
    """Return an aware moment as whole microseconds since 1970-01-01T00:00:00Z."""
    if moment.tzinfo is None:
        raise Unstorable("a moment without an offset cannot be kept")
    return (moment - EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Return the moment so many microseconds after 1970-01-01T00:00:00Z."""
    return EPOCH + timedelta(0, 0, microseconds)


def _from_microseconds(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(0, 0, value)


def _in_utc(value: datetime | None) -> datetime | None:
    return value if value is None or value.tzinfo is UTC else value.astimezone(UTC)


class Whole(Kind):
    """A whole number between two bounds; a bool or a float is none."""

    sqlite = "INTEGER"
    postgresql = "BIGINT"

    def __init__(self, least: int = 0, most: int = 9_007_199_254_740_991) -> None:
        self.least = least
        self.most = most

    def check(self, column: str, dialect: str) -> str:  # noqa: ARG002  both databases say it alike
        """Return the bounds as SQL."""
        return f"{column} BETWEEN {self.least} AND {self.most}"

    def bind_processor(self, dialect: Dialect) -> Processor:  # noqa: ARG002  both databases take an int
        """Return what refuses everything but an int within the bounds."""
        least, most = self.least, self.most

        def whole(value: Any) -> int | None:
            if value is None or (type(value) is int and least <= value <= most):
                return value
            raise Unstorable(f"{value!r} is not a whole number between {least} and {most}")

        return whole


class Amount(Whole):
    """Money in minor units."""

    def __init__(self) -> None:
        super().__init__(0, MAX_AMOUNT)


class SignedAmount(Whole):
    """Money in minor units, into or out of an account of the ledger."""

    def __init__(self) -> None:
        super().__init__(-MAX_AMOUNT, MAX_AMOUNT)


class Flag(Kind):
    """True or false."""

    sqlite = "INTEGER"
    postgresql = "BOOLEAN"

    def check(self, column: str, dialect: str) -> str:
        """Return the rule that SQLite needs."""
        return f"{column} IN (0, 1)" if dialect == "sqlite" else ""

    def bind_processor(self, dialect: Dialect) -> Processor:  # noqa: ARG002  both databases take a bool
        """Return what refuses everything but a bool."""
        return _bool

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor | None:  # noqa: ARG002  the signature is SQLAlchemy's
        """Return what makes SQLite's 0 and 1 a bool."""
        return _to_bool if dialect.name == "sqlite" else None


def _bool(value: bool | None) -> bool | None:  # noqa: FBT001  it is the value itself
    if value is not None and type(value) is not bool:
        raise Unstorable(f"{value!r} is neither true nor false")
    return value


def _to_bool(value: int | None) -> bool | None:
    return None if value is None else value == 1


class Text(Kind):
    """Text of at most so many characters, without NUL."""

    sqlite = "TEXT"

    def __init__(self, length: int) -> None:
        self.length = length

    @property
    def postgresql(self) -> str:  # type: ignore[override]  # the length stands in the column type
        """The column type on PostgreSQL."""
        return f"VARCHAR({self.length})"

    def check(self, column: str, dialect: str) -> str:
        """Return the rule that SQLite needs."""
        return f"length({column}) <= {self.length} AND instr({column}, char(0)) = 0" if dialect == "sqlite" else ""

    def bind_processor(self, dialect: Dialect) -> Processor:  # noqa: ARG002  both databases take a str
        """Return what refuses text that is too long or holds NUL."""
        length = self.length

        def text(value: str | None) -> str | None:
            if value is None or (len(value) <= length and "\0" not in value):
                return value
            raise Unstorable(f"the text is longer than {length} characters, or holds NUL")

        return text

    def literal_processor(self, dialect: Dialect) -> Callable[[str], str]:  # noqa: ARG002  both databases quote alike
        """Return what writes text into DDL, as the condition of an index needs."""
        return lambda value: "'" + value.replace("'", "''") + "'"


class UuidText(Kind):
    """A UUID in lower case: ``uuid`` on PostgreSQL, text on SQLite, a str both ways."""

    sqlite = "TEXT"
    postgresql = "UUID"

    def check(self, column: str, dialect: str) -> str:
        """Return the rule that SQLite needs."""
        return f"length({column}) = {UUID_LENGTH}" if dialect == "sqlite" else ""


class UuidList(Kind):
    """A list of UUIDs, as a parameter: an array on PostgreSQL, JSON text on SQLite."""

    sqlite = "TEXT"
    postgresql = "UUID[]"

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Return what writes a sequence of UUIDs."""
        return canonical if dialect.name == "sqlite" else _array


def _array(values: Sequence[str]) -> str:
    return "{" + ",".join(values) + "}"


class JsonText(Kind):
    """JSON as orjson writes it with sorted keys, kept as text so that both databases give back the same bytes."""

    sqlite = "TEXT"
    postgresql = "TEXT"

    def bind_processor(self, dialect: Dialect) -> Processor:  # noqa: ARG002  both databases take a str
        """Return what writes JSON."""
        return canonical

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002  the signature is SQLAlchemy's
        """Return what reads JSON."""
        return _from_json


class JsonFragment(JsonText):
    """The same column for lists: a fragment that goes into the answer as it lies in the row."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002  the signature is SQLAlchemy's
        """Return what passes the text on."""
        return _fragment


def canonical(value: Any) -> str | None:
    """Write a value as JSON text with sorted keys; None stays None."""
    return None if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _from_json(value: str | None) -> Any:
    return None if value is None else orjson.loads(value)


def _fragment(value: str | None) -> orjson.Fragment | None:
    return None if value is None else orjson.Fragment(value)


class Bytes(Kind):
    """Bytes as they are."""

    sqlite = "BLOB"
    postgresql = "BYTEA"
