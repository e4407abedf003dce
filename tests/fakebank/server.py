"""The fake bank's process: ``python server.py FILE PARENT`` prints its port and serves until it or its parent is killed.

Only the standard library, on purpose: nothing of what is tested may help to judge it.
"""

import ctypes
import json
import os
import signal
import sqlite3
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TABLES = """
CREATE TABLE IF NOT EXISTS charge (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE, ref TEXT UNIQUE, status TEXT, kind TEXT,
    amount INTEGER, currency TEXT, reference TEXT, asked TEXT, capture TEXT, behaviour TEXT
);
CREATE TABLE IF NOT EXISTS outage (key TEXT PRIMARY KEY, answers_lost INTEGER);
CREATE TABLE IF NOT EXISTS call (id INTEGER PRIMARY KEY, key TEXT, token TEXT, reference TEXT);
CREATE TABLE IF NOT EXISTS step (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE, ref TEXT UNIQUE, charge TEXT, verb TEXT, status TEXT,
    amount INTEGER, currency TEXT, silent INTEGER
);
"""
REFUSED = {"unsupported": 400, "configuration": 401, "validation": 400, "rate_limited": 429, "merchant_blocked": 403}
STEPS_REFUSED = {
    "rejected": (400, "validation", "refused"),
    "error_500": (500, "internal"),
    "not_sent": (429, "not_sent"),
}
FOREVER = 3600
PR_SET_PDEATHSIG = 1


class Books:
    """What the bank wrote down, safe from a kill of this process."""

    def __init__(self, file):
        self.lock = threading.Lock()
        self.db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = OFF")  # outlives a kill of this process, which is all it must
        self.db.executescript(TABLES)

    def run(self, sql, *values):
        with self.lock:
            return [dict(row) for row in self.db.execute(sql, values)]

    def execute(self, order, status, kind="", ref=None):
        shown = json.dumps({k: order[k] for k in ("amount", "currency", "reference")}, sort_keys=True)
        self.run(
            "INSERT OR IGNORE INTO charge"
            " (key, ref, status, kind, amount, currency, reference, asked, capture, behaviour)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            order["key"],
            ref or "fb_" + uuid.uuid4().hex,
            status,
            kind,
            order.get("paid", order["amount"]),
            order.get("paid_in", order["currency"]),
            order["reference"],
            shown,
            order.get("capture", "automatic"),
            order.get("behaviour", ""),
        )
        return self.find("key", order["key"])

    def find(self, column, value, table="charge"):
        return next(iter(self.run(f"SELECT * FROM {table} WHERE {column} = ?", value)), None)

    def step(self, order, status, silent):
        """Execute whatever is asked: this bank adds nothing up, so that its books show what was asked of it."""
        self.run(
            "INSERT OR IGNORE INTO step (key, ref, charge, verb, status, amount, currency, silent)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            order["key"],
            "fb_" + uuid.uuid4().hex,
            order["charge"],
            order["verb"],
            status,
            order["amount"],
            order["currency"],
            silent,
        )
        return self.find("key", order["key"], "step")

    def is_out(self, key):
        """Whether this charge's outage goes on: it swallows two requests after the first."""
        sql = "UPDATE outage SET answers_lost = answers_lost - 1 WHERE key = ? AND answers_lost > 0 RETURNING key"
        return bool(self.run(sql, key))


