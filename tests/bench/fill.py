"""Fills a shop with orders without going through the API: copies of one paid checkout, made by the database itself."""

import os
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from storage import tables
from storage.engine import parse

COPIED = (
    "carts",
    "cart_items",
    "checkout_sessions",
    "orders",
    "order_lines",
    "payments",
    "payment_attempts",
    "transactions",
)
"""Parents first. Events and ledger entries are left out: nothing that is measured reads them."""

_DIGITS = 10


class Copier:
    """Copies one checkout, all of it, as often as wanted. Copy ``n`` has ids that are computed from ``n``."""

    def __init__(self, url: str, order_id: str) -> None:
        self.engine = sa.create_engine(parse(url), poolclass=sa.NullPool)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.made = 0
        self.base = int(time.time() * 1000) - 10_000_000
        with self.engine.connect() as connection:
            self.rows = _rows_of(connection, order_id)
        ids = [row["id"] for name in COPIED for row in self.rows[name] if name != "checkout_sessions"]
        self.places = {each: place for place, each in enumerate(dict.fromkeys(str(each) for each in ids), 1)}
        order, session = self.rows["orders"][0], self.rows["checkout_sessions"][0]
        self.texts = {order["number"], session["id"], self.rows["payments"][0]["provider_ref"]}
        self.order_place = self.places[str(order["id"])]

    def fill(self, count: int) -> None:
        """Make copies until there are so many."""
        first, self.made = self.made + 1, count
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("PRAGMA synchronous=OFF")
                connection.commit()
            for name in COPIED:
                for row in self.rows[name]:
                    connection.execute(
                        sa.text(self._copy(name, row)), {**self._fixed(row), "first": first, "last": count}
                    )
                    connection.commit()
            if not self.is_sqlite:  # nobody analyzes a SQLite file (docs/operators/running.md)
                connection.exec_driver_sql("ANALYZE")
                connection.commit()
            self._settle(connection)

    def _settle(self, connection: sa.Connection) -> None:
        """Put everything where it belongs, so that nobody measures the end of the filling."""
        if self.is_sqlite:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
        else:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM")
            connection.exec_driver_sql("CHECKPOINT")
        os.sync()

    def sample(self, count: int) -> list[str]:
        """Return the ids of so many orders, anywhere among the copies."""
        choose = random.Random(count).randint
        return [self._id(self.order_place, choose(1, self.made)) for _ in range(count)]

    def _id(self, place: int, n: int) -> str:
        at = self.base + n
        return str(uuid.UUID(f"{at >> 16:08x}-{at & 65535:04x}-7{place:03x}-8{place:03x}-{n:012x}"))

    def _copy(self, name: str, row: Mapping[str, Any]) -> str:
        values = ", ".join(self._value(column, row[column]) for column in row)
        if self.is_sqlite:
            series = "WITH RECURSIVE c(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM c WHERE n < :last)"
            return f"INSERT INTO {name} ({', '.join(row)}) {series} SELECT {values} FROM c"
        series = "generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS c(n)"
        return f"INSERT INTO {name} ({', '.join(row)}) SELECT {values} FROM {series}"

    def _value(self, column: str, value: Any) -> str:
        if str(value) in self.places:
            return self._id_sql(self.places[str(value)])
        if value in self.texts and value is not None:
            return f"substr(:{column}, 1, {len(value) - _DIGITS}) || upper({self._hex('n', _DIGITS)})"
        if column.endswith("_at") and value is not None:
            milliseconds = f"({self.base} + n)"
            return f"{milliseconds} * 1000" if self.is_sqlite else f"to_timestamp({milliseconds} / 1000.0)"
        return f":{column}"

    def _fixed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return dict(row)

    def _hex(self, number: str, digits: int) -> str:
        return (
            f"printf('%0{digits}x', {number})" if self.is_sqlite else f"lpad(to_hex(({number})::bigint), {digits}, '0')"
        )

    def _id_sql(self, place: int) -> str:
        at = f"({self.base} + n)"
        head = f"{self._hex(f'{at} >> 16', 8)} || '-' || {self._hex(f'{at} & 65535', 4)}"
        text = f"{head} || '-7{place:03x}-8{place:03x}-' || {self._hex('n', 12)}"
        return text if self.is_sqlite else f"CAST({text} AS uuid)"


def _rows_of(connection: sa.Connection, order_id: str) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return the raw rows of one checkout, as the driver has them."""

    def rows(name: str, column: str, value: Any) -> list[Mapping[str, Any]]:
        names = ", ".join(each.name for each in tables.metadata.tables[name].columns)
        found = connection.execute(
            sa.text(f"SELECT {names} FROM {name} WHERE CAST({column} AS text) = :v"), {"v": str(value)}
        )
        return [dict(row) for row in found.mappings()]

    orders = rows("orders", "id", order_id)
    payments = rows("payments", "order_id", order_id)
    return {
        "carts": rows("carts", "id", orders[0]["cart_id"]),
        "cart_items": rows("cart_items", "cart_id", orders[0]["cart_id"]),
        "checkout_sessions": rows("checkout_sessions", "id", orders[0]["session_id"]),
        "orders": orders,
        "order_lines": rows("order_lines", "order_id", order_id),
        "payments": payments,
        "payment_attempts": rows("payment_attempts", "payment_id", payments[0]["id"]),
        "transactions": rows("transactions", "payment_id", payments[0]["id"]),
    }
