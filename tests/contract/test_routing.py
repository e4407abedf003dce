"""The lists of routing rules keep their word."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from penstock.ids import new_id
from storage import tables
from tests.shop import made, pointers, refused
from tests.shops import connect, execute

LISTS = ["/payment-routing", "/card-decline", "/other-routing", "/other-decline"]
US = {"type": "country", "op": "is_one_of", "values": ["US"]}


def put(shop, path, body, **kw):
    return shop.as_member("PUT", path, body, **kw)


def get(shop, path, **kw):
    return shop.as_member("GET", path, **kw)


def connectors(shop):
    return [each["id"] for each in made(get(shop, "/routing-connectors"))["data"]]


@pytest.fixture
def two(shop):
    """A shop with two connections, and their ids in the application's order."""
    connect(shop, "sandbox_b", position=1)
    return shop, connectors(shop)


def routing(default, *rules):
    return {"rules": [{"conditions": c, "cascade": cascade} for c, cascade in rules], "defaultCascade": default}


def decline(*conditions, **more):
    return {"rules": [{"conditions": list(conditions), **more}]}


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_empty_at_first_and_has_a_tag(shop, path):
    answer = get(shop, path)
    data = made(answer)["data"]
    assert data.pop("defaultCascade", []) == []
    assert data == {"rules": []}
    assert answer.headers["etag"] == '"v0"'


def test_what_is_put_reads_back_and_is_the_shop_s_own(two, other_shop):
    shop, (a, b) = two
    everything = [
        US,
        {"type": "cardScheme", "op": "is_not_one_of", "values": ["visa"]},
        {"type": "cardSource", "op": "is_one_of", "values": ["token", "applepay"]},
        {"type": "cardType", "op": "is_one_of", "values": ["debit"]},
        {"type": "cardCountry", "op": "is_one_of", "values": ["DE"]},
        {"type": "paymentSource", "op": "is_one_of", "values": ["ecommerce"]},
        {"type": "amount", "op": "between", "currency": "USD", "min": 10.5, "max": 20},
        {"type": "currency", "op": "is_one_of", "values": ["USD"]},
        {"type": "metadata", "op": "includes", "key": "channel", "values": ["web"]},
        {"type": "metadata", "op": "excludes", "key": "tier", "values": ["gold"]},
    ]
    body = routing([a], (everything, [b, a]))
    assert made(put(shop, "/payment-routing", body)) == {"data": body}
    assert made(get(shop, "/payment-routing")) == {"data": body}
    assert made(get(other_shop, "/payment-routing"))["data"]["rules"] == []


def test_a_replacement_leaves_nothing_of_what_was_there(two):
    shop, (a, b) = two
    made(put(shop, "/payment-routing", routing([a], ([US], [b]))))
    made(put(shop, "/payment-routing", routing([b])))
    assert made(get(shop, "/payment-routing"))["data"] == routing([b])


@pytest.mark.parametrize("path", LISTS)
def test_an_api_key_is_told_that_it_cannot_come_here(shop, path):
    refused(shop.get(path), 403, "application_key_workspace_route")
    refused(shop.put(path, {"rules": []}), 403, "application_key_workspace_route")
    refused(shop.get(path, key=None), 401, "unauthorized")


@pytest.mark.parametrize("role", ["developer", "finance", "viewer"])
def test_a_member_without_application_settings_may_neither_read_nor_write(shop, role):
    execute(
        shop.house,
        sa.update(tables.members).where(tables.members.c.workspace_id == shop.workspace_id).values(role=role),
    )
    for path in (*LISTS, "/routing-connectors", "/routing-payment-methods", "/payment-routing/versions"):
        assert refused(get(shop, path), 403, "permission_denied")["details"]["required"] == ["application:settings"]
    refused(put(shop, "/card-decline", {"rules": []}), 403, "permission_denied")


def test_the_application_has_to_be_named(shop):
    bare = {"Authorization": f"Bearer {shop.dashboard_token}"}
    refused(shop.ask("GET", "/payment-routing", key=None, headers=bare), 400, "missing_application_id")


