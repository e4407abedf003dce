"""How often a discount may be used: reserved when checkout begins, used when the payment is authorized, else given back."""

from datetime import timedelta

import pytest

from penstock.caller import Scope
from penstock.flows.expire_session import expire_session
from penstock.flows.lapse_discount import LAPSE, lapse_discount
from penstock.ids import new_id
from storage.audit import audit
from storage.tables import due
from tests.contract.test_calculations import HOME, calculate
from tests.contract.test_calculations import cart_of as mug_of
from tests.contract.test_discounts import FIVE, apply, automatic, create, happened, later, preview
from tests.contract.test_quotes import publish
from tests.shop import made, refused

DECLINED = "tok_sandbox_decline_hard"


def uses(shop, discount):
    """How many places of a discount are reserved and used."""
    found = made(shop.get(f"/discounts/{discount['id']}"))
    return found["timesReserved"], found["timesRedeemed"]


def discounted(shop, code="TEN", **fields):
    """A cart that can be paid, with a code on it."""
    cart = shop.ready_cart(**fields)
    return made(apply(shop, cart, code))


def buyer(shop, email, code="TEN"):
    """A cart of somebody with this address, with a code on it."""
    cart = shop.ready_cart()
    made(shop.patch(f"/carts/{cart['id']}", {"customerEmail": email}))
    return apply(shop, cart, code)


def work(shop):
    return shop.house.work(Scope(shop.workspace_id, shop.environment_id, shop.application_id))


@pytest.fixture(autouse=True)
def nothing_is_left_wrong(house):
    yield
    assert [each for each in audit(house.database) if "discount" in each.rule or "redemption" in each.rule] == []


def test_a_place_is_reserved_by_the_session_and_used_by_the_payment(shop):
    one = create(shop, usageLimit=1)
    cart = discounted(shop)
    assert uses(shop, one) == (0, 0)
    session = shop.session(cart["id"])
    assert (session["amount"], uses(shop, one)) == (2750, (1, 0))
    assert made(shop.get(f"/discounts/{one['id']}"))["state"] == "exhausted"
    paid = made(shop.complete(session["id"]))
    order = made(shop.get(f"/orders/{paid['orderId']}"))
    assert uses(shop, one) == (0, 1)
    assert (order["discountCode"], order["discountTotal"], order["total"]) == ("TEN", 250, 2750)
    assert order["appliedDiscount"] == cart["appliedDiscount"]
    assert sum(line["discountAmount"] for line in order["lineItems"]) == 250
    assert paid["amount"] == 2750
    assert happened(shop, one["id"]) == ["discount.created", "discount.exhausted"]


def test_the_code_is_applied_by_the_session_itself(shop):
    one = create(shop)
    cart = shop.ready_cart()
    session = shop.session(cart["id"], discountCode="ten")
    assert (session["amount"], uses(shop, one)) == (2750, (1, 0))
    assert shop.read_cart(cart["id"])["appliedDiscount"]["code"] == "TEN"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"conditions": {"minOrder": 9999}}, "minimum_order"),
        ({"endsAt": "2001-01-01T00:00:00Z"}, "ended"),
        ({"code": "OTHER"}, "unknown"),
    ],
    ids=str,
)
def test_a_session_with_a_code_that_cannot_be_used_is_not_opened(shop, fields, reason):
    create(shop, **fields)
    cart = shop.ready_cart()
    error = refused(
        shop.post("/checkout/sessions", shop.session_body(cart["id"], discountCode="TEN")), 422, "discount_invalid"
    )
    assert error["details"] == {"discountCode": "TEN", "reason": reason}
    assert shop.read_cart(cart["id"]) == cart


def test_a_code_needs_a_cart_that_is_kept_here(shop):
    create(shop)
    body = shop.session_body(externalCartId="elsewhere", discountCode="TEN")
    error = refused(shop.post("/checkout/sessions", body), 422, "discount_invalid")
    assert error["details"]["reason"] == "no_cart"


