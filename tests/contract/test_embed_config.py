"""The embed configuration keeps its word."""

import pytest

from tests.shop import made, pointers, refused

EMPTY = {
    "allowedOrigins": [],
    "primaryColor": None,
    "logoUrl": None,
    "merchantName": None,
    "storefrontBaseUrl": None,
    "cartRecoveryUrlTemplate": None,
    "cartAbandonmentThresholdMinutes": None,
}
FULL = {
    "allowedOrigins": ["https://shop.example", "https://www.shop.example:8443"],
    "primaryColor": "#12abEF",
    "logoUrl": "https://cdn.example/l.png",
    "merchantName": "Ada's Mugs",
    "storefrontBaseUrl": "https://shop.example",
    "cartRecoveryUrlTemplate": "https://shop.example/cart?c={cartId}",
    "cartAbandonmentThresholdMinutes": 60,
}


def test_nothing_is_configured_at_first(shop):
    assert made(shop.get("/embed-config")) == EMPTY


def test_what_is_set_reads_back_and_is_the_shop_s_own(shop, other_shop):
    assert made(shop.put("/embed-config", FULL)) == FULL
    assert made(shop.get("/embed-config")) == FULL
    assert made(other_shop.get("/embed-config")) == EMPTY


def test_what_is_left_out_stays_and_null_clears(shop):
    made(shop.put("/embed-config", FULL))
    assert made(shop.put("/embed-config", {"merchantName": "Bob"})) == {**FULL, "merchantName": "Bob"}
    cleared = made(
        shop.put(
            "/embed-config", {"cartRecoveryUrlTemplate": None, "cartAbandonmentThresholdMinutes": None, "logoUrl": None}
        )
    )
    assert (cleared["cartRecoveryUrlTemplate"], cleared["cartAbandonmentThresholdMinutes"], cleared["logoUrl"]) == (
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.shop.example",
        "https://shop.example/",
        "https://shop.example/path",
        "HTTPS://shop.example",
        "https://Shop.example",
        "https://a.example; script-src *",
        "http://shop.example",
        "https://user@shop.example",
        "https://shop.example:99999",
        "https://shop.example:443",
        "http://localhost:80",
        "//shop.example",
        "shop.example",
        "",
    ],
)
def test_an_origin_is_exactly_what_a_browser_sends(shop, origin):
    error = refused(shop.put("/embed-config", {"allowedOrigins": [origin]}), 422, "validation_error")
    assert set(pointers(error)) == {"/allowedOrigins/0"}
    assert made(shop.get("/embed-config")) == EMPTY


@pytest.mark.parametrize(
    "body",
    [
        {"allowedOrigins": [f"https://s{i}.example" for i in range(21)]},
        {"allowedOrigins": ["https://a.example"] * 2},
        {"primaryColor": "red"},
        {"primaryColor": "#12345"},
        {"merchantName": ""},
        {"merchantName": "x" * 101},
        {"merchantName": "a\r\nBcc: x"},
        {"logoUrl": "javascript:alert(1)"},
        {"cartAbandonmentThresholdMinutes": 14},
        {"cartAbandonmentThresholdMinutes": 129601},
        {"unknown": 1},
    ],
)
def test_a_value_that_does_not_fit_is_refused(shop, body):
    refused(shop.put("/embed-config", body), 422, "validation_error")


@pytest.mark.parametrize(
    "template",
    [
        "https://shop.example/cart",
        "http://shop.example/{cartId}",
        "https://shop.example/{cartId}/{cartId}",
        "https://{cartId}.shop.example/",
        "https://shop.example/{cartId.__class__}",
        "https://evil.example/{cartId}",
        "https://shop.example/{x}",
    ],
)
def test_a_recovery_template_has_one_placeholder_and_a_host_of_the_shop_s(shop, template):
    body = {"allowedOrigins": ["https://shop.example"], "cartRecoveryUrlTemplate": template}
    refused(shop.put("/embed-config", body), 422, "validation_error")


def test_production_takes_no_http_origin(production_shop):
    shop = production_shop(lifecycle_stage="live")
    refused(shop.put("/embed-config", {"allowedOrigins": ["http://localhost:3000"]}), 422, "validation_error")


def test_in_production_a_buyer_returns_to_an_allowed_origin(production_shop):
    shop = production_shop(lifecycle_stage="live")
    made(shop.put("/embed-config", {"allowedOrigins": ["https://shop.example"]}))
    cart_id = shop.cart(items=1)["id"]
    made(shop.post("/checkout/sessions", shop.session_body(cart_id)), 201)
    named = shop.session_body(shop.cart(items=1)["id"], returnUrl="https://shop.example:443/back")
    made(shop.post("/checkout/sessions", named), 201)
    error = refused(
        shop.post("/checkout/sessions", shop.session_body(cart_id, returnUrl="https://evil.example/")),
        422,
        "validation_error",
    )
    assert pointers(error) == ["/returnUrl"]
