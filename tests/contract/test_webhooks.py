"""Webhook endpoints and deliveries keep their word."""

import pytest

from penstock.ids import new_id
from tests.shop import made, pointers, refused

URL = "https://store.example.com/hooks"


def open_endpoint(shop, url=URL, events=("payment.captured",), **kw):
    return shop.post("/webhook-endpoints", {"url": url, "enabledEvents": list(events)}, **kw)


def test_a_new_endpoint_shows_its_secret_once(shop):
    endpoint = made(open_endpoint(shop), 201)
    assert endpoint["signingSecret"].startswith("whsec_")
    assert (endpoint["isActive"], endpoint["disabledReason"]) == (True, None)
    listed = made(shop.get("/webhook-endpoints"))["data"]
    assert [each["id"] for each in listed] == [endpoint["id"]]
    assert "signingSecret" not in listed[0]
    assert "signingSecret" not in made(shop.get(f"/webhook-endpoints/{endpoint['id']}"))


@pytest.mark.parametrize(
    "url",
    [
        "http://store.example.com/hooks",
        "ftp://store.example.com/hooks",
        "https://user@store.example.com/",
        "https://store.example.com/#part",
        "https://store.example.com:6379/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "https://printer.local/",
    ],
)
def test_an_address_that_events_must_not_go_to_is_refused(shop, url):
    error = refused(open_endpoint(shop, url), 422, "validation_error")
    assert set(pointers(error)) == {"/url"}


def test_an_event_type_that_does_not_exist_is_named_by_its_place(shop):
    error = refused(open_endpoint(shop, events=["payment.captured", "payment.lost"]), 422, "validation_error")
    assert pointers(error) == ["/enabledEvents/1"]


@pytest.mark.parametrize("events", [[], ["order.created", "order.created"], ["x" * 70 + ".y"]])
def test_a_list_of_events_is_not_empty_and_has_no_twins(shop, events):
    refused(open_endpoint(shop, events=events), 422, "validation_error")


def test_an_application_has_fifty_endpoints_at_the_most(shop):
    for n in range(50):
        made(open_endpoint(shop, f"{URL}/{n}"), 201)
    error = refused(open_endpoint(shop), 422, "validation_error")
    assert error["details"][0]["code"] == "too_many_endpoints"


def test_an_endpoint_is_changed_paused_and_resumed(shop):
    path = f"/webhook-endpoints/{made(open_endpoint(shop), 201)['id']}"
    changed = made(shop.patch(path, {"url": f"{URL}/2", "enabledEvents": ["order.created"]}))
    assert (changed["url"], changed["enabledEvents"]) == (f"{URL}/2", ["order.created"])
    paused = made(shop.patch(path, {"isActive": False}))
    assert (paused["isActive"], paused["disabledReason"]) == (False, "paused")
    resumed = made(shop.patch(path, {"isActive": True}))
    assert (resumed["isActive"], resumed["disabledReason"]) == (True, None)
    refused(shop.patch(path, {}), 422, "validation_error")


def test_a_deleted_endpoint_is_off_the_list_and_unknown(shop):
    path = f"/webhook-endpoints/{made(open_endpoint(shop), 201)['id']}"
    assert made(shop.delete(path))["deleted"] is True
    assert made(shop.get("/webhook-endpoints"))["data"] == []
    refused(shop.get(path), 404, "not_found")
    refused(shop.delete(path), 404, "not_found")
    refused(shop.patch(path, {"isActive": True}), 404, "not_found")


def test_rotation_shows_a_new_secret_and_says_how_long_the_old_one_signs(shop):
    endpoint = made(open_endpoint(shop), 201)
    path = f"/webhook-endpoints/{endpoint['id']}/rotate-secret"
    rotated = made(shop.post(path))
    assert rotated["signingSecret"] != endpoint["signingSecret"]
    assert rotated["previousSecretUntil"] is None
    assert made(shop.post(path, {"overlapSeconds": 60}))["previousSecretUntil"] is not None
    refused(shop.post(path, {"overlapSeconds": 86_401}), 422, "validation_error")


def test_a_test_event_is_queued_and_marked(shop):
    endpoint = made(open_endpoint(shop), 201)
    delivery = made(shop.post(f"/webhook-endpoints/{endpoint['id']}/test"))
    assert (delivery["eventType"], delivery["status"], delivery["isTest"]) == ("payment.captured", "pending", True)
    detail = made(shop.get(f"/webhook-deliveries/{delivery['id']}"))
    assert detail["event"]["isTest"] is True
    assert detail["attempts"] == []
    refused(shop.post(f"/webhook-endpoints/{endpoint['id']}/test", {"eventType": "no.such"}), 422, "validation_error")


def test_a_replay_is_a_delivery_of_its_own_with_the_same_event(shop):
    endpoint = made(open_endpoint(shop), 201)
    first = made(shop.post(f"/webhook-endpoints/{endpoint['id']}/test", {"eventType": "order.created"}))
    again = made(shop.post(f"/webhook-deliveries/{first['id']}/replay"))
    assert again["id"] != first["id"]
    assert (again["eventId"], again["replayOf"], again["isTest"]) == (first["eventId"], first["id"], True)
    made(shop.delete(f"/webhook-endpoints/{endpoint['id']}"))
    refused(shop.post(f"/webhook-deliveries/{first['id']}/replay"), 404, "not_found")


def test_deliveries_are_listed_newest_first_by_endpoint_and_page(shop):
    one, two = (made(open_endpoint(shop, f"{URL}/{n}"), 201)["id"] for n in (1, 2))
    ids = [made(shop.post(f"/webhook-endpoints/{one}/test"))["id"] for _ in range(3)]
    made(shop.post(f"/webhook-endpoints/{two}/test"))
    page = made(shop.get(f"/webhook-deliveries?endpointId={one}&limit=2"))
    assert ([each["id"] for each in page["items"]], page["total"], page["hasMore"]) == (ids[:0:-1], 3, True)
    rest = made(shop.get(f"/webhook-deliveries?endpointId={one}&limit=2&offset=2"))
    assert ([each["id"] for each in rest["items"]], rest["hasMore"]) == (ids[:1], False)
    assert made(shop.get("/webhook-deliveries"))["total"] == 4
    assert made(shop.get(f"/webhook-deliveries?orderId={new_id()}"))["total"] == 0


def test_another_tenant_s_endpoints_and_deliveries_do_not_exist(shop, other_shop):
    endpoint = made(open_endpoint(shop), 201)
    delivery = made(shop.post(f"/webhook-endpoints/{endpoint['id']}/test"))
    for method, path, body in (
        ("GET", f"/webhook-endpoints/{endpoint['id']}", None),
        ("PATCH", f"/webhook-endpoints/{endpoint['id']}", {"isActive": False}),
        ("DELETE", f"/webhook-endpoints/{endpoint['id']}", None),
        ("POST", f"/webhook-endpoints/{endpoint['id']}/test", None),
        ("POST", f"/webhook-endpoints/{endpoint['id']}/rotate-secret", None),
        ("GET", f"/webhook-deliveries/{delivery['id']}", None),
        ("POST", f"/webhook-deliveries/{delivery['id']}/replay", None),
    ):
        refused(other_shop.ask(method, path, body), 404, "not_found")
    assert made(other_shop.get("/webhook-deliveries"))["total"] == 0
