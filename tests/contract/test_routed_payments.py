"""Payments go where the rules send them, and say why."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from penstock.ids import new_id
from storage import tables
from tests import routes
from tests.routes import cond, us
from tests.shop import ADDRESS, made, refused
from tests.shops import connect, execute

BUYER = {"email": "ada@example.com", "shippingAddress": ADDRESS}


@pytest.fixture
def ids(shop):
    return routes.two_banks(shop)


def pay(shop, token="tok_sandbox_approve", *, cart=None, **session):
    """Pay for a ready cart, and return the payment's trace."""
    cart_id = shop.ready_cart(**(cart or {}))["id"]
    return routes.trace(shop, made(shop.complete(shop.session(cart_id, **session)["id"], token))["paymentId"])


def ways(trace):
    return [(each["connector"], each["state"], each["reason"]) for each in trace["connectors"]]


def test_without_rules_the_application_s_order_stands_and_the_trace_says_so(shop, ids):
    trace = pay(shop)
    assert (trace["outcome"], trace["list"], trace["rule"], trace["connectorIds"]) == (
        "application_order",
        None,
        None,
        None,
    )
    assert trace["versions"] == [{"list": "card-decline", "number": 0}, {"list": "payment-routing", "number": 0}]
    assert ways(trace) == [("sandbox", "tried", None), ("sandbox_b", "not_reached", None)]
    assert [(a["state"], a["next"], a["reason"]) for a in trace["attempts"]] == [("approved", "stopped", "approved")]


def test_the_facts_of_a_payment_are_its_own(shop, ids):
    trace = pay(shop, cart={"metadata": {"channel": "web", "tier": 1}}, metadata={"channel": "app"})
    facts = trace["facts"]
    assert facts.pop("metadata") == {"channel": "app", "tier": 1, "throttle_order_type": "one_off"}
    assert facts == {
        "amount": 3000,
        "currency": "USD",
        "paymentMethod": "card",
        "country": "US",
        "cardScheme": None,
        "cardSource": "token",
        "cardType": None,
        "cardCountry": None,
        "paymentSource": "ecommerce",
    }
    assert trace["missing"] == ["cardScheme", "cardType", "cardCountry"], "nobody was asked: no rule looks at the card"


@pytest.mark.parametrize(
    "condition",
    [
        us(),
        cond("cardScheme", "is_one_of", "amex"),
        cond("cardType", "is_one_of", "debit"),
        cond("cardCountry", "is_not_one_of", "US"),
        cond("cardSource", "is_one_of", "token"),
        cond("paymentSource", "is_one_of", "ecommerce"),
        cond("currency", "is_one_of", "USD"),
        cond("amount", "between", currency="USD", min=29.99, max=30),
        cond("metadata", "includes", "web", key="channel"),
        cond("metadata", "includes", "one_off", key="throttle_order_type"),
    ],
    ids=lambda condition: f"{condition['type']} {condition['op']}",
)
def test_each_fact_can_send_a_payment_elsewhere(shop, ids, condition):
    routes.route(shop, [ids["sandbox"]], ([condition], [ids["sandbox_b"], ids["sandbox"]]))
    trace = pay(shop, "tok_sandbox_approve/American_Express/debit/GB", metadata={"channel": "web"})
    assert trace["attempts"][0]["connector"] == "sandbox_b", trace
    assert (trace["outcome"], trace["rule"]) == ("rule", 0)


def test_the_first_rule_that_matches_wins(shop, ids):
    b, a = ids["sandbox_b"], ids["sandbox"]
    routes.route(shop, [a], ([us("DE")], [a]), ([us()], [b]), ([us()], [a]))
    trace = pay(shop)
    assert (trace["rule"], trace["attempts"][0]["connector"]) == (1, "sandbox_b")
    assert [(step["rule"], step["matched"], step["finding"]) for step in trace["rules"]] == [
        (0, False, "not_satisfied"),
        (1, True, None),
    ]


