"""The three parts. Each returns rows of the one table."""

import json
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from tests import servers
from tests.bench.checkout import API, LINES, PAYMENT, SHIPPING, URLS
from tests.bench.fill import Copier
from tests.bench.load import Order
from tests.bench.operations import Operation, operations
from tests.bench.site import Measured, Server, press, serve
from tests.faults.town import environ_of, penstock
from tests.faults.tree import ROOT

OURS = [sys.executable, "-m", "penstock", "serve", "--port", "{port}"]
FLOOR = [sys.executable, "-m", "tests.bench.floor", "{port}"]
CLIENTS = 8
CARTS = 200
_plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Plan:
    """What to run, and how long. ``database`` is sqlite or postgresql, ``settings`` go into our environment."""

    database: str
    progress: Console
    seconds: float
    rounds: int
    clients: Sequence[int]
    sizes: Sequence[int]
    operations: str
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """One line of the table. Times are milliseconds, ``cpu_us`` the server's microseconds for one round."""

    part: str
    database: str
    what: str
    per_second: float
    p50: float
    p95: float
    p99: float
    cpu_us: float
    compared: str = ""


@dataclass
class Site:
    """A database with a shop in it, and the environment of programs that run over it."""

    environ: dict[str, str]
    application: str
    key: str
    ids: dict[str, list[str]] = field(default_factory=dict)
    quote_token: str = ""

    def ask(self, server: Server, method: str, path: str, body: Any = None) -> Any:
        """Ask a server for something and return the answer's body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{server.port}{API}{path}", data, headers, method=method)
        with _plain.open(request, timeout=30) as answer:
            return json.load(answer)

    def pay(self, server: Server) -> str:
        """Walk through one checkout and return the order's id."""
        cart = self.cart(server)["id"]
        self.ask(server, "POST", f"/carts/{cart}/shipping", SHIPPING)
        wanted = {"applicationId": self.application, "cartId": cart, "collect": {"shippingAddress": False}}
        session = self.ask(server, "POST", "/checkout/sessions", wanted | URLS)["id"]
        return self.ask(server, "POST", f"/checkout-sessions/{session}/complete", PAYMENT)["orderId"]

    def cart(self, server: Server) -> Any:
        """Return a new cart with two lines."""
        cart = self.ask(server, "POST", "/carts", {"applicationId": self.application, "currency": "EUR"})["id"]
        for line in LINES:
            self.ask(server, "POST", f"/carts/{cart}/items", line)
        return self.ask(server, "GET", f"/carts/{cart}")

    def stock(self, server: Server, copier: Copier) -> None:
        """Make the carts that are read and changed, and choose the orders that are read."""
        carts = [self.cart(server) for _ in range(CARTS)]
        self.ids["carts"] = [cart["id"] for cart in carts]
        self._configure(server)
        self.ids["items"] = [f"{cart['id']}/items/{cart['lineItems'][0]['id']}" for cart in carts]
        self.ids["orders"] = copier.sample(500)

    def _configure(self, server: Server) -> None:
        """Publish the configuration of the examples, and make a quote token."""
        examples = yaml.safe_load((ROOT / "spec" / "components" / "examples" / "shipping_tax.yaml").read_text())
        config = examples["ShippingTaxConfig"]["value"]
        self.ask(server, "PUT", "/shipping-tax/config/draft", {**config, "tax": {**config["tax"], "mode": "builtin"}})
        self.ask(server, "POST", "/shipping-tax/config/publish")
        wanted = {"applicationId": self.application, "name": "Bench"}
        self.quote_token = self.ask(server, "POST", "/shipping-tax/quote-tokens", wanted)["rawToken"]


@contextmanager
def site(plan: Plan) -> Iterator[Site]:
    """Set a shop up in an empty database that keeps what it is told: nothing here is made faster than in production."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-bench-")))
        url = f"sqlite:///{folder}/bench.db" if plan.database == "sqlite" else stack.enter_context(_durable_postgres())
        more = {"PENSTOCK_STATE_DIR": str(folder), "PENSTOCK_SECRET_KEY": "a secret of the benchmarks, long enough"}
        environ = environ_of(ROOT, url, **more, **plan.settings)
        done = penstock(ROOT, environ, "init", "--json")
        if done.returncode:
            raise SystemExit(done.stderr)
        made = json.loads(done.stdout)
        yield Site(environ, made["applicationId"], made["secretKey"])


@contextmanager
def _durable_postgres() -> Iterator[str]:
    """Run PostgreSQL as it comes: on a disk, with every commit flushed."""
    haste, roomy = servers._HASTE, servers.ROOMY
    servers._HASTE, servers.ROOMY = ("max_connections=300", "shared_buffers=512MB"), 1 << 60
    try:
        with servers.postgres() as url:
            yield url
    finally:
        servers._HASTE, servers.ROOMY = haste, roomy


def against_floor(plan: Plan) -> list[Row]:
    """Part a: each operation of ours and of the floor's, in turns, on one core; the load has the other."""
    rows = []
    with site(plan) as at, serve(OURS, at.environ, cores={0}) as ours:
        copier = Copier(at.environ["PENSTOCK_DATABASE_URL"], at.pay(ours))
        copier.fill(1000)
        at.stock(ours, copier)
        with serve(FLOOR, at.environ, cores={0}) as floor:
            for operation in _chosen(plan, at):
                if operation.is_read:
                    _assert_same(at, operation, ours, floor)
                rows += _compare(plan, at, operation, ours, floor)
                plan.progress.print(f"  {operation.name}: {rows[-2].compared}")
    return rows