FAULTY = [
    ("/payment-routing", {"rules": [], "defaultCascade": []}, "routing_default_required", "/defaultCascade"),
    ("/payment-routing", "unknown", "routing_unknown_connector", "/defaultCascade/0"),
    ("/payment-routing", "twice", "routing_duplicate_connector", "/defaultCascade/1"),
    ("/payment-routing", "nowhere", "routing_empty_cascade", "/rules/0/cascade"),
    ("/payment-routing", "always", "routing_rule_no_conditions", "/rules/0/conditions"),
    ("/card-decline", decline(), "decline_rule_no_conditions", "/rules/0/conditions"),
    ("/other-decline", decline(), "decline_rule_no_conditions", "/rules/0/conditions"),
    (
        "/other-routing",
        {"rules": [{"conditions": [], "connections": ["x"]}]},
        "other_routing_method_required",
        "/rules/0/method",
    ),
    (
        "/other-routing",
        {"rules": [{"method": "card", "conditions": [], "connections": ["x"]}]},
        "other_routing_method_required",
        "/rules/0/method",
    ),
    (
        "/other-routing",
        {"rules": [{"method": "paypal", "conditions": [], "connections": []}]},
        "other_routing_empty_connections",
        "/rules/0/connections",
    ),
    (
        "/other-routing",
        {"rules": [{"method": "paypal", "conditions": [], "connections": ["x"]}]},
        "other_routing_unknown_connector",
        "/rules/0/connections/0",
    ),
    ("/other-routing", "mismatch", "other_routing_method_mismatch", "/rules/0/connections/0"),
]


@pytest.mark.parametrize(("path", "body", "code", "pointer"), FAULTY, ids=[f"{row[0]} {row[2]}" for row in FAULTY])
def test_each_fault_of_a_list_has_its_code_and_its_place(shop, path, body, code, pointer):
    (a,) = connectors(shop)
    made_up = {
        "unknown": routing([new_id()]),
        "twice": routing([a, a]),
        "nowhere": routing([a], ([US], [])),
        "always": routing([a], ([], [a])),
        "mismatch": {"rules": [{"method": "paypal", "conditions": [], "connections": [a]}]},
    }
    error = refused(put(shop, path, made_up[body] if isinstance(body, str) else body), 422, code)
    assert pointers(error)[0] == pointer
    assert made(get(shop, path))["data"]["rules"] == []


CONDITIONS = [
    ({"type": "country", "op": "is_one_of", "values": []}, "routing_empty_condition_values"),
    ({"type": "country", "op": "is_one_of"}, "routing_empty_condition_values"),
    ({"type": "metadata", "op": "includes", "key": "k", "values": []}, "routing_empty_condition_values"),
    ({"type": "country", "op": "is_one_of", "values": ["us"]}, "routing_invalid_country"),
    ({"type": "country", "op": "is_one_of", "values": ["ZZ"]}, "routing_invalid_country"),
    ({"type": "currency", "op": "is_one_of", "values": ["usd"]}, "routing_invalid_currency"),
    ({"type": "amount", "op": "gt", "currency": "XXX", "min": 1}, "routing_invalid_currency"),
    ({"type": "amount", "op": "gt", "min": 1}, "routing_invalid_currency"),
    ({"type": "amount", "op": "gt", "currency": "USD"}, "routing_invalid_amount"),
    ({"type": "amount", "op": "lt", "currency": "USD"}, "routing_invalid_amount"),
    ({"type": "amount", "op": "between", "currency": "USD", "min": 1}, "routing_invalid_amount"),
    ({"type": "amount", "op": "gt", "currency": "USD", "min": 0}, "routing_invalid_amount"),
    ({"type": "amount", "op": "gt", "currency": "USD", "min": -1}, "routing_invalid_amount"),
    ({"type": "amount", "op": "gt", "currency": "USD", "min": 1.005}, "routing_invalid_amount"),
    ({"type": "amount", "op": "gt", "currency": "JPY", "min": 1.5}, "routing_invalid_amount"),
    ({"type": "amount", "op": "gt", "currency": "USD", "min": 999999999999}, "routing_invalid_amount"),
    ({"type": "amount", "op": "between", "currency": "USD", "min": 2, "max": 2}, "routing_amount_range_invalid"),
    ({"type": "amount", "op": "between", "currency": "USD", "min": 3, "max": 2}, "routing_amount_range_invalid"),
    ({"type": "amount", "op": "is_one_of", "currency": "USD", "min": 3}, "routing_invalid_condition"),
    ({"type": "amount", "op": "gt", "currency": "USD", "min": 3, "max": 4}, "routing_invalid_condition"),
    ({"type": "country", "op": "gt", "values": ["US"]}, "routing_invalid_condition"),
    ({"type": "country", "op": "is_one_of", "values": ["US"], "min": 1}, "routing_invalid_condition"),
    ({"type": "metadata", "op": "includes", "values": ["x"]}, "routing_invalid_condition"),
    ({"type": "weather", "op": "is_one_of", "values": ["x"]}, "routing_invalid_condition"),
]
CARD_ONLY = [
    ({"type": "cardScheme", "op": "is_one_of", "values": ["wisa"]}, "routing_invalid_scheme"),
    ({"type": "cardSource", "op": "is_one_of", "values": ["carrier-pigeon"]}, "routing_invalid_card_source"),
    ({"type": "cardType", "op": "is_one_of", "values": ["gift"]}, "routing_invalid_card_type"),
    ({"type": "cardCountry", "op": "is_one_of", "values": ["xx"]}, "routing_invalid_country"),
    ({"type": "paymentMethod", "op": "is_one_of", "values": ["paypal"]}, "routing_invalid_condition"),
]


