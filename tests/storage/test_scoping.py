"""Another scope's rows are as unknown as none, whichever of its three parts differs, in every repository."""

from dataclasses import replace
from datetime import timedelta

import pytest

from penstock.errors import InvalidCursor
from penstock.ids import new_id
from penstock.ledger import capture_posting
from penstock.outcome import Approved
from penstock.ports import StoredAnswer
from penstock.routing import Decision, Facts, Route, RoutingVersion
from penstock.tenant import ApiKey, Connection, EmbedConfig
from storage.statement import Statement, Unscoped
from storage.tables import carts
from tests import make

OWN = make.SCOPE
OTHERS = [
    pytest.param(replace(OWN, workspace_id=new_id()), id="workspace"),
    pytest.param(replace(OWN, environment_id=new_id()), id="environment"),
    pytest.param(replace(OWN, application_id=new_id()), id="application"),
]

VERSION = RoutingVersion(id=new_id(), list_name="card-decline", number=1, body={"rules": []}, created_at=make.NOW)
ROUTE = Route(
    facts=Facts(amount=2500, currency="USD", payment_method="card", metadata={"k": "v"}),
    decision=Decision(way="default", list_name="payment-routing", connector_ids=("a",), versions={"card-decline": 1}),
    taking=("a",),
    passed_over={"b": "inactive"},
)


@pytest.fixture
def shop(work):
    """One of everything, in the scope OWN."""
    cart, session, order = make.cart(items=1), make.session(), make.order()
    payment = make.payment(order_id=order.id)
    attempt = payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="one", now=make.NOW)
    payment.record(attempt, "approved", Approved("ref", payment.money), make.NOW)
    key = ApiKey(
        id=new_id(),
        scope=OWN,
        name="k",
        kind="secret",
        prefix="sk_",
        last4="abcd",
        digest="d",
        scopes=["*"],
        created_at=make.NOW,
    )
    connection = Connection(
        id=new_id(), scope=OWN, connector="sandbox", settings={}, display_name="C", position=1, created_at=make.NOW
    )
    with work(OWN) as uow:
        uow.carts.add(cart)
        uow.sessions.add(session)
        uow.orders.add(order)
        uow.payments.add(payment)
        uow.payments.post(capture_posting(payment, make.NOW))
        uow.keys.add(key)
        uow.connections.add(connection)
        uow.embed_configs.put(EmbedConfig(merchant_name="Mine"))
        uow.routing.hold("card-decline")
        uow.routing.replace(VERSION)
        uow.routing.add_route(payment.id, ROUTE)
        uow.due.add("expire_session", session.id, make.NOW + timedelta(hours=1))
        uow.idempotency.claim("p", "op", "k", "f", 60)
        uow.idempotency.store("p", "op", "k", StoredAnswer(200, b"mine"))
    return {"cart": cart, "session": session, "order": order, "payment": payment, "key": key, "connection": connection}


@pytest.mark.parametrize("other", OTHERS)
def test_nothing_of_another_scope_can_be_read(work, shop, other):
    with work(other, read=True) as uow:
        assert uow.carts.get(shop["cart"].id) is None
        assert uow.carts.events(shop["cart"].id, after=0, limit=9) == []
        assert uow.sessions.get(shop["session"].id) is None
        assert uow.orders.get(shop["order"].id) is None
        assert list(uow.orders.page({}, cursor=None, limit=9).records) == []
        assert uow.payments.get(shop["payment"].id) is None
        assert list(uow.payments.page({}, cursor=None, limit=9).records) == []
        assert uow.payments.of_order(shop["order"].id) is None
        assert uow.payments.transactions(shop["payment"].id) is None
        assert uow.keys.list_active() == []
        assert uow.connections.list_active() == []
        assert uow.connections.get(shop["connection"].id) is None
        assert uow.embed_configs.get() == EmbedConfig()
        assert uow.routing.in_force() == {}
        assert uow.routing.standing("card-decline") is None
        assert uow.routing.version(VERSION.id) is None
        assert uow.routing.numbered("card-decline", 1) is None
        assert list(uow.routing.versions(None, cursor=None, limit=9).records) == []
        assert uow.routing.route(shop["payment"].id) is None
        assert uow.routing.routes(limit=9) == []


@pytest.mark.parametrize("other", OTHERS)
def test_nothing_of_another_scope_can_be_locked_or_changed(work, shop, other):
    cart, session, order, payment = (shop[name] for name in ("cart", "session", "order", "payment"))
    with work(other) as uow:
        assert uow.carts.get_for_update(cart.id) is None
        assert uow.sessions.get_for_update(session.id) is None
        assert uow.orders.get_for_update(order.id) is None
        assert uow.payments.get_for_update(payment.id) is None
        uow.carts.save(replace(cart, notes="theirs", drafts=[]))
        uow.carts.save_item(replace(cart.items[0], quantity=9))
        uow.carts.remove_item(cart.items[0].id)
        uow.sessions.save(replace(session, customer_email="x@y.example"))
        uow.orders.save(replace(order, source="theirs"))
        uow.payments.save(replace(payment, connector="theirs", transactions=[]))
        assert not uow.keys.revoke(shop["key"].id, uow.now)
        uow.due.add("expire_session", session.id, make.NOW)
        assert uow.routing.hold("card-decline") == 0
        uow.due.done("expire_session", session.id)
        assert uow.idempotency.claim("p", "op", "k", "other", 60) is None
        uow.idempotency.store("p", "op", "k", StoredAnswer(200, b"theirs"))
    with work(OWN) as uow:
        assert uow.carts.get(cart.id) == cart
        assert uow.sessions.get(session.id) == session
        assert uow.orders.get(order.id) == order
        assert uow.payments.get(payment.id) == payment
        assert [key.id for key in uow.keys.list_active()] == [shop["key"].id]
        assert uow.embed_configs.get().merchant_name == "Mine"
        assert uow.routing.standing("card-decline") == VERSION
        assert uow.routing.route(payment.id) == ROUTE
        assert uow.idempotency.claim("p", "op", "k", "f", 60).body == b"mine"


@pytest.mark.parametrize("other", OTHERS)
def test_a_cursor_of_another_scope_is_refused(work, shop, other):
    with work(OWN) as uow:
        uow.orders.add(make.order(number="ORD-2"))
        cursor = uow.orders.page({}, cursor=None, limit=1).cursor
    with work(other) as uow, pytest.raises(InvalidCursor):
        uow.orders.page({}, cursor=cursor, limit=1)


def test_a_statement_that_names_no_scope_is_not_run(database):
    careless = Statement(carts.select())
    with database.reading() as connection, pytest.raises(Unscoped):
        connection.rows(careless, {})
