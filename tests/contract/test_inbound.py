"""Providers' messages: checked before they are read, kept once, and only a reason to look."""

import itertools
from datetime import timedelta

import orjson
import pytest
import sqlalchemy as sa

from connectors.payments import sandbox_messages
from jobs.actors import Runner
from jobs.relay import LEASE
from penstock.ids import new_id
from penstock.inbox import pack, unpack
from penstock.money import Money
from penstock.outcome import Approved, Declined, Done, Pending, Rejected
from storage import inbox, tables
from storage.due import DueTable
from storage.engine import parse
from tests.shop import made, refused

SECRET = "whsec_of_the_sandbox_0123456789"


@pytest.fixture
def till(bare_shop, clock):
    return Till(bare_shop, clock)


class Till:
    """A shop with one connection whose provider sends messages, and one payment that waits for its outcome."""

    def __init__(self, shop, clock):
        self.shop, self.clock, self.house = shop, clock, shop.house
        body = {"connector": "sandbox", "settings": {"webhook_secret": SECRET}}
        self.connection = made(shop.post("/connectors", body), 201)
        self.bank = self.house.registry.get("sandbox")

    def pay(self, token="tok_sandbox_pending"):
        self.session = self.shop.session()
        done = self.shop.complete(self.session["id"], token).json()
        self.order_id = done["orderId"]
        self.payment_id = done["paymentId"]
        row = self.rows(
            sa.select(tables.payment_attempts).where(tables.payment_attempts.c.payment_id == self.payment_id)
        )
        self.attempt = row[0]
        return done

    def settle(self, *, approve=True):
        """The bank decides."""
        scope = self.scope()
        with self.house.work(scope, read=True) as uow:
            connection = uow.connections.get(self.connection["id"])
        self.house.registry.build(connection).settle(self.attempt.provider_ref, approve=approve)

    def scope(self):
        from penstock.caller import Scope

        return Scope(self.shop.workspace_id, self.shop.environment_id, self.shop.application_id)

    def send(self, *, event_id=None, kind="charge.updated", secret=SECRET, at=None, headers=None, raw=None, **named):
        body = raw if raw is not None else orjson.dumps({"id": event_id or new_id(), "type": kind, **named})
        signed = sandbox_messages.signed(body, secret, at or self.clock.now()) if headers is None else headers
        path = f"/api/v1/inbound/sandbox/{self.connection['id']}"
        return self.shop.client.post(path, content=body, headers={"Content-Type": "application/json", **signed})

    def work(self, *, after=timedelta()):
        """What the jobs do when they look the next time."""
        self.clock.advance(after)
        rows = DueTable(self.house.database)
        runner = Runner(self.house, rows)
        while claimed := rows.claim(self.clock.now(), limit=500, lease=LEASE):
            for row in claimed:
                runner.run_due(row.id, row.attempt)

    def rows(self, statement):
        engine = sa.create_engine(parse(self.house.settings.database_url))
        with engine.connect() as beside:
            found = beside.execute(statement).all()
        engine.dispose()
        return found

    def kept(self):
        of_mine = tables.inbox.c.connection_id == self.connection["id"]
        return self.rows(sa.select(tables.inbox).where(of_mine).order_by(tables.inbox.c.received_at, tables.inbox.c.id))

    def payment(self):
        return made(self.shop.get(f"/orders/{self.order_id}/payments"))["data"][0]

    def events(self):
        of_mine = tables.events.c.object_id == self.payment_id
        return [e.type for e in self.rows(sa.select(tables.events).where(of_mine).order_by(tables.events.c.sequence))]


def test_a_message_has_its_payment_looked_at_at_once(till):
    till.pay()
    till.settle()
    assert till.payment()["status"] == "pending"
    assert made(till.send(key=till.attempt.id)) == {"received": 1, "repeated": 0}
    assert till.payment()["status"] == "pending", "a message proves nothing by itself"
    till.work()
    assert till.payment()["status"] == "captured"
    assert till.events().count("payment.captured") == 1
    assert (till.kept()[0].outcome, str(till.kept()[0].payment_id)) == ("looked", till.payment_id)


def test_a_message_may_name_the_payment_by_the_provider_s_own_reference(till):
    till.pay()
    till.settle(approve=False)
    made(till.send(ref=till.attempt.provider_ref))
    till.work()
    assert till.payment()["status"] == "failed"


def test_what_a_message_says_is_not_believed(till):
    till.pay()
    made(till.send(kind="charge.succeeded", key=till.attempt.id, status="approved", amount=1))
    till.work()
    assert till.payment()["status"] == "pending"
    assert till.events() == ["payment.pending"]


