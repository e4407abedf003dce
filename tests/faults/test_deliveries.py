"""Every event reaches every endpoint that listens, signed, under one id, and no receiver holds up another."""

import threading
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook
from starlette.testclient import TestClient

from handlers.app import create_app
from jobs.broker import build_broker
from jobs.crew import crew_of
from jobs.post import TIMEOUT_SECONDS
from penstock.caller import Scope
from penstock.webhook import GIVE_UP_AFTER, JITTER, WAITS
from penstock.webhook_signature import is_signed
from storage import tables
from tests.shop import made
from tests.shops import database_of, open_shop, opened_house
from tests.sink import opened_sink

DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.services))


@pytest.fixture(scope="module", params=DATABASES)
def town(request, tmp_path_factory):
    """A house that may post to this machine."""
    state = tmp_path_factory.mktemp("post")
    with opened_house(database_of(request, request.param), state, webhook_loopback=True) as built:
        yield built


@pytest.fixture(scope="module")
def door(town):
    with TestClient(create_app(town), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def crew(town):
    with crew_of(town, build_broker(None), threads=4) as crew:
        yield crew


@pytest.fixture
def clock(town):
    yield town.clock
    town.clock.offset = timedelta()


@pytest.fixture
def sink():
    with opened_sink() as sink:
        yield sink


@pytest.fixture
def shop(town, door):
    return open_shop(town, door)


def listen(shop, url, *events):
    body = {"url": url, "enabledEvents": list(events or ("cart.created",))}
    return made(shop.post("/webhook-endpoints", body), 201)


def delivery_of(shop, endpoint):
    return made(shop.get(f"/webhook-deliveries?endpointId={endpoint['id']}"))["items"][0]


def wait_until(is_so, seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def counted(shop, endpoint, attempts):
    wait_until(lambda: least_attempts(shop, endpoint) >= attempts)
    return delivery_of(shop, endpoint)


def test_an_event_arrives_signed_in_both_ways(town, crew, sink, shop):
    endpoint = listen(shop, sink.url())
    cart = shop.cart()
    (got,) = sink.wait(1)
    assert Webhook(endpoint["signingSecret"]).verify(got.body, got.headers) == got.event
    assert is_signed(got.headers["x-throttle-signature"], endpoint["signingSecret"], got.body, town.clock.now())
    assert got.event["type"] == got.headers["x-throttle-event-type"] == "cart.created"
    assert got.event["id"] == got.headers["x-throttle-event-id"] == got.headers["webhook-id"]
    assert (got.event["objectId"], got.event["sequence"], got.event["isTest"]) == (cart["id"], 1, False)
    assert got.event["data"]["cartId"] == cart["id"]
    done = counted(shop, endpoint, 1)
    assert (done["status"], done["lastAttempt"]["responseStatus"]) == ("delivered", 204)


def test_only_the_types_that_an_endpoint_asked_for_arrive_and_only_from_its_tenant(crew, sink, shop, town, door):
    stranger = open_shop(town, door)
    listen(shop, sink.url(), "cart.item_added")
    stranger.cart(items=1)
    cart = shop.cart(items=2)
    got = sink.wait(2)
    time.sleep(0.3)
    assert [(each.event["type"], each.event["objectId"]) for each in sink.at()] == [("cart.item_added", cart["id"])] * 2
    assert {each.event["sequence"] for each in got} == {2, 3}


def test_a_receiver_that_fails_is_tried_ten_times_as_the_schedule_says(crew, sink, shop, clock):
    sink.script = lambda *_: 500
    endpoint = listen(shop, sink.url())
    shop.cart()
    tries = []
    for number in range(1, len(WAITS) + 1):
        delivery = counted(shop, endpoint, number)
        tries.append(clock.now())
        if delivery["status"] == "pending":
            planned = WAITS[number]
            assert delivery["nextAttemptAt"] is not None
            clock.advance(planned * (1 + JITTER) + timedelta(seconds=1))
            crew.nudge()
    assert (delivery["status"], delivery["attemptCount"]) == ("failed", len(WAITS))
    assert len({got.body for got in sink.at()}) == 1
    assert len({got.headers["webhook-id"] for got in sink.at()}) == 1
    assert len({got.headers["webhook-signature"] for got in sink.at()}) == len(WAITS)
    attempts = made(shop.get(f"/webhook-deliveries/{delivery['id']}"))["attempts"]
    assert [each["number"] for each in attempts] == list(range(1, len(WAITS) + 1))
    assert {each["responseStatus"] for each in attempts} == {500}


def test_a_receiver_s_retry_after_is_heeded(crew, sink, shop, clock):
    sink.script = lambda _, before: (503, {"retry-after": "3600"}) if not before else 204
    endpoint = listen(shop, sink.url())
    shop.cart()
    first = counted(shop, endpoint, 1)
    clock.advance(timedelta(minutes=58))
    crew.nudge()
    time.sleep(0.4)
    assert delivery_of(shop, endpoint)["attemptCount"] == 1, first
    clock.advance(timedelta(minutes=3))
    crew.nudge()
    assert counted(shop, endpoint, 2)["status"] == "delivered"


def test_410_switches_an_endpoint_off_and_says_so(crew, sink, shop):
    sink.script = lambda request, _: 410 if request.path == "/gone" else 204
    gone = listen(shop, sink.url("/gone"))
    listen(shop, sink.url(), "webhook_endpoint.disabled")
    shop.cart()
    (got,) = sink.wait(1)
    assert got.event["data"] == {"endpointId": gone["id"], "url": sink.url("/gone"), "reason": "gone"}
    endpoint = made(shop.get(f"/webhook-endpoints/{gone['id']}"))
    assert (endpoint["isActive"], endpoint["disabledReason"]) == (False, "gone")
    assert delivery_of(shop, gone)["status"] == "failed"
    shop.cart()
    time.sleep(0.3)
    assert len(sink.at("/gone")) == 1


def test_ten_exhausted_deliveries_in_a_row_switch_an_endpoint_off(crew, sink, shop, town, clock):
    sink.script = lambda *_: 500
    endpoint = listen(shop, sink.url())
    for _ in range(GIVE_UP_AFTER):
        shop.cart()
    for number in range(1, len(WAITS) + 1):
        sink.wait(number * GIVE_UP_AFTER)
        wait_until(lambda number=number: least_attempts(shop, endpoint) >= number)
        if number < len(WAITS):
            clock.advance(WAITS[number] * (1 + JITTER) + timedelta(seconds=1))
            crew.nudge()
    found = made(shop.get(f"/webhook-endpoints/{endpoint['id']}"))
    assert (found["isActive"], found["disabledReason"]) == (False, "exhausted")


def least_attempts(shop, endpoint) -> int:
    items = made(shop.get(f"/webhook-deliveries?endpointId={endpoint['id']}"))["items"]
    return min((each["attemptCount"] for each in items), default=0)


def test_a_taken_event_forgives_the_ones_that_were_not(crew, sink, shop, town):
    endpoint = listen(shop, sink.url())
    engine = sa.create_engine(town.settings.database_url)
    with engine.begin() as connection:
        table = tables.webhook_endpoints
        connection.execute(sa.update(table).where(table.c.id == endpoint["id"]).values(exhausted_in_a_row=9))
    shop.cart()
    counted(shop, endpoint, 1)
    with engine.connect() as connection:
        row = sa.select(table.c.exhausted_in_a_row).where(table.c.id == endpoint["id"])
        assert connection.scalar(row) == 0
    engine.dispose()


def test_a_paused_endpoint_gets_what_was_held_once_it_resumes(crew, sink, shop, clock):
    sink.script = lambda _, before: 204 if before else 500
    endpoint = listen(shop, sink.url())
    path = f"/webhook-endpoints/{endpoint['id']}"
    shop.cart()
    counted(shop, endpoint, 1)
    made(shop.patch(path, {"isActive": False}))
    clock.advance(timedelta(seconds=10))
    shop.cart()
    time.sleep(0.4)
    assert len(sink.at()) == 1
    made(shop.patch(path, {"isActive": True}))
    assert counted(shop, endpoint, 2)["status"] == "delivered"
    assert len(sink.at()) == 2


def test_a_redirect_is_a_failure_and_not_followed(crew, sink, shop):
    sink.script = lambda request, _: (302, {"location": sink.url("/elsewhere")}) if request.path == "/hook" else 204
    endpoint = listen(shop, sink.url())
    shop.cart()
    assert counted(shop, endpoint, 1)["lastAttempt"]["responseStatus"] == 302
    assert sink.at("/elsewhere") == []


def test_after_a_rotation_no_try_carries_the_former_secret(crew, sink, shop, clock):
    sink.script = lambda _, before: 204 if before else 500
    endpoint = listen(shop, sink.url())
    shop.cart()
    counted(shop, endpoint, 1)
    new = made(shop.post(f"/webhook-endpoints/{endpoint['id']}/rotate-secret"))["signingSecret"]
    clock.advance(timedelta(seconds=10))
    crew.nudge()
    first, second = sink.wait(2)
    Webhook(endpoint["signingSecret"]).verify(first.body, first.headers)
    assert is_signed(second.headers["x-throttle-signature"], new, second.body, clock.now())
    assert not is_signed(second.headers["x-throttle-signature"], endpoint["signingSecret"], second.body, clock.now())


def test_while_a_rotation_overlaps_both_secrets_sign(crew, sink, shop):
    endpoint = listen(shop, sink.url())
    path = f"/webhook-endpoints/{endpoint['id']}/rotate-secret"
    new = made(shop.post(path, {"overlapSeconds": 600}))["signingSecret"]
    shop.cart()
    (got,) = sink.wait(1)
    for secret in (new, endpoint["signingSecret"]):
        Webhook(secret).verify(got.body, got.headers)


def test_a_replay_has_the_same_id_and_bytes_and_a_signature_of_its_own(crew, sink, shop, clock):
    endpoint = listen(shop, sink.url())
    shop.cart()
    first = counted(shop, endpoint, 1)
    clock.advance(timedelta(seconds=5))
    made(shop.post(f"/webhook-deliveries/{first['id']}/replay"))
    one, two = sink.wait(2)
    assert one.body == two.body
    assert one.headers["webhook-id"] == two.headers["webhook-id"]
    assert one.headers["webhook-signature"] != two.headers["webhook-signature"]


def test_a_test_event_goes_to_a_paused_endpoint_and_cannot_be_taken_for_a_real_one(crew, sink, shop):
    endpoint = listen(shop, sink.url())
    made(shop.patch(f"/webhook-endpoints/{endpoint['id']}", {"isActive": False}))
    made(shop.post(f"/webhook-endpoints/{endpoint['id']}/test", {"eventType": "payment.captured"}))
    (got,) = sink.wait(1)
    assert (got.event["isTest"], got.event["type"]) == (True, "payment.captured")
    assert counted(shop, endpoint, 1)["status"] == "delivered"


def test_a_receiver_that_hangs_holds_up_nobody_else(crew, sink, shop, town, door):
    release = threading.Event()
    sink.script = lambda request, _: 204 if request.path == "/quick" else (release.wait(TIMEOUT_SECONDS * 3), 204)[1]
    slow, quick = open_shop(town, door), shop
    listen(slow, sink.url("/slow"))
    listen(quick, sink.url("/quick"))
    for _ in range(40):
        slow.cart()
    sink.wait(1, "/slow")
    began = time.monotonic()
    for _ in range(20):
        quick.cart()
    got = sink.wait(20, "/quick")
    late = max(each.at for each in got) - began
    release.set()
    assert late < TIMEOUT_SECONDS / 2, f"the last one came after {late:.1f} s"
    assert len(sink.at("/slow")) <= 8 + 1


def test_an_address_off_the_public_net_is_never_connected_to(crew, sink, shop, town):
    endpoint = listen(shop, "https://store.example.com/hook")
    engine = sa.create_engine(town.settings.database_url)
    with engine.begin() as connection:
        table = tables.webhook_endpoints
        private = "https://10.1.2.3/hook"
        connection.execute(sa.update(table).where(table.c.id == endpoint["id"]).values(url=private))
    engine.dispose()
    shop.cart()
    attempt = counted(shop, endpoint, 1)["lastAttempt"]
    assert attempt["responseStatus"] is None
    assert "not on the public net" in attempt["error"]


def test_two_crews_deliver_each_event_once(town, crew, sink, shop):
    listen(shop, sink.url())
    with crew_of(town, build_broker(None), threads=4):
        carts = {shop.cart()["id"] for _ in range(60)}
        sink.wait(60)
        time.sleep(0.5)
    assert sorted(each.event["objectId"] for each in sink.at()) == sorted(carts)


def test_a_try_whose_claim_has_passed_on_leaves_no_mark(town, sink, shop, clock):
    from jobs.relay import LEASE
    from penstock.webhook import Answer
    from storage.due import DueTable
    from storage.outgoing import Outgoing, Tried

    endpoint = listen(shop, sink.url())
    shop.cart()
    post, rows = Outgoing(town.database, town.vault), DueTable(town.database)
    while post.hand_on(clock.now()):
        pass
    (row,) = [each for each in rows.claim(clock.now(), limit=500, lease=LEASE) if each.scope == scope_of(shop)]
    (letter,) = post.load([row], clock.now())
    clock.advance(LEASE * 2)
    (later,) = [each for each in rows.claim(clock.now(), limit=500, lease=LEASE) if each.scope == scope_of(shop)]
    post.record([Tried(letter, Answer(status=204), 0)], clock.now())
    assert delivery_of(shop, endpoint)["attemptCount"] == 0
    (letter,) = post.load([later], clock.now())
    post.record([Tried(letter, Answer(status=204), 0)], clock.now())
    assert delivery_of(shop, endpoint)["status"] == "delivered"


def scope_of(shop) -> Scope:
    return Scope(shop.workspace_id, shop.environment_id, shop.application_id)
