"""Carts and items keep their word."""

import pytest

from penstock.ids import new_id
from tests.shop import ADDRESS, made, pointers, refused


def test_a_new_cart_is_open_empty_and_costs_nothing(shop):
    cart = shop.cart(metadata={"campaign": "spring"}, customerEmail="ada@example.com")
    assert (cart["status"], cart["currency"], cart["total"], cart["lineItems"]) == ("open", "USD", 0, [])
    assert (cart["metadata"], cart["customerEmail"]) == ({"campaign": "spring"}, "ada@example.com")
    assert (cart["applicationId"], cart["environmentId"]) == (shop.application_id, shop.environment_id)


def test_a_cart_s_currency_is_us_dollars_unless_it_says_otherwise(shop):
    assert made(shop.post("/carts", {"applicationId": shop.application_id}), 201)["currency"] == "USD"
    assert shop.cart(currency="JPY")["currency"] == "JPY"


def test_a_cart_for_another_application_is_refused_as_for_an_unknown_one(shop, other_shop):
    faults = [
        refused(shop.post("/carts", {"applicationId": i}), 422, "validation_error")
        for i in (other_shop.application_id, new_id())
    ]
    assert faults[0]["details"] == faults[1]["details"]
    assert pointers(faults[0]) == ["/applicationId"]


@pytest.mark.parametrize("currency", ["usd", "XXX", "XAU", "US", "USD ", "HRK", 840, None])
def test_only_a_currency_that_a_buyer_can_be_charged_in_is_taken(shop, currency):
    error = refused(
        shop.post("/carts", {"applicationId": shop.application_id, "currency": currency}), 422, "validation_error"
    )
    assert set(pointers(error)) == {"/currency"}


def test_an_unknown_field_is_refused_with_a_suggestion(shop):
    error = refused(
        shop.post("/carts", {"applicationId": shop.application_id, "curency": "EUR"}), 422, "validation_error"
    )
    assert error["details"][0]["code"] == "unrecognized_keys"
    assert error["details"][0]["suggestion"] == "currency"


@pytest.mark.parametrize(
    "metadata",
    [
        {f"k{i}": 1 for i in range(51)},
        {"a": "x" * 10_300},
        {"throttle_order_type": "x"},
        {"bad key": 1},
        {"k" * 41: 1},
        {"": 1},
    ],
)
def test_metadata_has_bounds(shop, metadata):
    error = refused(
        shop.post("/carts", {"applicationId": shop.application_id, "metadata": metadata}), 422, "validation_error"
    )
    assert error["details"][0]["pointer"].startswith("/metadata")


def test_metadata_at_its_bounds_comes_back_unchanged(shop):
    metadata = {f"k{i:02}": {"n": [1, None, "ü", 0.5]} for i in range(50)}
    assert shop.cart(metadata=metadata)["metadata"] == metadata


def test_a_cart_reads_back_as_it_was_answered(shop):
    cart = shop.ready_cart()
    assert shop.read_cart(cart["id"]) == cart


def test_a_full_cart_reads_back_as_it_was_answered_with_and_without_what_rules_must_share_out(shop):
    cart = shop.ready_cart(customerId=new_id(), metadata={"po": {"number": 7, "é": [True, None]}})["id"]
    shop.item(cart, type="service", taxAmount=99, discountAmount=250, quantity=3, metadata={"engraving": "Ada"})
    shop.item(cart, requiresShipping=False, taxCategory="books", weightGrams=120, referenceId="sku-1", description="D")
    answered = made(
        shop.patch(
            f"/carts/{cart}", {"billingAddress": ADDRESS, "notes": "Ring twice", "taxExemption": {"reason": "exempt"}}
        )
    )
    assert shop.read_cart(cart) == answered
    assert [line["requiresShipping"] for line in answered["lineItems"]] == [True, True, False, False]
    line = answered["lineItems"][2]
    assert (line["subtotal"], line["discountTotal"], line["taxTotal"], line["total"]) == (3750, 250, 99, 3599)
    tax = {"lineItemId": line["id"], "jurisdictionCode": "US-CA", "taxType": "sales", "rate": 0.0725, "amount": 91}
    taxed = made(shop.put(f"/carts/{cart}/tax-lines", {"lines": [tax]}))
    assert shop.read_cart(cart) == taxed
    assert taxed["lineItems"][2]["taxTotal"] == 91


def test_items_add_up(shop):
    cart = shop.cart()
    item = shop.item(cart["id"], unitPrice=1999, quantity=3, taxAmount=120, discountAmount=97, referenceId="SKU-1")
    assert (item["subtotal"], item["total"], item["taxTotal"]) == (5997, 5997 - 97 + 120, 120)
    shop.item(cart["id"], unitPrice=1)
    read = shop.read_cart(cart["id"])
    totals = {k: read[k] for k in ("subtotal", "discountTotal", "taxTotal", "shippingTotal", "total")}
    assert totals == {"subtotal": 5998, "discountTotal": 97, "taxTotal": 120, "shippingTotal": 0, "total": 6021}
    assert read["lineItems"][0] == item


