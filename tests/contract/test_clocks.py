"""The operations of a test clock keep their word. What it moves is seen in tests/faults/test_clock.py."""

from datetime import datetime, timedelta

import pytest

from jobs.relay import LEASE
from penstock.flows.queue_delivery import DELIVER
from penstock.ports import DueRow
from penstock.webhook import Answer
from storage.due import DueTable
from storage.outgoing import Outgoing, Tried
from tests.shop import made, pointers, refused


@pytest.fixture
def ticking(shop):
    made(shop.post("/test-clock"), 201)
    return shop


def test_a_clock_stands_at_the_present_and_is_the_only_one(shop, clock):
    before = clock.now()
    made_clock = made(shop.post("/test-clock"), 201)
    at = datetime.fromisoformat(made_clock["now"])
    assert abs(at - before) < timedelta(minutes=1)
    assert (made_clock["status"], made_clock["target"], made_clock["waiting"]) == ("ready", None, 0)
    assert made_clock["environmentId"] == shop.environment_id
    assert made(shop.get("/test-clock")) == made_clock
    refused(shop.post("/test-clock"), 409, "clock_exists")


def test_production_has_none(production_shop):
    shop = production_shop()
    refused(shop.post("/test-clock"), 403, "not_in_production")
    refused(shop.get("/test-clock"), 404, "not_found")
    refused(shop.post("/test-clock/advance", {"seconds": 1}), 404, "not_found")
    refused(shop.delete("/test-clock"), 404, "not_found")


def test_where_nothing_waits_it_arrives_at_once(ticking):
    at = datetime.fromisoformat(made(ticking.get("/test-clock"))["now"])
    moved = made(ticking.post("/test-clock/advance", {"seconds": 3600}))
    assert datetime.fromisoformat(moved["now"]) == at + timedelta(hours=1)
    target = (at + timedelta(days=2)).isoformat(timespec="milliseconds")[:-6] + "Z"
    assert made(ticking.post("/test-clock/advance", {"to": target}))["now"] == target
    assert made(ticking.get("/test-clock"))["now"] == target


def test_where_something_waits_it_says_how_far_it_is(ticking):
    ticking.cart(items=1)
    on_its_way = made(ticking.post("/test-clock/advance", {"seconds": 3600}), 202)
    assert on_its_way["status"] == "advancing"
    assert on_its_way["target"] > on_its_way["now"]
    assert on_its_way["waiting"] >= 1
    assert refused(ticking.post("/test-clock/advance", {"seconds": 1}), 409, "clock_advancing")
    assert refused(ticking.delete("/test-clock"), 409, "clock_advancing")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, ""),
        ({"seconds": 1, "to": "2090-01-01T00:00:00Z"}, ""),
        ({"to": "2020-01-01T00:00:00Z"}, "/to"),
        ({"to": "2090-01-01T00:00:00Z"}, "/to"),
        ({"to": "tomorrow"}, "/to"),
        ({"to": "2026-13-45T00:00:00Z"}, "/to"),
        ({"seconds": 0}, "/seconds"),
        ({"seconds": 31_622_401}, "/seconds"),
        ({"seconds": 1.5}, "/seconds"),
        ({"days": 1}, "/days"),
    ],
)
def test_a_clock_moves_forward_and_not_too_far(ticking, body, place):
    before = made(ticking.get("/test-clock"))
    error = refused(ticking.post("/test-clock/advance", body), 422, "validation_error")
    assert place in pointers(error)
    assert made(ticking.get("/test-clock")) == before


def test_a_clock_is_removed_once(ticking):
    made(ticking.delete("/test-clock"), 204)
    refused(ticking.delete("/test-clock"), 404, "not_found")
    refused(ticking.get("/test-clock"), 404, "not_found")
    made(ticking.post("/test-clock"), 201)


def test_every_application_of_the_environment_lives_by_it_and_no_other_environment(ticking, sibling_shop):
    made(ticking.post("/test-clock/advance", {"seconds": 86_400}))
    there = made(ticking.get("/test-clock"))["now"]
    assert sibling_shop("application").cart()["createdAt"] == there
    assert sibling_shop("environment").cart()["createdAt"] < there


def test_a_key_needs_the_scope(ticking):
    wanted = {"name": "reader", "scopes": ["test_clocks:read"]}
    key = made(ticking.as_member("POST", "/api-keys", wanted), 201)["rawKey"]
    made(ticking.get("/test-clock", key=key))
    refused(ticking.post("/test-clock/advance", {"seconds": 1}, key=key), 403, "insufficient_scopes")


def test_what_is_due_when_the_clock_goes_stays_due(ticking, house, clock):
    made(ticking.post("/test-clock/advance", {"seconds": 20 * 86_400}))
    made(ticking.post("/webhook-endpoints", {"url": "https://shop.example/", "enabledEvents": ["cart.created"]}), 201)
    ticking.cart()
    outgoing = Outgoing(house.database, house.vault)
    while outgoing.hand_on(clock.now()):
        pass
    made(ticking.delete("/test-clock"), 204)
    (row,) = deliveries_due(house, clock, ticking)
    (letter,) = outgoing.load([row], clock.now())
    assert letter.scope.stands_at is None


def test_what_is_tried_while_the_clock_goes_is_tried_again_by_the_machine_s(ticking, house, clock):
    made(ticking.post("/webhook-endpoints", {"url": "https://shop.example/", "enabledEvents": ["cart.created"]}), 201)
    ticking.cart()
    outgoing = Outgoing(house.database, house.vault)
    while outgoing.hand_on(clock.now()):
        pass
    (row,) = deliveries_due(house, clock, ticking)
    (letter,) = outgoing.load([row], clock.now())
    assert letter.scope.stands_at is not None
    made(ticking.delete("/test-clock"), 204)
    outgoing.record([Tried(letter, Answer(status=500), 0.0)], clock.now())
    clock.advance(timedelta(seconds=30))
    (again,) = deliveries_due(house, clock, ticking)
    assert (again.id, again.attempt) == (row.id, row.attempt + 1)


def deliveries_due(house, clock, shop) -> list[DueRow]:
    found: list[DueRow] = []
    while rows := DueTable(house.database).claim(clock.now(), limit=500, lease=LEASE):
        found += [row for row in rows if row.kind == DELIVER and row.scope.environment_id == shop.environment_id]
    return found
