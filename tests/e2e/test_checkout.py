"""Can a person pay? The hosted page, in a real browser, against a real server."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.shop import made

BRIEF = {"customerEmail": "ada@example.com", "collect": {"shippingAddress": False}}
APPROVE, DECLINE, CHALLENGE = "tok_sandbox_approve", "tok_sandbox_decline_insufficient_funds", "tok_sandbox_3ds"


def fill(page: Page) -> None:
    page.get_by_label("E-mail").fill("ada@example.com")
    page.get_by_label("Street and number").fill("1 Market Street")
    page.get_by_role("textbox", name="City").fill("San Francisco")
    page.get_by_label("Country").select_option("US")


def pay(page: Page, token: str = APPROVE) -> None:
    page.get_by_label("Test card").select_option(token)
    page.get_by_role("button", name="Pay").click()


def back_in_shop(page: Page, session: dict) -> None:
    page.wait_for_url(re.compile(r"/thanks\?"))
    assert f"session_id={session['id']}" in page.url
    assert "from=penstock" in page.url
    expect(page.get_by_role("heading", name="Thank you for your order")).to_be_visible()


def payments_of(shop, session: dict) -> list[dict]:
    orders = made(shop.get("/orders"))["data"]
    mine = [one for one in orders if one["cartId"] == session["cartId"]]
    return [one for order in mine for one in made(shop.get(f"/orders/{order['id']}/payments"))["data"]]


def statuses(shop, session: dict) -> list[str]:
    return sorted(one["status"] for one in payments_of(shop, session))


def test_a_buyer_sees_what_is_bought_and_what_it_costs(tab, session):
    tab.page.goto(session()["hostedUrl"])
    expect(tab.page.get_by_text("Hill & Harbour").first).to_be_visible()
    summary = tab.page.get_by_label("Order summary")
    for text in ("Enamel mug, forest green", "$14.50", "$47.99", "$2.00", "Shipping (Standard)", "$4.99", "$3.20"):
        expect(summary).to_contain_text(text)
    expect(summary.locator(".grand")).to_contain_text("$54.18")
    expect(tab.page.get_by_role("button", name="Pay $54.18")).to_be_enabled()
    assert tab.outside() == []


def test_a_discount_that_ended_meanwhile_is_named_and_the_buyer_is_asked_for_the_new_total(tab, shop, session):
    ten = {"code": "TENTH", "name": "A tenth", "type": "percentage", "value": 10}
    discount = made(shop.post("/discounts", ten), 201)
    opened = session(discountCode="tenth")
    tab.page.goto(opened["hostedUrl"])
    summary = tab.page.get_by_label("Order summary")
    expect(summary).to_contain_text("Discount (TENTH)")
    fill(tab.page)
    made(shop.patch(f"/discounts/{discount['id']}", {"isActive": False}))
    pay(tab.page)
    expect(tab.page.get_by_text("This discount is not offered any more.")).to_be_visible()
    expect(summary).not_to_contain_text("TENTH")
    expect(tab.page.get_by_role("button", name="Pay $54.18")).to_be_enabled()
    assert statuses(shop, opened) == []
    fill(tab.page)
    pay(tab.page)
    back_in_shop(tab.page, opened)
    assert [one["amount"] for one in payments_of(shop, opened)] == [5418]


def test_a_buyer_whose_cart_was_changed_elsewhere_sees_the_new_total_before_it_is_charged(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    expect(tab.page.get_by_role("button", name="Pay $54.18")).to_be_enabled()
    made(shop.post(f"/carts/{opened['cartId']}/items", {"type": "product", "name": "Late", "unitPrice": 5000}), 201)
    pay(tab.page)
    expect(tab.page.get_by_text("The total has changed.")).to_be_visible()
    expect(tab.page.get_by_label("Order summary")).to_contain_text("Late")
    assert statuses(shop, opened) == []
    tab.page.get_by_role("button", name="Pay $104.18").click()
    back_in_shop(tab.page, opened)
    assert [one["amount"] for one in payments_of(shop, opened)] == [10418]


def test_a_buyer_pays_and_comes_back_to_the_shop(tab, shop, session):
    opened = session()
    tab.page.goto(opened["hostedUrl"])
    fill(tab.page)
    pay(tab.page)
    back_in_shop(tab.page, opened)
    assert statuses(shop, opened) == ["captured"]
    order = made(shop.get("/orders"))["data"][0]
    found = made(shop.get(f"/orders/{order['id']}"))
    assert found["shippingAddress"]["city"] == "San Francisco"
    assert found["customerEmail"] == "ada@example.com"


def test_nothing_is_sent_while_a_field_is_missing(tab, session):
    tab.page.goto(session()["hostedUrl"])
    pay(tab.page)
    expect(tab.page.get_by_text("This is needed.")).to_have_count(4)
    expect(tab.page.get_by_label("E-mail")).to_be_focused()
    tab.page.get_by_label("E-mail").fill("no address")
    tab.page.get_by_role("button", name="Pay").click()
    expect(tab.page.get_by_text("This does not look right.")).to_be_visible()
    assert tab.completions == []


def test_what_the_shop_knows_is_not_asked_again(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    expect(tab.page.get_by_text("You pay as ada@example.com.")).to_be_visible()
    expect(tab.page.locator("input[type=email], [data-address]")).to_have_count(0)
    pay(tab.page)
    back_in_shop(tab.page, opened)


def test_a_billing_address_can_be_the_shipping_address_or_another(tab, shop, session):
    opened = session(collect={"shippingAddress": True, "billingAddress": True})
    tab.page.goto(opened["hostedUrl"])
    billing = tab.page.locator('[data-address="billingAddress"]')
    expect(billing).to_be_hidden()
    tab.page.get_by_label("The billing address is the same").uncheck()
    expect(billing).to_be_visible()
    tab.page.get_by_label("The billing address is the same").check()
    fill_first(tab.page)
    pay(tab.page)
    back_in_shop(tab.page, opened)
    assert tab.completions[0]["billingAddress"] == tab.completions[0]["shippingAddress"]


def fill_first(page: Page) -> None:
    page.get_by_label("E-mail").fill("ada@example.com")
    page.locator('[name="shippingAddress.addressLine1"]').fill("1 Market Street")
    page.locator('[name="shippingAddress.city"]').fill("San Francisco")
    page.locator('[name="shippingAddress.countryCode"]').select_option("US")


def test_a_decline_is_told_in_words_and_can_be_followed_by_another_card(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    pay(tab.page, DECLINE)
    expect(tab.page.get_by_role("alert").first).to_contain_text("The card has insufficient funds.")
    assert statuses(shop, opened) == ["failed"]
    pay(tab.page, APPROVE)
    back_in_shop(tab.page, opened)
    assert statuses(shop, opened) == ["captured", "failed"]


def test_a_buyer_is_not_told_of_a_suspicion(tab, session):
    tab.page.goto(session(**BRIEF)["hostedUrl"])
    tab.page.locator("[name=paymentToken]").evaluate(
        "(select) => select.append(new Option('fraud', 'tok_sandbox_decline_fraud'))"
    )
    pay(tab.page, "tok_sandbox_decline_fraud")
    alert = tab.page.get_by_role("alert").first
    expect(alert).to_contain_text("The payment was declined.")
    expect(alert).not_to_contain_text("fraud")


def test_a_decline_is_still_told_after_a_reload(tab, session):
    tab.page.goto(session(**BRIEF)["hostedUrl"])
    pay(tab.page, DECLINE)
    expect(tab.page.get_by_role("alert").first).to_contain_text("insufficient funds")
    tab.page.reload()
    expect(tab.page.get_by_role("alert").first).to_contain_text("insufficient funds")


def test_a_buyer_confirms_at_the_bank_and_is_sent_back_to_the_shop(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    pay(tab.page, CHALLENGE)
    expect(tab.page.get_by_role("heading", name="Sandbox bank")).to_be_visible()
    expect(tab.page.get_by_text("$54.18")).to_be_visible()
    assert statuses(shop, opened) == ["pending"]
    tab.page.get_by_role("button", name="Approve").click()
    back_in_shop(tab.page, opened)
    assert statuses(shop, opened) == ["captured"]


def test_a_buyer_who_comes_back_by_a_way_of_their_own_is_asked_after(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    pay(tab.page, CHALLENGE)
    expect(tab.page.get_by_role("heading", name="Sandbox bank")).to_be_visible()
    assert tab.page.request.post(tab.page.url, form={"answer": "approve"}).ok
    assert statuses(shop, opened) == ["pending"]
    tab.page.goto(opened["hostedUrl"])
    back_in_shop(tab.page, opened)
    assert statuses(shop, opened) == ["captured"]


def test_a_buyer_who_fails_at_the_bank_can_try_again(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    pay(tab.page, CHALLENGE)
    tab.page.get_by_role("button", name="Fail").click()
    expect(tab.page.get_by_role("alert").first).to_contain_text("could not confirm that it is you")
    assert statuses(shop, opened) == ["failed"]
    pay(tab.page)
    back_in_shop(tab.page, opened)
    assert statuses(shop, opened) == ["captured", "failed"]


def test_a_buyer_who_leaves_the_bank_is_offered_the_way_back_there(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    pay(tab.page, CHALLENGE)
    expect(tab.page.get_by_role("heading", name="Sandbox bank")).to_be_visible()
    tab.page.goto(opened["hostedUrl"])
    expect(tab.page.get_by_role("heading", name="Waiting for your bank")).to_be_visible()
    expect(tab.page.get_by_role("link", name="Go to your bank")).to_have_attribute(
        "href", re.compile("/sandbox/challenge/")
    )
    tab.page.get_by_role("link", name="Go to your bank").click()
    tab.page.get_by_role("button", name="Approve").click()
    back_in_shop(tab.page, opened)
    assert statuses(shop, opened) == ["captured"]


def test_a_silent_bank_is_asked_again_and_charges_once(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    pay(tab.page, "tok_sandbox_outage_after_charge")
    back_in_shop(tab.page, opened)
    assert statuses(shop, opened) == ["captured"]
    assert len(tab.completions) > 1


def test_a_second_press_of_the_button_sends_nothing(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    tab.page.get_by_label("Test card").select_option("tok_sandbox_delay_2500")
    button = tab.page.get_by_role("button", name="Pay")
    button.dblclick()
    expect(button).to_be_disabled()
    back_in_shop(tab.page, opened)
    assert len(tab.completions) == 1


def test_a_lost_connection_is_no_lost_payment(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    lost = []

    def lose(route):
        if lost:
            route.continue_()
            return
        lost.append(route.fetch())  # it reaches the server, and the answer never comes
        route.abort()

    tab.page.route("**/complete", lose)
    pay(tab.page)
    back_in_shop(tab.page, opened)
    assert lost[0].status == 200
    assert statuses(shop, opened) == ["captured"]


def test_a_paid_session_says_so_and_takes_nothing_more(tab, shop, session):
    opened = session(**BRIEF)
    made(shop.complete(opened["id"]))
    answer = tab.page.goto(opened["hostedUrl"])
    assert answer.status == 200
    expect(tab.page.get_by_role("heading", name="Thank you")).to_be_visible()
    expect(tab.page.get_by_role("button")).to_have_count(0)
    tab.page.get_by_role("link", name="Back to the shop").click()
    back_in_shop(tab.page, opened)


def test_a_session_paid_elsewhere_while_the_page_is_open_is_not_paid_again(tab, shop, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    made(shop.complete(opened["id"], email="ada@example.com"))
    pay(tab.page)
    expect(tab.page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert statuses(shop, opened) == ["captured"]


def test_an_unknown_session_answers_404_in_words(tab, shop):
    answer = tab.page.goto(f"{tab.home}/checkout/cs_{'0' * 32}")
    assert answer.status == 404
    expect(tab.page.get_by_role("heading", name="There is no such checkout")).to_be_visible()


def test_an_order_that_costs_nothing_is_placed_without_a_card(tab, shop):
    cart = shop.cart()
    shop.item(cart["id"], name="Sample", unitPrice=0)
    opened = shop.session(cart["id"], **BRIEF)
    tab.page.goto(opened["hostedUrl"])
    expect(tab.page.get_by_text("Card", exact=True)).to_have_count(0)
    with tab.page.expect_response(re.compile("/complete$")) as answer:
        tab.page.get_by_role("button", name="Place the order").click()
    assert (answer.value.status, tab.completions) == (200, [{"paymentMethod": "card", "expectedAmount": 0}])


def test_giving_up_leads_to_the_cart(tab, session):
    opened = session(**BRIEF)
    tab.page.goto(opened["hostedUrl"])
    tab.page.get_by_role("link", name="Cancel and go back").click()
    expect(tab.page.get_by_role("heading", name="Your cart")).to_be_visible()
    assert tab.page.url.endswith(f"/cart?session_id={opened['id']}")


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 390), ("dark", 1200)])
def test_no_page_is_wider_than_its_screen(chromium, session, scheme, width):
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(session(collect={"shippingAddress": True, "billingAddress": True})["hostedUrl"])
    expect(page.get_by_role("button", name="Pay")).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
