"""AcmePay in a box: `python -m penstock_acmepay.fake 9777` takes payments on the loopback interface.

Cards: `acme_ok`, `acme_wait` (the buyer must act), `acme_<why>` with a refusal such as `acme_NSF`, `acme_silent`
(takes the money and says nothing). It remembers charges, captures, voids and refunds by their `X-Idempotency` key until
it is stopped, and gives back no more than it took.
"""

import json
import sys
import threading
import uuid
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API_KEY = "acme_test_key"


class FakeAcmePay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True
    charges: dict[str, dict[str, Any]]
    steps: dict[str, dict[str, Any]]
    lock: threading.Lock

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the standard library's name for it
        sys.stderr.write(f"acmepay: {format % args}\n")

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        key = parse_qs(place.query).get("key", [""])[0]
        if not self.is_known():
            self.answer(401, {"error": "unauthorized"})
        elif place.path in ("/charges", "/steps"):
            books = self.charges if place.path == "/charges" else self.steps
            with self.lock:
                self.answer(200, {"items": [books[key]] if key in books else []})
        elif place.path == "/account":
            self.answer(200, {"name": "My shop"})
        else:
            self.answer(404, {"error": "not_found"})

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        place = self.path.strip("/").split("/")
        if not self.is_known():
            return self.answer(401, {"error": "unauthorized"})
        if place == ["charges"]:
            return self.charge(order)
        if len(place) == 3 and place[2] in ("capture", "void", "refund"):
            return self.follow(place[1], place[2], order)
        return self.answer(404, {"error": "not_found"})

    def charge(self, order: dict[str, Any]) -> None:
        with self.lock:
            charge = self.charges.setdefault(self.headers["X-Idempotency"], self.decide(order))
        if order["card"] == "acme_silent":
            self.close_connection = True
            return self.connection.close()
        return self.answer(402 if charge["status"] == "refused" else 201, charge)

    def decide(self, order: dict[str, Any]) -> dict[str, Any]:
        charge = {"id": f"ch_{uuid.uuid4().hex[:16]}", "total": order["total"], "currency": order["currency"]}
        match order["card"].removeprefix("acme_"):
            case "ok" | "silent":
                return charge | {"status": "held" if order.get("hold") else "paid"}
            case "wait":
                return charge | {"status": "waiting", "url": f"https://acmepay.example/challenge/{charge['id']}"}
            case why:
                return charge | {"status": "refused", "why": why}

    def follow(self, charge_id: str, step: str, order: dict[str, Any]) -> None:
        with self.lock:
            key = self.headers["X-Idempotency"]
            done = self.steps.setdefault(key, self.judge(charge_id, step, order))
        self.answer(402 if done["status"] == "refused" else 201, done)

    def judge(self, charge_id: str, step: str, order: dict[str, Any]) -> dict[str, Any]:
        charge = next((charge for charge in self.charges.values() if charge["id"] == charge_id), None)
        before = [s for s in self.steps.values() if s["of"] == charge_id and s["status"] == "done"]
        asked, whole = Decimal(order["total"]), Decimal(charge["total"] if charge else 0)
        given = sum((Decimal(s["total"]) for s in before if s["step"] == "refund"), Decimal(0))
        taken = sum((Decimal(s["total"]) for s in before if s["step"] == "capture"), Decimal(0))
        if charge is not None and charge["status"] == "paid":
            taken = whole
        is_open = charge is not None and charge["status"] == "held" and not before
        may = taken - given >= asked > 0 if step == "refund" else is_open and asked <= whole
        told = {"id": f"st_{uuid.uuid4().hex[:16]}", "of": charge_id, "step": step, "total": order["total"]}
        said = {"status": "done"} if may else {"status": "refused", "why": "NOT_NOW"}
        return told | {"currency": order["currency"]} | said

    def is_known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {API_KEY}"

    def answer(self, status: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def server(port: int = 0) -> ThreadingHTTPServer:
    """Build a fake AcmePay with empty books on a port of the loopback interface; 0 finds a free one."""
    books = type("Books", (FakeAcmePay,), {"charges": {}, "steps": {}, "lock": threading.Lock()})
    return ThreadingHTTPServer(("127.0.0.1", port), books)


if __name__ == "__main__":
    running = server(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    sys.stdout.write(f'AcmePay at http://127.0.0.1:{running.server_address[1]} with the api_key "{API_KEY}"\n')
    sys.stdout.flush()
    try:
        running.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
