"""Messages of the four providers, as they sign them, through the operation that takes them."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from jobs.actors import Runner
from jobs.relay import LEASE
from storage import tables
from storage.due import DueTable
from storage.engine import parse
from tests.connectors import provider_worlds
from tests.connectors.adyen_world import SEPA
from tests.connectors.fake_paypal import NOW
from tests.shop import made, refused


class Checkout:
    """A shop with one connection to a provider, whose buyer was sent away."""

    def __init__(self, shop, clock, world):
        self.shop, self.clock, self.world = shop, clock, world
        self.connection = made(shop.post("/connectors", {"connector": world.name, "settings": world.settings}), 201)

    def begin(self, **pays):
        self.session = self.shop.session(self.shop.ready_cart(currency="EUR")["id"])
        path = f"/checkout-sessions/{self.session['id']}/complete"
        waiting = made(self.shop.post(path, pays or self.world.pays, key=None), 202)
        self.order_id, self.payment_id = waiting["orderId"], waiting["paymentId"]
        return waiting

    def send(self, settings=None, **more):
        body, headers = self.world.message(self.clock.now(), settings or self.world.settings, **more)
        path = f"/api/v1/inbound/{self.world.name}/{self.connection['id']}"
        return self.shop.client.post(path, content=body, headers={"Content-Type": "application/json", **headers})

    def work(self, after=timedelta()):
        """Let the jobs look."""
        self.clock.advance(after)
        rows = DueTable(self.shop.house.database)
        while claimed := rows.claim(self.clock.now(), limit=500, lease=LEASE):
            for row in claimed:
                Runner(self.shop.house, rows).run_due(row.id, row.attempt)

    def come_back(self, query=""):
        path = f"/checkout/{self.session['id']}/return{query}"
        return self.shop.client.get(path, follow_redirects=False).headers["location"]

    def status(self):
        return made(self.shop.get(f"/payments/{self.payment_id}"))["status"]

    def rows(self, statement):
        engine = sa.create_engine(parse(self.shop.house.settings.database_url))
        with engine.connect() as beside:
            found = beside.execute(statement).all()
        engine.dispose()
        return found

    def events(self):
        mine = sa.select(tables.events.c.type).where(tables.events.c.object_id == self.payment_id)
        return [row.type for row in self.rows(mine.order_by(tables.events.c.sequence))]

    def kept(self):
        return self.rows(sa.select(tables.inbox).where(tables.inbox.c.connection_id == self.connection["id"]))


@pytest.fixture
def at(bare_shop, clock):
    """Opens a shop at a provider. It is 2030, as in PayPal's certificate."""
    registry, changed = bare_shop.house.registry, {}
    clock.advance(NOW - clock.now())

    def opened(kind):
        world = kind()
        changed[world.name] = registry._clients.get(world.name)
        registry._clients[world.name] = provider_worlds.client_of(world)
        registry._built.clear()
        return Checkout(bare_shop, clock, world)

    yield opened
    for name, before in changed.items():
        registry._clients.pop(name).close()
        if before is not None:
            registry._clients[name] = before
    registry._built.clear()


each_provider = pytest.mark.parametrize("kind", provider_worlds.WORLDS, ids=lambda kind: kind.name)


@each_provider
def test_a_message_finishes_the_payment_of_a_buyer_who_never_came_back(at, kind):
    checkout = at(kind)
    assert checkout.begin()["pendingReason"] == "buyer_action"
    checkout.world.decide()
    assert made(checkout.send()) == {"received": 1, "repeated": 0}
    assert checkout.status() == "pending", "a message proves nothing by itself"
    checkout.work()
    assert checkout.status() == "captured"
    assert made(checkout.send()) == {"received": 1, "repeated": 1}
    checkout.work(after=timedelta(seconds=6))
    assert checkout.events() == ["payment.pending", "payment.captured"]
    assert made(checkout.shop.get(f"/orders/{checkout.order_id}"))["paymentStatus"] == "captured"


@each_provider
def test_a_message_that_somebody_else_signed_is_refused_and_has_no_effect(at, kind):
    checkout = at(kind)
    checkout.begin()
    refused(checkout.send(checkout.world.stolen), 401, "webhook_signature_invalid")
    checkout.work()
    assert checkout.kept() == []
    assert checkout.status() == "pending"


@each_provider
@pytest.mark.parametrize("order", ["message first", "buyer first"])
def test_message_and_buyer_end_alike_in_both_orders(at, kind, order):
    checkout = at(kind)
    checkout.begin()
    checkout.world.decide()
    steps = [lambda: (made(checkout.send()), checkout.work()), lambda: checkout.come_back("?redirectResult=x")]
    for step in steps if order == "message first" else reversed(steps):
        step()
    assert checkout.status() == "captured"
    assert checkout.events() == ["payment.pending", "payment.captured"]
    assert checkout.come_back() == f"https://shop.example/thanks?session_id={checkout.session['id']}"


@each_provider
def test_a_provider_without_news_leaves_the_payment_waiting(at, kind):
    checkout = at(kind)
    checkout.begin()
    if kind is not provider_worlds.AdyenWorld:  # whose message is the news
        made(checkout.send())
    checkout.work(after=timedelta(seconds=40))
    assert checkout.status() == "pending"
    assert checkout.events() == ["payment.pending"]


