"""The stream of events keeps its word: every event, in one order, once."""

import threading
import time

import orjson
import pytest

from penstock.ids import new_id
from storage.outgoing import Outgoing
from tests.shop import made, pointers, refused
from tests.shops import hand_on, moved


@pytest.fixture
def stream(house, shop):
    """Reads the shop's stream once everything is handed on."""

    def read(query=""):
        hand_on(house)
        return made(shop.get(f"/events{query}"))

    return read


def test_events_are_numbered_from_one_without_a_gap(shop, stream):
    cart = shop.cart(items=3)
    page = stream()
    assert [each["streamSequence"] for each in page["data"]] == [1, 2, 3, 4]
    assert [each["type"] for each in page["data"]] == ["cart.created", *["cart.item_added"] * 3]
    assert {each["objectId"] for each in page["data"]} == {cart["id"]}
    assert page["meta"] == {"lastSequence": 4, "latestSequence": 4, "hasMore": False, "limit": 50}


def test_a_reader_goes_on_where_it_stopped(shop, stream):
    shop.cart(items=4)
    seen, after = [], 0
    while True:
        page = stream(f"?afterSequence={after}&limit=2")
        seen += [each["streamSequence"] for each in page["data"]]
        after = page["meta"]["lastSequence"]
        if not page["meta"]["hasMore"]:
            break
    assert seen == [1, 2, 3, 4, 5]
    assert stream("?afterSequence=5") == {
        "data": [],
        "meta": {"lastSequence": 5, "latestSequence": 5, "hasMore": False, "limit": 50},
    }


def test_an_empty_stream_is_an_empty_page(stream):
    assert stream()["meta"] == {"lastSequence": 0, "latestSequence": 0, "hasMore": False, "limit": 50}


def test_one_object_s_events_are_found_alone(shop, stream):
    first, second = shop.cart(items=1), shop.cart(items=2)
    page = stream(f"?objectId={second['id']}")
    assert {each["objectId"] for each in page["data"]} == {second["id"]}
    assert [each["sequence"] for each in page["data"]] == [1, 2, 3]
    assert len(stream(f"?objectId={first['id']}")["data"]) == 2
    assert stream(f"?objectId={new_id()}")["data"] == []


@pytest.mark.parametrize(
    "query", ["afterSequence=-1", "afterSequence=x", "limit=0", "limit=201", "objectId=", "type=x"]
)
def test_a_query_that_does_not_fit_is_refused(shop, query):
    refused(shop.get(f"/events?{query}"), 400, "invalid_request")


def test_an_event_is_read_by_the_id_that_receivers_see(shop, stream):
    shop.cart()
    (event,) = stream()["data"]
    assert event["id"].startswith("evt_")
    assert made(shop.get(f"/events/{event['id']}")) == event


def test_an_event_is_not_shown_before_it_has_its_number(house, shop):
    shop.cart()
    assert made(shop.get("/events"))["data"] == []
    hand_on(house)
    assert len(made(shop.get("/events"))["data"]) == 1


def test_an_unknown_event_is_not_found(shop, other_shop, house):
    other_shop.cart()
    hand_on(house)
    theirs = made(other_shop.get("/events"))["data"][0]["id"]
    for unknown in ("evt_" + new_id().replace("-", ""), theirs, "evt_x", new_id()):
        refused(shop.get(f"/events/{unknown}"), 404, "not_found")
        refused(shop.post(f"/events/{unknown}/resend"), 404, "not_found")


def test_each_environment_has_a_stream_of_its_own(shop, sibling_shop, stream):
    neighbour = sibling_shop("environment")
    neighbour.cart(items=5)
    shop.cart()
    assert [each["streamSequence"] for each in stream()["data"]] == [1]