def test_who_comes_second_to_the_last_place_does_not_get_it(shop):
    one = create(shop, usageLimit=1, maxRedemptionsPerCustomer=None)
    first, second = discounted(shop), discounted(shop)
    shop.session(first["id"])
    error = refused(shop.post("/checkout/sessions", shop.session_body(second["id"])), 422, "discount_invalid")
    assert error["details"] == {"discountCode": "TEN", "reason": "exhausted"}
    refused(apply(shop, shop.ready_cart()), 422, "discount_invalid")
    assert preview(shop)["reason"] == "exhausted"
    assert uses(shop, one) == (1, 0)


@pytest.mark.parametrize("end", ["cancel", "expire", "time", "decline"])
def test_a_place_is_given_back_when_nothing_is_paid(shop, clock, end):
    one = create(shop, usageLimit=1)
    session = shop.session(discounted(shop)["id"])
    if end == "decline":
        refused(shop.complete(session["id"], DECLINED), 402, "payment_failed")
    elif end == "time":
        clock.advance(timedelta(hours=25))
        with work(shop) as uow:
            assert expire_session(uow, session["id"])
    else:
        made(shop.post(f"/checkout/sessions/{session['id']}/{end}"))
    assert uses(shop, one) == (0, 0)


def test_after_a_decline_the_next_try_takes_the_place_again(shop):
    one = create(shop, usageLimit=1)
    session = shop.session(discounted(shop)["id"])
    refused(shop.complete(session["id"], DECLINED), 402, "payment_failed")
    assert made(shop.complete(session["id"]))["amount"] == 2750
    assert uses(shop, one) == (0, 1)


def test_a_place_that_somebody_else_took_after_a_decline_is_gone_and_the_buyer_is_asked_for_the_new_total(shop):
    create(shop, usageLimit=1, maxRedemptionsPerCustomer=None)
    cart = discounted(shop)
    session = shop.session(cart["id"])
    refused(shop.complete(session["id"], DECLINED), 402, "payment_failed")
    shop.session(discounted(shop)["id"])
    error = refused(shop.complete(session["id"]), 422, "discount_invalid")
    assert error["details"] == {"discountCode": "TEN", "reason": "exhausted"}
    after = shop.read_cart(cart["id"])
    assert (after["appliedDiscount"], after["total"]) == (None, 3000)
    assert made(shop.complete(session["id"]))["amount"] == 3000


@pytest.mark.parametrize("change", ["window", "switch", "delete"])
def test_window_and_switch_count_again_when_the_buyer_pays(shop, clock, change):
    one = create(shop, endsAt=later(shop, hours=1))
    session = shop.session(discounted(shop)["id"])
    if change == "window":
        clock.advance(timedelta(hours=2))
    elif change == "switch":
        made(shop.patch(f"/discounts/{one['id']}", {"isActive": False}))
    else:
        made(shop.delete(f"/discounts/{one['id']}"), 204)
    error = refused(shop.complete(session["id"]), 422, "discount_invalid")
    assert error["details"]["reason"] == ("ended" if change == "window" else "inactive")
    assert made(shop.complete(session["id"]))["amount"] == 3000
    assert uses(shop, one) == (0, 0)


def test_a_customer_is_known_by_id_or_else_by_address_in_any_case(shop):
    create(shop)
    made(shop.complete(shop.session(made(buyer(shop, "Ada@Example.com"))["id"])["id"]))
    error = refused(buyer(shop, "ada@example.COM"), 422, "discount_invalid")
    assert error["details"]["reason"] == "customer_limit"
    assert preview(shop, customerEmail="ADA@example.com")["reason"] == "customer_limit"
    made(buyer(shop, "grace@example.com"))
    someone = new_id()
    cart = shop.ready_cart(customerId=someone)
    made(apply(shop, cart))
    made(shop.complete(shop.session(cart["id"])["id"]))
    assert preview(shop, customerId=someone)["reason"] == "customer_limit"
    refused(apply(shop, shop.ready_cart(customerId=someone)), 422, "discount_invalid")


