"""Part e: what one payment costs us, with a provider that answers at once. ``python -m tests.bench.payments``

Ours is the whole use case, from the completion to the paid order, without HTTP. The floor is the very SQL that it runs:
the same statements with values of the same kinds, in the same blocks, on the same connections, and nothing else. What
ours takes above the floor is rules, checks, objects and the call of the provider in a thread of its own.
"""

import argparse
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from bootstrap import House
from penstock.caller import Caller, Scope, Standing
from penstock.flows.begin_payment import Completion
from penstock.flows.complete_session import complete_session
from penstock.flows.open_session import open_session
from penstock.ids import new_id, new_order_number
from penstock.session import Collect
from storage.postgresql import PostgresqlConnection
from tests.bench import parts, till
from tests.bench.hanging import plan_of
from tests.bench.till import settings_of

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ORDER = re.compile(r"ORD-[0-9A-Z]+")


@dataclass
class Block:
    """One transaction, or one read: its statements, each with what it is given and whether an answer is wanted."""

    is_writing: bool
    steps: list[tuple[str, list[Any], bool]] = field(default_factory=list)


class Recorder:
    """Stands before a block's connection and writes down what goes through."""

    def __init__(self, inner: Any, block: Block, dialect: Any) -> None:
        self._inner, self._block, self._dialect = inner, block, dialect

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _note(self, statement: Any, values: Any, *, wants: bool) -> None:
        ready = statement.ready(self._dialect)
        self._block.steps.append((ready.sql, ready.bind(values), wants))

    def rows(self, statement: Any, values: Any) -> Any:
        self._note(statement, values, wants=True)
        return self._inner.rows(statement, values)

    def row(self, statement: Any, values: Any) -> Any:
        self._note(statement, values, wants=True)
        return self._inner.row(statement, values)

    def run(self, statement: Any, values: Any) -> Any:
        self._note(statement, values, wants=True)
        return self._inner.run(statement, values)

    def put(self, statement: Any, *values: Any) -> None:
        for each in values:
            self._note(statement, each, wants=False)
        self._inner.put(statement, *values)

    def batch(self, asked: Any) -> Any:
        for statement, values in asked:
            self._note(statement, values, wants=True)
        return self._inner.batch(asked)


@contextmanager
def recorded(house: House) -> Iterator[list[Block]]:
    """Write down every block that the house opens meanwhile."""
    blocks: list[Block] = []
    database = house.database
    kept = {"reading": database.reading, "writing": database.writing}

    def watched(name: str) -> Callable[[], Any]:
        @contextmanager
        def opened() -> Iterator[Any]:
            blocks.append(Block(name == "writing"))
            with kept[name]() as inner:
                yield Recorder(inner, blocks[-1], database.dialect)

        return opened

    for name in kept:
        setattr(database, name, watched(name))
    try:
        yield blocks
    finally:
        for name in kept:
            delattr(database, name)


class Paying:
    """One shop that pays, by our own flow and by the floor."""

    def __init__(self, house: House, scope: Scope) -> None:
        self.house, self.scope = house, scope
        self.caller = Caller(
            scope, "session", "", "sandbox", False, Standing(is_live=True, is_entitled=True, is_trial_over=False)
        )

    def work(self, *, read: bool = False) -> Any:
        return self.house.work(self.scope, read=read)

    def open(self, name: str) -> str:
        """Return the id of a session over 12.50 for a cart that is kept elsewhere."""
        with self.work() as uow:
            return open_session(
                uow, self.caller, WANTED | {"external_cart_id": name, "application_id": self.scope.application_id}
            )[0].id

    def pay(self, session_id: str) -> None:
        completion = Completion(
            payment_method="card",
            digest=session_id,
            return_url="https://shop.example/return",
            payment_token="tok",
            email="ada@example.com",
        )
        done = complete_session(
            self.work,
            self.house.cascade,
            self.house.clock,
            caller=self.caller,
            session_id=session_id,
            completion=completion,
        )
        if done.status.value != "captured":
            raise SystemExit(f"the payment is {done.status}")


WANTED: dict[str, Any] = {
    "return_url": "https://shop.example/thanks",
    "cancel_url": "https://shop.example/cart",
    "collect": Collect(shipping_address=False, billing_address=False),
    "metadata": {"amount": 1250, "currency": "EUR"},
}