def test_a_key_needs_the_scope(shop):
    key = made(shop.as_member("POST", "/api-keys", {"name": "x", "scopes": ["events:read"]}), 201)["rawKey"]
    made(shop.get("/events", key=key))
    other = made(shop.as_member("POST", "/api-keys", {"name": "x", "scopes": ["webhooks:write"]}), 201)["rawKey"]
    refused(shop.get("/events", key=other), 403, "insufficient_scopes")
    made(shop.as_member("GET", "/events"))


def opened(shop, *events, url="https://store.example.com/hooks"):
    return made(shop.post("/webhook-endpoints", {"url": url, "enabledEvents": list(events)}), 201)


def test_resending_tells_every_endpoint_that_listens(shop, stream):
    shop.cart()
    (event,) = stream()["data"]
    listening = opened(shop, "cart.created")
    opened(shop, "order.created")
    paused = opened(shop, "cart.created")
    made(shop.patch(f"/webhook-endpoints/{paused['id']}", {"isActive": False}))
    (delivery,) = made(shop.post(f"/events/{event['id']}/resend"))["deliveries"]
    assert (delivery["endpointId"], delivery["eventId"]) == (listening["id"], event["id"])
    assert (delivery["status"], delivery["isTest"], delivery["replayOf"]) == ("pending", False, None)
    assert made(shop.get(f"/webhook-deliveries/{delivery['id']}"))["event"] == event


def test_resending_to_a_named_endpoint_asks_not_what_it_listens_to(shop, stream):
    shop.cart()
    (event,) = stream()["data"]
    assert made(shop.post(f"/events/{event['id']}/resend"))["deliveries"] == []
    endpoint = opened(shop, "order.created")
    body = {"endpointId": endpoint["id"]}
    (delivery,) = made(shop.post(f"/events/{event['id']}/resend", body))["deliveries"]
    assert delivery["endpointId"] == endpoint["id"]


def test_resending_to_an_unknown_endpoint_points_at_it(shop, other_shop, stream):
    shop.cart()
    (event,) = stream()["data"]
    theirs = opened(other_shop, "cart.created")["id"]
    for unknown in (new_id(), theirs):
        error = refused(shop.post(f"/events/{event['id']}/resend", {"endpointId": unknown}), 422, "validation_error")
        assert pointers(error) == ["/endpointId"]


def test_a_delivered_event_and_the_event_that_is_read_are_the_same_bytes(house, shop, stream):
    endpoint = opened(shop, "cart.created")
    shop.cart()
    (event,) = stream()["data"]
    delivery = made(shop.get(f"/webhook-deliveries?endpointId={endpoint['id']}"))["items"][0]
    scope = house.identity.by_key(shop.secret_key).scope
    with house.work(scope, read=True) as uow:
        assert uow.webhooks.message(delivery["eventId"]) == orjson.dumps(uow.events.get(event["id"]))


def test_a_reader_that_follows_misses_nothing_while_many_write_and_several_relays_run(house, shop):
    """The mistake is to read behind a number that was given at the insert: rows that commit late are never seen."""
    shops = [shop, *(moved(shop) for _ in range(3))]
    carts = [each.cart()["id"] for each in shops]
    done = threading.Event()

    def relay():
        outgoing = Outgoing(house.database, house.vault)
        while not done.is_set():
            outgoing.hand_on(house.clock.now(), limit=3)

    def write(own, cart):
        for _ in range(25):
            own.item(cart)

    seen, after = [], 0
    relays = [threading.Thread(target=relay) for _ in range(3)]
    writers = [threading.Thread(target=write, args=pair) for pair in zip(shops, carts, strict=True)]
    for thread in (*relays, *writers):
        thread.start()
    until = time.monotonic() + 60
    while (any(each.is_alive() for each in writers) or len(seen) < 104) and time.monotonic() < until:
        page = made(shop.get(f"/events?afterSequence={after}"))
        seen += [each["streamSequence"] for each in page["data"]]
        after = page["meta"]["lastSequence"]
        if not any(each.is_alive() for each in writers) and after == page["meta"]["latestSequence"] == 104:
            break
    done.set()
    for thread in relays:
        thread.join()
    assert seen == list(range(1, 105))
