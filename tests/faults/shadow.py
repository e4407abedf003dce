"""The two witnesses of a crash: the bank's books, and a log that the database itself keeps of every change.

Triggers write the log, in the transaction of the change and without any code of ours; one event must stand beside
each line of it. What is judged here is compared by plain SQL, with a driver's connection of its own.
"""

import json
import urllib.request
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import sqlalchemy as sa

from storage.engine import parse

CHANGES = {
    ("carts", "insert"): "cart.created",
    ("carts", "converted"): "cart.converted",
    ("cart_items", "insert"): "cart.item_added",
    ("checkout_sessions", "completed"): "checkout.session.completed",
    ("orders", "insert"): "order.created",
    ("payments", "captured"): "payment.captured",
    ("payments", "refunded"): "payment.refunded",
    ("payments", "failed"): "payment.failed",
}
"""Which event each change must have, once."""

SUBJECT = {"cart_items": "cart_id"}
_plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(parse(url), poolclass=sa.NullPool)


def watch(url: str) -> None:
    """Have the database write down every insert and every change of status."""
    engine = _engine(url)
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE shadow (object_id TEXT, name TEXT, change TEXT)")
        for table in sorted({table for table, _ in CHANGES}):
            for sql in _sqlite(table) if is_sqlite else _postgresql(table):
                connection.exec_driver_sql(sql)


def _sqlite(table: str) -> list[str]:
    subject = SUBJECT.get(table, "id")
    values = f"INSERT INTO shadow VALUES (NEW.{subject}, '{table}', "
    made = [f"CREATE TRIGGER shadow_{table}_made AFTER INSERT ON {table} BEGIN {values} 'insert'); END"]
    if subject == "id":
        when = f"AFTER UPDATE ON {table} WHEN NEW.status <> OLD.status"
        made.append(f"CREATE TRIGGER shadow_{table}_moved {when} BEGIN {values} NEW.status); END")
    return made


def _postgresql(table: str) -> list[str]:
    subject = SUBJECT.get(table, "id")
    change = "CASE WHEN TG_OP = 'INSERT' THEN 'insert' ELSE NEW.status END" if subject == "id" else "'insert'"
    body = f"INSERT INTO shadow VALUES (NEW.{subject}::text, '{table}', {change}); RETURN NULL;"
    function = f"CREATE FUNCTION shadow_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    run = f"FOR EACH ROW EXECUTE FUNCTION shadow_{table}()"
    made = [function, f"CREATE TRIGGER shadow_{table}_made AFTER INSERT ON {table} {run}"]
    if subject == "id":
        when = f"FOR EACH ROW WHEN (NEW.status <> OLD.status) EXECUTE FUNCTION shadow_{table}()"
        made.append(f"CREATE TRIGGER shadow_{table}_moved AFTER UPDATE ON {table} {when}")
    return made


class Books:
    """What the bank and the database say at this moment."""

    def __init__(self, url: str, bank_url: str) -> None:
        self.charged = Counter(row["amount"] for row in _read(bank_url, "ledger") if row["status"] == "approved")
        self.returned = Counter(row["amount"] for row in _read(bank_url, "steps") if row["verb"] == "refund")
        with _engine(url).connect() as connection:
            paid = "SELECT total FROM orders WHERE payment_status IN ('captured', 'refunded')"
            self.paid = Counter(connection.execute(sa.text(paid)).scalars())
            refunded = "SELECT amount_refunded FROM payments WHERE amount_refunded > 0"
            self.refunded = Counter(connection.execute(sa.text(refunded)).scalars())
            self.lines = Counter(
                str(i) for i in connection.execute(sa.text("SELECT cart_id FROM cart_items")).scalars()
            )
            self.faults = [*_events(connection), *_sequences(connection), *_open(connection)]

    def unmatched(self, trials: Sequence[Any]) -> list[str]:
        """Return orders without their charge, charges without their order, and events that do not fit the changes."""
        faults = list(self.faults)
        if self.charged != self.paid:
            faults.append(
                f"charged without an order {self.charged - self.paid}, the reverse {self.paid - self.charged}"
            )
        if self.returned != self.refunded:
            faults.append(
                f"returned and not written {self.returned - self.refunded}, the reverse {self.refunded - self.returned}"
            )
        for trial in trials:
            if self.returned[trial.amount] > (1 if trial.payment else 0):
                faults.append(f"{trial.failpoint}: {self.returned[trial.amount]} refunds")
            charged, paid = self.charged[trial.amount], self.paid[trial.amount]
            if trial.session and (charged != paid or charged > 1):
                faults.append(f"{trial.failpoint}: {charged} charges, {paid} paid orders")
            if not trial.session and self.lines[trial.cart] > 1:
                faults.append(f"{trial.failpoint}: {self.lines[trial.cart]} lines")
        return faults

    def wrong(self, trials: Sequence[Any], answers: Sequence[tuple[int, Any]]) -> list[str]:
        """Return what is wrong after each client has asked again: each must have what it asked for, once."""
        faults = self.unmatched(trials)
        for trial, (status, body) in zip(trials, answers, strict=True):
            if trial.payment:
                faults += self._wrong_refund(trial, status, body)
            elif status != (200 if trial.session else 201):
                faults.append(f"{trial.failpoint}: asked again, {status} {body}")
            elif trial.session and (self.charged[trial.amount], body["amount"]) != (1, trial.amount):
                faults.append(f"{trial.failpoint}: {self.charged[trial.amount]} charges after asking again")
            elif not trial.session and self.lines[trial.cart] != 1:
                faults.append(f"{trial.failpoint}: {self.lines[trial.cart]} lines after asking again")
        return faults

    def _wrong_refund(self, trial: Any, status: int, body: Any) -> list[str]:
        """Say where an answer about a refund is not what the bank did: made once, or for certain not made."""
        returned, made = self.returned[trial.amount], status == HTTPStatus.OK
        is_certain = made or body.get("error", {}).get("code") == "no_eligible_connector"
        if is_certain and returned == made:
            return []
        return [f"{trial.failpoint}: {returned} refunds after asking again, {status} {body}"]


def _read(bank_url: str, what: str) -> list[dict[str, Any]]:
    with _plain.open(f"{bank_url}/{what}", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["items"]
    return found


def _events(connection: sa.Connection) -> list[str]:
    """Return each change that has not exactly one event, and each event that has no change."""
    shadow = connection.execute(sa.text("SELECT object_id, name, change FROM shadow"))
    changes = Counter((row[0], CHANGES[row[1], row[2]]) for row in shadow if (row[1], row[2]) in CHANGES)
    wanted = set(CHANGES.values())
    written = connection.execute(sa.text("SELECT object_id, type FROM events"))
    known = {row[0] for row in connection.execute(sa.text("SELECT DISTINCT object_id FROM shadow"))}
    events = Counter((row[0], row[1]) for row in written if row[1] in wanted and row[0] in known)
    return [
        f"{what}: {changes[what]} changes, {events[what]} events"
        for what in changes | events
        if changes[what] != events[what]
    ]


def _sequences(connection: sa.Connection) -> list[str]:
    sql = "SELECT object_id FROM events GROUP BY object_id HAVING min(sequence) <> 1 OR max(sequence) <> count(*)"
    return [f"{row[0]}: its events have a gap" for row in connection.execute(sa.text(sql))]


def _open(connection: sa.Connection) -> list[str]:
    still = "{} {} is still open"
    return [
        still.format(table, row[0])
        for table in ("payment_attempts", "payment_steps")
        for row in connection.execute(sa.text(f"SELECT id FROM {table} WHERE state IN ('sending', 'unknown')"))
    ]
