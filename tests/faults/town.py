"""Everything a fault needs, each in a process of its own: database, bank, servers, and the shop that is set up there."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import fakebank
from tests.bench.checkout import API, URLS, request
from tests.faults.volley import Clients
from tests.servers import free_port

START_SECONDS = 120
PAUSES = "attempt.before_insert=sleep:0.002,order.before_commit=sleep:0.002,step.before_insert=sleep:0.002"
"""Between read and write: what turns a race that might happen into one that does."""

_PR_SET_PDEATHSIG = 1
_plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Shop:
    """What ``penstock init`` printed, and where the servers listen."""

    environ: dict[str, str]
    tree: Path
    application: str
    key: str
    scope: tuple[str, str, str]
    ports: Sequence[int]
    bank: fakebank.Bank

    def ask(self, method: str, path: str, body: Any = None, *, again: str = "", with_key: bool = True) -> bytes:
        """Return the bytes of one request."""
        return request(method, API + path, key=self.key if with_key else "", body=body, again=again)

    async def need(self, clients: Clients, method: str, path: str, body: Any = None) -> Any:
        """Ask with the secret key, insist on success, and return the body."""
        answer = await clients.ask(self.ask(method, path, body))
        assert answer.status < 300, answer
        return answer.json

    async def cart(self, clients: Clients, *prices: int) -> str:
        """Return the id of a new cart with one line for each price."""
        cart = await self.need(clients, "POST", "/carts", {"applicationId": self.application, "currency": "EUR"})
        for price in prices:
            await self.need(clients, "POST", f"/carts/{cart['id']}/items", {"name": "A thing", "unitPrice": price})
        return cart["id"]

    async def session(self, clients: Clients, cart: str, **fields: str) -> str:
        """Return the id of a new session for a cart."""
        wanted = {
            "applicationId": self.application,
            "cartId": cart,
            "collect": {"shippingAddress": False},
            **URLS,
            **fields,
        }
        session = await self.need(clients, "POST", "/checkout/sessions", wanted)
        return session["id"]

    def complete(self, session: str, *, again: str = "", token: str = "tok_sandbox_approve") -> bytes:
        """Return the bytes of a completion by card."""
        body = {"paymentMethod": "card", "paymentToken": token, "email": "ada@example.com"}
        return self.ask("POST", f"/checkout-sessions/{session}/complete", body, again=again, with_key=False)


def penstock(tree: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line of a tree."""
    command = [sys.executable, "-m", "penstock", *arguments]
    return subprocess.run(command, cwd=tree, env=environ, capture_output=True, text=True, check=False, timeout=60)


def environ_of(tree: Path, database_url: str, **more: str) -> dict[str, str]:
    """Return the environment for a program of ``tree`` over a database, and nothing of ours but what is given."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    return (
        known | {"PYTHONPATH": str(tree), "PENSTOCK_DATABASE_URL": database_url, "PENSTOCK_BREAKER": "dry_run"} | more
    )


@contextmanager
def founded(tree: Path, database_url: str, folder: Path) -> Iterator[Shop]:
    """Set a shop up in an empty database, with a bank beside it and no server yet."""
    with fakebank.start() as bank:
        secret = {"PENSTOCK_SECRET_KEY": "a secret of the fault tests, long enough"}
        environ = environ_of(
            tree, database_url, PENSTOCK_SANDBOX_BANK=bank.url, PENSTOCK_STATE_DIR=str(folder), **secret
        )
        done = penstock(tree, environ, "init", "--json")
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout)
        scope = (made["workspaceId"], made["environmentId"], made["applicationId"])
        yield Shop(environ, tree, made["applicationId"], made["secretKey"], scope, [], bank)


@contextmanager
def open_shop(tree: Path, database_url: str, folder: Path, *, servers: int, failpoints: str = "") -> Iterator[Shop]:
    """Set a shop up and run so many servers over its database, with these failpoints armed in each."""
    with ExitStack() as stack:
        shop = stack.enter_context(founded(tree, database_url, folder))
        armed = shop.environ | {"PENSTOCK_TEST_FAILPOINTS": "1", "PENSTOCK_FAILPOINTS": failpoints}
        log = folder / "server.log"
        shop.ports = [stack.enter_context(serving(tree, armed, log=log)) for _ in range(servers)]
        yield shop


@contextmanager
def serving(tree: Path, environ: dict[str, str], *, log: Path, workers: int = 1) -> Iterator[int]:
    """Run a server of a tree, with so many processes, for the length of the block; yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "penstock", "serve", "--port", str(port), "--workers", str(workers)]
    with log.open("a") as out:
        process = subprocess.Popen(command, cwd=tree, env=environ, stdout=out, stderr=out, preexec_fn=die_with_parent)  # noqa: PLW1509  one system call
        try:
            _await_health(process, port)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_health(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            _plain.open(f"http://127.0.0.1:{port}/health/ready", timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server did not get ready")


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends, however that happens."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
