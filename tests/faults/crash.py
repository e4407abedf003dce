"""Kills the program at its failpoints, one fork for each trial, and asks the bank and the database what is left.

Run as ``python -m tests.faults.crash`` in a tree, with an order (JSON, see `Order`) on standard input; prints a
`Report`. The parent imports and compiles everything, opens no connection and starts no thread, and forks from there.
"""

import gc
import json
import random
import sys
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bootstrap import House, build
from handlers import logs
from handlers.app import create_app
from jobs.actors import Runner
from jobs.relay import LEASE
from penstock import failpoint as failpoints
from penstock.clock import SystemClock
from penstock.failpoint import arm, kill
from penstock.settings import Settings, load
from storage.due import DueTable
from tests.faults.forks import in_child, is_killed
from tests.faults.inprocess import ask, ask_all
from tests.faults.shadow import Books, watch

API = "/api/v1"
URLS = {"returnUrl": "https://shop.example/thanks", "cancelUrl": "https://shop.example/cart"}
PAYMENT = {"paymentMethod": "card", "paymentToken": "tok_sandbox_approve", "email": "ada@example.com"}
LINE = {"name": "A thing", "unitPrice": 1}
FIRST_AMOUNT = 1000
WARM_AMOUNT = 999
MOST_HITS = 3
RECONCILE_KILLS = 3

ELSEWHERE = {
    "abandon.before_commit": "test_sweeps",
    "abandon.after_commit": "test_sweeps",
    "mail.after_begin": "test_mails",
    "mail.after_send": "test_mails",
    "rotation.after_commit": "tests/storage/test_secrets",
    "discount.reserved": "redemptions",
    "message.after_commit": "test_crashes, in a server of its own",
    "reconcile.after_lookup": "here, between a kill and the client's repeat",
}
"""Places that neither a completion nor a refund comes by, and where it is that the program is killed there."""

IN_REFUND = sorted(
    {"key.before_insert", "step.before_insert", "step.after_commit", "provider.before_send", "provider.after_send"}
    | {"step.after_send", "result.before_commit", "event.before_insert"}
)
IN_COMPLETE = sorted(
    {"key.before_insert", "key.after_commit", "order.before_commit", "event.before_insert"}
    | {name for name in failpoints.FAILPOINTS if name.startswith(("attempt.", "provider.", "result."))}
)
IN_WRITE = ["key.before_insert", "event.before_insert"]
IN_RECONCILE = ["reconcile.after_lookup", "result.before_commit", "event.before_insert"]


@dataclass(frozen=True)
class Order:
    """How many trials, and in whose shop. Trials run in batches of ``batch``, each judged by itself."""

    trials: int
    application: str
    key: str
    bank_url: str
    batch: int = 100
    seed: int = 1


@dataclass
class Report:
    """What came of it. ``killed`` counts kills by failpoint, ``survived`` those that did not come by theirs.

    ``faults`` are sentences, the first hundred of them. Looks that were to die later than they ended are no trials.
    """

    trials: int = 0
    killed: dict[str, int] = field(default_factory=dict)
    survived: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


@dataclass
class Trial:
    """One client's request: a refund of ``payment``, a completion of ``session``, or a line for ``cart``.

    ``amount`` is its own alone.
    """

    amount: int
    cart: str
    session: str
    payment: str
    failpoint: str
    hit: int

    @property
    def name(self) -> str:
        """The client's idempotency key."""
        return f"trial-{self.amount}"

    @property
    def needs_key(self) -> bool:
        """Whether the secret key goes with the request: a completion is the buyer's."""
        return bool(self.payment) or not self.session

    @property
    def request(self) -> tuple[str, str, Any]:
        """What the client sends, and sends again."""
        if self.payment:
            return "POST", f"{API}/payments/{self.payment}/refund", {}
        if self.session:
            return "POST", f"{API}/checkout-sessions/{self.session}/complete", PAYMENT
        return "POST", f"{API}/carts/{self.cart}/items", LINE


class ShiftedClock(SystemClock):
    """The machine's clock, so much ahead."""

    ahead = timedelta()

    def now(self) -> datetime:
        """Return the present moment, and then some."""
        return super().now() + self.ahead