def list_with(path, a, *conditions):
    rule = {"conditions": list(conditions)}
    if path == "/payment-routing":
        return {"rules": [{**rule, "cascade": [a]}], "defaultCascade": [a]}
    return {"rules": [rule if "decline" in path else {**rule, "method": "paypal", "connections": [a]}]}


@pytest.mark.parametrize("path", ["/payment-routing", "/card-decline", "/other-decline"])
@pytest.mark.parametrize(("condition", "code"), CONDITIONS)
def test_each_fault_of_a_condition_has_its_code(shop, path, condition, code):
    error = refused(put(shop, path, list_with(path, connectors(shop)[0], condition)), 422, code)
    assert pointers(error)[0].startswith("/rules/0/conditions/0")


@pytest.mark.parametrize(("condition", "code"), CARD_ONLY)
def test_each_fault_of_a_card_condition_has_its_code(shop, condition, code):
    for path in ("/payment-routing", "/card-decline"):
        refused(put(shop, path, list_with(path, connectors(shop)[0], condition)), 422, code)


@pytest.mark.parametrize("kind", ["cardScheme", "cardSource", "cardType", "cardCountry"])
def test_the_lists_for_other_payments_take_no_card_conditions(shop, kind):
    refused(put(shop, "/other-decline", decline({**US, "type": kind})), 422, "routing_invalid_condition")


def test_a_rule_tests_one_fact_once(shop):
    again = {"type": "country", "op": "is_not_one_of", "values": ["DE"]}
    refused(put(shop, "/card-decline", decline(US, again)), 422, "routing_invalid_condition")
    one, two = ({"type": "metadata", "op": "includes", "key": key, "values": ["x"]} for key in ("a", "b"))
    made(put(shop, "/card-decline", decline(one, two)))


def test_a_scheme_is_kept_in_its_one_spelling(shop):
    body = decline({"type": "cardScheme", "op": "is_one_of", "values": ["diners", "VISA"]})
    kept = made(put(shop, "/card-decline", body))["data"]["rules"][0]["conditions"][0]["values"]
    assert kept == ["diners-club", "visa"]


@pytest.mark.parametrize("code", ["decline", "flow_", "flow_X", "flow_1", "FLOW_a"])
def test_the_code_of_a_decline_rule_begins_with_flow(shop, code):
    refused(put(shop, "/card-decline", decline(US, errorCode=code)), 422, "validation_error")


def test_an_inactive_connection_and_another_shop_s_are_unknown(two, other_shop):
    shop, (a, b) = two
    execute(shop.house, sa.update(tables.connections).where(tables.connections.c.id == b).values(is_active=False))
    assert connectors(shop) == [a]
    for foreign in (b, connectors(other_shop)[0]):
        refused(put(shop, "/payment-routing", routing([a, foreign])), 422, "routing_unknown_connector")