def test_a_place_that_a_customer_only_holds_counts_too(shop):
    create(shop)
    first, second = made(buyer(shop, "ada@example.com")), made(buyer(shop, "ada@example.com"))
    shop.session(first["id"])
    error = refused(shop.post("/checkout/sessions", shop.session_body(second["id"])), 422, "discount_invalid")
    assert error["details"]["reason"] == "customer_limit"


def test_a_buyer_whom_nobody_knew_is_judged_when_paying(shop):
    one = create(shop)
    made(shop.complete(shop.session(discounted(shop)["id"])["id"]))
    cart = shop.cart(items=2)
    made(apply(shop, cart))
    session = shop.session(cart["id"], collect={"shippingAddress": False})
    error = refused(shop.complete(session["id"], email="ada@example.com"), 422, "discount_invalid")
    assert error["details"]["reason"] == "customer_limit"
    assert made(shop.complete(session["id"], email="ada@example.com"))["amount"] == 2500
    assert uses(shop, one) == (0, 1)


def test_a_limit_is_not_set_below_what_is_taken(shop):
    one = create(shop, maxRedemptionsPerCustomer=None)
    for _ in range(2):
        shop.session(discounted(shop)["id"])
    error = refused(shop.patch(f"/discounts/{one['id']}", {"usageLimit": 1}), 422, "validation_error")
    assert error["details"][0]["code"] == "below_usage"
    assert made(shop.patch(f"/discounts/{one['id']}", {"usageLimit": 2}))["state"] == "exhausted"


def test_another_code_moves_the_place_with_it_while_a_session_is_open(shop):
    ten, five = create(shop, usageLimit=1), made(shop.post("/discounts", {**FIVE, "usageLimit": 1}), 201)
    cart = discounted(shop)
    shop.session(cart["id"])
    made(apply(shop, cart, "FIVE"))
    assert (uses(shop, ten), uses(shop, five)) == ((0, 0), (1, 0))
    made(shop.delete(f"/carts/{cart['id']}/discount"))
    assert uses(shop, five) == (0, 0)


def test_a_cart_below_the_minimum_holds_no_place_and_its_order_has_no_code(shop):
    one = create(shop, conditions={"minOrder": 2000})
    cart = discounted(shop)
    session = shop.session(cart["id"])
    made(shop.delete(f"/carts/{cart['id']}/items/{cart['lineItems'][0]['id']}"), 204)
    assert uses(shop, one) == (0, 0)
    order = made(shop.get(f"/orders/{made(shop.complete(session['id']))['orderId']}"))
    assert (order["appliedDiscount"], order["discountCode"], order["total"]) == (None, None, 1750)


def test_a_discount_of_everything_is_used_by_a_payment_of_nothing(shop):
    one = create(shop, value=100)
    cart = shop.cart(items=1, customerEmail="ada@example.com")
    made(apply(shop, cart))
    session = shop.session(cart["id"], collect={"shippingAddress": False})
    assert made(shop.complete(session["id"]))["amount"] == 0
    assert uses(shop, one) == (0, 1)


def test_a_draft_order_holds_its_place_for_a_day(shop, clock):
    one = create(shop, usageLimit=1)
    cart = discounted(shop)
    order = made(shop.post(f"/carts/{cart['id']}/checkout", {}), 201)
    assert (order["discountCode"], order["total"], uses(shop, one)) == ("TEN", 2750, (1, 0))
    assert LAPSE in {row.kind for row in rows_of_due(shop, cart["id"])}
    with work(shop) as uow:
        lapse_discount(uow, cart["id"])
        uow.due.done(LAPSE, cart["id"])
    assert uses(shop, one) == (0, 0)
    assert made(shop.complete(shop.session(cart["id"])["id"]))["amount"] == 2750
    assert uses(shop, one) == (0, 1)


def test_what_a_paid_cart_has_used_stays_with_it_when_its_other_session_ends(shop, clock):
    one = create(shop, usageLimit=1)
    cart = discounted(shop)
    made(shop.post(f"/carts/{cart['id']}/checkout", {}), 201)
    other, session = shop.session(cart["id"]), shop.session(cart["id"])
    made(shop.complete(session["id"]))
    clock.advance(timedelta(hours=25))
    with work(shop) as uow:
        expire_session(uow, other["id"])
        lapse_discount(uow, cart["id"])
    assert uses(shop, one) == (0, 1)