class Crash:
    """The program under test, warmed up and about to be killed many times."""

    def __init__(self, settings: Settings, order: Order) -> None:
        self.order = order
        self.random = random.Random(order.seed)
        self.clock = ShiftedClock()
        self.house: House = build(settings, clock=self.clock)
        self.app = create_app(self.house)
        self.report = Report()

    def run(self) -> Report:
        """Run every batch."""
        watch(self.house.settings.database_url)
        self.warm_up()
        while self.report.trials < self.order.trials and not self.report.faults:
            self.batch(min(self.order.batch, self.order.trials - self.report.trials))
        del self.report.faults[100:]
        return self.report

    def warm_up(self) -> None:
        """Pay for one order, so that children find everything compiled; then let go of connections and threads."""
        ((amount, cart, session, payment),) = self.prepare(1, first=WARM_AMOUNT)
        self.send(Trial(amount, cart, session, payment, "", 0))
        self.house.identity._touches._writer.submit(bool).result()
        idle = self.house.database._idle
        while idle:
            idle.pop().connection.close()
        for client in self.house.registry._clients.values():
            client._transport._inner._pool.close()
        gc.collect()
        gc.freeze()

    def batch(self, size: int) -> None:
        """Prepare, kill, reconcile (with more kills), judge; let the clients ask again, and judge once more."""
        made = in_child(lambda: self.prepare(size, first=FIRST_AMOUNT + self.report.trials))
        trials = [self.trial(*ids) for ids in made]
        for trial in trials:
            self.count(trial.failpoint, killed=is_killed(lambda trial=trial: self.attempt(trial)))
        minutes = self.reconcile()
        self.report.faults += in_child(lambda: self.books().unmatched(trials))
        answers = in_child(lambda: self.ask_again(trials, minutes))
        self.report.faults += in_child(lambda: self.books().wrong(trials, answers))

    def prepare(self, size: int, *, first: int) -> list[tuple[int, str, str, str]]:
        """Make carts, sessions and payments; each amount belongs to one alone, so that the bank can tell them apart."""
        amounts = range(first, first + size)
        cart = {"applicationId": self.order.application, "currency": "EUR"}
        carts = dict(zip(amounts, self.made([("/carts", cart)] * size), strict=True))
        paying = [amount for amount in amounts if amount % 5]
        self.made([(f"/carts/{carts[n]}/items", {"name": "A thing", "unitPrice": n}) for n in paying])
        session = {"applicationId": self.order.application, "collect": {"shippingAddress": False}, **URLS}
        made = self.made([("/checkout/sessions", {**session, "cartId": carts[amount]}) for amount in paying])
        sessions = dict(zip(paying, made, strict=True))
        paid = [amount for amount in paying if amount % 5 > 2]
        asked = [(f"/checkout-sessions/{sessions[amount]}/complete", PAYMENT) for amount in paid]
        payments = dict(zip(paid, self.made(asked, status=200, named="paymentId"), strict=True))
        return [(amount, carts[amount], sessions.get(amount, ""), payments.get(amount, "")) for amount in amounts]

    def made(self, wanted: list[tuple[str, Any]], *, status: int = 201, named: str = "id") -> list[str]:
        """Create things, one after the other, and return their ids."""
        key = {"x-api-key": self.order.key}
        answers = ask_all(self.app, [("POST", API + path, body, key) for path, body in wanted])
        if any(answer[0] != status for answer in answers):
            raise RuntimeError(f"{[answer for answer in answers if answer[0] != status][:3]}")
        return [answer[named] for _, answer in answers]

    def trial(self, amount: int, cart: str, session: str, payment: str) -> Trial:
        """Choose where this one dies."""
        place = self.random.choice(IN_REFUND if payment else IN_COMPLETE if session else IN_WRITE)
        return Trial(amount, cart, session, payment, place, self.random.randint(1, MOST_HITS))

    def attempt(self, trial: Trial) -> None:
        """Ask once, with death waiting. A place that is reached less often than chosen is died at all the same."""
        is_paying = bool(trial.session) and not trial.payment
        arm_nth(trial.failpoint, trial.hit if is_paying and trial.failpoint == "event.before_insert" else 1)
        self.send(trial)

    def send(self, trial: Trial) -> tuple[int, Any]:
        """Send the trial's request."""
        method, path, body = trial.request
        key = {"x_api_key": self.order.key} if trial.needs_key else {}
        return ask(self.app, method, path, body, idempotency_key=trial.name, **key)

    def reconcile(self) -> int:
        """Run what is due, dying on the way a few times, then to the end. Returns how many minutes that took."""
        minutes = 2
        for _ in range(RECONCILE_KILLS):
            place, hit = self.random.choice(IN_RECONCILE), self.random.randint(1, 10)
            self.count(f"reconcile: {place}", killed=is_killed(lambda: self.run_due(minutes, place, hit)))  # noqa: B023
            minutes += 2
        in_child(lambda: self.run_due(minutes))
        return minutes

    def run_due(self, minutes: int, place: str = "", hit: int = 1) -> None:
        """Claim and do what is due so many minutes from now."""
        self.clock.ahead = timedelta(minutes=minutes)
        if place:
            arm_nth(place, hit)
        rows = DueTable(self.house.database)
        runner = Runner(self.house, rows)
        while claimed := rows.claim(self.clock.now(), limit=100, lease=LEASE):
            for row in claimed:
                runner.run_due(row.id, row.attempt)

    def ask_again(self, trials: list[Trial], minutes: int) -> list[tuple[int, Any]]:
        """Let each client send its request again, under the same key, after its key's lease."""
        self.clock.ahead = timedelta(minutes=minutes + 6)
        requests = []
        for trial in trials:
            method, path, body = trial.request
            key = {"x-api-key": self.order.key} if trial.needs_key else {}
            requests.append((method, path, body, {"idempotency-key": trial.name, **key}))
        return ask_all(self.app, requests)

    def books(self) -> Books:
        """Open the database's and the bank's books."""
        return Books(self.house.settings.database_url, self.order.bank_url)

    def count(self, place: str, *, killed: bool) -> None:
        """Count one fork."""
        self.report.trials += not place.startswith("reconcile")
        if killed:
            self.report.killed[place] = self.report.killed.get(place, 0) + 1
        else:
            self.report.survived[place] = self.report.survived.get(place, 0) + 1


def arm_nth(name: str, nth: int) -> None:
    """Die when a place is reached for the nth time."""
    left = [nth]

    def action() -> None:
        left[0] -= 1
        if not left[0]:
            kill()

    arm(name, action)


def main() -> None:
    """Read an order, run it, print the report."""
    settings = load()
    logs.configure("error", "json")
    report = Crash(settings, Order(**json.load(sys.stdin))).run()
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