class Floor:
    """The SQL of one payment, to be run again for other sessions."""

    def __init__(self, paying: Paying) -> None:
        session = paying.open("recorded")
        with recorded(paying.house) as blocks:
            paying.pay(session)
        self.blocks = [block for block in blocks if block.steps]
        self.session, self.database = session, paying.house.database
        scope = paying.scope
        self.kept = {scope.workspace_id, scope.environment_id, scope.application_id}
        with paying.work(read=True) as uow:
            self.kept |= {each.id for each in uow.connections.list_active()}

    def script(self, session_id: str) -> list[Block]:
        """Return the blocks for another session, with ids of their own."""
        known = {self.session: session_id}

        def renamed(found: re.Match[str]) -> str:
            old = found[0]
            if old not in self.kept and old not in known:
                known[old] = new_order_number() if old.startswith("ORD-") else new_id()
            return known.get(old, old)

        def value(given: Any) -> Any:
            if not isinstance(given, str):
                return given
            return _ORDER.sub(renamed, _UUID.sub(renamed, given.replace(self.session, session_id)))

        return [
            Block(
                block.is_writing, [(sql, [value(each) for each in values], wants) for sql, values, wants in block.steps]
            )
            for block in self.blocks
        ]

    def pay(self, script: Sequence[Block]) -> None:
        """Run a script: nothing but its SQL, in its blocks."""
        for block in script:
            with self.database.writing() if block.is_writing else self.database.reading() as connection:
                if isinstance(connection, PostgresqlConnection):
                    _run_postgresql(connection, block)
                else:
                    for sql, values, wants in block.steps:
                        cursor = connection._cursor.execute(sql, values)  # type: ignore[attr-defined]  # SQLite's
                        if wants:
                            cursor.fetchall()


def _run_postgresql(connection: PostgresqlConnection, block: Block) -> None:
    """Send each question with the writes before it in one trip, as our own connection does."""
    for sql, values, wants in block.steps:
        if wants:
            connection.link.rows(connection._send([(sql, values)])[0])
        else:
            connection._waiting.append((sql, values))


@dataclass(frozen=True)
class Spent:
    """What so many payments took, each: microseconds of processor time, and milliseconds in the middle and near the end."""

    cpu_us: float
    p50: float
    p95: float


def spent(act: Callable[[Any], object], given: Sequence[Any]) -> Spent:
    """Do something for each, one after the other, and measure."""
    spans = []
    began = time.process_time()
    for each in given:
        start = time.perf_counter()
        act(each)
        spans.append(time.perf_counter() - start)
    cpu = (time.process_time() - began) / len(given) * 1e6
    spans.sort()
    return Spent(cpu, spans[len(spans) // 2] * 1000, spans[int(len(spans) * 0.95)] * 1000)


def measure(database: str, payments: int, rounds: int) -> tuple[Spent, Spent, int]:
    """Return what ours and the floor take, medians of the rounds, and how many statements a payment has."""
    runs: dict[str, list[Spent]] = {"ours": [], "floor": []}
    with parts.site(plan_of(database, 0, rounds)) as at:
        made = till.founded(at, "swift")
        with till.open_house(**settings_of(at)) as house:
            paying = Paying(house, made.scope)
            for number in range(20):  # warm
                paying.pay(paying.open(f"warm-{number}"))
            floor = Floor(paying)
            for turn in range(rounds):
                runs["ours"].append(spent(paying.pay, [paying.open(f"{turn}-{n}") for n in range(payments)]))
                scripts = [floor.script(paying.open(f"floor-{turn}-{n}")) for n in range(payments)]
                runs["floor"].append(spent(floor.pay, scripts))
            count = sum(len(block.steps) for block in floor.blocks)
    return _median(runs["ours"]), _median(runs["floor"]), count


def _median(runs: Sequence[Spent]) -> Spent:
    return Spent(*(statistics.median(getattr(run, name) for run in runs) for name in ("cpu_us", "p50", "p95")))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.payments", description=__doc__)
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--payments", type=int, default=300, help="payments of one run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind, in turns; medians (default: 5)")
    chosen = parser.parse_args()
    table = Table(
        "database", "statements", "ours, cpu µs", "floor, cpu µs", "own, cpu µs", "ours, p50 ms", "floor, p50 ms"
    )
    for database in chosen.databases.split(","):
        ours, floor, count = measure(database, chosen.payments, chosen.rounds)
        figures = (ours.cpu_us, floor.cpu_us, ours.cpu_us - floor.cpu_us)
        table.add_row(
            database, str(count), *(f"{each:,.0f}" for each in figures), f"{ours.p50:.2f}", f"{floor.p50:.2f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