def rows_of_due(shop, object_id):
    import sqlalchemy as sa

    engine = sa.create_engine(shop.house.settings.database_url)
    with engine.connect() as connection:
        found = connection.execute(sa.select(due).where(due.c.object_id == object_id)).all()
    engine.dispose()
    return found


def check_out(shop, cart_id, way, **kw):
    """Open a session for a cart, or make a draft order of it."""
    if way == "session":
        return shop.post("/checkout/sessions", shop.session_body(cart_id), **kw)
    return shop.post(f"/carts/{cart_id}/checkout", {}, **kw)


def price(answer):
    """What is to be paid in a session or a draft order that was made."""
    body = made(answer, 201)
    return body["amount"] if "amount" in body else body["total"]


@pytest.mark.parametrize("way", ["session", "draft"])
@pytest.mark.parametrize("change", ["window", "switch", "delete", "exhausted", "customer"])
def test_a_cart_whose_code_is_over_is_refused_once_and_then_checked_out_for_its_new_total(shop, clock, way, change):
    one = create(shop, endsAt=later(shop, hours=1), usageLimit=1 if change == "exhausted" else None)
    cart = discounted(shop)
    if change == "window":
        clock.advance(timedelta(hours=2))
    elif change == "switch":
        made(shop.patch(f"/discounts/{one['id']}", {"isActive": False}))
    elif change == "delete":
        made(shop.delete(f"/discounts/{one['id']}"), 204)
    else:
        shop.session(discounted(shop)["id"])
    error = refused(check_out(shop, cart["id"], way), 422, "discount_invalid")
    reasons = {"window": {"ended"}, "delete": {"unknown"}, "customer": {"customer_limit"}, "exhausted": {"exhausted"}}
    assert error["details"]["reason"] in reasons.get(change, {"inactive"})
    assert error["details"]["discountCode"] == "TEN"
    after = shop.read_cart(cart["id"])
    assert (after["status"], after["appliedDiscount"], after["total"]) == ("open", None, 3000)
    assert shop.events(cart["id"])[-1] == "cart.discount_removed"
    assert price(check_out(shop, cart["id"], way)) == 3000


@pytest.mark.parametrize("way", ["session", "draft"])
def test_a_refusal_for_a_code_that_is_over_is_told_again_under_its_key(shop, way):
    one = create(shop)
    cart = discounted(shop)
    made(shop.patch(f"/discounts/{one['id']}", {"isActive": False}))
    first, again = (check_out(shop, cart["id"], way, headers={"Idempotency-Key": "over"}) for _ in range(2))
    refused(first, 422, "discount_invalid")
    assert (again.status_code, again.content) == (422, first.content)
    assert again.headers["idempotency-replay"] == "true"
    assert shop.events(cart["id"]).count("cart.discount_removed") == 1
    assert price(check_out(shop, cart["id"], way, headers={"Idempotency-Key": "new"})) == 3000


@pytest.mark.parametrize("way", ["session", "draft"])
def test_an_automatic_discount_takes_the_place_of_a_code_that_is_over(shop, way):
    automatic(shop, value=5)
    one = create(shop)
    cart = discounted(shop)
    made(shop.patch(f"/discounts/{one['id']}", {"isActive": False}))
    refused(check_out(shop, cart["id"], way), 422, "discount_invalid")
    assert shop.events(cart["id"])[-1] == "cart.discount_applied"
    assert price(check_out(shop, cart["id"], way)) == 2875


@pytest.mark.parametrize("way", ["session", "draft"])
def test_a_code_that_is_over_gives_back_the_place_that_the_cart_held(shop, way):
    one = create(shop)
    cart = discounted(shop)
    session = shop.session(cart["id"])
    made(shop.patch(f"/discounts/{one['id']}", {"isActive": False}))
    assert uses(shop, one) == (1, 0)
    refused(check_out(shop, cart["id"], way), 422, "discount_invalid")
    assert uses(shop, one) == (0, 0)
    assert made(shop.complete(session["id"]))["amount"] == 3000