def forgeries(till):
    body = orjson.dumps({"id": "evt_forged", "type": "charge.updated", "key": till.attempt.id})
    now = till.clock.now()
    good = sandbox_messages.signed(body, SECRET, now)[sandbox_messages.HEADER]
    return body, {
        "none": {},
        "empty": {"sandbox-signature": ""},
        "without v1": {"sandbox-signature": good.partition(",")[0]},
        "malformed": {"sandbox-signature": "v1"},
        "another secret": sandbox_messages.signed(body, SECRET + "x", now),
        "another body": sandbox_messages.signed(body + b" ", SECRET, now),
        "stale": sandbox_messages.signed(body, SECRET, now - timedelta(seconds=301)),
        "from the future": sandbox_messages.signed(body, SECRET, now + timedelta(seconds=301)),
        "another moment": {"sandbox-signature": good.replace("t=", "t=1")},
    }


def test_a_forged_message_is_refused_and_has_no_effect(till):
    till.pay()
    till.settle()
    body, forged = forgeries(till)
    for name, headers in forged.items():
        error = refused(till.send(raw=body, headers=headers), 401, "webhook_signature_invalid")
        assert SECRET not in str(error), name
    till.work()
    assert till.kept() == []
    assert till.payment()["status"] == "pending"


def test_a_message_is_not_parsed_before_its_signature_is_checked(till):
    till.pay()
    for raw in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"card": "4242424242424242"}', b'{"a":1,"a":2}'):
        refused(
            till.send(raw=raw, headers={"sandbox-signature": "t=1,v1=" + "0" * 64}), 401, "webhook_signature_invalid"
        )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"id": 7, "type": "charge"}',
        b'{"id": "", "type": "charge"}',
        b'{"id": "e", "type": "charge", "key": ["x"]}',
        b'{"id": "e", "type": "charge", "ref": ""}',
        b'{"id": "' + b"e" * 256 + b'", "type": "charge"}',
        b'{"id": "a\\u0000b", "type": "charge"}',
        b"[" * 5000,
    ],
)
def test_a_signed_message_that_makes_no_sense_is_refused(till, raw):
    refused(till.send(raw=raw), 400, "webhook_unreadable")
    assert till.kept() == []


def test_a_body_larger_than_a_message_may_be_is_refused(till):
    refused(till.send(raw=b"x" * 262_145), 413, "payload_too_large")


def test_any_media_type_is_taken_and_handed_on_as_it_is(till):
    body = orjson.dumps({"id": "evt", "type": "other.thing"})
    path = f"/api/v1/inbound/sandbox/{till.connection['id']}"
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", None):
        headers = sandbox_messages.signed(body, SECRET, till.clock.now()) | ({"Content-Type": media} if media else {})
        made(till.shop.client.post(path, content=body, headers=headers))
    assert len(till.kept()) == 1


def test_a_repeat_is_answered_and_has_no_effect(till):
    till.pay()
    till.settle()
    for repeated in (0, 1, 1):
        assert made(till.send(event_id="evt_1", key=till.attempt.id))["repeated"] == repeated
    till.work()
    assert made(till.send(event_id="evt_1", key=till.attempt.id))["repeated"] == 1
    till.work()
    assert len(till.kept()) == 1
    assert till.events() == ["payment.pending", "payment.captured"]


def test_a_message_about_a_payment_that_nobody_knows_is_kept_and_given_up_after_a_while(till):
    till.pay()
    for named in ({"key": new_id()}, {"ref": "ch_unknown"}, {"key": "not-an-id"}, {}):
        made(till.send(**named))
    till.work()
    assert {row.outcome for row in till.kept()} == {None}
    till.work(after=timedelta(minutes=2))
    assert {row.outcome for row in till.kept()} == {"unknown_payment"}
    assert till.payment()["status"] == "pending"


def test_a_message_that_comes_before_its_payment_is_written_down_waits_for_it(till):
    made(till.send(event_id="evt_early", ref="sbx_later"))
    till.work()
    till.pay()
    table = tables.payment_attempts
    engine = sa.create_engine(parse(till.house.settings.database_url))
    with engine.begin() as beside:
        beside.execute(sa.update(table).where(table.c.id == till.attempt.id).values(provider_ref="sbx_later"))
    engine.dispose()
    till.settle()
    till.work(after=timedelta(seconds=6))
    assert till.payment()["status"] == "captured"


def test_a_message_of_one_connection_says_nothing_about_payments_of_another(till, shop, other_shop):
    till.pay()
    till.settle()
    for stranger in (till.shop, other_shop):
        body = {"connector": "sandbox", "settings": {"webhook_secret": SECRET}}
        theirs = made(stranger.post("/connectors", body), 201)
        message = orjson.dumps({"id": new_id(), "type": "charge.updated", "key": till.attempt.id})
        headers = sandbox_messages.signed(message, SECRET, till.clock.now())
        made(till.shop.client.post(f"/api/v1/inbound/sandbox/{theirs['id']}", content=message, headers=headers))
    till.work()
    assert till.payment()["status"] == "pending"