def test_an_approved_paypal_order_is_captured_once_however_many_ask(at):
    checkout = at(provider_worlds.PayPalWorld)
    checkout.begin()
    checkout.world.decide()
    checkout.come_back()
    made(checkout.send())
    checkout.work()
    checkout.come_back()
    checkout.work(after=timedelta(minutes=2))
    assert len(checkout.world.captures()) == 1


def test_penstock_captures_an_approved_paypal_order_without_buyer_or_message(at):
    checkout = at(provider_worlds.PayPalWorld)
    checkout.begin()
    checkout.world.decide()
    checkout.work(after=timedelta(seconds=31))
    assert checkout.status() == "captured"


def test_a_buyer_who_gives_up_at_paypal_may_choose_again_and_pays_nothing_there(at):
    checkout = at(provider_worlds.PayPalWorld)
    checkout.begin()
    context = json.loads(checkout.world.sent[0].content)["payment_source"]["paypal"]["experience_context"]
    assert context["cancel_url"] == f"{context['return_url']}?paypal_cancelled=1"
    assert checkout.come_back("?paypal_cancelled=1&token=O1") == f"/checkout/{checkout.session['id']}"
    assert checkout.status() == "failed"
    checkout.world.decide()
    made(checkout.send())
    checkout.work()
    assert checkout.world.captures() == []
    made(
        checkout.shop.post(f"/checkout-sessions/{checkout.session['id']}/complete", checkout.world.pays, key=None), 202
    )


def test_a_cancelled_paypal_order_that_was_approved_after_all_is_captured(at):
    checkout = at(provider_worlds.PayPalWorld)
    checkout.begin()
    checkout.world.decide()
    checkout.come_back("?paypal_cancelled=1&token=O1")
    assert checkout.status() == "captured"


def test_a_direct_debit_at_adyen_is_decided_by_its_message(at):
    for success, status in ((True, "captured"), (False, "failed")):
        checkout = at(provider_worlds.AdyenWorld)
        assert checkout.begin(paymentMethod="sepa", paymentToken=SEPA)["pendingReason"] == "async_method"
        made(checkout.send(success=success))
        checkout.work()
        assert checkout.status() == status
        made(checkout.shop.post(f"/connectors/{checkout.connection['id']}/disable"))


def test_a_buyer_who_never_comes_back_from_the_bank_frees_the_session(at):
    checkout = at(provider_worlds.AdyenWorld)
    checkout.begin()
    made(checkout.send(event="OFFER_CLOSED"))
    checkout.work()
    payment = made(checkout.shop.get(f"/payments/{checkout.payment_id}"))
    assert (payment["status"], payment["declineKind"]) == ("failed", "authentication_failed")
    made(
        checkout.shop.post(f"/checkout-sessions/{checkout.session['id']}/complete", checkout.world.pays, key=None), 202
    )


@pytest.mark.parametrize(("success", "status"), [(True, "partially_refunded"), (False, "captured")])
def test_a_refund_at_adyen_is_decided_by_its_message(at, success, status):
    checkout = at(provider_worlds.AdyenWorld)
    checkout.begin()
    checkout.come_back("?redirectResult=x")
    asked = checkout.shop.post(f"/payments/{checkout.payment_id}/refund", {"amount": 700})
    assert made(asked)["status"] == "captured", "Adyen has only said that the request came in"
    for _ in range(2):
        made(checkout.send(event="REFUND", success=success))
        checkout.work()
    payment = made(checkout.shop.get(f"/payments/{checkout.payment_id}"))
    assert (payment["status"], payment["amountRefunding"]) == (status, 0)
    ends = [kind for kind in checkout.events() if "refund" in kind]
    assert ends == ["payment.partially_refunded" if success else "payment.refund_failed"]


def test_a_buyer_who_never_approves_at_paypal_is_waited_for_half_an_hour(at):
    checkout = at(provider_worlds.PayPalWorld)
    checkout.begin()
    checkout.work(after=timedelta(minutes=29))
    assert checkout.status() == "pending"
    checkout.work(after=timedelta(minutes=44))
    assert checkout.status() == "failed"
    checkout.world.decide()
    made(checkout.send())
    checkout.work()
    assert checkout.world.captures() == []


def test_a_buyer_who_tries_again_after_half_an_hour_may(at):
    checkout = at(provider_worlds.PayPalWorld)
    checkout.begin()
    path = f"/checkout-sessions/{checkout.session['id']}/complete"
    checkout.clock.advance(timedelta(minutes=31))
    refused(checkout.shop.post(path, checkout.world.pays, key=None), 402, "payment_failed")
    again = made(checkout.shop.post(path, checkout.world.pays, key=None), 202)
    assert again["paymentId"] != checkout.payment_id
    assert checkout.status() == "failed"


def test_money_that_a_message_tells_of_after_its_attempt_has_ended_goes_back(at):
    checkout = at(provider_worlds.AdyenWorld)
    checkout.begin()
    made(checkout.send(event="OFFER_CLOSED"))
    checkout.work()
    made(checkout.send())
    checkout.work()
    assert checkout.status() == "failed"
    assert checkout.events() == ["payment.pending", "payment.failed", "payment.duplicate_detected"]
    checkout.work(after=timedelta(seconds=31))
    assert checkout.world.refund["amount"] == checkout.world.asked["amount"]
    made(checkout.send(event="REFUND"))
    checkout.work()
    assert checkout.events()[-1] == "payment.duplicate_returned"