def test_a_draft_order_whose_code_ended_before_its_session_is_paid_for_its_new_total(shop, clock):
    one = create(shop, endsAt=later(shop, hours=1))
    cart = discounted(shop)
    draft = made(shop.post(f"/carts/{cart['id']}/checkout", {}), 201)
    clock.advance(timedelta(hours=2))
    refused(check_out(shop, cart["id"], "session"), 422, "discount_invalid")
    paid = made(shop.complete(shop.session(cart["id"])["id"]))
    order = made(shop.get(f"/orders/{draft['id']}"))
    assert (paid["orderId"], paid["amount"], order["total"], uses(shop, one)) == (draft["id"], 3000, 3000, (0, 0))


def test_a_code_that_a_session_is_asked_for_and_cannot_have_leaves_the_cart_its_own(shop):
    create(shop)
    made(shop.post("/discounts", {**FIVE, "endsAt": "2001-01-01T00:00:00Z"}), 201)
    cart = discounted(shop)
    refused(
        shop.post("/checkout/sessions", shop.session_body(cart["id"], discountCode="FIVE")), 422, "discount_invalid"
    )
    assert shop.read_cart(cart["id"]) == cart


@pytest.mark.parametrize("way", ["session", "draft", "completion"])
def test_where_penstock_calculates_a_cart_whose_code_is_over_is_calculated_again_before_it_is_paid(shop, way):
    publish(shop)
    one = create(shop)
    cart_id = mug_of(shop)
    made(apply(shop, {"id": cart_id}))
    chosen = {"kind": "checkout_final", "selectedShippingMethodId": "std", "shippingAddress": HOME}
    made(calculate(shop, cart_id, **chosen))
    session = shop.session(cart_id) if way == "completion" else None
    made(shop.patch(f"/discounts/{one['id']}", {"isActive": False}))
    refused(
        shop.complete(session["id"], email="ada@example.com") if session else check_out(shop, cart_id, way),
        422,
        "discount_invalid",
    )
    session = session or shop.session(cart_id)  # a session may be opened before anything is final
    error = refused(shop.complete(session["id"], email="ada@example.com"), 400, "cart_not_ready")
    assert error["details"]["missing"] == ["checkout_final"]
    total = made(calculate(shop, cart_id, **chosen))["totals"]["total"]
    assert made(shop.complete(session["id"], email="ada@example.com"))["amount"] == total


def test_a_void_gives_the_place_back_and_a_refund_does_not(shop):
    one = create(shop, usageLimit=2, maxRedemptionsPerCustomer=None)
    held = made(shop.complete(shop.session(discounted(shop)["id"], captureMode="manual")["id"]))
    taken = made(shop.complete(shop.session(discounted(shop)["id"])["id"]))
    assert uses(shop, one) == (0, 2)
    made(shop.post(f"/payments/{held['paymentId']}/void"))
    made(shop.post(f"/payments/{taken['paymentId']}/refund"))
    assert uses(shop, one) == (0, 1)


def test_an_automatic_discount_that_is_used_up_gives_way_to_the_next_best(shop):
    best, next_best = automatic(shop, value=20, usageLimit=1), automatic(shop)
    first, second = shop.ready_cart(), shop.ready_cart()
    assert shop.session(first["id"])["amount"] == 2500
    assert shop.session(second["id"])["amount"] == 2750
    assert (uses(shop, best), uses(shop, next_best)) == ((1, 0), (1, 0))


def test_an_open_outcome_keeps_the_place_until_it_is_settled(shop):
    one = create(shop, usageLimit=1)
    session = shop.session(discounted(shop)["id"])
    open_ = made(shop.complete(session["id"], "tok_sandbox_outage_after_charge"), 202)
    assert (open_["status"], uses(shop, one)) == ("open", (1, 0))
