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
from urllib.parse import quote
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
        ...

    def find(self, key: str) -> Answer:
        """Answer ``{"items": [...]}`` with the charge under this key, if there is one."""
        ...

    def settle(self, ref: str, *, is_approved: bool) -> Answer:
        """Decide a challenged or pending charge. A decided one stays as it is."""
        ...

    def transaction(self, ref: str) -> Answer:
        """Answer with a payment made in the bank's own widget, 404 if there is none."""
        ...


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
            return Answer.of(200, _shown(known)) if known["asked"] == asked else _refusal(409, "key_reused")
        behaviour = str(order["token"]).removeprefix(PREFIX)
        if not str(order["token"]).startswith(PREFIX) or not is_behaviour(behaviour):
            return _refusal(400, "validation", "unknown_token")
        return self._behave(behaviour, order, asked)

    def find(self, key: str) -> Answer:
        """Answer with the charge under this key, if there is one."""
        assert_no_transaction()
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
        return _FAULTS[behaviour](execute, order) if behaviour in _FAULTS else execute(_STATUS[word])

    def _execute(self, order: Mapping[str, Any], asked: str, what: tuple[str, str], ref: str) -> Answer:
        with self._writing() as db:
            db.execute(
                "INSERT INTO charges VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (order["key"], ref, *what, order["amount"], order["currency"], order["reference"], asked),
            )
        row = self._row("key", order["key"])
        if row is None or row["asked"] != asked:
            return _refusal(409, "key_reused")
        return Answer.of(201, _shown(row))

    def _set_up(self) -> None:
        # Switching to WAL does not wait for other processes that do the same, whatever the timeout says.
        for pause in (0.05, 0.1, 0.2, 0.4, 0.8, None):
            try:
                for command in ("PRAGMA synchronous = OFF", "PRAGMA journal_mode = WAL", _SCHEMA):
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


class RemoteBank:
    """A bank in another process, over HTTP."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")

    def charge(self, order: Mapping[str, Any]) -> Answer:
        """Send a charge; the bank does what its token asks for."""
        behaviour = str(order["token"]).removeprefix(PREFIX)
        if behaviour == "not_sent":
            raise NotSent("the sandbox bank cannot be reached, as asked")
        return self._ask("POST", "/charges", {**order, "behaviour": behaviour})

    def find(self, key: str) -> Answer:
        """Ask for the charge under this key."""
        return self._ask("GET", "/charges", params={"key": key})

    def settle(self, ref: str, *, is_approved: bool) -> Answer:
        """Decide a challenged or pending charge."""
        return self._ask("POST", f"/charges/{quote(ref, safe='')}/settle", {"approve": is_approved})

    def transaction(self, ref: str) -> Answer:
        """Ask for a payment made in the bank's own widget."""
        return self._ask("GET", f"/transactions/{quote(ref, safe='')}")

    def _ask(self, method: str, path: str, body: Any = None, params: Mapping[str, str] | None = None) -> Answer:
        response = self._http.request(method, self._url + path, json=body, params=params)
        return Answer(response.status_code, response.content)


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
        set(_STATUS) | set(_FAULTS) | {f"decline_{k}" for k in DECLINE_KINDS} | {f"reject_{k}" for k in REJECT_KINDS}
    )


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


_FAULTS: Final[dict[str, Callable[[Execute, Mapping[str, Any]], Answer]]] = {
    "timeout_after_charge": _silent_after,
    "timeout_before_charge": _silent_before,
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
    return {name: row[name] for name in ("key", "ref", "status", "kind", "amount", "currency", "reference")}