def test_a_cascade_goes_on_after_a_certain_no_and_says_why(shop, ids):
    routes.route(shop, [ids["sandbox_b"], ids["sandbox"]])
    error = refused(shop.complete(shop.session()["id"], "tok_sandbox_reject_rate_limited"), 402, "payment_failed")
    trace = routes.trace(shop, error["details"]["paymentId"])
    assert [(a["connector"], a["next"], a["reason"]) for a in trace["attempts"]] == [
        ("sandbox_b", "went_on", "rejected"),
        ("sandbox", "stopped", "no_more_connectors"),
    ]


def test_an_open_outcome_stops_the_cascade_and_says_so(shop, ids):
    answer = made(shop.complete(shop.session()["id"], "tok_sandbox_3ds"), 202)
    (attempt,) = routes.trace(shop, answer["paymentId"])["attempts"]
    assert (attempt["next"], attempt["reason"]) == ("stopped", "pending")


def test_a_connection_that_went_inactive_is_passed_over(shop, ids):
    routes.route(shop, [ids["sandbox"], ids["sandbox_b"]])
    gone = tables.connections.c.id == ids["sandbox"]
    execute(shop.house, sa.update(tables.connections).where(gone).values(is_active=False))
    assert ways(pay(shop)) == [("sandbox_b", "tried", None), ("sandbox", "passed_over", "inactive")]


def test_a_cascade_of_which_nobody_is_active_ends_with_no_eligible_connector(shop, ids):
    routes.route(shop, [ids["sandbox_b"]])
    gone = tables.connections.c.id == ids["sandbox_b"]
    execute(shop.house, sa.update(tables.connections).where(gone).values(is_active=False))
    session = shop.session()
    error = refused(shop.complete(session["id"]), 422, "no_eligible_connector")
    trace = routes.trace(shop, error["details"]["paymentId"])
    assert (ways(trace), trace["attempts"]) == ([("sandbox_b", "passed_over", "inactive")], [])
    payment = made(shop.get(f"/payments/{error['details']['paymentId']}"))
    assert (payment["status"], payment["attempts"]) == ("failed", [])
    routes.route(shop, [ids["sandbox"]])
    assert made(shop.complete(session["id"]))["paymentStatus"] == "captured", "the session stayed open"


@pytest.mark.parametrize(
    ("currency", "session", "completion", "reason"),
    [
        ("USD", {}, {"paymentMethod": "paypal"}, "method_not_taken"),
        ("USD", {}, {"token": "somebody_else_s"}, "token_not_taken"),
        ("USD", {"captureMode": "manual"}, {"token": "tok"}, "cannot_hold_money"),
        ("CHF", {}, {"token": "tok"}, "currency_not_taken"),
    ],
)
def test_the_trace_says_why_a_connection_cannot_take_a_payment(bare_shop, currency, session, completion, reason):
    connect(bare_shop, "choosy", url="http://127.0.0.1:9")
    opened = bare_shop.session(metadata={"amount": 100, "currency": currency}, externalCartId="c", **session)
    error = refused(bare_shop.complete(opened["id"], **completion, **BUYER), 422, "no_eligible_connector")
    assert ways(routes.trace(bare_shop, error["details"]["paymentId"])) == [("choosy", "passed_over", reason)]


def test_a_connection_whose_settings_are_lost_is_unusable(shop, ids):
    routes.route(shop, [ids["sandbox_b"]])
    gone = tables.connections.c.id == ids["sandbox_b"]
    execute(shop.house, sa.update(tables.connections).where(gone).values(connector="uninstalled"))
    error = refused(shop.complete(shop.session()["id"]), 422, "no_eligible_connector")
    trace = routes.trace(shop, error["details"]["paymentId"])
    assert ways(trace) == [("uninstalled", "passed_over", "unusable")]


def test_a_shop_without_any_connection_makes_no_payment(bare_shop):
    refused(bare_shop.complete(bare_shop.session()["id"]), 422, "no_eligible_connector")
    assert made(bare_shop.get("/payments"))["data"] == []


def test_a_decline_rule_without_a_code_has_the_generic_one(shop, ids):
    routes.decline(shop, us())
    refused(shop.complete(shop.session()["id"]), 402, "flow_decline")


