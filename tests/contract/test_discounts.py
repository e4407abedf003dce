"""Discounts: created, changed, found, previewed, and put on carts."""

import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest

from penstock.clock import rfc3339
from penstock.ids import new_id
from tests.shop import BASE, made, pointers, refused

TEN = {"code": "TEN", "name": "Ten percent", "type": "percentage", "value": 10}
FIVE = {"code": "FIVE", "name": "Five off", "type": "fixed_amount", "value": 500}


def create(shop, **fields):
    return made(shop.post("/discounts", {**TEN, **fields}), 201)


def automatic(shop, **fields):
    given = {"name": "Automatic", "type": "percentage", "value": 10, "maxRedemptionsPerCustomer": None}
    return made(shop.post("/discounts", {**given, **fields}), 201)


def apply(shop, cart, code="TEN"):
    return shop.post(f"/carts/{cart['id']}/apply-discount", {"code": code})


def preview(shop, code="TEN", subtotal=1000, currency="USD", **fields):
    return made(shop.post("/discounts/preview", {"code": code, "subtotal": subtotal, "currency": currency, **fields}))


def later(shop, **step):
    return rfc3339(shop.house.clock.now() + timedelta(**step))


def happened(shop, discount_id):
    """The event types of a discount, in order."""
    from storage.tables import events
    from tests.shops import rows_of

    return [row.type for row in rows_of(shop.house, events, object_id=discount_id)]


def test_a_discount_is_created_with_what_was_said_and_the_usual_for_the_rest(shop):
    made_now = create(shop, code="Spring-10", metadata={"campaign": "spring"})
    assert made_now["code"] == "SPRING-10"
    assert (made_now["isActive"], made_now["state"], made_now["usageLimit"]) == (True, "active", None)
    assert (made_now["maxRedemptionsPerCustomer"], made_now["conditions"]) == (1, {})
    assert (made_now["timesReserved"], made_now["timesRedeemed"]) == (0, 0)
    assert made(shop.get(f"/discounts/{made_now['id']}")) == made_now


def test_a_code_is_one_discount_s_whatever_the_case_of_its_letters(shop):
    create(shop, code="spring")
    error = refused(shop.post("/discounts", {**TEN, "code": "SPRING"}), 422, "validation_error")
    assert pointers(error) == ["/code"]
    other = create(shop, code="SUMMER")
    error = refused(shop.patch(f"/discounts/{other['id']}", {"code": "Spring"}), 422, "validation_error")
    assert pointers(error) == ["/code"]
    assert made(shop.get(f"/discounts/{other['id']}"))["code"] == "SUMMER"


def test_another_tenant_may_have_the_same_code(shop, other_shop):
    assert create(shop)["code"] == create(other_shop)["code"]


def test_discounts_without_a_code_are_automatic_and_there_may_be_many(shop):
    assert [automatic(shop)["code"], automatic(shop, code="")["code"]] == [None, None]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"value": 101}, "/value"),
        ({"value": 0}, "/value"),
        ({"value": 10.5}, "/value"),
        ({"type": "bogof"}, "/type"),
        ({"code": "no space"}, "/code"),
        ({"name": "  "}, "/name"),
        ({"usageLimit": 0}, "/usageLimit"),
        ({"maxRedemptionsPerCustomer": 0}, "/maxRedemptionsPerCustomer"),
        ({"startsAt": "2027-01-02T00:00:00Z", "endsAt": "2027-01-02T00:00:00Z"}, "/endsAt"),
        ({"startsAt": "tomorrow"}, "/startsAt"),
        ({"conditions": {"minimum": 5}}, "/conditions/minimum"),
        ({"conditions": {"minOrder": -1}}, "/conditions/minOrder"),
        ({"metadata": {"throttle_x": 1}}, "/metadata/throttle_x"),
        ({"isActive": True}, "/isActive"),
    ],
    ids=str,
)
def test_what_does_not_fit_a_discount_is_refused_with_its_place(shop, fields, pointer):
    error = refused(shop.post("/discounts", {**TEN, **fields}), 422, "validation_error")
    assert pointers(error) == [pointer]


def test_a_change_sets_what_is_sent_and_leaves_the_rest(shop):
    one = create(shop, usageLimit=5, conditions={"minOrder": 100}, endsAt=later(shop, days=1))
    after = made(shop.patch(f"/discounts/{one['id']}", {"value": 20, "usageLimit": None, "endsAt": None}))
    assert (after["value"], after["usageLimit"], after["endsAt"]) == (20, None, None)
    assert (after["conditions"], after["code"], after["name"]) == ({"minOrder": 100}, "TEN", "Ten percent")
    assert made(shop.patch(f"/discounts/{one['id']}", {"conditions": {}}))["conditions"] == {}


