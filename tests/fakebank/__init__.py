"""A bank in a process of its own: the independent witness of what was executed.

It speaks the sandbox's protocol and shares no code with the connectors, so that neither can cover up for the other.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Bank:
    """A running fake bank. ``url`` is its address on the loopback interface."""

    url: str
    process: subprocess.Popen[str]
    file: Path

    def ledger(self) -> list[dict[str, Any]]:
        """Return every charge that the bank executed, oldest first: key, ref, status, amount, currency, reference."""
        return self._ask("GET", "/ledger")["items"]

    def executed(self, reference: str | None = None) -> list[dict[str, Any]]:
        """Return the approved charges, those of one reference if it is given."""
        return [
            row
            for row in self.ledger()
            if row["status"] == "approved" and (reference is None or row["reference"] == reference)
        ]

    def calls(self, reference: str | None = None) -> list[dict[str, Any]]:
        """Return every request for a charge that arrived, of one reference or of all, executed or not: key, token, reference."""
        return self._ask("GET", "/calls" if reference is None else f"/calls?reference={reference}")["items"]

    def steps(self, verb: str | None = None) -> list[dict[str, Any]]:
        """Return every capture, void and refund executed, oldest first: key, charge (a ref), verb, status, amount."""
        return [row for row in self._ask("GET", "/steps")["items"] if verb in (None, row["verb"])]

    def settle_step(self, ref: str, *, approve: bool) -> dict[str, Any]:
        """Decide a pending capture, void or refund."""
        return self._ask("POST", f"/follow-ups/{ref}/settle", {"approve": approve})

    def settle(self, ref: str, *, approve: bool) -> dict[str, Any]:
        """Decide a challenged or pending charge, as its cardholder would."""
        return self._ask("POST", f"/charges/{ref}/settle", {"approve": approve})

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def start(file: Path | None = None) -> Iterator[Bank]:
    """Run a fake bank for the length of the block. It dies with this process, however that ends.

    Give ``file`` to keep the bank's books across runs.
    """
    with tempfile.TemporaryDirectory(prefix="fakebank-") as folder:
        books = file or Path(folder) / "bank.sqlite3"
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "server.py"), str(books), str(os.getpid())],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError("the fake bank did not start")
            yield Bank(f"http://127.0.0.1:{port}", process, books)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