def test_a_refusal_by_a_rule_is_the_same_again_under_the_same_key(shop, ids):
    routes.decline(shop, cond("cardScheme", "is_one_of", "amex"), errorCode="flow_no_amex")
    session = shop.session()
    answers = [
        shop.complete(session["id"], "tok_sandbox_approve/amex", headers={"Idempotency-Key": "once"}) for _ in range(2)
    ]
    assert [(each.status_code, each.json()["error"]["code"]) for each in answers] == [(402, "flow_no_amex")] * 2
    assert answers[0].content == answers[1].content
    assert len(made(shop.get("/payments"))["data"]) == 1
    assert made(shop.complete(session["id"], "tok_sandbox_approve/visa"))["status"] == "completed"


def test_a_missing_fact_declines_nobody(shop, ids):
    routes.decline(shop, cond("cardCountry", "is_not_one_of", "US"))
    assert pay(shop, "tok_sandbox_approve/visa")["rules"][0]["finding"] == "attribute_missing"


def test_a_payment_keeps_the_version_it_began_with(shop, ids):
    routes.route(shop, [ids["sandbox"]], ([us()], [ids["sandbox_b"]]))
    before = pay(shop)
    routes.route(shop, [ids["sandbox"]])
    assert routes.trace(shop, before["paymentId"]) == before
    assert pay(shop)["versions"][1] == {"list": "payment-routing", "number": 2}


def test_a_rule_of_another_shop_decides_nothing_here(shop, other_shop, ids):
    routes.decline(other_shop, us())
    assert pay(shop)["outcome"] == "application_order"


def test_a_payment_of_nothing_goes_nowhere_and_is_not_declined(shop, ids):
    routes.decline(shop, us())
    cart = shop.cart()
    shop.item(cart["id"], unitPrice=0)
    made(shop.patch(f"/carts/{cart['id']}", {"customerEmail": "ada@example.com"}))
    session = shop.session(cart["id"], collect={"shippingAddress": False})
    assert routes.trace(shop, made(shop.complete(session["id"]))["paymentId"])["outcome"] == "not_routed"


def test_a_trace_is_the_shop_s_own_and_needs_its_scope(shop, other_shop, ids):
    payment_id = pay(shop)["paymentId"]
    refused(other_shop.get(f"/payments/{payment_id}/routing-trace"), 404, "not_found")
    refused(shop.get(f"/payments/{new_id()}/routing-trace"), 404, "not_found")
    made(shop.as_member("GET", f"/payments/{payment_id}/routing-trace"))


def simulate(shop, draft=None, **facts):
    body = {"facts": {"amount": 3000, "currency": "USD", **facts}, **({"draft": draft} if draft else {})}
    return shop.as_member("POST", "/payment-routing/simulate", body)


def test_a_simulation_says_where_a_payment_would_go_and_writes_nothing(shop, ids):
    routes.route(shop, [ids["sandbox"]], ([us()], [ids["sandbox_b"], ids["sandbox"]]))
    told = made(simulate(shop, country="US"))
    assert ways(told) == [("sandbox_b", "would_try", None), ("sandbox", "would_try", None)]
    assert (told["paymentId"], told["attempts"]) == (None, [])
    assert made(simulate(shop))["rules"][0]["finding"] == "attribute_missing"
    assert made(shop.get("/payments"))["data"] == []


def test_a_simulation_knows_what_a_payment_would_have_been_told(shop, ids):
    routes.route(shop, [ids["sandbox"]], ([cond("cardScheme", "is_one_of", "amex")], [ids["sandbox_b"]]))
    paid = pay(shop, "tok_sandbox_approve/amex/credit/US")
    facts = paid["facts"]
    again = made(simulate(shop, **facts))
    assert (again["facts"], again["rule"], again["connectorIds"]) == (facts, paid["rule"], paid["connectorIds"])


def test_a_simulation_can_try_a_draft(shop, ids):
    draft = {"cardDecline": {"rules": [{"conditions": [us()], "errorCode": "flow_try"}]}}
    assert made(simulate(shop, draft, country="US"))["errorCode"] == "flow_try"
    assert made(simulate(shop, country="US"))["outcome"] == "application_order"
    error = refused(simulate(shop, {"cardDecline": {"rules": [{"conditions": []}]}}), 422, "decline_rule_no_conditions")
    assert error["details"][0]["pointer"] == "/draft/cardDecline/rules/0/conditions"


