"""Carts that their buyers leave are given up on time, shown, and opened again by the next change."""

from datetime import timedelta

import pytest

from jobs.actors import Runner
from jobs.relay import BATCH, LEASE
from storage.due import DueTable
from tests.shop import ADDRESS, made, refused

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
TEMPLATE = "https://shop.example/cart?c={cartId}"


@pytest.fixture
def work_off(house):
    """Does everything that is due, as a worker would."""
    rows = DueTable(house.database)

    def done() -> None:
        runner = Runner(house, rows)
        while claimed := rows.claim(house.clock.now(), limit=BATCH, lease=LEASE):
            for row in claimed:
                runner.run_due(row.id, row.attempt)

    return done


@pytest.fixture
def later(clock, work_off):
    """Lets time pass, and does what falls due at its end."""

    def passed(step: timedelta) -> None:
        clock.advance(step)
        work_off()

    return passed


def configure(shop, **fields):
    made(shop.put("/embed-config", {"storefrontBaseUrl": "https://shop.example", **fields}))


def status_of(shop, cart):
    return shop.read_cart(cart["id"])["status"]


def listed(shop, query=""):
    return made(shop.get(f"/abandoned-carts{query}"))["data"]


def test_a_cart_is_abandoned_a_day_after_its_last_change_and_not_before(shop, later):
    cart = shop.cart(items=1)
    later(DAY - MINUTE)
    assert (status_of(shop, cart), listed(shop)) == ("open", [])
    shop.item(cart["id"])
    later(2 * MINUTE)
    assert status_of(shop, cart) == "open", "a change begins the day anew"
    later(DAY)
    assert status_of(shop, cart) == "abandoned"
    assert shop.events(cart["id"])[-1] == "cart.abandoned"


@pytest.mark.parametrize("minutes", [15, 60, 2880])
def test_an_application_says_after_how_many_minutes(shop, later, minutes):
    configure(shop, cartAbandonmentThresholdMinutes=minutes)
    cart = shop.cart(items=1)
    later(timedelta(minutes=minutes) - MINUTE)
    assert status_of(shop, cart) == "open"
    later(2 * MINUTE)
    assert status_of(shop, cart) == "abandoned"


def test_a_shorter_threshold_counts_for_carts_that_wait_already(shop, later):
    cart = shop.cart(items=1)
    later(20 * MINUTE)
    configure(shop, cartAbandonmentThresholdMinutes=15)
    later(MINUTE)
    assert status_of(shop, cart) == "abandoned"


def test_a_cart_lives_thirty_days_even_where_the_threshold_is_longer(shop, later):
    configure(shop, cartAbandonmentThresholdMinutes=129_600)
    cart = shop.cart(items=1)
    later(30 * DAY - MINUTE)
    assert status_of(shop, cart) == "open"
    later(2 * MINUTE)
    assert status_of(shop, cart) == "abandoned"
    assert abandonment(shop, cart)["reason"] == "expired"


def abandonment(shop, cart):
    events = made(shop.get(f"/carts/{cart['id']}/events"))["data"]
    return [each["payload"] for each in events if each["eventType"] == "cart.abandoned"][-1]


def test_the_event_says_what_is_needed_to_bring_the_buyer_back(shop, later):
    configure(shop, cartRecoveryUrlTemplate=TEMPLATE)
    cart = shop.ready_cart()
    later(DAY + MINUTE)
    told = abandonment(shop, cart)
    assert (told["reason"], told["itemCount"], told["customerEmail"]) == ("idle", 2, "ada@example.com")
    assert (told["status"], told["total"]) == ("abandoned", cart["total"])
    assert told["recoveryUrl"] == f"https://shop.example/cart?c={cart['id']}"


def test_the_list_shows_the_last_one_abandoned_first_and_pages(shop, later):
    first, second = shop.ready_cart(), shop.cart()
    later(DAY + MINUTE)
    third = shop.cart(items=3, currency="JPY")
    later(DAY + MINUTE)
    page = made(shop.get("/abandoned-carts?limit=2"))
    assert page["data"][0]["id"] == third["id"]
    assert page["meta"]["pagination"]["hasMore"] is True
    rest = made(shop.get(f"/abandoned-carts?limit=2&cursor={page['meta']['pagination']['cursor']}"))
    assert rest["meta"]["pagination"] == {"cursor": None, "hasMore": False, "limit": 2}
    ids = [each["id"] for each in page["data"] + rest["data"]]
    assert sorted(ids[1:]) == sorted([first["id"], second["id"]])
    assert made(shop.get("/abandoned-carts"))["meta"]["pagination"]["limit"] == 25


def test_a_record_says_whose_cart_it_is_and_what_is_in_it(shop, later):
    known = shop.ready_cart()
    address = {**ADDRESS, "firstName": "Ada", "lastName": "Lovelace"}
    made(shop.patch(f"/carts/{known['id']}", {"shippingAddress": address}))
    later(MINUTE)
    anonymous = shop.cart(items=1)
    later(DAY + MINUTE)
    by_id = {each["id"]: each for each in listed(shop)}
    record = by_id[known["id"]]
    assert record["customer"] == {"id": None, "email": "ada@example.com", "firstName": "Ada"}
    assert (record["total"], record["currency"], record["itemCount"]) == (known["total"], "USD", 2)
    assert record["recoveryStatus"] == "webhook_only"
    assert by_id[anonymous["id"]]["customer"] is None