class Desk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536  # headers and body leave together
    books = None

    def log_message(self, *args):
        """Say nothing: the tests read the books."""

    def answer(self, status, body):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def refuse(self, status, kind, code=""):
        self.answer(status, {"error": {"kind": kind, "code": code or kind}})

    def vanish(self):
        """Close the connection without a word."""
        self.close_connection = True
        self.connection.close()

    def do_GET(self):
        place = urlsplit(self.path)
        if place.path == "/charges":
            self.look_up(parse_qs(place.query).get("key", [""])[0])
        elif place.path == "/ledger":
            self.answer(200, {"items": self.books.run("SELECT * FROM charge ORDER BY id")})
        elif place.path == "/steps":
            self.answer(200, {"items": self.books.run("SELECT * FROM step ORDER BY id")})
        elif place.path == "/follow-ups":
            self.tell(self.books.find("key", parse_qs(place.query).get("key", [""])[0], "step"), is_list=True)
        elif place.path == "/calls":
            [mine] = parse_qs(place.query).get("reference", ["%"])
            self.answer(200, {"items": self.books.run("SELECT * FROM call WHERE reference LIKE ? ORDER BY id", mine)})
        elif place.path.startswith("/transactions/"):
            self.transaction(unquote(place.path.removeprefix("/transactions/")))
        else:
            self.refuse(404, "not_found")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        parts = self.path.strip("/").split("/")
        if parts == ["charges"]:
            self.charge(body)
        elif len(parts) == 3 and parts[0] == "charges" and parts[2] == "settle":
            self.settle(parts[1], body["approve"])
        elif parts == ["follow-ups"]:
            self.follow_up(body)
        elif len(parts) == 3 and parts[0] == "follow-ups" and parts[2] == "settle":
            self.settle_step(parts[1], body["approve"])
        else:
            self.refuse(404, "not_found")

    def look_up(self, key):
        if self.books.is_out(key):
            return self.vanish()
        row = self.books.find("key", key)
        return self.answer(200, {"items": [row] if row else []})

    def charge(self, order):
        self.books.run(
            "INSERT INTO call (key, token, reference) VALUES (?, ?, ?)",
            order["key"],
            order["token"],
            order["reference"],
        )
        if self.books.is_out(order["key"]):
            return self.vanish()
        known = self.books.find("key", order["key"])
        if known:
            same = json.dumps({k: order[k] for k in ("amount", "currency", "reference")}, sort_keys=True)
            return self.answer(200, known) if known["asked"] == same else self.refuse(409, "key_reused")
        return self.behave(order, order["behaviour"])

    def behave(self, order, behaviour):
        word, _, rest = behaviour.partition("_")
        if word == "reject":
            return self.refuse(REFUSED[rest], rest)
        if word == "decline":
            return self.answer(201, self.books.execute(order, "declined", rest))
        if word in ("3ds", "pending"):
            return self.answer(201, self.books.execute(order, "challenged" if word == "3ds" else "pending"))
        if word == "delay":
            time.sleep(int(rest or 1000) / 1000)
            return self.answer(201, self.books.execute(order, "approved"))
        return self.misbehave(order, behaviour)

    def misbehave(self, order, behaviour):
        if behaviour == "error_500":
            return self.answer(500, {"error": "internal"})
        if behaviour == "timeout_before_charge":
            return self.vanish()
        if behaviour == "wrong_amount":
            order["paid"] = order["amount"] + 1
        if behaviour == "wrong_currency":
            order["paid_in"] = "EUR" if order["currency"] == "USD" else "USD"
        row = self.books.execute(order, "approved")
        if behaviour == "outage_after_charge":
            self.books.run("INSERT OR IGNORE INTO outage VALUES (?, 2)", order["key"])
        if behaviour in ("timeout_after_charge", "outage_after_charge"):
            return self.vanish()
        if behaviour == "hang":
            time.sleep(FOREVER)
        return self.answer(200, b"<html>maintenance</html>") if behaviour == "garbage" else self.answer(201, row)

    def follow_up(self, order):
        """Capture, void or refund, or do what the charge's token asks for: ``tok_sandbox_<verb>_<behaviour>``."""
        charge = self.books.find("ref", order["charge"])
        if not charge:
            return self.refuse(400, "validation", "unknown_charge")
        verb, _, behaviour = charge["behaviour"].partition("_")
        behaviour = behaviour if verb == order["verb"] else ""
        if behaviour == "declined":
            return self.answer(200, {**order, "ref": "", "status": "declined"})
        if behaviour in STEPS_REFUSED:
            return self.refuse(*STEPS_REFUSED[behaviour])
        if behaviour == "timeout_before":
            return self.vanish()
        return self.execute_step(order, behaviour)

    def execute_step(self, order, behaviour):
        known = self.books.find("key", order["key"], "step")
        if known and any(known[name] != order[name] for name in ("charge", "verb", "amount", "currency")):
            return self.refuse(409, "key_reused")
        silent = {"timeout_after": 1, "unknown": 3}.get(behaviour, 0)
        return self.tell(known or self.books.step(order, "pending" if behaviour == "pending" else "done", silent))

    def tell(self, row, is_list=False):
        if row and row["silent"]:
            self.books.run("UPDATE step SET silent = silent - 1 WHERE id = ?", row["id"])
            return self.vanish()
        return self.answer(200, {"items": [row] if row else []} if is_list else row)

    def settle_step(self, ref, is_approved):
        status = "done" if is_approved else "declined"
        self.books.run("UPDATE step SET status = ? WHERE ref = ? AND status = 'pending'", status, ref)
        row = self.books.find("ref", ref, "step")
        return self.answer(200, row) if row else self.refuse(404, "not_found")

    def settle(self, ref, is_approved):
        self.books.run(
            "UPDATE charge SET status = ?, kind = ? WHERE ref = ? AND status IN ('challenged', 'pending')",
            "approved" if is_approved else "declined",
            "" if is_approved else "authentication_failed",
            ref,
        )
        row = self.books.find("ref", ref)
        return self.answer(200, row) if row else self.refuse(404, "not_found")

    def transaction(self, ref):
        """A widget's payment, ``txn_sandbox_<behaviour>.<amount>.<currency>.<reference>``: paid when first read."""
        row = self.books.find("ref", ref)
        head, *rest = ref.split(".")
        behaviour = head.removeprefix("txn_sandbox_")
        if not row and head != behaviour and len(rest) == 3 and rest[0].isdigit():
            status = {"approve": "approved", "3ds": "challenged", "pending": "pending"}.get(behaviour, "declined")
            order = {"key": ref, "amount": int(rest[0]), "currency": rest[1], "reference": rest[2]}
            row = self.books.execute(order, status, behaviour.removeprefix("decline_"), ref)
        return self.answer(200, row) if row else self.refuse(404, "not_found")


class House(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A caller that went away is no news."""


def die_with(parent):
    """Let the kernel kill this process when the one that started it is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was quicker
        sys.exit(1)


if __name__ == "__main__":
    die_with(int(sys.argv[2]))
    Desk.books = Books(sys.argv[1])
    house = House(("127.0.0.1", 0), Desk)
    print(house.server_address[1], flush=True)
    house.serve_forever()
