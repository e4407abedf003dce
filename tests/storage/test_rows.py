"""What a repository takes comes back as it was, and a list shows it as the wire has it."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from penstock.cart import CartStatus, ShippingSelection, TaxLine
from penstock.errors import InvalidCursor
from penstock.exemption import Exemption
from penstock.ids import new_id
from penstock.ledger import capture_posting
from penstock.money import Money
from penstock.order import OrderStatus
from penstock.outcome import Approved, Declined, Pending
from penstock.payment import PaymentStatus
from penstock.session import Collect, SessionKind
from penstock.tenant import ApiKey, Connection, EmbedConfig
from tests import make

ADDRESS = {"addressLine1": "1 Main Street", "city": "Springfield", "countryCode": "US"}


def full_cart():
    cart = make.cart(items=1)
    cart.add_item(
        make.item(
            type="service",
            tax_amount=7,
            discount_amount=3,
            reference_id="sku",
            description="line one\nline two",
            image_url="https://a.example/i.png",
            requires_shipping=True,
            metadata={"k": [1, {"x": None}]},
        ),
        make.NOW,
    )
    cart.update(
        {"customer_id": new_id(), "customer_email": "a@b.example", "notes": "n", "metadata": {"a": 1}}, make.NOW
    )
    cart.update({"tax_exemption": Exemption(reason="exempt", reference="7")}, make.NOW)
    cart.update({"shipping_address": ADDRESS, "billing_address": {**ADDRESS, "company": "ACME"}}, make.NOW)
    chosen = ShippingSelection(
        method_id="std", display_name="Standard", rate_amount=500, currency="USD", estimated_delivery_days=3
    )
    cart.select_shipping(chosen, make.NOW)
    tax = TaxLine(
        line_item_id=cart.items[0].id,
        jurisdiction_code="US-CA",
        tax_type="sales",
        rate=0.0875,
        amount=219,
        currency="USD",
    )
    cart.replace_tax_lines([tax, replace(tax, rate=0.1 + 0.2)], make.NOW)
    return cart


def test_a_cart_comes_back_with_all_it_had(work):
    cart = full_cart()
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)
    with work(make.SCOPE, read=True) as uow:
        assert uow.carts.get(cart.id) == cart
    assert cart.drafts == []


def test_a_rate_stays_as_it_was_given(work):
    cart = full_cart()
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)
        found = uow.carts.get(cart.id)
    assert [tax.rate for tax in found.tax_lines] == [0.0875, 0.1 + 0.2]


def test_a_changed_cart_comes_back_changed(work):
    cart = make.cart(items=2)
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)
    with work(make.SCOPE) as uow:
        read = uow.carts.get_for_update(cart.id)
        read.add_item(new := make.item(name="Third"), make.NOW)
        uow.carts.add_item(read.id, new)
        changed = read.update_item(read.items[0].id, {"quantity": 9, "metadata": {"a": 2}}, make.NOW)
        uow.carts.save_item(changed)
        gone = read.items[1].id
        read.remove_item(gone, make.NOW)
        uow.carts.remove_item(gone)
        read.freeze(new_id(), make.NOW + timedelta(seconds=1))
        uow.carts.save(read)
    with work(make.SCOPE, read=True) as uow:
        found = uow.carts.get(cart.id)
    assert found == read
    assert [item.name for item in found.items] == ["Item 1", "Third"]
    assert (found.status, found.is_frozen) == (CartStatus.CHECKOUT, True)


def test_a_cart_s_events_are_told_in_order(work):
    cart = full_cart()
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)
        events = orjson.loads(orjson.dumps(uow.carts.events(cart.id, after=0, limit=200)))
        later = uow.carts.events(cart.id, after=2, limit=2)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["eventType"], events[-1]["eventType"]) == ("cart.created", "cart.updated")
    assert events[-1]["payload"]["changed"] == ["taxLines"]
    assert set(events[0]) == {"id", "eventType", "sequence", "payload", "createdAt"}
    assert [event["sequence"] for event in later] == [3, 4]


def test_a_session_comes_back_with_all_it_had(work):
    session = make.session(
        kind=SessionKind.CART,
        cart_id=new_id(),
        external_cart_id="basket",
        country="US",
        return_url="https://a.example/r",
        cancel_url="https://a.example/c",
        customer_email="a@b.example",
        customer={"shippingAddress": ADDRESS},
        allowed_methods=["card"],
        collect=Collect(shipping_address=False, billing_address=True),
        metadata={"a": 1},
    )
    session.note("checkout.session.created", session.summary())
    with work(make.SCOPE) as uow:
        uow.sessions.add(session)
    with work(make.SCOPE) as uow:
        read = uow.sessions.get_for_update(session.id)
        assert read == session
        read.begin_payment(payment_id=new_id(), order_id=new_id(), digest="d" * 64, now=make.NOW)
        read.complete(make.NOW)
        uow.sessions.save(read)
    with work(make.SCOPE, read=True) as uow:
        assert uow.sessions.get(session.id) == read


def paid_order(work, *, scope=make.SCOPE, now=make.NOW, **fields):
    """An order with a payment of which the second attempt took the money."""
    cart = full_cart()
    order = make.order(scope, now=now, **{"number": new_id()[:32], "cart_id": cart.id, **fields})
    order.take_snapshot(cart, now)
    order.discount_code = fields.get("discount_code")
    payment = make.payment(scope, now=now, order_id=order.id, amount=order.totals.total, order_number=order.number)
    first = payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="one", now=now)
    payment.record(first, "declined", Declined("soft", provider_code="51", message="m" * 2000), now)
    second = payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="two", now=now)
    payment.record(second, "approved", Approved("ref", payment.money), now)
    order.follow(payment, now)
    with work(scope) as uow:
        uow.orders.add(order)
        uow.payments.add(payment)
        uow.payments.post(capture_posting(payment, now))
    return order, payment


def test_an_order_comes_back_with_all_it_had(work):
    order, _ = paid_order(work, discount_code="TEN", metadata={"po": 7}, external_cart_id="x", session_id="cs_1")
    with work(make.SCOPE) as uow:
        read = uow.orders.get_for_update(order.id)
        assert read == order
        read.status, read.lines = OrderStatus.CLOSED, read.lines[:1]
        uow.orders.save(read)
        uow.orders.replace_lines(read)
    with work(make.SCOPE, read=True) as uow:
        assert uow.orders.get(order.id) == read


def test_a_payment_comes_back_with_its_attempts(work):
    _, payment = paid_order(work)
    with work(make.SCOPE, read=True) as uow:
        read = uow.payments.get(payment.id)
    assert read.attempts[0].message == "m" * 1000
    payment.attempts[0].message = "m" * 1000
    assert read == payment


def test_a_saved_payment_writes_the_attempt_that_ended_and_the_next(work):
    order = make.order(number="ORD-A")
    payment = make.payment(order_id=order.id)
    payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="one", now=make.NOW)
    with work(make.SCOPE) as uow:
        uow.orders.add(order)
        uow.payments.add(payment)
    with work(make.SCOPE) as uow:
        read = uow.payments.get_for_update(payment.id)
        read.record(read.attempts[0], "declined", Declined("soft"), make.NOW)
        read.begin(attempt_id=new_id(), connection_id=new_id(), connector="two", now=make.NOW)
        uow.payments.save(read)
    with work(make.SCOPE) as uow:
        again = uow.payments.get_for_update(payment.id)
        assert again == read
        again.record(again.attempts[1], "pending", Pending("ref", "https://bank.example/3ds"), make.NOW)
        uow.payments.save(again)
    with work(make.SCOPE, read=True) as uow:
        assert uow.payments.get(payment.id) == again


def test_the_payments_of_an_order_show_their_attempts(work):
    order, payment = paid_order(work)
    with work(make.SCOPE, read=True) as uow:
        page = uow.payments.of_order(order.id)
        [sale] = uow.payments.transactions(payment.id)
        assert uow.payments.of_order(new_id()) is None
        assert uow.payments.transactions(new_id()) is None
    [record] = orjson.loads(orjson.dumps(page.records))
    assert [(a["number"], a["state"], a["providerCode"]) for a in record["attempts"]] == [
        (1, "declined", "51"),
        (2, "approved", None),
    ]
    assert (record["status"], record["amount"], record["metadata"]) == ("captured", order.totals.total, {})
    assert (sale["type"], sale["amount"], sale["providerRef"]) == ("sale", order.totals.total, "ref")


def test_an_order_without_payments_has_an_empty_page(work):
    order = make.order()
    with work(make.SCOPE) as uow:
        uow.orders.add(order)
        assert uow.orders.get(order.id) == order
        assert list(uow.payments.of_order(order.id).records) == []


def ids(page):
    return [record["id"] for record in page.records]


def test_pages_have_no_gap_or_repeat_even_within_one_microsecond(work):
    with work(make.SCOPE) as uow:
        orders = [make.order(number=f"ORD-{n}", now=make.NOW + timedelta(microseconds=n // 3)) for n in range(10)]
        for order in orders:
            uow.orders.add(order)
        everything = ids(uow.orders.page({}, cursor=None, limit=100))
        seen, cursor = [], None
        for _ in range(4):
            page = uow.orders.page({}, cursor=cursor, limit=3)
            seen += ids(page)
            cursor = page.cursor
            uow.orders.add(make.order(number=new_id()[:32], now=make.NOW + timedelta(seconds=9)))
    assert everything == [o.id for o in sorted(orders, key=lambda o: (o.created_at, o.id), reverse=True)]
    assert (seen, cursor) == (everything, None)


def test_orders_are_filtered(work):
    order, _ = paid_order(work, metadata={"po": "PO_100%"}, discount_code="Ten", customer_id=None)
    with work(make.SCOPE) as uow:
        uow.orders.add(make.order(number="ORD-OTHER"))
        customer = uow.orders.get(order.id).customer_id
        found = [
            {"status": "processing"},
            {"payment_status": "captured"},
            {"customer_id": customer},
            {"q": "po_100%"},
            {"q": "TEN"},
            {"q": order.id[3:30].upper()},
            {"application_id": make.SCOPE.application_id, "q": "processing"},
        ]
        lost = [{"q": "%"}, {"q": "_x"}, {"q": "\\"}, {"q": "po-100"}, {"customer_id": new_id()}, {"status": "closed"}]
        for filters in found:
            assert ids(uow.orders.page(filters, cursor=None, limit=5)) == [order.id], filters
        for filters in [*lost[1:], {"application_id": new_id()}]:
            assert ids(uow.orders.page(filters, cursor=None, limit=5)) == [], filters
        assert ids(uow.orders.page(lost[0], cursor=None, limit=5)) == [order.id], "its metadata has a per cent sign"


def test_payments_are_filtered(work):
    order, payment = paid_order(work)
    amount = payment.amount
    with work(make.SCOPE) as uow:
        other = make.payment(order_id=order.id, amount=5, method="bank")
        uow.payments.add(other)
        chosen = {
            payment.id: [
                {"method": "card"},
                {"status": ["captured"]},
                {"status": ["captured", "failed"]},
                {"amount_min": 6},
                {"amount_min": amount, "amount_max": amount},
            ],
            other.id: [{"method": "bank"}, {"status": ["pending"]}, {"amount_max": 5}],
            None: [{"due_from": "2026-01-01"}, {"due_to": "2026-01-01"}, {"aging": "0_30"}, {"order_id": new_id()}],
        }
        for payment_id, every in chosen.items():
            for filters in every:
                expected = [payment_id] if payment_id else []
                assert ids(uow.payments.page(filters, cursor=None, limit=5)) == expected, filters
        assert len(ids(uow.payments.page({"order_id": order.id}, cursor=None, limit=5))) == 2
        with pytest.raises(InvalidCursor):
            uow.payments.page({"aging": "0_30"}, cursor="x", limit=5)


def key(**fields):
    given = {
        "name": "k",
        "kind": "secret",
        "prefix": "sk_sandbox_",
        "last4": "abcd",
        "digest": new_id(),
        "scopes": ["*"],
    }
    return ApiKey(**{"id": new_id(), "scope": make.SCOPE, "created_at": make.NOW, **given, **fields})


def test_keys_are_listed_newest_first_until_they_are_revoked(work):
    old, new = key(), key(created_at=make.NOW + timedelta(seconds=1), created_by="ada", scopes=["carts:read"])
    with work(make.SCOPE) as uow:
        uow.keys.add(old)
        uow.keys.add(new)
        assert uow.keys.list_active() == [new, old]
        assert uow.keys.revoke(old.id, make.NOW)
        assert not uow.keys.revoke(old.id, make.NOW)
        assert uow.keys.list_active() == [new]


def test_connections_come_in_the_application_s_order(work):
    made = [
        Connection(
            id=new_id(),
            scope=make.SCOPE,
            connector="sandbox",
            settings={"api_key": "s"},
            display_name=f"C{position}",
            position=position,
            created_at=make.NOW,
            is_active=position != 2,
        )
        for position in (3, 1, 2)
    ]
    with work(make.SCOPE) as uow:
        for connection in made:
            uow.connections.add(connection)
        assert [c.position for c in uow.connections.list_active()] == [1, 3]
        assert uow.connections.get(made[2].id) == made[2]
        assert uow.connections.get(new_id()) is None


def test_the_embed_configuration_is_replaced_as_a_whole(work):
    config = EmbedConfig(
        allowed_origins=("https://a.example",), primary_color="#aabbcc", cart_abandonment_threshold_minutes=15
    )
    with work(make.SCOPE) as uow:
        assert uow.embed_configs.get() == EmbedConfig()
        uow.embed_configs.put(config)
        assert uow.embed_configs.get() == config
        uow.embed_configs.put(EmbedConfig(merchant_name="Ada's"))
        assert uow.embed_configs.get() == EmbedConfig(merchant_name="Ada's")


def test_an_amount_captured_in_part_is_kept(work):
    order = make.order(number="ORD-B")
    payment = make.payment(order_id=order.id)
    attempt = payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="one", now=make.NOW)
    payment.record(attempt, "approved", Approved("ref", Money(0, "USD")), make.NOW)
    with work(make.SCOPE) as uow:
        uow.orders.add(order)
        uow.payments.add(payment)
        assert uow.payments.get(payment.id).status is PaymentStatus.AUTHORIZED