def test_a_discount_tells_whether_it_can_be_used_now(shop, clock):
    one = create(shop, startsAt=later(shop, hours=1), endsAt=later(shop, hours=2))
    states = [one["state"]]
    for _ in range(2):
        clock.advance(timedelta(hours=1, seconds=1))
        states.append(made(shop.get(f"/discounts/{one['id']}"))["state"])
        assert made(shop.get("/discounts"))["data"][0]["state"] == states[-1]
    assert states == ["scheduled", "active", "ended"]
    off = made(shop.patch(f"/discounts/{one['id']}", {"isActive": False}))
    assert (off["state"], off["isActive"]) == ("inactive", False)


def test_a_discount_that_was_never_used_is_deleted_and_its_code_is_free(shop):
    one = create(shop)
    made(shop.delete(f"/discounts/{one['id']}"), 204)
    refused(shop.get(f"/discounts/{one['id']}"), 404, "not_found")
    refused(shop.delete(f"/discounts/{one['id']}"), 404, "not_found")
    assert create(shop)["id"] != one["id"]
    assert happened(shop, one["id"]) == ["discount.created", "discount.deleted"]


def test_a_discount_that_was_used_is_switched_off_and_stays_readable(shop):
    one = create(shop)
    cart = shop.ready_cart()
    made(apply(shop, cart))
    order = made(shop.complete(shop.session(cart["id"])["id"]))
    for _ in range(2):
        made(shop.delete(f"/discounts/{one['id']}"), 204)
    after = made(shop.get(f"/discounts/{one['id']}"))
    assert (after["isActive"], after["state"], after["timesRedeemed"]) == (False, "inactive", 1)
    assert made(shop.get(f"/orders/{order['orderId']}"))["appliedDiscount"]["code"] == "TEN"
    assert happened(shop, one["id"]) == ["discount.created", "discount.deleted"]


def test_a_list_shows_what_a_single_read_shows(shop):
    one = create(shop, conditions={"minOrder": 5, "itemTypes": ["product"]}, endsAt=later(shop, days=2), usageLimit=3)
    assert made(shop.get("/discounts"))["data"] == [made(shop.get(f"/discounts/{one['id']}"))]


def test_a_list_is_paged_in_either_direction_and_filtered(shop):
    ids = [create(shop, code=f"C{n}", metadata={"season": f"s{n % 2}"})["id"] for n in range(5)]
    fixed = made(shop.post("/discounts", FIVE), 201)["id"]
    made(shop.patch(f"/discounts/{ids[0]}", {"isActive": False}))

    def found(query):
        return [each["id"] for each in made(shop.get(f"/discounts?{query}"))["data"]]

    first = made(shop.get("/discounts?sort=asc&limit=4"))
    assert [each["id"] for each in first["data"]] == ids[:4]
    cursor = first["meta"]["pagination"]["cursor"]
    assert found(f"sort=asc&limit=4&cursor={cursor}") == [ids[4], fixed]
    refused(shop.get(f"/discounts?limit=4&cursor={cursor}"), 400, "invalid_cursor")
    assert found("sort=desc") == [fixed, *reversed(ids)]
    assert found("isActive=false") == [ids[0]]
    assert found("code=c3") == [ids[3]]
    assert found("type=fixed_amount") == [fixed]
    assert found("q=FIVE%20off") == [fixed]
    assert found("q=s1&sort=asc") == [ids[1], ids[3]]
    assert found("q=%25") == []
    assert made(shop.get("/discounts?limit=1"))["meta"]["pagination"] | {"cursor": 0} == {
        "cursor": 0,
        "hasMore": True,
        "limit": 1,
    }


def test_members_manage_discounts_and_viewers_read_them(shop):
    one = made(shop.as_member("POST", "/discounts", TEN), 201)
    assert made(shop.as_member("GET", "/discounts"))["data"][0]["id"] == one["id"]
    assert made(shop.as_member("PATCH", f"/discounts/{one['id']}", {"name": "New"}))["name"] == "New"


def test_a_key_that_may_only_read_changes_nothing(shop):
    key = made(shop.as_member("POST", "/api-keys", {"name": "r", "scopes": ["discounts:read"]}), 201)["rawKey"]
    made(shop.get("/discounts", key=key))
    refused(shop.post("/discounts", TEN, key=key), 403, "insufficient_scopes")
    assert preview(shop)["reason"] == "unknown"


# Preview


def test_a_preview_says_what_a_code_takes_off_and_changes_nothing(shop):
    one = create(shop, usageLimit=1)
    for _ in range(3):
        assert preview(shop, "ten", 1999) == {
            "valid": True,
            "code": "TEN",
            "discountTotal": 200,
            "total": 1799,
            "reason": None,
            "message": None,
        }
    assert made(shop.get(f"/discounts/{one['id']}")) == one


