"""What is old goes, and only that; and the rows that ring for it are there once."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from penstock.clock import SystemClock
from penstock.ids import first_id, new_id
from penstock.mail import Letter, MailStatus
from penstock.webhook import Delivery, DeliveryStatus
from storage import tables
from storage.audit import audit
from storage.engine import open_database, parse
from storage.outgoing import Outgoing
from storage.retention import AT_ONCE, CHORES, HOUSEKEEPING, KEPT, ensure, forget_history
from storage.work import open_work
from tests import make

HISTORY = ("events", "webhook_messages", "webhook_deliveries", "webhook_attempts", "mails")


@pytest.fixture
def now():
    return SystemClock().now()


@pytest.fixture
def work(database):
    return open_work(database, SystemClock(), cursor_key=b"k", vault=make.vault())


def counts(url):
    engine = sa.create_engine(parse(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        return {name: connection.scalar(sa.text(f"SELECT COUNT(*) FROM {name}")) for name in HISTORY}


def delivery(status, now):
    return Delivery(
        id=new_id(),
        endpoint_id=new_id(),
        event_id="evt_1",
        event_type="cart.created",
        created_at=now,
        status=status,
    )


def letter(status, now):
    about = {"kind": "cart_recovery", "object_id": new_id(), "recipient": "a@b.example", "from_name": "Shop"}
    texts = {"subject": "s", "text": "t", "html": "h", "created_at": now, "status": status}
    return Letter(id=new_id(), scope=make.SCOPE, **about, **texts)


@pytest.fixture
def history(work, database, now):
    """A cart with its event, a message, and one delivery, try and mail that are done beside one that is not."""
    cart = make.cart(now=now)
    attempt = {"number": 1, "started_at": now, "milliseconds": 5, "status": 204, "error": None, "excerpt": ""}
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)
        uow.webhooks.add_message(f"evt_{new_id().replace('-', '')}", "cart.created", b"{}")
        for status in (DeliveryStatus.PENDING, DeliveryStatus.DELIVERED):
            made = delivery(status, now)
            uow.webhooks.add_delivery(made)
            uow.webhooks.add_attempt({"id": new_id(), "delivery_id": made.id, **attempt})
        for status in (MailStatus.PENDING, MailStatus.SENT):
            uow.mails.add(letter(status, now))
    return cart


def test_history_is_kept_for_thirty_days_and_no_longer(database, database_url, history, now):
    Outgoing(database, make.vault()).hand_on(now)
    before = counts(database_url)
    assert forget_history(database, now + KEPT - timedelta(minutes=1)) == 0
    assert counts(database_url) == before
    forget_history(database, now + KEPT + timedelta(minutes=1))
    left = {"events": 0, "webhook_messages": 0, "webhook_deliveries": 1, "webhook_attempts": 0, "mails": 1}
    assert counts(database_url) == left
    assert audit(database) == []


def test_what_was_not_handed_on_yet_stays(database, database_url, history, now):
    forget_history(database, now + 10 * KEPT)
    assert counts(database_url)["events"] == 1


def test_a_long_history_goes_a_few_rows_at_a_time(database, database_url, work, now):
    with work(make.SCOPE) as uow:
        for _ in range(AT_ONCE + 3):
            uow.mails.add(letter(MailStatus.SENT, now))
    assert forget_history(database, now + KEPT + timedelta(minutes=1)) == AT_ONCE + 3


def test_ids_say_when_a_row_was_written():
    before = SystemClock().now()
    made = new_id()
    # Each id of a process has a millisecond of its own, so a burst of them runs ahead of the clock.
    assert first_id(before - timedelta(seconds=1)) < made < first_id(before + timedelta(hours=1))


def test_each_chore_has_one_row_however_many_workers_start(database_url, now):
    for _ in range(3):
        opened = open_database(database_url, pool_size=2)
        ensure(opened, now)
        opened.close()
    engine = sa.create_engine(parse(database_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(tables.due.c.kind, tables.due.c.object_id)).all()
    assert sorted(rows) == sorted((HOUSEKEEPING, name) for name in CHORES)
