"""The bank behind the sandbox connectors: it remembers what it executed, and misbehaves on request.

It answers as a provider over HTTP would: a status and a body, or an exception where the wire would fall silent.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any, Final, Protocol
from uuid import uuid4

import httpx
import orjson

from penstock.boundary import assert_no_transaction
from penstock.connector import NotSent
from penstock.outcome import DECLINE_KINDS, REJECT_KINDS

PREFIX: Final = "tok_sandbox_"
HANG_SECONDS: Final = 300
MAX_DELAY_MS: Final = 10_000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS charges (
    key TEXT PRIMARY KEY, ref TEXT NOT NULL UNIQUE, status TEXT NOT NULL, kind TEXT NOT NULL DEFAULT '',
    amount INTEGER NOT NULL, currency TEXT NOT NULL, reference TEXT NOT NULL, asked TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""
_OUTAGES: Final = "CREATE TABLE IF NOT EXISTS outages (key TEXT PRIMARY KEY, answers_lost INTEGER NOT NULL) STRICT"
_STEPS: Final = """
CREATE TABLE IF NOT EXISTS follow_ups (
    key TEXT PRIMARY KEY, ref TEXT NOT NULL UNIQUE, charge TEXT NOT NULL, verb TEXT NOT NULL, status TEXT NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, silent INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
VERBS: Final = ("capture", "void", "refund")
LATE: Final = 3
"""How often a bank that tells late is asked in vain: by the call, by its repeat, by the first lookup."""
OUTAGE: Final = 2
"""How many further requests about one charge an outage swallows: the repeat and the first question."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bank said: an HTTP status and a body."""

    status: int
    body: bytes

    @classmethod
    def of(cls, status: int, body: Any) -> "Answer":
        """Build an answer from a JSON body."""
        return cls(status, orjson.dumps(body))


class Bank(Protocol):
    """What the sandbox connectors need of a bank."""

    def charge(self, order: Mapping[str, Any]) -> Answer:
        """Execute a charge, or do what its token asks for instead."""

    def find(self, key: str) -> Answer:
        """Answer ``{"items": [...]}`` with the charge under this key, if there is one."""

    def settle(self, ref: str, *, is_approved: bool) -> Answer:
        """Decide a challenged or pending charge. A decided one stays as it is."""

    def transaction(self, ref: str) -> Answer:
        """Answer with a payment made in the bank's own widget, 404 if there is none."""

    def follow_up(self, order: Mapping[str, Any]) -> Answer:
        """Capture, void or refund, or do what the charge's token asks for instead."""

    def find_follow_up(self, key: str) -> Answer:
        """Answer ``{"items": [...]}`` with the capture, void or refund under this key, if there is one."""

    def settle_follow_up(self, ref: str, *, is_approved: bool) -> Answer:
        """Decide a pending capture, void or refund. A decided one stays as it is."""


class FileBank:
    """A bank in an SQLite file (or in this process's memory). It is a toy: a crash of the machine may empty it."""

    def __init__(self, path: str) -> None:
        self._lock = RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.row_factory = sqlite3.Row
        self._set_up()

    def charge(self, order: Mapping[str, Any]) -> Answer:
        """Execute a charge, or do what its token asks for instead. The same key gets the same answer."""
        assert_no_transaction()
        asked = orjson.dumps(order, option=orjson.OPT_SORT_KEYS).decode()
        known = self._row("key", order["key"])
        if known is not None:
            self._suffer(order["key"])
            return Answer.of(200, _shown(known)) if known["asked"] == asked else _refusal(409, "key_reused")
        behaviour = str(order["token"]).removeprefix(PREFIX)
        if not str(order["token"]).startswith(PREFIX) or not is_behaviour(behaviour):
            return _refusal(400, "validation", "unknown_token")
        return self._behave(behaviour, order, asked)

    def find(self, key: str) -> Answer:
        """Answer with the charge under this key, if there is one."""
        assert_no_transaction()
        self._suffer(key)
        row = self._row("key", key)
        return Answer.of(200, {"items": [_shown(row)] if row is not None else []})

    def settle(self, ref: str, *, is_approved: bool) -> Answer:
        """Decide a challenged or pending charge. A decided one stays as it is."""
        assert_no_transaction()
        status, kind = ("approved", "") if is_approved else ("declined", "authentication_failed")
        with self._writing() as db:
            db.execute(
                "UPDATE charges SET status = ?, kind = ? WHERE ref = ? AND status IN ('challenged', 'pending')",
                (status, kind, ref),
            )
        return self.transaction(ref, is_made=False)

    def transaction(self, ref: str, *, is_made: bool = True) -> Answer:
        """Answer with a charge by the bank's reference; one of the widget's is executed when it is first read."""
        assert_no_transaction()
        row = self._row("ref", ref)
        if row is None and is_made:
            order = widget_order(ref)
            if order is not None:
                self._behave(str(order["token"]).removeprefix(PREFIX), order, "", ref=ref)
                row = self._row("ref", ref)
        return Answer.of(200, _shown(row)) if row is not None else _refusal(404, "not_found")

    def follow_up(self, order: Mapping[str, Any]) -> Answer:
        """Capture, void or refund, or do what the charge's token asks for. The same key gets the same answer.

        The bank adds nothing up: it executes whatever it is asked, so that its books show what was asked.
        """
        assert_no_transaction()
        charge = self._row("ref", order["charge"])
        if charge is None:
            return _refusal(400, "validation", "unknown_charge")
        behaviour = behaviour_after(_token(charge), order["verb"])
        if behaviour == "declined":
            return Answer.of(200, {**order, "ref": "", "status": "declined"})
        if (early := _EARLY.get(behaviour)) is not None:
            return early()
        row = self._step(order["key"])
        if row is None:
            row = self._write_step(order, *_WRITTEN.get(behaviour, ("done", 0)))
        elif any(row[name] != order[name] for name in ("charge", "verb", "amount", "currency")):
            return _refusal(409, "key_reused")
        return self._tell(row)

    def find_follow_up(self, key: str) -> Answer:
        """Answer with the capture, void or refund under this key, if there is one."""
        assert_no_transaction()
        row = self._step(key)
        return Answer.of(200, {"items": []}) if row is None else self._tell(row, is_list=True)

    def settle_follow_up(self, ref: str, *, is_approved: bool) -> Answer:
        """Decide a pending capture, void or refund. A decided one stays as it is."""
        assert_no_transaction()
        with self._writing() as db:
            decided = ("done" if is_approved else "declined", ref)
            db.execute("UPDATE follow_ups SET status = ? WHERE ref = ? AND status = 'pending'", decided)
        with self._lock:
            row = self._db.execute("SELECT * FROM follow_ups WHERE ref = ?", (ref,)).fetchone()
        return Answer.of(200, dict(row)) if row is not None else _refusal(404, "not_found")

    def _write_step(self, order: Mapping[str, Any], status: str, silent: int) -> sqlite3.Row:
        names = ("key", "charge", "verb", "amount", "currency")
        with self._writing() as db:
            db.execute(
                "INSERT INTO follow_ups (key, charge, verb, amount, currency, ref, status, silent)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (*(order[name] for name in names), f"sbx_{order['verb']}_{uuid4().hex}", status, silent),
            )
        row = self._step(order["key"])
        if row is None:
            raise LookupError("the sandbox bank lost what it wrote")
        return row

    def _tell(self, row: sqlite3.Row, *, is_list: bool = False) -> Answer:
        if row["silent"]:
            with self._writing() as db:
                db.execute("UPDATE follow_ups SET silent = silent - 1 WHERE key = ?", (row["key"],))
            raise httpx.ReadTimeout("the sandbox bank fell silent, as asked, after it did what it was asked")
        return Answer.of(200, {"items": [dict(row)]} if is_list else dict(row))

    def _step(self, key: str) -> sqlite3.Row | None:
        with self._lock:
            found = self._db.execute("SELECT * FROM follow_ups WHERE key = ?", (key,)).fetchone()
        return found if isinstance(found, sqlite3.Row) else None

    def _behave(self, behaviour: str, order: Mapping[str, Any], asked: str, *, ref: str = "") -> Answer:
        def execute(status: str = "approved", kind: str = "", **changes: Any) -> Answer:
            return self._execute({**order, **changes}, asked, (status, kind), ref or f"sbx_{uuid4().hex}")

        word, _, rest = behaviour.partition("_")
        if word == "reject":
            return _refusal(_REFUSED[rest], rest)
        if word == "decline":
            return execute("declined", rest)
        if word == "delay":
            time.sleep(int(rest or "1000") / 1000)
        if behaviour in _FAULTS:
            return _FAULTS[behaviour](execute, order)
        return execute("approved" if word in VERBS else _STATUS[word])

    def _execute(self, order: Mapping[str, Any], asked: str, what: tuple[str, str], ref: str) -> Answer:
        with self._writing() as db:
            db.execute(
                "INSERT INTO charges VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (order["key"], ref, *what, order["amount"], order["currency"], order["reference"], asked),
            )
            if str(order["token"]).endswith("_outage_after_charge"):
                db.execute("INSERT OR IGNORE INTO outages VALUES (?, ?)", (order["key"], OUTAGE))
        row = self._row("key", order["key"])
        if row is None or row["asked"] != asked:
            return _refusal(409, "key_reused")
        return Answer.of(201, _shown(row))

    def _suffer(self, key: str) -> None:
        """Fall silent, if this charge's outage is not over."""
        sql = "UPDATE outages SET answers_lost = answers_lost - 1 WHERE key = ? AND answers_lost > 0"
        with self._writing() as db:
            if db.execute(sql, (key,)).rowcount == 0:
                return
        raise httpx.ReadTimeout("the sandbox bank is still silent, as asked")

    def _set_up(self) -> None:
        # Switching to WAL does not wait for other processes that do the same, whatever the timeout says.
        for pause in (0.05, 0.1, 0.2, 0.4, 0.8, None):
            try:
                for command in ("PRAGMA synchronous = OFF", "PRAGMA journal_mode = WAL", _SCHEMA, _STEPS, _OUTAGES):
                    self._db.execute(command)
            except sqlite3.OperationalError:
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return

    def _row(self, column: str, value: str) -> sqlite3.Row | None:
        with self._lock:
            found = self._db.execute(f"SELECT * FROM charges WHERE {column} = ?", (value,)).fetchone()  # noqa: S608  key or ref
        return found if isinstance(found, sqlite3.Row) else None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def is_behaviour(word: str) -> bool:
    """Tell whether a token's last part is one of the documented behaviours."""
    if word.startswith("delay_"):
        digits = word.removeprefix("delay_")
        return (
            digits.isascii()
            and digits.isdigit()
            and len(digits) <= len(str(MAX_DELAY_MS))
            and int(digits) <= MAX_DELAY_MS
        )
    return word in behaviours()


def behaviours() -> frozenset[str]:
    """Return every documented behaviour, ``delay_<ms>`` apart."""
    return frozenset(
        set(_STATUS)
        | set(_FAULTS)
        | {f"decline_{k}" for k in DECLINE_KINDS}
        | {f"reject_{k}" for k in REJECT_KINDS}
        | {f"{verb}_{word}" for verb in VERBS for word in (*_EARLY, *_WRITTEN, "declined")}
    )


def behaviour_after(token: str, verb: str) -> str:
    """Return what a charge's token asks for when the charge is captured, voided or refunded; "" for nothing special."""
    head, _, behaviour = token.removeprefix(PREFIX).partition("_")
    return behaviour if head == verb else ""


def _token(charge: sqlite3.Row) -> str:
    return str(orjson.loads(charge["asked"])["token"]) if charge["asked"] else ""


def widget_order(ref: str) -> dict[str, Any] | None:
    """Read a widget reference: ``txn_sandbox_<behaviour>.<amount>.<currency>.<reference>``. None if it is not one."""
    head, *rest = ref.split(".")
    behaviour = head.removeprefix("txn_sandbox_")
    plain = {"approve", "3ds", "pending", *(f"decline_{kind}" for kind in DECLINE_KINDS)}
    if head == behaviour or behaviour not in plain:
        return None
    try:
        amount, currency, reference = rest
        order = {"amount": int(amount), "currency": currency, "reference": reference}
    except ValueError:
        return None
    return {"key": ref, "token": PREFIX + behaviour, **order}


Execute = Callable[..., Answer]


def _silent_after(execute: Execute, _: Mapping[str, Any]) -> Answer:
    execute()
    raise httpx.ReadTimeout("the sandbox bank fell silent, as asked, after it took the money")


def _silent_before(_: Execute, __: Mapping[str, Any]) -> Answer:
    raise httpx.ReadTimeout("the sandbox bank fell silent, as asked")


def _broken(_: Execute, __: Mapping[str, Any]) -> Answer:
    return Answer(500, b'{"error": "internal"}')


def _garbage(execute: Execute, _: Mapping[str, Any]) -> Answer:
    execute()
    return Answer(200, b"<html>maintenance</html>")


def _too_much(execute: Execute, order: Mapping[str, Any]) -> Answer:
    return execute(amount=int(order["amount"]) + 1)


def _other_currency(execute: Execute, order: Mapping[str, Any]) -> Answer:
    return execute(currency="USD" if order["currency"] != "USD" else "EUR")


def _unreachable(_: Execute, __: Mapping[str, Any]) -> Answer:
    raise NotSent("the sandbox bank cannot be reached, as asked")


def _hanging(execute: Execute, _: Mapping[str, Any]) -> Answer:
    answer = execute()
    time.sleep(HANG_SECONDS)
    return answer


def _silent_step() -> Answer:
    raise httpx.ReadTimeout("the sandbox bank fell silent, as asked")


_EARLY: Final[dict[str, Callable[[], Answer]]] = {
    "rejected": lambda: _refusal(400, "validation", "refused"),
    "error_500": lambda: Answer(500, b'{"error": "internal"}'),
    "timeout_before": _silent_step,
    "not_sent": lambda: _refusal(429, "not_sent"),
}
"""What a token may ask of a capture, void or refund that is never executed."""

_WRITTEN: Final[dict[str, tuple[str, int]]] = {
    "pending": ("pending", 0),
    "timeout_after": ("done", 1),
    "unknown": ("done", LATE),
}
"""What a token may ask of one that is: the status that is written, and how often the bank is asked in vain."""

_FAULTS: Final[dict[str, Callable[[Execute, Mapping[str, Any]], Answer]]] = {
    "timeout_after_charge": _silent_after,
    "timeout_before_charge": _silent_before,
    "outage_after_charge": _silent_after,
    "error_500": _broken,
    "garbage": _garbage,
    "wrong_amount": _too_much,
    "wrong_currency": _other_currency,
    "not_sent": _unreachable,
    "hang": _hanging,
}
_STATUS: Final = {"approve": "approved", "delay": "approved", "3ds": "challenged", "pending": "pending"}
_REFUSED: Final = {
    "unsupported": 400,
    "configuration": 401,
    "validation": 400,
    "rate_limited": 429,
    "merchant_blocked": 403,
}


def _refusal(status: int, kind: str, code: str = "") -> Answer:
    return Answer.of(status, {"error": {"kind": kind, "code": code or kind}})


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    shown = {name: row[name] for name in ("key", "ref", "status", "kind", "amount", "currency", "reference")}
    return shown | {"capture": orjson.loads(row["asked"]).get("capture", "automatic") if row["asked"] else "automatic"}
