"""AcmePost in a box: prices parcels and carts on the loopback interface.

python -m penstock_acmepost.fake [PORT]
"""

import json
import sys
from decimal import ROUND_HALF_EVEN, Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "acme_test_key"
WHOLE = {"JPY", "KRW"}


def priced(amount: Decimal, currency: str) -> str:
    """Return an amount as the currency writes it."""
    return str(amount.quantize(Decimal(1) if currency in WHOLE else Decimal("0.01"), ROUND_HALF_EVEN))


def rates(body: dict[str, Any]) -> dict[str, Any]:
    """Two euros and one more for each kilogram that was begun; express costs three times as much."""
    kilograms = sum(-(-parcel["g"] // 1000) for parcel in body["parcels"])
    standard = Decimal(2 + kilograms)
    services = [("std", "Standard", standard, 4), ("exp", "Express", standard * 3, 1)]
    return {
        "currency": body["currency"],
        "services": [
            {"id": code, "label": label, "price": priced(price, body["currency"]), "days": days}
            for code, label, price, days in services
        ],
        "late": [],
    }


def taxes(body: dict[str, Any]) -> dict[str, Any]:
    """Twenty per cent on everything but books."""
    parts = []
    for part in body["parts"]:
        price = Decimal(part["price"])
        tax = price * 20 / 120 if body["gross"] else price * 20 / 100
        rounded = tax.quantize(Decimal(1).scaleb(price.as_tuple().exponent), ROUND_HALF_EVEN)
        is_free = part["kind"] == "books"
        found = [] if is_free else [{"name": "VAT 20 %", "percent": "20", "amount": str(rounded)}]
        parts.append({"id": part["id"], "price": part["price"], "taxes": found, "why": "books" if is_free else ""})
    return {"id": "tax_1", "parts": parts}


class Box(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers.get("authorization") != f"Bearer {KEY}":
            self.answer(401, {"error": "bad_key"})
        elif self.path == "/account":
            self.answer(200, {"status": "open"})
        elif body["to"]["country"] == "AQ":
            self.answer(422, {"error": "too_far"})
        elif body["to"]["code"].startswith("0"):
            self.answer(422, {"error": "no_such_place"})
        else:
            self.answer(200, rates(body) if self.path == "/rates" else taxes(body))

    def answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(port: int) -> ThreadingHTTPServer:
    """Listen on the loopback interface; port 0 takes a free one."""
    return ThreadingHTTPServer(("127.0.0.1", port), Box)


if __name__ == "__main__":
    serve(int(sys.argv[1]) if len(sys.argv) > 1 else 9778).serve_forever()