@pytest.mark.parametrize(
    ("fields", "asked", "reason"),
    [
        ({"conditions": {"minOrder": 1001}}, {}, "minimum_order"),
        ({"conditions": {"currency": "EUR"}}, {}, "currency"),
        ({"conditions": {"minQuantity": 2}}, {}, "minimum_quantity"),
        ({"conditions": {"itemTypes": ["ticket"]}}, {}, "no_eligible_items"),
        ({"conditions": {"referenceIds": ["A"]}}, {"lineItems": [{"unitPrice": 5, "referenceId": "B"}]}, "no_eligible_items"),
        ({"startsAt": "2999-01-01T00:00:00Z"}, {}, "scheduled"),
        ({"endsAt": "2001-01-01T00:00:00+02:00"}, {}, "ended"),
        ({}, {"code": "OTHER"}, "unknown"),
        ({}, {"subtotal": 0}, "no_eligible_items"),
    ],
    ids=str,
)  # fmt: skip
def test_a_preview_of_a_code_that_does_not_fit_is_an_answer_with_the_reason(shop, fields, asked, reason):
    create(shop, **fields)
    found = preview(shop, **asked)
    assert (found["valid"], found["reason"], found["discountTotal"]) == (False, reason, 0)
    assert found["total"] == asked.get("subtotal", 1000)
    assert found["message"].endswith(".")


def test_a_preview_covers_the_lines_that_the_discount_is_for(shop):
    create(shop, conditions={"referenceIds": ["A"], "minQuantity": 2})
    lines = [{"unitPrice": 300, "quantity": 2, "referenceId": "A"}, {"unitPrice": 400, "referenceId": "B"}]
    assert preview(shop, lineItems=lines)["discountTotal"] == 60


def test_a_code_in_other_letters_is_simply_unknown(shop):
    odd = "\N{LATIN SMALL LETTER SHARP S}" * 64
    assert preview(shop, odd)["reason"] == "unknown"
    assert made(shop.get(f"/discounts?code={odd}"))["data"] == []
    refused(apply(shop, shop.cart(items=1), odd), 422, "discount_invalid")


def test_a_preview_never_takes_more_than_there_is(shop):
    made(shop.post("/discounts", FIVE), 201)
    assert preview(shop, "FIVE", 300)["total"] == 0


# On a cart


def test_a_code_is_applied_whatever_its_case_and_prices_the_cart_again(shop):
    one = create(shop)
    cart = shop.ready_cart()
    after = made(apply(shop, cart, " tEn "))
    assert after["appliedDiscount"] == {
        "discountId": one["id"],
        "code": "TEN",
        "name": "Ten percent",
        "type": "percentage",
        "value": 10,
        "amount": 250,
    }
    assert (after["subtotal"], after["discountTotal"], after["total"]) == (2500, 250, 2750)
    assert [line["discountTotal"] for line in after["lineItems"]] == [125, 125]
    assert sum(line["total"] for line in after["lineItems"]) + after["shippingTotal"] == after["total"]
    assert shop.events(cart["id"])[-1] == "cart.discount_applied"


def test_a_new_code_replaces_the_old_one_and_a_bad_one_leaves_it(shop):
    create(shop)
    made(shop.post("/discounts", FIVE), 201)
    cart = shop.ready_cart()
    made(apply(shop, cart))
    error = refused(apply(shop, cart, "NOPE"), 422, "discount_invalid")
    assert error["details"] == {"discountCode": "NOPE", "reason": "unknown"}
    assert shop.read_cart(cart["id"])["appliedDiscount"]["code"] == "TEN"
    assert made(apply(shop, cart, "FIVE"))["discountTotal"] == 500


def test_a_code_is_taken_off_and_that_may_be_asked_twice(shop):
    create(shop)
    cart = shop.ready_cart()
    made(apply(shop, cart))
    for _ in range(2):
        after = made(shop.delete(f"/carts/{cart['id']}/discount"))
        assert (after["appliedDiscount"], after["discountTotal"]) == (None, 0)
    assert shop.events(cart["id"])[-1] == "cart.discount_removed"


def test_a_cart_keeps_the_value_that_was_applied(shop):
    one = create(shop)
    cart = shop.ready_cart()
    made(apply(shop, cart))
    made(shop.patch(f"/discounts/{one['id']}", {"value": 50, "name": "Half", "code": "HALF"}))
    shop.item(cart["id"])
    kept = shop.read_cart(cart["id"])["appliedDiscount"]
    assert (kept["code"], kept["name"], kept["value"], kept["amount"]) == ("TEN", "Ten percent", 10, 375)