def test_the_summary_counts_a_window_and_keeps_currencies_apart(shop, later):
    made(shop.get("/abandoned-carts/summary"))
    dollars, yen = shop.cart(items=1), shop.cart(items=2, currency="JPY")
    later(DAY + MINUTE)
    both = made(shop.get("/abandoned-carts/summary"))
    assert (both["sinceDays"], both["abandonedCount"], both["recoveryEmailsSent"]) == (30, 2, 0)
    assert both["abandonedValue"] == dollars["total"] + yen["total"]
    assert [each["currency"] for each in both["byCurrency"]] == ["JPY", "USD"]
    later(2 * DAY)
    assert made(shop.get("/abandoned-carts/summary?sinceDays=1"))["abandonedCount"] == 0
    assert made(shop.get("/abandoned-carts/summary?sinceDays=4"))["abandonedCount"] == 2


@pytest.mark.parametrize("query", ["?sinceDays=0", "?sinceDays=366", "?sinceDays=x"])
def test_a_window_is_one_day_to_a_year(shop, query):
    refused(shop.get(f"/abandoned-carts/summary{query}"), 400, "invalid_request")


@pytest.mark.parametrize("query", ["?limit=0", "?limit=101"])
def test_a_page_holds_one_to_a_hundred(shop, query):
    refused(shop.get(f"/abandoned-carts{query}"), 400, "invalid_request")


def test_a_cursor_of_another_list_is_refused(shop):
    for _ in range(2):
        shop.paid_order()
    cursor = made(shop.get("/orders?limit=1"))["meta"]["pagination"]["cursor"]
    refused(shop.get(f"/abandoned-carts?cursor={cursor}"), 400, "invalid_cursor")


def test_a_buyer_s_change_opens_it_again_and_the_wait_begins_anew(shop, later):
    cart = shop.cart(items=1)
    later(DAY + MINUTE)
    shop.item(cart["id"])
    assert (status_of(shop, cart), listed(shop)) == ("open", [])
    later(DAY - MINUTE)
    assert status_of(shop, cart) == "open"
    later(2 * MINUTE)
    assert status_of(shop, cart) == "abandoned"
    assert shop.events(cart["id"]).count("cart.abandoned") == 2


def test_an_abandoned_cart_can_still_be_paid_in_its_session(shop, later):
    configure(shop, cartAbandonmentThresholdMinutes=15)
    cart = shop.ready_cart()
    session = shop.session(cart["id"])
    later(16 * MINUTE)
    assert status_of(shop, cart) == "abandoned"
    made(shop.complete(session["id"]))
    assert status_of(shop, cart) == "converted"
    later(2 * DAY)
    assert (status_of(shop, cart), listed(shop)) == ("converted", [])


def test_a_declined_buyer_who_leaves_is_given_up_once_more(shop, later):
    configure(shop, cartAbandonmentThresholdMinutes=15)
    cart = shop.ready_cart()
    session = shop.session(cart["id"])
    later(16 * MINUTE)
    refused(shop.complete(session["id"], "tok_sandbox_insufficient_funds"), 402, "payment_failed")
    assert status_of(shop, cart) == "checkout"
    later(16 * MINUTE)
    assert status_of(shop, cart) == "abandoned"


def test_a_cart_whose_payment_may_still_succeed_is_never_abandoned(shop, later):
    cart = shop.ready_cart()
    made(shop.complete(shop.session(cart["id"])["id"], "tok_sandbox_pending"), 202)
    later(40 * DAY)
    assert status_of(shop, cart) == "checkout"


def test_a_cart_in_the_merchant_s_own_checkout_is_abandoned_and_opens_again(shop, later):
    cart = shop.ready_cart()
    made(shop.post(f"/carts/{cart['id']}/checkout", {}), 201)
    later(DAY + MINUTE)
    assert status_of(shop, cart) == "abandoned"
    shop.item(cart["id"])
    assert status_of(shop, cart) == "open"


def test_a_session_that_expires_is_no_sign_of_life(shop, later):
    configure(shop, cartAbandonmentThresholdMinutes=2880)
    cart = shop.ready_cart()
    shop.session(cart["id"])
    later(DAY + MINUTE)
    later(DAY)
    assert status_of(shop, cart) == "abandoned"


def test_each_tenant_sees_its_own(shop, other_shop, later):
    cart, theirs = shop.cart(items=1), other_shop.cart(items=1)
    later(DAY + MINUTE)
    assert [each["id"] for each in listed(shop)] == [cart["id"]]
    assert [each["id"] for each in listed(other_shop)] == [theirs["id"]]
    assert made(shop.get("/abandoned-carts/summary"))["abandonedCount"] == 1


def test_a_key_needs_the_scope_to_read_carts(shop):
    key = made(shop.as_member("POST", "/api-keys", {"name": "o", "scopes": ["orders:read"]}), 201)["rawKey"]
    for path in ("/abandoned-carts", "/abandoned-carts/summary"):
        refused(shop.get(path, key=key), 403, "insufficient_scopes")
