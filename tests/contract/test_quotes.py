"""Quote tokens and the estimates that storefronts ask for with them."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from penstock.clock import rfc3339
from penstock.ids import new_id
from storage import tables
from tests.shop import made, pointers, refused
from tests.shops import add_environment, execute, moved

AT = "/shipping-tax"
STORE = "https://store.example"
CONFIG = {
    "shipping": {
        "mode": "builtin",
        "zones": [
            {
                "id": "us",
                "name": "United States",
                "countries": ["US"],
                "methods": [
                    {"id": "std", "name": "Standard", "type": "free_over", "amount": 500, "threshold": 9000, "currency": "USD"},
                    {"id": "kg", "name": "By weight", "type": "weight", "currency": "USD", "tiers": [{"upTo": 1000, "amount": 300}]},
                    {"id": "shop", "name": "Pick up", "type": "pickup", "currency": "USD", "taxCategory": "service"},
                ],
            }
        ],
    },
    "tax": {
        "mode": "builtin",
        "rates": [
            {"id": "ny", "country": "US", "state": "NY", "taxType": "sales", "name": "State tax", "rateBps": 400, "appliesToShipping": True},
            {"id": "nyc", "country": "US", "state": "NY", "postalCodePattern": "100*", "taxType": "sales", "name": "City tax", "rateBps": 450, "priority": 1},
            {"id": "tx", "country": "US", "state": "TX", "taxType": "sales", "name": "State tax", "rateBps": 625},
            {"id": "food", "country": "US", "state": "NY", "category": "food", "taxType": "sales", "name": "Exempt food", "rateBps": 0},
        ],
    },
    "origin": {"countryCode": "US", "stateProvince": "TX", "city": "Austin", "postalCode": "78701"},
}  # fmt: skip
NEW_YORK = {"countryCode": "US", "stateProvince": "New York", "postalCode": "10001", "city": "New York"}


def token(shop, **fields):
    return made(shop.post(f"{AT}/quote-tokens", {"applicationId": shop.application_id, "name": "Storefront", **fields}))


def publish(shop, config=CONFIG):
    made(shop.put(f"{AT}/config/draft", config))
    return made(shop.post(f"{AT}/config/publish"))


def ask(shop, raw_token, *, headers=None, **fields):
    body = {
        "applicationId": shop.application_id,
        "quoteToken": raw_token,
        "items": [{"id": "MUG", "subtotalAmount": 2500}],
    }
    return shop.post(f"{AT}/quotes", {**body, **fields}, key=None, headers=headers)


def to(address, **fields):
    return {"addresses": {"shipping": address}, **fields}


@pytest.fixture
def store(shop):
    publish(shop)
    made(shop.put("/embed-config", {"allowedOrigins": [STORE]}))
    return shop, token(shop)["rawToken"]


def codes(notes):
    return [note["code"] for note in notes]


def test_a_token_is_shown_once_and_listed_without_itself(shop):
    made_now = token(shop, expiresAt="2099-01-01T00:00:00+02:00")
    assert made_now["rawToken"].startswith("pk_sandbox_")
    assert made_now["expiresAt"] == "2098-12-31T22:00:00.000Z"
    page = made(shop.get(f"{AT}/quote-tokens?applicationId={shop.application_id}"))
    assert page["data"] == [{key: value for key, value in made_now.items() if key != "rawToken"}]
    assert made_now["rawToken"] not in str(page)


def test_a_token_is_made_for_the_key_s_own_application(shop, other_shop):
    for id_ in (other_shop.application_id, new_id()):
        body = {"applicationId": id_, "name": "x"}
        refused(shop.post(f"{AT}/quote-tokens", body), 404, "store_not_found")
        refused(shop.get(f"{AT}/quote-tokens?applicationId={id_}"), 404, "store_not_found")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"name": ""}, "/name"), ({"name": "x" * 81}, "/name"), ({"expiresAt": "tomorrow"}, "/expiresAt"),
     ({"expiresAt": "2020-01-01T00:00:00Z"}, "/expiresAt")],
)  # fmt: skip
def test_a_token_that_makes_no_sense_is_refused(shop, change, pointer):
    body = {"applicationId": shop.application_id, "name": "x", **change}
    assert pointers(refused(shop.post(f"{AT}/quote-tokens", body), 422, "validation_error"))[0] == pointer


def test_a_token_asks_for_estimates_and_lets_nobody_do_anything_else(store):
    shop, raw = store
    assert made(ask(shop, raw))["kind"] == "quote"
    refused(shop.get("/orders", key=raw), 401, "unauthorized")
    refused(ask(shop, shop.publishable_key), 401, "invalid_quote_token")
    refused(ask(shop, shop.secret_key), 401, "invalid_quote_token")


def test_a_revoked_an_expired_and_a_wrong_token_are_answered_alike(store, clock):
    shop, raw = store
    brief = token(shop, expiresAt=rfc3339(clock.now() + timedelta(hours=1)))
    gone = token(shop)
    assert made(shop.delete(f"{AT}/quote-tokens/{gone['id']}")) == {"id": gone["id"], "revoked": True}
    refused(shop.delete(f"{AT}/quote-tokens/{gone['id']}"), 404, "not_found")
    made(ask(shop, brief["rawToken"]))
    clock.advance(timedelta(hours=2))
    wrong = raw[:-1] + ("y" if raw.endswith("x") else "x")
    errors = [ask(shop, each) for each in (gone["rawToken"], brief["rawToken"], wrong, "pk_nothing")]
    assert len({refused(each, 401, "invalid_quote_token")["message"] for each in errors}) == 1


def test_a_token_speaks_for_its_own_application_and_environment(store, other_shop, sibling_shop):
    shop, raw = store
    refused(ask(other_shop, raw), 401, "invalid_quote_token")
    unknown = {"applicationId": new_id()}
    refused(ask(shop, raw, **unknown), 404, "store_not_found")
    sibling = sibling_shop("environment")
    theirs = made(ask(sibling, token(sibling)["rawToken"]))
    assert theirs["configVersion"] is None


def test_a_page_of_an_allowed_origin_gets_the_answer_and_another_does_not(store):
    shop, raw = store
    allowed = ask(shop, raw, headers={"Origin": STORE})
    assert allowed.headers["access-control-allow-origin"] == STORE
    made(allowed)
    for origin in ("https://evil.example", STORE + ":8443", "http://store.example", "null"):
        answer = ask(shop, raw, headers={"Origin": origin})
        refused(answer, 401, "invalid_quote_token")
        assert "access-control-allow-origin" not in answer.headers
    backend = ask(shop, raw)
    made(backend)
    assert "access-control-allow-origin" not in backend.headers


UNFIT = [
    to({"countryCode": "US", "postalCode": ""}),
    to({"countryCode": "de"}),
    {"items": []},
    {"surprise": 1},
    {"selectedShippingMethodId": "4111111111111111"},
]


@pytest.mark.parametrize("fields", UNFIT, ids=str)
def test_an_allowed_page_can_read_what_is_wrong_with_its_body(store, fields):
    shop, raw = store
    unseen = ask(shop, raw, **fields)
    seen = ask(shop, raw, headers={"Origin": STORE}, **fields)
    assert seen.headers["access-control-allow-origin"] == STORE
    assert seen.headers["vary"] == "Origin"
    assert (seen.status_code, unseen.status_code) == (422, 422)
    assert _without_id(seen) == _without_id(unseen)
    assert "access-control-allow-origin" not in unseen.headers


@pytest.mark.parametrize(
    ("origin", "change"),
    [
        ("https://evil.example", {}),
        ("null", {}),
        (STORE, {"quoteToken": "pk_nothing"}),
        (STORE, {"quoteToken": ""}),
        (STORE, {"quoteToken": "pk" * 100_000}),
        (STORE, {"quoteToken": 5}),
        (STORE, {"quoteToken": None}),
        (STORE, {"applicationId": new_id()}),
        (STORE, {"applicationId": "mine"}),
        (STORE, {"applicationId": ["mine"]}),
    ],
)
def test_a_bad_body_without_a_good_token_for_the_page_stays_the_same_fault_unread(store, origin, change):
    shop, raw = store
    body = {"applicationId": shop.application_id, "quoteToken": raw, "items": [], **change}
    answer = shop.post(f"{AT}/quotes", body, key=None, headers={"Origin": origin})
    assert "/items" in pointers(refused(answer, 422, "validation_error"))
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "Origin"


def test_a_body_that_is_no_object_or_no_json_tells_nothing_of_who_asks(store):
    shop, _ = store
    sent = {"Origin": STORE, "Content-Type": "application/json"}
    for content, status in ((b"[]", 422), (b'"x"', 422), (b"{", 400), (b"", 400)):
        answer = shop.ask("POST", f"{AT}/quotes", key=None, headers=sent, content=content)
        assert answer.status_code == status
        assert "access-control-allow-origin" not in answer.headers


def _without_id(answer):
    return {name: value for name, value in answer.json()["error"].items() if name != "requestId"}


def test_a_browser_may_send_the_request_and_the_token_decides(store):
    shop, _ = store
    asked = {"Origin": STORE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = shop.ask("OPTIONS", f"{AT}/quotes", key=None, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == STORE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers
    other = shop.ask("OPTIONS", f"{AT}/quote-tokens", key=None, headers=asked)
    assert "access-control-allow-origin" not in other.headers


def test_an_estimate_has_the_methods_the_tax_and_a_total_that_adds_up(store):
    shop, raw = store
    items = [
        {"id": "MUG", "subtotalAmount": 2500, "quantity": 2},
        {"id": "BREAD", "subtotalAmount": 1000, "taxCategory": "food"},
    ]
    found = made(ask(shop, raw, items=items, discountsTotal=350, selectedShippingMethodId="std", **to(NEW_YORK)))
    assert [method["id"] for method in found["shipping"]["methods"]] == ["std", "shop"]
    assert found["shipping"]["selectedMethod"]["rateAmount"] == 500
    # 2250 of 3150 is the mug's: 4 % and 4.5 % of it; bread is exempt from the state's tax alone; 4 % of shipping.
    assert [(line["rateId"], line["appliesTo"], line["amount"]) for line in found["tax"]["lines"]] == [
        ("ny", "item", 90), ("nyc", "item", 101), ("food", "item", 0), ("nyc", "item", 41), ("ny", "shipping", 20),
    ]  # fmt: skip
    assert found["totals"] == {
        "subtotal": 3500,
        "discountTotal": 350,
        "shippingTotal": 500,
        "taxTotal": 252,
        "total": 3902,
    }
    assert (found["status"], found["prompts"], found["warnings"]) == ("estimated", [], [])
    assert found["explanation"]["sum"] == "3500 - 350 + 500 + 252 = 3902"
    assert found["explanation"]["taxPlace"] == {"countryCode": "US", "stateProvince": "NY", "postalCode": "10001"}


def test_the_explanation_names_rate_rule_and_rounding(store):
    shop, raw = store
    items = [{"id": "MUG", "subtotalAmount": 2225}]
    found = made(ask(shop, raw, items=items, selectedShippingMethodId="std", **to(NEW_YORK)))["explanation"]
    state, city = found["lines"][0]["taxes"]
    assert (state["rule"]["level"], state["exact"], state["amount"], state["rounded"]) == ("state", "89", 89, "no")
    assert (city["rule"]["postalCodePattern"], city["exact"], city["rounded"]) == ("100*", "100.125", "down")
    assert found["shipping"]["rule"] == "free_over: 2225 is below 9000"
    assert found["configVersion"] == 1


def test_what_is_picked_up_is_taxed_where_it_is_picked_up(store):
    shop, raw = store
    found = made(ask(shop, raw, selectedShippingMethodId="shop", **to(NEW_YORK)))
    assert [line["rateId"] for line in found["tax"]["lines"]] == ["tx"]


def test_weights_are_added_up_and_an_unknown_one_offers_no_method_by_weight(store):
    shop, raw = store
    light = [{"id": "A", "subtotalAmount": 1, "quantity": 2, "weightGrams": 500}]
    for items, has_it in (
        (light, True),
        ([{**light[0], "weightGrams": 501}], False),
        ([*light, {"id": "B", "subtotalAmount": 1}], False),
    ):
        found = made(ask(shop, raw, items=items, **to(NEW_YORK)))
        assert ("kg" in [method["id"] for method in found["shipping"]["methods"]]) is has_it


@pytest.mark.parametrize(
    ("fields", "prompts"),
    [
        ({}, ["address_required"]),
        (to(NEW_YORK), ["shipping_method_required"]),
        (to(NEW_YORK, selectedShippingMethodId="gone"), ["shipping_method_unavailable"]),
        (to({"countryCode": "FR"}, selectedShippingMethodId="std"), ["shipping_unavailable"]),
        (to(NEW_YORK, currency="EUR"), ["shipping_unavailable"]),
        (to(NEW_YORK, items=[{"id": "EBOOK", "subtotalAmount": 100, "requiresShipping": False}]), []),
    ],
)
def test_what_is_missing_is_asked_for_and_never_taken_for_nothing(store, fields, prompts):
    shop, raw = store
    found = made(ask(shop, raw, **fields))
    assert codes(found["prompts"]) == prompts
    assert found["shipping"]["isKnown"] == (not prompts)
    assert found["tax"]["isKnown"] == (prompts[:1] != ["address_required"])


def test_a_place_without_any_rate_is_told(store):
    shop, raw = store
    found = made(ask(shop, raw, selectedShippingMethodId="std", **to({"countryCode": "US", "stateProvince": "OR"})))
    assert codes(found["warnings"]) == ["no_tax_rate"]
    assert found["tax"]["isKnown"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"items": []}, "/items"),
        ({"items": [{"id": "A"}]}, "/items/0/subtotalAmount"),
        ({"items": [{"id": "A", "subtotalAmount": 99999999999}] * 2}, "/items"),
        ({"discountsTotal": 2501}, "/discountsTotal"),
        ({"currency": "usd"}, "/currency"),
        (to({"countryCode": "US", "stateProvince": "NY", "postalCode": "90210"}), "/addresses/shipping/postalCode"),
        (to({"countryCode": "US", "stateProvince": "Ontario"}), "/addresses/shipping/stateProvince"),
        ({"addresses": {"billing": {"countryCode": "DE", "postalCode": "1"}}}, "/addresses/billing/postalCode"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(store, fields, pointer):
    shop, raw = store
    assert pointer in pointers(refused(ask(shop, raw, **fields), 422, "validation_error"))


def test_without_a_configuration_an_estimate_adds_nothing(shop):
    found = made(ask(shop, token(shop)["rawToken"], **to(NEW_YORK)))
    assert (found["shipping"]["mode"], found["tax"]["mode"], found["configVersion"]) == ("off", "off", None)
    assert found["totals"] == {"subtotal": 2500, "discountTotal": 0, "shippingTotal": 0, "taxTotal": 0, "total": 2500}


def test_an_archived_environment_s_tokens_are_good_for_nothing(store, house):
    shop, _ = store
    other = moved(shop, environment_id=add_environment(shop))
    raw = token(other)["rawToken"]
    made(ask(other, raw))
    ended = sa.update(tables.environments).where(tables.environments.c.id == other.environment_id)
    execute(house, ended.values(archived_at=house.clock.now()))
    refused(ask(other, raw), 401, "invalid_quote_token")