@pytest.mark.parametrize(
    ("kind", "said", "ships"),
    [
        ("product", None, True),
        ("service", None, False),
        ("service", True, True),
        ("product", False, False),
        ("ticket", None, True),
    ],
)
def test_everything_but_a_service_ships_unless_the_item_says_otherwise(shop, kind, said, ships):
    fields = {"type": kind} | ({} if said is None else {"requiresShipping": said})
    assert shop.item(shop.cart()["id"], **fields)["requiresShipping"] is ships


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"unitPrice": 1},
        {"name": "", "unitPrice": 1},
        {"name": "   ", "unitPrice": 1},
        {"name": "x", "unitPrice": -1},
        {"name": "x", "unitPrice": 1, "quantity": 0},
        {"name": "x", "unitPrice": 10**11},
        {"name": "x", "unitPrice": 1.5},
        {"name": "x", "unitPrice": True},
        {"name": "x", "unitPrice": "1"},
        {"name": "x", "unitPrice": 1, "quantity": 1_000_001},
        {"name": "x", "unitPrice": 5, "discountAmount": 6},
        {"name": "x", "unitPrice": 99_999_999_999, "quantity": 2},
        {"name": "x", "unitPrice": 1, "type": "gift"},
    ],
)
def test_an_item_that_cannot_be_priced_is_refused_and_changes_nothing(shop, body):
    cart = shop.cart(items=1)
    refused(shop.post(f"/carts/{cart['id']}/items", body), 422, "validation_error")
    assert shop.read_cart(cart["id"]) == cart


def test_a_relative_image_needs_a_base(shop):
    cart = shop.cart()
    body = {"name": "Mug", "unitPrice": 1, "imageUrl": "/mug.png"}
    refused(shop.post(f"/carts/{cart['id']}/items", body), 400, "image_url_unresolvable")
    made(shop.put("/embed-config", {"allowedOrigins": ["https://shop.example"]}))
    assert made(shop.post(f"/carts/{cart['id']}/items", body), 201)["imageUrl"] == "https://shop.example/mug.png"
    made(shop.put("/embed-config", {"storefrontBaseUrl": "https://cdn.example/store/"}))
    assert made(shop.post(f"/carts/{cart['id']}/items", body), 201)["imageUrl"] == "https://cdn.example/store/mug.png"


def test_an_item_changes_and_goes(shop):
    cart = shop.cart(items=2)
    path = f"/carts/{cart['id']}/items/{cart['lineItems'][0]['id']}"
    changed = made(shop.patch(path, {"quantity": 4, "unitPrice": 10, "metadata": {"a": 1}}))
    assert (changed["subtotal"], changed["metadata"]) == (40, {"a": 1})
    assert made(shop.delete(path), 204) is None
    assert [i["id"] for i in shop.read_cart(cart["id"])["lineItems"]] == [cart["lineItems"][1]["id"]]
    refused(shop.delete(path), 404, "not_found")
    refused(shop.patch(path, {"quantity": 1}), 404, "not_found")


def test_buyer_fields_change_and_null_clears_them(shop):
    cart = shop.cart()
    changed = made(
        shop.patch(
            f"/carts/{cart['id']}", {"shippingAddress": ADDRESS, "notes": "ring twice", "customerEmail": "a@b.example"}
        )
    )
    assert (changed["shippingAddress"], changed["notes"]) == (ADDRESS, "ring twice")
    cleared = made(shop.patch(f"/carts/{cart['id']}", {"shippingAddress": None, "notes": None, "customerEmail": None}))
    assert (cleared["shippingAddress"], cleared["notes"], cleared["customerEmail"]) == (None, None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"countryCode": "ZZ"},
        {"countryCode": "us"},
        {"city": ""},
        {"city": "  "},
        {"street": "x"},
        {"addressLine1": None},
    ],
)
def test_an_address_is_canonical_or_refused(shop, change):
    body = {"shippingAddress": {**ADDRESS, **change}}
    error = refused(shop.patch(f"/carts/{shop.cart()['id']}", body), 422, "validation_error")
    assert error["details"][0]["pointer"].startswith("/shippingAddress")


def test_shipping_is_selected_counted_and_cleared(shop):
    cart = shop.ready_cart()
    assert (cart["selectedShipping"]["methodId"], cart["shippingTotal"], cart["total"]) == ("std", 500, 3000)
    cleared = made(shop.delete(f"/carts/{cart['id']}/shipping"))
    assert (cleared["selectedShipping"], cleared["shippingTotal"], cleared["total"]) == (None, 0, 2500)


def test_shipping_in_another_currency_is_refused(shop):
    body = {"methodId": "m", "displayName": "Post", "rateAmount": 5, "currency": "EUR"}
    error = refused(shop.post(f"/carts/{shop.cart()['id']}/shipping", body), 422, "validation_error")
    assert pointers(error) == ["/currency"]