def test_connectors_show_their_methods_and_health(shop):
    (one,) = made(get(shop, "/routing-connectors"))["data"]
    assert (one["method"], one["connector"], one["health"]) == ("card", "sandbox", "healthy")
    connect(shop, "acmepay_gone", position=5)
    listed = made(get(shop, "/routing-connectors"))["data"]
    gone = next(each for each in listed if each["connector"] == "acmepay_gone")
    assert (gone["method"], gone["methods"], gone["health"]) == (None, [], "unusable")


def test_methods_paid_by_card_are_not_among_the_methods_of_other_rules(shop):
    ids = [each["id"] for each in made(get(shop, "/routing-payment-methods"))["data"]]
    assert not {"card", "network-token", "applepay"} & set(ids)


def test_502_where_no_connection_can_say_what_it_offers(bare_shop):
    connect(bare_shop, "acmepay_gone")
    refused(get(bare_shop, "/routing-payment-methods"), 502, "gr4vy_upstream_error")


def test_if_match_refuses_to_overwrite_another_s_change(shop):
    first = put(shop, "/card-decline", decline(US), headers={"If-Match": '"v0"'})
    assert first.headers["etag"] == '"v1"'
    error = refused(put(shop, "/card-decline", {"rules": []}, headers={"If-Match": '"v0"'}), 412, "precondition_failed")
    assert error["details"] == {"etag": '"v1"'}
    made(put(shop, "/card-decline", {"rules": []}, headers={"If-Match": '"v7", "v1"'}))
    made(put(shop, "/card-decline", {"rules": []}, headers={"If-Match": "*"}))
    refused(put(shop, "/card-decline", {"rules": []}, headers={"If-Match": "v1"}), 400, "invalid_request")


def test_of_many_who_read_the_same_version_one_replaces_it(shop):
    def replace(index):
        mine = {**US, "values": ["US", "CA", "DE", "FR", "GB", "IT", "JP", "NL"][index : index + 1]}
        return put(shop, "/card-decline", decline(mine), headers={"If-Match": '"v0"'}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(replace, range(8)))
    assert statuses == [200, *[412] * 7]
    assert get(shop, "/card-decline").headers["etag"] == '"v1"'


def test_of_many_who_do_not_look_each_makes_a_version(shop):
    with ThreadPoolExecutor(8) as pool:
        tags = [
            answer.headers["etag"] for answer in pool.map(lambda _: put(shop, "/other-decline", decline(US)), range(8))
        ]
    assert sorted(tags) == [f'"v{number}"' for number in range(1, 9)]


def test_a_repeat_with_the_same_key_makes_no_second_version(shop):
    for _ in range(2):
        answer = put(shop, "/card-decline", decline(US), headers={"Idempotency-Key": "once"})
        assert answer.headers["etag"] == '"v1"'
    assert answer.headers["idempotency-replay"] == "true"


def test_every_version_is_kept_with_who_saved_it(shop, other_shop):
    made(put(shop, "/card-decline", decline(US)))
    made(put(shop, "/other-decline", decline(US)))
    made(put(shop, "/card-decline", {"rules": []}))
    every = made(get(shop, "/payment-routing/versions"))["data"]
    assert [(each["list"], each["number"]) for each in every] == [
        ("card-decline", 2),
        ("other-decline", 1),
        ("card-decline", 1),
    ]
    assert all(each["createdBy"] for each in every)
    page = made(get(shop, "/payment-routing/versions?list=card-decline&limit=1"))
    rest = made(get(shop, f"/payment-routing/versions?list=card-decline&cursor={page['meta']['pagination']['cursor']}"))
    assert [each["number"] for each in page["data"] + rest["data"]] == [2, 1]
    read = made(get(shop, f"/payment-routing/versions/{every[2]['id']}"))
    assert read["content"] == decline(US)
    refused(get(other_shop, f"/payment-routing/versions/{every[2]['id']}"), 404, "not_found")
    refused(get(shop, f"/payment-routing/versions/{new_id()}"), 404, "not_found")


def test_many_rules_fit(shop):
    (a,) = connectors(shop)
    rules = [
        (
            [
                {**US, "values": ["US", "CA", "GB"]},
                {"type": "metadata", "op": "includes", "key": "k", "values": [str(i)]},
            ],
            [a],
        )
        for i in range(1000)
    ]
    assert len(made(put(shop, "/payment-routing", routing([a], *rules)))["data"]["rules"]) == 1000
