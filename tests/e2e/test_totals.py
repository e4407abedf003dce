"""Does a buyer see the total that is charged? Where the shop works out shipping and tax from the address typed."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.contract.test_quotes import publish
from tests.e2e.test_checkout import back_in_shop, pay, payments_of
from tests.shop import made

OFF = {"shipping": {"mode": "off"}, "tax": {"mode": "off"}}
BROADWAY = {"addressLine1": "1 Broadway", "postalCode": "10004", "city": "New York", "stateProvince": "NY"}
ALBANY = {"addressLine1": "5 Elm Street", "postalCode": "12207", "city": "Albany", "stateProvince": "NY"}


@pytest.fixture
def calculated(shop, store):
    """Open a session for a mug of 25.00 in a shop that ships to New York and taxes there; 4 % of the state, 4.5 % of the city."""
    publish(shop)

    def opened(address=None, **fields) -> dict:
        cart = shop.cart()
        shop.item(cart["id"], name="Enamel mug", unitPrice=2500, weightGrams=400)
        if address:
            wanted = {"kind": "checkout_final", "selectedShippingMethodId": "std"}
            made(shop.post(f"/shipping-tax/carts/{cart['id']}/calculate", wanted | {"shippingAddress": address}))
        urls = {"returnUrl": f"{store.origin}/thanks?from=penstock", "cancelUrl": f"{store.origin}/cart"}
        return shop.session(cart["id"], **urls, **fields)

    yield opened
    publish(shop, OFF)


def type_address(page: Page, address: dict, country: str = "US") -> None:
    """Type an address, the country last, and leave its field."""
    for name, value in address.items():
        page.locator(f'[name="shippingAddress.{name}"]').fill(value)
    chosen = page.locator('[name="shippingAddress.countryCode"]')
    chosen.select_option(country)
    chosen.blur()


def test_the_total_is_worked_out_from_the_address_before_anything_is_paid(tab, shop, calculated):
    opened = calculated()
    tab.page.goto(opened["hostedUrl"])
    expect(tab.page.get_by_text("So far, without shipping and tax")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Continue")).to_be_enabled()
    tab.page.get_by_label("E-mail").fill("ada@example.com")
    type_address(tab.page, BROADWAY)
    # 4 % and 4.5 % of 25.00, and 4 % of the 5.00 that the first way to ship costs.
    expect(tab.page.get_by_role("button", name="Pay $32.33")).to_be_enabled()
    summary = tab.page.get_by_label("Order summary")
    for text in ("Shipping (Standard)", "$5.00", "Tax", "$2.33"):
        expect(summary).to_contain_text(text)
    assert tab.completions == []
    pay(tab.page)
    back_in_shop(tab.page, opened)
    assert [one["amount"] for one in payments_of(shop, opened)] == [3233]


def test_another_address_than_the_calculated_one_brings_the_new_total(tab, shop, calculated):
    opened = calculated({**BROADWAY, "countryCode": "US"}, customerEmail="ada@example.com")
    tab.page.goto(opened["hostedUrl"])
    expect(tab.page.get_by_role("button", name="Pay $32.33")).to_be_enabled()
    expect(tab.page.get_by_text("1 Broadway, 10004, New York")).to_be_visible()
    tab.page.get_by_role("button", name="Change").click()
    type_address(tab.page, ALBANY)
    expect(tab.page.get_by_role("button", name="Pay $31.20")).to_be_enabled()
    pay(tab.page)
    back_in_shop(tab.page, opened)
    assert [one["amount"] for one in payments_of(shop, opened)] == [3120]
    order = next(one for one in made(shop.get("/orders"))["data"] if one["cartId"] == opened["cartId"])
    assert made(shop.get(f"/orders/{order['id']}"))["shippingAddress"]["city"] == "Albany"


def test_a_buyer_who_pays_at_once_is_shown_the_new_total_first(tab, shop, calculated):
    opened = calculated({**BROADWAY, "countryCode": "US"}, customerEmail="ada@example.com")
    tab.page.goto(opened["hostedUrl"])
    tab.page.get_by_role("button", name="Change").click()
    # No pause after the last letter: the press on the button is what makes the page look.
    tab.page.clock.install()
    tab.page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    type_address(tab.page, ALBANY)
    pay(tab.page)
    expect(tab.page.get_by_text("The total has changed.")).to_be_visible()
    tab.page.clock.resume()
    expect(tab.page.get_by_role("button", name="Pay $31.20")).to_be_enabled()
    assert (tab.completions, payments_of(shop, opened)) == ([], [])
    pay(tab.page)
    back_in_shop(tab.page, opened)
    assert [one["amount"] for one in payments_of(shop, opened)] == [3120]


def test_a_buyer_chooses_how_it_is_sent(tab, shop, calculated):
    opened = calculated(customerEmail="ada@example.com")
    tab.page.goto(opened["hostedUrl"])
    type_address(tab.page, BROADWAY)
    expect(tab.page.get_by_role("button", name="Pay $32.33")).to_be_enabled()
    ways = tab.page.get_by_role("group", name="How it is sent")
    expect(ways.get_by_role("radio", checked=True)).to_have_value("std")
    ways.get_by_text("By weight").click()
    expect(tab.page.get_by_label("Order summary")).to_contain_text("Shipping (By weight)")
    expect(tab.page.get_by_role("button", name="Pay $30.25")).to_be_enabled()
    pay(tab.page)
    back_in_shop(tab.page, opened)
    assert [one["amount"] for one in payments_of(shop, opened)] == [3025]


def test_a_place_that_nothing_is_sent_to_is_told_and_nothing_is_paid(tab, shop, calculated):
    opened = calculated(customerEmail="ada@example.com")
    tab.page.goto(opened["hostedUrl"])
    type_address(tab.page, {"addressLine1": "1 Rue de Rivoli", "postalCode": "75001", "city": "Paris"}, "FR")
    expect(tab.page.get_by_text("Nothing ships these goods to this address.")).to_be_visible()
    tab.page.get_by_role("button", name="Continue").click()
    expect(tab.page.get_by_text("Nothing ships these goods to this address.")).to_be_visible()
    assert (tab.completions, payments_of(shop, opened)) == ([], [])


def test_what_is_missing_of_an_address_is_asked_for_at_its_field(tab, calculated):
    opened = calculated(customerEmail="ada@example.com")
    tab.page.goto(opened["hostedUrl"])
    type_address(tab.page, {**BROADWAY, "postalCode": ""})
    code = tab.page.locator('[name="shippingAddress.postalCode"]')
    expect(code).to_have_attribute("aria-invalid", "true")
    code.fill("10004")
    code.blur()
    expect(tab.page.get_by_role("button", name=re.compile(r"Pay \$32\.33"))).to_be_enabled()


def test_a_cart_that_changed_meanwhile_is_shown_anew_and_not_paid_as_it_was(tab, shop, calculated):
    opened = calculated({**BROADWAY, "countryCode": "US"}, customerEmail="ada@example.com")
    tab.page.goto(opened["hostedUrl"])
    expect(tab.page.get_by_role("button", name="Pay $32.33")).to_be_enabled()
    shop.item(opened["cartId"], name="Tea towel", unitPrice=1000, weightGrams=100)
    pay(tab.page)
    expect(tab.page.get_by_text("The total has changed.")).to_be_visible()
    expect(tab.page.get_by_label("Order summary")).to_contain_text("Tea towel")
    assert payments_of(shop, opened) == []
    pay(tab.page)
    back_in_shop(tab.page, opened)
    assert len(payments_of(shop, opened)) == 1


def test_a_shop_that_works_out_nothing_is_not_asked_to(tab, session):
    tab.page.goto(session()["hostedUrl"])
    expect(tab.page.get_by_role("button", name="Pay $54.18")).to_be_enabled()
    assert not [url for url in tab.asked if url.endswith("/calculate")]
