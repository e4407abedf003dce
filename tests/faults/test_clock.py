"""A test clock moves everything that waits on time, each thing at its own moment, and nothing of its neighbours."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from starlette.testclient import TestClient

from handlers.app import create_app
from jobs.broker import build_broker
from jobs.crew import crew_of
from penstock.webhook import JITTER, WAITS
from tests.shop import made, refused
from tests.shops import DATABASES, database_of, open_shop, opened_house
from tests.sink import opened_sink

DAY = 86_400


@pytest.fixture(scope="module", params=DATABASES)
def town(request, tmp_path_factory):
    """A house that may post to this machine."""
    state = tmp_path_factory.mktemp("clock")
    with opened_house(database_of(request, request.param), state, webhook_loopback=True) as built:
        yield built


@pytest.fixture(scope="module")
def door(town):
    with TestClient(create_app(town), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def crew(town):
    with crew_of(town, build_broker(None), threads=2) as crew:
        yield crew


@pytest.fixture
def shop(town, door):
    shop = open_shop(town, door)
    made(shop.post("/test-clock"), 201)
    return shop


@pytest.fixture
def sink():
    with opened_sink() as sink:
        yield sink


def now_of(shop) -> datetime:
    return datetime.fromisoformat(made(shop.get("/test-clock"))["now"])


def advance(shop, seconds: int) -> dict:
    """Move the clock and wait until it has arrived."""
    answer = shop.post("/test-clock/advance", {"seconds": seconds})
    assert answer.status_code in (200, 202), answer.text
    until = time.monotonic() + 60
    while (clock := made(shop.get("/test-clock")))["status"] != "ready":
        assert time.monotonic() < until, clock
        time.sleep(0.02)
    return clock


def abandoned_at(shop, cart) -> str:
    return next(each["abandonedAt"] for each in made(shop.get("/abandoned-carts"))["data"] if each["id"] == cart["id"])


def test_time_stands_until_it_is_moved(shop):
    first = shop.cart()
    time.sleep(0.05)
    assert shop.cart()["createdAt"] == first["createdAt"]
    advance(shop, 90)
    moved = datetime.fromisoformat(shop.cart()["createdAt"]) - datetime.fromisoformat(first["createdAt"])
    assert moved == timedelta(seconds=90)


def test_what_falls_due_is_done_at_its_own_moment(shop):
    begun = now_of(shop)
    session = shop.session()
    cart = shop.cart(items=1)
    advance(shop, 10 * DAY)
    assert now_of(shop) == begun + timedelta(days=10)
    assert shop.complete(session["id"], email="ada@example.com").status_code == 410
    left = datetime.fromisoformat(abandoned_at(shop, cart))
    assert left == begun + timedelta(days=1)


def test_what_is_not_due_waits_on(shop):
    cart = shop.cart(items=1)
    advance(shop, DAY - 60)
    assert shop.read_cart(cart["id"])["status"] == "open"
    advance(shop, 60)
    assert shop.read_cart(cart["id"])["status"] == "abandoned"


def test_a_webhook_s_tries_are_moved_as_well(shop, sink):
    sink.script = lambda _, before: 500 if before < 6 else 204
    made(shop.post("/webhook-endpoints", {"url": sink.url(), "enabledEvents": ["cart.created"]}), 201)
    begun = now_of(shop)
    shop.cart()
    sink.wait(1)
    advance(shop, 3 * DAY)
    assert len(sink.at()) == 7
    delivery = made(shop.get("/webhook-deliveries"))["items"][0]
    assert (delivery["status"], delivery["attemptCount"]) == ("delivered", 7)
    attempts = made(shop.get(f"/webhook-deliveries/{delivery['id']}"))["attempts"]
    moments = [datetime.fromisoformat(each["startedAt"]) for each in attempts]
    assert moments[0] == begun
    for number, (before, after) in enumerate(pairwise(moments), 1):
        wait = WAITS[number]
        assert wait <= after - before <= wait * (1 + JITTER) + timedelta(seconds=61), number
    # What is signed is signed by the real clock, or no receiver would take it.
    stamps = [int(each.headers["webhook-timestamp"]) for each in sink.at()]
    assert all(abs(stamp - time.time()) < 60 for stamp in stamps)


def test_one_thing_follows_from_another_on_the_way(shop, sink):
    """A cart is abandoned at its moment, and the event is delivered at that moment too."""
    made(shop.post("/webhook-endpoints", {"url": sink.url(), "enabledEvents": ["cart.abandoned"]}), 201)
    begun = now_of(shop)
    shop.cart(items=1)
    advance(shop, 5 * DAY)
    (got,) = sink.at()
    assert datetime.fromisoformat(got.event["createdAt"]) == begun + timedelta(days=1)


def test_an_outcome_that_is_open_is_asked_about_on_schedule(shop):
    done = made(shop.complete(shop.session()["id"], "tok_sandbox_pending", email="ada@example.com"), 202)
    advance(shop, 6 * DAY)
    assert made(shop.get(f"/payments/{done['paymentId']}"))["needsReview"] is True


def test_other_environments_and_tenants_live_by_their_own_time(shop, town, door):
    neighbour = open_shop(town, door)
    cart = neighbour.cart(items=1)
    before = neighbour.cart()["createdAt"]
    advance(shop, 40 * DAY)
    assert neighbour.read_cart(cart["id"])["status"] == "open"
    assert neighbour.cart()["createdAt"] > before
    assert datetime.fromisoformat(neighbour.cart()["createdAt"]) < datetime.now(UTC) + timedelta(minutes=1)
    refused(neighbour.get("/test-clock"), 404, "not_found")


def test_repeats_are_known_whatever_the_clock_says(shop):
    body = {"applicationId": shop.application_id, "currency": "USD"}
    first = made(shop.post("/carts", body, headers={"Idempotency-Key": "one"}), 201)
    advance(shop, 30 * DAY)
    again = shop.post("/carts", body, headers={"Idempotency-Key": "one"})
    assert (again.json()["id"], again.headers["idempotency-replay"]) == (first["id"], "true")


def test_a_payment_can_be_made_while_time_stands(shop):
    advance(shop, 2 * DAY)
    assert shop.paid_order()["paymentStatus"] == "captured"


def test_time_goes_on_once_the_clock_is_gone(shop, sink):
    advance(shop, 20 * DAY)
    made(shop.post("/webhook-endpoints", {"url": sink.url(), "enabledEvents": ["cart.created"]}), 201)
    cart = shop.cart(items=1)
    made(shop.delete("/test-clock"), 204)
    fresh = datetime.fromisoformat(shop.cart()["createdAt"])
    assert abs(fresh - datetime.now(UTC)) < timedelta(minutes=1)
    assert len(sink.wait(2)) == 2
    assert shop.read_cart(cart["id"])["status"] == "open"