def _chosen(plan: Plan, at: Site) -> list[Operation]:
    return [each for each in operations(at.application, at.quote_token) if plan.operations in each.name]


def _assert_same(at: Site, operation: Operation, ours: Server, floor: Server) -> None:
    """A floor that answers something else would prove nothing."""
    path = operation.path.replace("{id}", at.ids[operation.fill][0]) if operation.fill else operation.path
    answers = [at.ask(server, "GET", path) for server in (ours, floor)]
    for answer in answers:
        answer.pop("meta", None)
    if answers[0] != answers[1]:
        told = [json.dumps(answer)[:2000] for answer in answers]
        raise SystemExit(f"the floor's {operation.name} is another one:\n{told[0]}\n{told[1]}")


def _compare(plan: Plan, at: Site, operation: Operation, ours: Server, floor: Server) -> list[Row]:
    runs: dict[str, list[Measured]] = {"ours": [], "floor": []}
    for _ in range(plan.rounds):
        for name, server in (("ours", ours), ("floor", floor)):
            runs[name].append(_press(plan, at, operation, server))
    rows = {name: _median("a", plan.database, f"{operation.name}, {name}", found) for name, found in runs.items()}
    wall = rows["ours"].per_second / rows["floor"].per_second
    spent = rows["floor"].cpu_us / rows["ours"].cpu_us
    compared = f"{wall:.2f} of the floor's rate, {spent:.2f} by processor time"
    return [Row(**{**vars(rows["ours"]), "compared": compared}), rows["floor"]]


def _press(plan: Plan, at: Site, operation: Operation, server: Server) -> Measured:
    arguments = operation.arguments(at.key, at.ids)
    return press(server, Order(server.port, "requests", CLIENTS, plan.seconds, 0.3, 1, arguments))


def _median(part: str, database: str, what: str, runs: Sequence[Measured]) -> Row:
    def middle(name: str) -> float:
        return statistics.median(getattr(run.result, name) for run in runs)

    figures = {name: middle(name) for name in ("per_second", "p50", "p95", "p99")}
    return Row(part, database, what, **figures, cpu_us=statistics.median(run.cpu_us for run in runs))


def checkouts(plan: Plan) -> list[Row]:
    """Part b: whole checkouts. One worker on SQLite, with a core for the load; two on PostgreSQL, all on both cores."""
    rows = []
    is_sqlite = plan.database == "sqlite"
    command = OURS if is_sqlite else [*OURS, "--workers", "2"]
    with site(plan) as at, serve(command, at.environ, cores={0} if is_sqlite else {0, 1}) as server:
        arguments = {"key": at.key, "application": at.application}
        for clients in plan.clients:
            order = Order(server.port, "checkout", clients, plan.seconds, 0.5, 1 if is_sqlite else None, arguments)
            runs = [press(server, order) for _ in range(plan.rounds)]
            rows.append(_median("b", plan.database, f"guest checkout, {clients} clients", runs))
            plan.progress.print(f"  {clients} clients: {rows[-1].per_second:.1f} flows a second")
    return rows


def growth(plan: Plan) -> list[Row]:
    """Part c: the same operations in shops with more and more orders, in turns."""
    rows: list[Row] = []
    with ExitStack() as stack:
        # The fullest first: its disk has the time of the others to come to rest.
        shops = {size: stack.enter_context(_grown(plan, size)) for size in sorted(plan.sizes, reverse=True)}
        for everywhere in zip(*(_chosen(plan, at) for at, _ in shops.values()), strict=True):
            asked = dict(zip(shops, everywhere, strict=True))
            runs: dict[int, list[Measured]] = {size: [] for size in plan.sizes}
            for _ in range(plan.rounds):
                for size, found in runs.items():
                    found.append(_press(plan, shops[size][0], asked[size], shops[size][1]))
            rows += _grew(plan, everywhere[0].name, runs)
            plan.progress.print(f"  {rows[-1].what}: {rows[-1].compared}")
    return rows


@contextmanager
def _grown(plan: Plan, size: int) -> Iterator[tuple[Site, Server]]:
    """Run a server over a shop with so many orders."""
    plan.progress.print(f"  filling a shop with {size:,} orders")
    with site(plan) as at, serve(OURS, at.environ, cores={0}) as ours:
        copier = Copier(at.environ["PENSTOCK_DATABASE_URL"], at.pay(ours))
        copier.fill(size)
        at.stock(ours, copier)
        yield at, ours


def _grew(plan: Plan, name: str, runs: Mapping[int, Sequence[Measured]]) -> Iterator[Row]:
    base: Row | None = None
    for size, found in runs.items():
        row = _median("c", plan.database, f"{name} at {size:,} orders", found)
        base = base or row
        rate, spent = row.per_second / base.per_second, base.cpu_us / row.cpu_us
        compared = f"{rate:.2f} of the rate at {plan.sizes[0]:,}, {spent:.2f} by processor time"
        yield Row(**{**vars(row), "compared": compared})
