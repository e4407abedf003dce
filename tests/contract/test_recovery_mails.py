"""A buyer who left a cart is sent the way back, once, where there is a way and an address."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from handlers.app import create_app
from jobs.actors import Runner
from jobs.relay import BATCH, LEASE
from penstock.mail import WAITS
from storage import tables
from storage.due import DueTable
from tests.postoffice import HANG_UP, opened_office
from tests.shop import ADDRESS, made
from tests.shops import DATABASES, database_of, open_shop, opened_house

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
TEMPLATE = "https://shop.example/cart?c={cartId}&ref={0.__class__}"
PLAIN = "https://shop.example/cart?c={cartId}"


@pytest.fixture(scope="module")
def office():
    with opened_office() as office:
        yield office


@pytest.fixture(scope="module", params=DATABASES)
def town(request, tmp_path_factory, office):
    """A house whose mails go to the post office."""
    mail = {"mail": "smtp", "mail_from": "shop@pay.example.com"}
    settings = {"host": "127.0.0.1", "port": office.port, "security": "none"}
    state = tmp_path_factory.mktemp("mail")
    with opened_house(database_of(request, request.param), state, **mail, mail_settings=settings) as built:
        yield built


@pytest.fixture(scope="module")
def door(town):
    with TestClient(create_app(town), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def shop(town, door, office):
    office.taken.clear()
    office.tries = 0
    office.recipient = office.content = lambda _: None
    yield open_shop(town, door)
    town.clock.offset = timedelta()


@pytest.fixture
def later(town):
    rows = DueTable(town.database)

    def passed(step: timedelta) -> None:
        town.clock.advance(step)
        runner = Runner(town, rows)
        while claimed := rows.claim(town.clock.now(), limit=BATCH, lease=LEASE):
            for row in claimed:
                runner.run_due(row.id, row.attempt)

    return passed


def configure(shop, template=PLAIN, **fields):
    config = {"storefrontBaseUrl": "https://shop.example", "cartRecoveryUrlTemplate": template, **fields}
    made(shop.put("/embed-config", config))


def letters(shop):
    """The mails of a shop in the database, by when they were written."""
    engine = sa.create_engine(shop.house.settings.database_url)
    of_shop = sa.select(tables.mails).where(tables.mails.c.environment_id == shop.environment_id)
    with engine.connect() as connection:
        found = connection.execute(of_shop.order_by(tables.mails.c.id)).all()
    engine.dispose()
    return found


def record(shop, cart):
    return next(each for each in made(shop.get("/abandoned-carts"))["data"] if each["id"] == cart["id"])


def test_the_buyer_gets_one_mail_with_the_way_back(shop, later, office):
    configure(shop, merchantName="Mug & Sons")
    cart = shop.ready_cart()
    made(shop.patch(f"/carts/{cart['id']}", {"shippingAddress": {**ADDRESS, "firstName": "Ada"}}))
    later(DAY + MINUTE)
    later(DAY)
    (message,) = office.taken
    assert message["To"] == "ada@example.com"
    assert message["From"].addresses[0].display_name == "Mug & Sons"
    assert message["Subject"] == "[Test] You left something behind at Mug & Sons"
    url = f"https://shop.example/cart?c={cart['id']}"
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert url in text
    assert url in html
    assert "Hello Ada," in text
    assert "Mug &amp; Sons" in html
    assert f"{cart['total'] / 100:.2f} USD" in text
    assert record(shop, cart)["recoveryStatus"] == "emailed"
    assert made(shop.get("/abandoned-carts/summary"))["recoveryEmailsSent"] == 1
    assert [each.status for each in letters(shop)] == ["sent"]


def test_what_a_shop_writes_is_text_in_the_mail_and_never_markup(shop, later, office):
    configure(shop, merchantName="<script>alert(1)</script>{{7*7}}")
    cart = shop.cart(customerEmail="ada@example.com")
    shop.item(cart["id"], name="<img src=x onerror=alert(1)> {{7*7}} ${7*7}")
    later(DAY + MINUTE)
    (message,) = office.taken
    html = message.get_body(("html",)).get_content()
    assert "<script>" not in html
    assert "<img" not in html
    assert "{{7*7}}" in html
    assert "49" not in html.replace(cart["id"], "")


def test_nothing_but_the_cart_s_id_is_filled_in(shop):
    error = shop.put(
        "/embed-config", {"storefrontBaseUrl": "https://shop.example", "cartRecoveryUrlTemplate": TEMPLATE}
    )
    assert error.status_code == 422


@pytest.mark.parametrize("lacks", ["template", "address", "lines"])
def test_without_template_address_or_lines_the_webhook_is_all(shop, later, office, lacks):
    if lacks != "template":
        configure(shop)
    email = {} if lacks == "address" else {"customerEmail": "ada@example.com"}
    cart = shop.cart(items=0 if lacks == "lines" else 1, **email)
    later(DAY + MINUTE)
    assert (office.taken, letters(shop)) == ([], [])
    assert record(shop, cart)["recoveryStatus"] == "webhook_only"
    assert made(shop.get("/abandoned-carts/summary"))["recoveryEmailsSent"] == 0


def test_a_server_that_is_busy_is_tried_again(shop, later, office):
    office.content = lambda n: "451 later" if n < 3 else None
    configure(shop)
    cart = shop.ready_cart()
    later(DAY + MINUTE)
    assert record(shop, cart)["recoveryStatus"] == "webhook_only"
    later(WAITS[0])
    later(WAITS[1])
    assert (office.tries, len(office.taken)) == (3, 1)
    assert [(each.status, each.attempts) for each in letters(shop)] == [("sent", 3)]


def test_a_server_that_stays_busy_is_left_alone_after_seven_tries(shop, later, office):
    office.recipient = lambda _: "450 busy"
    configure(shop)
    shop.ready_cart()
    later(DAY + MINUTE)
    for wait in WAITS:
        later(wait)
    later(DAY)
    (letter,) = letters(shop)
    assert (letter.status, letter.attempts) == ("failed", len(WAITS) + 1)
    assert "450" in letter.error


def test_an_address_that_does_not_exist_is_tried_once(shop, later, office):
    office.recipient = lambda _: "550 no such user"
    configure(shop)
    shop.ready_cart()
    later(DAY + MINUTE)
    later(DAY)
    assert [(each.status, each.attempts) for each in letters(shop)] == [("failed", 1)]


def test_a_mail_that_may_have_been_sent_is_not_sent_again(shop, later, office):
    office.content = lambda _: HANG_UP
    configure(shop)
    cart = shop.ready_cart()
    later(DAY + MINUTE)
    later(DAY)
    assert len(office.taken) == 1
    assert [each.status for each in letters(shop)] == ["unknown"]
    assert record(shop, cart)["recoveryStatus"] == "webhook_only"


def test_a_buyer_who_has_come_back_is_not_written_to(shop, later, office):
    office.recipient = lambda _: "450 busy"
    configure(shop)
    cart = shop.ready_cart()
    later(DAY + MINUTE)
    shop.item(cart["id"])
    office.recipient = lambda _: None
    later(WAITS[0])
    assert office.taken == []
    assert [each.status for each in letters(shop)] == ["dropped"]


def test_a_buyer_who_leaves_twice_within_a_day_is_written_to_once(shop, later, office):
    configure(shop, cartAbandonmentThresholdMinutes=15)
    cart = shop.ready_cart()
    later(16 * MINUTE)
    shop.item(cart["id"])
    later(16 * MINUTE)
    assert len(office.taken) == 1
    shop.item(cart["id"])
    later(DAY)
    assert len(office.taken) == 2
    assert len({message["Message-ID"] for message in office.taken}) == 2


def test_without_a_word_from_the_operator_mails_are_files(sqlite_databases, tmp_path):
    with opened_house(sqlite_databases, tmp_path) as house, TestClient(create_app(house)) as client:
        shop = open_shop(house, client)
        configure(shop)
        shop.ready_cart()
        house.clock.advance(DAY + MINUTE)
        rows, runner = DueTable(house.database), Runner(house, DueTable(house.database))
        while claimed := rows.claim(house.clock.now(), limit=BATCH, lease=LEASE):
            for row in claimed:
                runner.run_due(row.id, row.attempt)
        (letter,) = letters(shop)
        assert [file.name for file in (tmp_path / "mail").iterdir()] == [f"{letter.id}.eml"]
