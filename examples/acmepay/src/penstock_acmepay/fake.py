"""AcmePay in a box: `python -m penstock_acmepay.fake 9777` takes payments on the loopback interface.

Cards: `acme_ok`, `acme_wait` (the buyer must act), `acme_<why>` with a refusal such as `acme_NSF`, `acme_silent`
(takes the money and says nothing). It remembers charges by their `X-Idempotency` key until it is stopped.
"""

import json
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API_KEY = "acme_test_key"


class FakeAcmePay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True
    charges: dict[str, dict[str, Any]]
    lock: threading.Lock

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the standard library's name for it
        sys.stderr.write(f"acmepay: {format % args}\n")

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        key = parse_qs(place.query).get("key", [""])[0]
        if not self.is_known():
            self.answer(401, {"error": "unauthorized"})
        elif place.path == "/charges":
            with self.lock:
                self.answer(200, {"items": [self.charges[key]] if key in self.charges else []})
        else:
            self.answer(404, {"error": "not_found"})

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if not self.is_known():
            return self.answer(401, {"error": "unauthorized"})
        if self.path != "/charges":
            return self.answer(404, {"error": "not_found"})
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
                return charge | {"status": "paid"}
            case "wait":
                return charge | {"status": "waiting", "url": f"https://acmepay.example/challenge/{charge['id']}"}
            case why:
                return charge | {"status": "refused", "why": why}

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
    books = type("Books", (FakeAcmePay,), {"charges": {}, "lock": threading.Lock()})
    return ThreadingHTTPServer(("127.0.0.1", port), books)


if __name__ == "__main__":
    running = server(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    sys.stdout.write(f'AcmePay at http://127.0.0.1:{running.server_address[1]} with the api_key "{API_KEY}"\n')
    sys.stdout.flush()
    try:
        running.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
