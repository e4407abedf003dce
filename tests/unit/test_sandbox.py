"""Does each test token do what docs/connectors/sandbox-tokens.md says, in a file and over HTTP alike?"""

import re
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from connectors import http
from connectors.payments import sandbox_bank
from connectors.payments.sandbox import SandboxPayments, SecondSandboxPayments
from penstock.boundary import CalledInsideTransaction, transaction
from penstock.clock import SystemClock
from penstock.connector import Context
from penstock.money import Money
from penstock.outcome import DECLINE_KINDS, REJECT_KINDS, Approved, Declined, Pending, Rejected
from penstock.request import ChargeRequest
from penstock.verdict import Candidate
from plugins.cascade import Cascade
from plugins.manager import load
from plugins.registry import Registry
from tests import fakebank

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs/connectors/sandbox-tokens.md"
EUR = Money(1000, "EUR")


@pytest.fixture(scope="session")
def bank_process():
    with fakebank.start() as bank:
        yield bank


@pytest.fixture(params=["file", "memory", "http"])
def box(request, tmp_path) -> Iterator[SandboxPayments]:
    """The sandbox connector with each kind of bank."""
    settings = {
        "file": lambda: {"bank_file": str(tmp_path / "bank.sqlite3")},
        "memory": dict,
        "http": lambda: {"bank_url": request.getfixturevalue("bank_process").url},
    }[request.param]()
    built = build(settings | {"public_url": "https://pay.example/"})
    yield built
    built.ctx.http.close()


@pytest.fixture
def cascade() -> Iterator[Cascade]:
    registry = Registry(load(entry_points=False), clock=SystemClock())
    yield Cascade(registry, deadline=3)
    registry.close()


def build(settings, cls=SandboxPayments):
    return cls(Context(settings, http.client(timeout=5), SystemClock(), "sandbox"))


def charge(behaviour, money=EUR, key=None):
    return ChargeRequest(key or str(uuid.uuid4()), money, "card", f"tok_sandbox_{behaviour}", reference="cs_1")


def ask(cascade, box, asked):
    """Charge and look up; both verdicts."""
    candidate = Candidate("1", "sandbox", box)
    return cascade.call(candidate, asked), cascade.find(candidate, asked.key, money=asked.money)


def test_approve_takes_the_money(cascade, box):
    told, found = ask(cascade, box, charge("approve"))
    assert told.outcome.captured == EUR
    assert told.outcome.card.last4 == "4242"
    assert found == told


@pytest.mark.parametrize("kind", DECLINE_KINDS)
def test_decline_is_declined_as_asked(cascade, box, kind):
    told, found = ask(cascade, box, charge(f"decline_{kind}"))
    assert told.outcome == Declined(kind, f"sandbox_{kind}", "declined, as asked")
    assert found == told


@pytest.mark.parametrize("kind", REJECT_KINDS)
def test_reject_is_rejected_and_leaves_nothing(cascade, box, kind):
    told, found = ask(cascade, box, charge(f"reject_{kind}"))
    assert isinstance(told.outcome, Rejected)
    assert told.outcome.kind == kind
    assert found is None


@pytest.mark.parametrize(
    "token", ["tok_visa", "tok_sandbox_", "tok_sandbox_approved", "tok_sandbox_delay_99999", "4242"]
)
def test_an_unknown_token_is_rejected_unread(cascade, box, token):
    asked = ChargeRequest(str(uuid.uuid4()), EUR, "card", token)
    told, found = ask(cascade, box, asked)
    assert told.outcome.kind == "validation"
    assert found is None


@pytest.mark.parametrize(("approve", "state"), [(True, "approved"), (False, "declined")])
def test_3ds_waits_for_the_cardholder(cascade, box, approve, state):
    asked = charge("3ds")
    told, found = ask(cascade, box, asked)
    assert isinstance(told.outcome, Pending)
    page = f"https://pay.example/sandbox/challenge/{told.outcome.ref}"
    assert told.outcome.redirect_url == f"{page}?session_id={asked.reference}"
    assert found == told
    settled = box.settle(told.outcome.ref, approve=approve)
    assert box.find(asked.key) == settled
    assert cascade.find(Candidate("1", "sandbox", box), asked.key, money=EUR).state == state
    if not approve:
        assert settled.kind == "authentication_failed"


def test_a_challenge_is_decided_once(box):
    pending = box.charge(charge("3ds"))
    first = box.settle(pending.ref, approve=False)
    assert box.settle(pending.ref, approve=True) == first
    assert box.settle("sbx_nobody", approve=True) is None


def test_pending_stays_pending_until_settled(cascade, box):
    asked = charge("pending")
    told, found = ask(cascade, box, asked)
    assert (told.state, told.outcome.redirect_url, found.state) == ("pending", None, "pending")
    box.settle(told.outcome.ref, approve=True)
    assert isinstance(box.find(asked.key), Approved)


def test_delay_answers_late(cascade, box):
    started = time.monotonic()
    told, _ = ask(cascade, box, charge("delay_300"))
    assert told.state == "approved"
    assert time.monotonic() - started >= 0.3


def test_delay_is_a_second(cascade):
    started = time.monotonic()
    assert ask(cascade, build({}), charge("delay"))[0].state == "approved"
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("behaviour", ["timeout_after_charge", "garbage"])
def test_a_fault_after_the_charge_is_unknown_and_found(cascade, box, behaviour):
    told, found = ask(cascade, box, charge(behaviour))
    assert told.state == "unknown"
    assert found.state == "approved"