def test_a_method_that_nobody_takes_passes_everybody_over(shop, ids):
    assert {reason for _, _, reason in ways(made(simulate(shop, paymentMethod="paypal")))} == {"method_not_taken"}


def replay(shop, draft, **more):
    return made(shop.as_member("POST", "/payment-routing/replay", {"draft": draft, **more}))


def test_a_replay_lists_the_payments_that_would_have_gone_elsewhere(shop, ids):
    first, second = pay(shop, metadata={"channel": "web"}), pay(shop)
    web = cond("metadata", "includes", "web", key="channel")
    told = replay(shop, {"cardDecline": {"rules": [{"conditions": [web]}]}})
    assert (told["examined"], told["changed"]) == (2, 1)
    (change,) = told["differences"]
    assert (change["paymentId"], change["before"]["outcome"]) == (first["paymentId"], "application_order")
    assert (change["after"]["outcome"], change["after"]["errorCode"]) == ("declined", "flow_decline")
    default = {"paymentRouting": {"rules": [], "defaultCascade": [ids["sandbox_b"]]}}
    assert [each["paymentId"] for each in replay(shop, default)["differences"]] == [
        second["paymentId"],
        first["paymentId"],
    ]
    assert replay(shop, default, limit=1)["examined"] == 1
    assert routes.trace(shop, first["paymentId"]) == first


def test_a_replay_of_what_stands_changes_nothing(shop, ids):
    rules = routes.route(shop, [ids["sandbox"]], ([us()], [ids["sandbox_b"]]))
    pay(shop)
    assert replay(shop, {"paymentRouting": rules})["changed"] == 0
    assert replay(shop, {})["examined"] == 1


@pytest.fixture
def live_shop(shop):
    """The shop as it would be if the sandbox's bank held real cards."""
    return gone_live(shop)


def gone_live(shop):
    there = tables.environments.c.id == shop.environment_id
    execute(shop.house, sa.update(tables.environments).where(there).values(is_production=True))
    mine = tables.workspaces.c.id == shop.workspace_id
    standing = {"lifecycle_stage": "live", "billing_status": "active"}
    execute(shop.house, sa.update(tables.workspaces).where(mine).values(**standing))
    return shop


def declined(shop, times, token="tok_sandbox_decline_soft"):
    for _ in range(times):
        refused(shop.complete(shop.session()["id"], token), 402, "payment_failed")


def test_a_card_that_was_declined_fifteen_times_is_tried_no_more_for_a_month(live_shop, clock):
    shop = live_shop
    declined(shop, 15)
    session = shop.session()
    error = refused(shop.complete(session["id"], "tok_sandbox_decline_soft"), 429, "too_many_attempts")
    assert error["details"] == {"limit": 15}
    assert made(shop.complete(session["id"]))["paymentStatus"] == "captured", "another card is another count"
    clock.advance(timedelta(days=30, minutes=1))
    declined(shop, 1)


def test_a_card_s_last_try_is_not_shared_out(live_shop, ids):
    shop = live_shop
    declined(shop, 7)
    error = refused(shop.complete(shop.session()["id"], "tok_sandbox_decline_soft"), 402, "payment_failed")
    assert [each["connector"] for each in error["details"]["attempts"]] == ["sandbox"]
    trace = routes.trace(shop, error["details"]["paymentId"])
    assert ways(trace) == [("sandbox", "tried", None), ("sandbox_b", "passed_over", "retry_budget")]


def test_payments_that_went_well_cost_a_card_nothing(live_shop):
    shop = live_shop
    for _ in range(17):
        made(shop.complete(shop.session()["id"]))


def test_one_shop_s_declines_are_not_another_s(live_shop, other_shop):
    declined(live_shop, 15)
    declined(gone_live(other_shop), 1)


def test_a_sandbox_s_tokens_are_declined_as_often_as_anybody_likes(shop):
    declined(shop, 16)