def test_there_is_nothing_at_addresses_that_no_connection_has(till, other_shop):
    client, mine = till.shop.client, till.connection["id"]
    for path in (f"sandbox/{new_id()}", f"sandbox_b/{mine}", f"nobody/{mine}", "sandbox/x", f"Sandbox/{mine}"):
        refused(client.post(f"/api/v1/inbound/{path}", content=b"{}"), 404, "not_found")
    assert till.shop.delete(f"/connectors/{mine}").status_code == 204
    refused(till.send(), 404, "not_found")


def test_a_disabled_connection_still_takes_messages(till):
    till.pay()
    till.settle()
    made(till.shop.post(f"/connectors/{till.connection['id']}/disable"))
    made(till.send(key=till.attempt.id))
    till.work()
    assert till.payment()["status"] == "captured"


def test_a_connection_without_a_secret_takes_none(till):
    path = f"/connectors/{till.connection['id']}"
    made(till.shop.patch(path, {"settings": {"webhook_secret": None}}))
    refused(till.send(), 401, "webhook_signature_invalid")


def test_the_address_for_the_provider_stands_on_the_connection(till):
    url = till.connection["webhookUrl"]
    assert url == f"http://testserver/api/v1/inbound/sandbox/{till.connection['id']}"


def test_a_dispute_is_noted_once_for_a_payment_however_often_it_is_told(till):
    till.pay("tok_sandbox_approve")
    for kind in ("dispute.created", "dispute.updated", "dispute.closed"):
        made(till.send(kind=kind, key=till.attempt.id))
        till.work()
    assert till.events() == ["payment.captured", "payment.disputed"]
    assert till.payment()["status"] == "captured"


@pytest.mark.parametrize("order", list(itertools.permutations(["message", "answer", "schedule"])))
@pytest.mark.parametrize("approve", [True, False])
def test_message_answer_and_schedule_end_alike_in_every_order(till, order, approve):
    """However the outcome reaches us, and twice each: the same end, and each event once."""
    till.pay()
    till.settle(approve=approve)
    ways = {
        "message": lambda: (till.send(event_id="evt_1", key=till.attempt.id), till.work()),
        "answer": lambda: till.shop.complete(till.session["id"], "tok_sandbox_pending"),
        "schedule": lambda: till.work(after=timedelta(seconds=40)),
    }
    for way in (*order, *order):
        if way != "answer" or till.payment()["status"] != "failed":  # to complete a failed one again is a new payment
            ways[way]()
    payment = till.payment()
    assert payment["status"] == ("captured" if approve else "failed")
    ended = "payment.captured" if approve else "payment.failed"
    assert till.events() == ["payment.pending", ended]


def test_old_messages_are_forgotten_and_young_ones_are_not(till):
    till.pay()
    made(till.send(kind="other.thing"))
    till.work()
    assert inbox.sweep(till.house.database, till.clock.now() + timedelta(days=29)) == 0
    till.clock.advance(timedelta(days=30, minutes=1))
    assert inbox.sweep(till.house.database, till.clock.now()) >= 1
    assert till.kept() == []


@pytest.mark.parametrize(
    "told",
    [
        None,
        Approved("r", Money(1, "EUR")),
        Approved("r", Money(0, "EUR"), Money(1, "EUR")),
        Pending("r", "https://x"),
        Declined("hard", "c", "m"),
        Rejected("validation", "c", "m"),
        Done("r", Money(1, "JPY")),
    ],
)
def test_what_a_message_tells_is_kept_as_it_is(told):
    assert unpack(orjson.loads(orjson.dumps(pack(told)))) == told


def test_a_message_about_a_refund_has_the_refund_looked_at(till):
    till.pay("tok_sandbox_refund_pending")
    made(till.shop.post(f"/payments/{till.payment_id}/refund", {"amount": 100}))
    of_mine = tables.payment_steps.c.payment_id == till.payment_id
    step = till.rows(sa.select(tables.payment_steps).where(of_mine))[0]
    assert step.state == "pending"
    with till.house.work(till.scope(), read=True) as uow:
        connection = uow.connections.get(till.connection["id"])
    till.house.registry.build(connection).settle_follow_up(step.provider_ref, approve=True)
    made(till.send(kind="refund.updated", key=str(step.id)))
    till.work()
    assert till.payment()["status"] == "partially_refunded"
    assert till.events().count("payment.partially_refunded") == 1