def test_a_discount_follows_the_lines_and_rests_below_its_minimum(shop):
    create(shop, conditions={"minOrder": 2000})
    cart = shop.ready_cart()
    made(apply(shop, cart))
    line = cart["lineItems"][0]["id"]
    made(shop.delete(f"/carts/{cart['id']}/items/{line}"), 204)
    rests = shop.read_cart(cart["id"])
    assert (rests["appliedDiscount"]["amount"], rests["discountTotal"]) == (0, 0)
    shop.item(cart["id"], unitPrice=750)
    assert shop.read_cart(cart["id"])["discountTotal"] == 200


def test_a_discount_covers_only_its_lines_and_never_what_was_taken_off_by_hand(shop):
    create(shop, value=100, conditions={"itemTypes": ["ticket"]})
    cart = shop.cart()
    shop.item(cart["id"], unitPrice=1000)
    shop.item(cart["id"], unitPrice=1000, type="ticket", discountAmount=300)
    after = made(apply(shop, cart))
    assert [line["discountTotal"] for line in after["lineItems"]] == [0, 1000]
    assert (after["discountTotal"], after["appliedDiscount"]["amount"], after["total"]) == (1000, 700, 1000)


def test_an_unknown_cart_and_one_that_is_paid_take_no_code(shop):
    create(shop)
    refused(apply(shop, {"id": new_id()}), 404, "cart_not_found")
    cart = shop.ready_cart()
    made(shop.complete(shop.session(cart["id"])["id"]))
    refused(apply(shop, cart), 409, "cart_not_open")
    refused(shop.delete(f"/carts/{cart['id']}/discount"), 409, "cart_not_open")


# Automatic ones


def test_the_best_automatic_discount_is_on_the_cart_by_itself(shop):
    automatic(shop)
    automatic(shop, name="Twelve", value=12)
    cart = shop.cart(items=1)
    assert (cart["appliedDiscount"]["name"], cart["discountTotal"]) == ("Twelve", 150)
    automatic(shop, name="Two off", type="fixed_amount", value=200)
    shop.item(cart["id"], unitPrice=1)
    assert shop.read_cart(cart["id"])["appliedDiscount"]["name"] == "Two off"
    applied = [kind for kind in shop.events(cart["id"]) if kind == "cart.discount_applied"]
    assert len(applied) == 2


def test_a_code_comes_before_a_better_automatic_one_which_comes_back_afterwards(shop):
    automatic(shop, value=50)
    create(shop)
    cart = shop.cart(items=1)
    assert made(apply(shop, cart))["discountTotal"] == 125
    assert made(shop.delete(f"/carts/{cart['id']}/discount"))["discountTotal"] == 625


def test_an_automatic_discount_goes_with_its_conditions_and_says_so(shop):
    automatic(shop, conditions={"minOrder": 2000})
    cart = shop.cart(items=2)
    assert cart["discountTotal"] == 250
    made(shop.delete(f"/carts/{cart['id']}/items/{cart['lineItems'][0]['id']}"), 204)
    assert shop.read_cart(cart["id"])["appliedDiscount"] is None
    assert shop.events(cart["id"])[-2:] == ["cart.item_removed", "cart.discount_removed"]


def test_an_automatic_discount_that_began_meanwhile_is_in_the_session(shop, clock):
    automatic(shop, startsAt=later(shop, hours=1))
    cart = shop.ready_cart()
    clock.advance(timedelta(hours=2))
    assert shop.session(cart["id"])["amount"] == cart["total"] - 250


def test_what_a_customer_has_used_up_is_not_offered_again(shop):
    automatic(shop, maxRedemptionsPerCustomer=1)
    cart = shop.ready_cart()
    assert cart["discountTotal"] == 250
    made(shop.complete(shop.session(cart["id"])["id"]))
    assert shop.ready_cart()["discountTotal"] == 0


def test_the_requests_of_the_page_about_discounts_work_as_they_stand(shop):
    cart = shop.cart()
    shop.item(cart["id"], unitPrice=9000)
    page = (Path(__file__).parents[2] / "docs" / "discounts.md").read_text()
    requests = "\n".join(re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    known = {"$API": BASE, "$KEY": shop.secret_key, "$CART": cart["id"], "2027-": "2127-", "\\\n": ""}
    for name, value in known.items():
        requests = requests.replace(name, value)
    sent = [one for one in requests.split("curl ") if one.strip()]
    assert len(sent) == page.count("curl -X") > 1
    for one in sent:
        _, method, path, *more = shlex.split(one)
        given = list(zip(more[::2], more[1::2], strict=True))
        # What curl itself says of a body where nobody says another.
        headers = {"content-type": "application/x-www-form-urlencoded"}
        headers |= {
            name.lower(): value for flag, text in given if flag == "-H" for name, value in [text.split(": ", 1)]
        }
        body = next(text for flag, text in given if flag == "-d")
        answer = shop.client.request(method, path, content=body, headers=headers)
        assert answer.is_success, answer.text
    assert shop.read_cart(cart["id"])["appliedDiscount"]["code"] == "SPRING10"