@pytest.mark.parametrize("behaviour", ["timeout_before_charge", "error_500"])
def test_a_fault_before_the_charge_is_unknown_and_not_found(cascade, box, behaviour):
    told, found = ask(cascade, box, charge(behaviour))
    assert told.state == "unknown"
    assert found is None


@pytest.mark.parametrize("behaviour", ["wrong_amount", "wrong_currency"])
@pytest.mark.parametrize("currency", ["EUR", "USD", "JPY"])
def test_a_bank_that_took_something_else_is_never_believed(cascade, box, behaviour, currency):
    told, found = ask(cascade, box, charge(behaviour, Money(500, currency)))
    assert told.state == "unknown"
    assert found.state == "unknown"


def test_not_sent_is_not_sent(cascade, box):
    told, found = ask(cascade, box, charge("not_sent"))
    assert told.state == "not_sent"
    assert found is None


def test_hang_is_cut_off_and_found(cascade, box):
    impatient = Cascade(Registry(load(entry_points=False), clock=SystemClock()), deadline=0.5)
    asked = charge("hang")
    told = impatient.call(Candidate("1", "sandbox", box), asked)
    assert told.state == "unknown"
    assert cascade.find(Candidate("1", "sandbox", box), asked.key, money=EUR).state == "approved"


@pytest.mark.parametrize("behaviour", ["approve", "decline_soft", "3ds", "pending", "timeout_after_charge", "garbage"])
def test_the_same_key_is_executed_once_and_answers_the_same(box, behaviour):
    asked = charge(behaviour)
    with suppress(httpx.TransportError, ValueError):
        box.charge(asked)
    assert box.charge(asked) == box.charge(asked) == box.find(asked.key)


def test_the_same_key_for_another_amount_is_no_outcome(box):
    asked = charge("approve")
    box.charge(asked)
    with pytest.raises(ValueError, match="409"):
        box.charge(charge("approve", Money(1, "EUR"), asked.key))


def test_twenty_racers_with_one_key_are_one_charge(box):
    asked, outcomes = charge("approve"), []
    racers = [threading.Thread(target=lambda: outcomes.append(box.charge(asked))) for _ in range(20)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len({outcome.ref for outcome in outcomes}) == 1
    assert len(outcomes) == 20


def test_the_bank_over_http_is_a_witness_of_its_own(bank_process):
    box = build({"bank_url": bank_process.url})
    asked = charge("approve")
    with box.ctx.http:
        box.charge(asked)
        box.charge(asked)
    assert [row["amount"] for row in bank_process.ledger() if row["key"] == asked.key] == [1000]
    assert [call["key"] for call in bank_process.calls()].count(asked.key) == 2


def test_the_bank_in_a_file_is_shared_by_processes(tmp_path):
    box = build({"bank_file": str(tmp_path / "bank.sqlite3")})
    asked = charge("approve")
    outcome = box.charge(asked)
    code = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from connectors.payments.sandbox_bank import FileBank
print(FileBank({str(tmp_path / "bank.sqlite3")!r}).find({asked.key!r}).body.decode())
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert outcome.ref in told.stdout


def test_a_bank_file_that_is_open_elsewhere_is_waited_for(tmp_path):
    path = tmp_path / "bank.sqlite3"
    box = build({"bank_file": str(path)})
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.2, other.execute, ["COMMIT"]).start()
    assert isinstance(box.charge(charge("approve")), Approved)
    other.close()


def test_nothing_is_asked_of_the_bank_inside_a_transaction(box):
    with transaction():
        for call in (lambda: box.charge(charge("approve")), lambda: box.find("k"), lambda: box.read_transaction("t")):
            with pytest.raises(CalledInsideTransaction):
                call()


def test_approve_all_approves_every_known_token(cascade):
    second = build({"approve_all": True}, SecondSandboxPayments)
    assert ask(cascade, second, charge("decline_hard"))[0].state == "approved"
    assert ask(cascade, second, charge("gold"))[0].state == "rejected"
    assert ask(cascade, build({}, SecondSandboxPayments), charge("decline_hard"))[0].state == "declined"


@pytest.mark.parametrize(
    ("behaviour", "state"),
    [("approve", "captured"), ("decline_soft", "declined"), ("3ds", "pending"), ("pending", "pending")],
)
def test_a_payment_of_the_widget_is_read_back(box, behaviour, state):
    ref = f"txn_sandbox_{behaviour}.1250.EUR.cs_{uuid.uuid4().hex}"
    paid = box.read_transaction(ref)
    assert (paid.ref, paid.state, paid.money) == (ref, state, Money(1250, "EUR"))
    assert paid.reference == ref.rsplit(".", 1)[1]
    assert box.read_transaction(ref) == paid


def test_a_payment_of_the_widget_can_be_settled(box):
    ref = f"txn_sandbox_3ds.1250.EUR.cs_{uuid.uuid4().hex}"
    box.read_transaction(ref)
    box.settle(ref, approve=True)
    assert box.read_transaction(ref).state == "captured"


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "txn_1",
        "txn_sandbox_approve",
        "txn_sandbox_approve.x.EUR.cs_1",
        "a.1.EUR.b",
        "../charges?key=k",
        "a/b",
        "\u00e9",
    ],
)
def test_an_unknown_payment_of_the_widget_is_none(box, ref):
    assert box.read_transaction(ref) is None


def test_every_token_is_documented_and_every_documented_one_exists():
    documented = set(re.findall(r"`tok_sandbox_([a-z0-9_]+)`", DOCS.read_text()))
    assert documented == sandbox_bank.behaviours()