def test_tax_lines_replace_and_clear(shop):
    cart = shop.cart(items=2)
    line = {
        "lineItemId": cart["lineItems"][0]["id"],
        "jurisdictionCode": "US-CA",
        "taxType": "sales",
        "rate": 0.0825,
        "amount": 103,
    }
    taxed = made(shop.put(f"/carts/{cart['id']}/tax-lines", {"lines": [line]}))
    assert (taxed["taxTotal"], taxed["total"], taxed["taxLines"][0]["rate"]) == (103, 2603, 0.0825)
    assert taxed["lineItems"][0]["taxTotal"] == 103
    assert made(shop.put(f"/carts/{cart['id']}/tax-lines", {"lines": [line, line]}))["taxTotal"] == 206
    assert made(shop.delete(f"/carts/{cart['id']}/tax-lines"))["taxTotal"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"rate": 1.01},
        {"rate": -0.1},
        {"rate": "0.1"},
        {"taxType": "x"},
        {"amount": -1},
        {"amount": 1.5},
        {"currency": "EUR"},
    ],
)
def test_a_tax_line_that_does_not_fit_is_refused(shop, change):
    cart = shop.cart(items=1)
    line = {
        "lineItemId": cart["lineItems"][0]["id"],
        "jurisdictionCode": "CA",
        "taxType": "sales",
        "rate": 0.1,
        "amount": 1,
    }
    error = refused(
        shop.put(f"/carts/{cart['id']}/tax-lines", {"lines": [{**line, **change}]}), 422, "validation_error"
    )
    assert pointers(error) == [f"/lines/0/{next(iter(change))}"]


def test_a_tax_line_of_another_cart_is_refused(shop):
    mine, theirs = shop.cart(items=1), shop.cart(items=1)
    line = {
        "lineItemId": theirs["lineItems"][0]["id"],
        "jurisdictionCode": "CA",
        "taxType": "sales",
        "rate": 0.1,
        "amount": 1,
    }
    refused(shop.put(f"/carts/{mine['id']}/tax-lines", {"lines": [line]}), 422, "validation_error")


def test_checkout_makes_a_draft_order_and_freezes_the_cart(shop):
    cart = shop.ready_cart()
    order = made(shop.post(f"/carts/{cart['id']}/checkout", {"paymentMethod": "card", "metadata": {"po": "7"}}), 201)
    assert (order["status"], order["cartId"], order["total"], order["metadata"]) == (
        "draft",
        cart["id"],
        3000,
        {"po": "7"},
    )
    assert [line["total"] for line in order["lineItems"]] == [1250, 1250]
    frozen = shop.read_cart(cart["id"])
    assert (frozen["status"], frozen["orderId"]) == ("checkout", order["id"])
    refused(shop.post(f"/carts/{cart['id']}/items", {"name": "x", "unitPrice": 1}), 409, "cart_not_open")
    refused(shop.post(f"/carts/{cart['id']}/checkout"), 400, "cart_not_ready")


def test_an_empty_cart_cannot_be_checked_out(shop):
    refused(shop.post(f"/carts/{shop.cart()['id']}/checkout", {}), 400, "cart_not_ready")


def test_events_tell_each_change_once_and_in_order(shop):
    cart = shop.ready_cart()
    kinds = ["cart.created", "cart.item_added", "cart.item_added", "cart.updated", "cart.shipping_selected"]
    assert shop.events(cart["id"]) == kinds
    page = made(shop.get(f"/carts/{cart['id']}/events", params={"sinceSequence": 3, "limit": 1}))["data"]
    assert [(e["sequence"], e["eventType"]) for e in page] == [(4, "cart.updated")]


def test_a_refused_change_leaves_no_event(shop):
    cart = shop.cart(items=1)
    before = shop.events(cart["id"])
    refused(
        shop.post(f"/carts/{cart['id']}/items", {"name": "x", "unitPrice": 1, "discountAmount": 2}),
        422,
        "validation_error",
    )
    assert shop.events(cart["id"]) == before


CALLS = [
    ("GET", "/carts/{id}", None),
    ("PATCH", "/carts/{id}", {"notes": "x"}),
    ("POST", "/carts/{id}/items", {"name": "x", "unitPrice": 1}),
    ("PATCH", "/carts/{id}/items/{item}", {"quantity": 1}),
    ("DELETE", "/carts/{id}/items/{item}", None),
    ("POST", "/carts/{id}/shipping", {"methodId": "m", "displayName": "M", "rateAmount": 1}),
    ("DELETE", "/carts/{id}/shipping", None),
    ("PUT", "/carts/{id}/tax-lines", {"lines": []}),
    ("DELETE", "/carts/{id}/tax-lines", None),
    ("POST", "/carts/{id}/checkout", {}),
    ("GET", "/carts/{id}/events", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_another_shop_s_cart_is_as_unknown_as_none(shop, other_shop, method, path, body):
    cart = other_shop.cart(items=1)
    answers = []
    for cart_id, item_id in ((cart["id"], cart["lineItems"][0]["id"]), (new_id(), new_id()), ("nonsense", "nonsense")):
        answer = shop.ask(method, path.format(id=cart_id, item=item_id), body)
        error = refused(answer, 404, "cart_not_found")
        answers.append({k: v for k, v in error.items() if k != "requestId"})
    assert answers[0] == answers[1] == answers[2]
    assert other_shop.read_cart(cart["id"]) == cart
