"""What does Stripe's connector make of each answer, and is every request one that Stripe knows?"""

import dataclasses
import json

import httpx
import pytest

from connectors.payments.stripe_declines import DECLINES
from connectors.payments.stripe_money import CURRENCIES, Unchargeable, from_wire, on_wire
from penstock.conformance.bench import KEY
from penstock.money import Money, is_currency
from penstock.outcome import DECLINE_KINDS, CardFacts
from penstock.plugin import (
    Approved,
    BadCredentials,
    CaptureRequest,
    ChargeRequest,
    Declined,
    Done,
    Pending,
    RefundRequest,
    Rejected,
    ResumeRequest,
    VoidRequest,
)
from tests.connectors.forms import nested
from tests.connectors.official import Described, description
from tests.connectors.stripe_world import (
    CARD,
    HELD,
    INTENT,
    PAGE,
    REFUND,
    Script,
    declined,
    invalid,
    listed,
    searched,
    stripe,
    waiting,
)

EUR = Money(1250, "EUR")
VISA = CardFacts("visa", "4242", 12, 2030, "credit", "US")
INTENTS = "POST /v1/payment_intents"
REFUNDS = "/v1/refunds"
ONE = "GET /v1/payment_intents/pi_1"
LISTS = {"GET /v1/payment_intents": listed(), "GET /v1/payment_intents/search": searched()}
CAPTURE = CaptureRequest("cap_key", "pi_1", EUR, charge_key=KEY, charged=EUR)
VOID = VoidRequest("void_key", "pi_1", EUR, charge_key=KEY)
TAKEN = HELD | {"status": "succeeded", "amount_received": 1250, "metadata": {"penstock_capture": "cap_key"}}
BACK = RefundRequest(KEY, "pi_1", Money(500, "EUR"), charge_key="other", charged=EUR)


def asked(money: Money = EUR, **more) -> ChargeRequest:
    return ChargeRequest(KEY, money, "card", "pm_1", return_url="https://shop.example/back", **more)


def over(answers, **settings):
    """A connector whose every request and answer is held against Stripe's description, and what it sent."""
    script = Script(answers)
    slices = [description(name) for name in ("stripe_intents", "stripe_refunds", "stripe_methods")]
    return stripe(Described(script, *slices), **settings), script.sent


def said(status, body):
    connector, _ = over({INTENTS: (status, body)})
    return connector.charge(asked())


def test_a_charge_sends_all_that_stripe_needs_and_nothing_that_it_does_not_know():
    connector, sent = over({INTENTS: INTENT}, account="acct_1")
    metadata = {"shop": "north", "penstock_key": "forged", "with[brackets]": "x", "long": "y" * 600}
    outcome = connector.charge(asked(reference="cs_1", statement="Order <7>", metadata=metadata, step_up=True))
    assert outcome == Approved("pi_1", EUR, card=VISA)
    headers = sent[0].headers
    assert headers["idempotency-key"] == KEY
    assert headers["stripe-version"] == "2023-10-16"
    assert headers["stripe-account"] == "acct_1"
    form = nested(sent[0].content)
    assert form["metadata"] == {"penstock_key": KEY, "penstock_reference": "cs_1", "shop": "north", "long": "y" * 500}
    assert form["payment_method_options"] == {"card": {"request_three_d_secure": "any"}}
    assert form["statement_descriptor_suffix"] == "Order 7"
    assert form["return_url"] == "https://shop.example/back"


def test_without_a_page_to_come_back_to_a_card_that_wants_its_buyer_is_declined():
    connector, sent = over({INTENTS: (402, declined("authentication_required"))})
    outcome = connector.charge(ChargeRequest(KEY, EUR, "card", "pm_1"))
    assert isinstance(outcome, Declined)
    assert outcome.kind == "auth_required"
    assert nested(sent[0].content)["error_on_requires_action"] == "true"


def test_an_authorization_holds_and_takes_nothing():
    connector, sent = over({INTENTS: HELD})
    assert connector.charge(asked(capture="manual")) == Approved("pi_1", Money(0, "EUR"), authorized=EUR, card=VISA)
    assert nested(sent[0].content)["capture_method"] == "manual"


def test_what_was_captured_later_does_not_change_what_the_charge_was():
    captured = HELD | {"status": "succeeded", "amount_received": 700}
    connector, _ = over({ONE: captured})
    outcome = connector.resume(ResumeRequest(KEY, "pi_1", EUR, capture="manual"))
    assert outcome == Approved("pi_1", Money(0, "EUR"), authorized=EUR, card=VISA)


def test_a_buyer_who_must_act_is_sent_to_stripes_page():
    assert said(200, waiting()) == Pending("pi_1", PAGE)
    assert said(200, waiting("use_stripe_sdk")) == Pending("pi_1")
    with pytest.raises(ValueError, match="oxxo"):
        said(200, waiting("oxxo_display_details"))


def test_the_buyers_return_reads_the_intent_and_believes_no_query():
    query = {"redirect_status": "succeeded", "payment_intent": "pi_other"}
    error = {"type": "invalid_request_error", "code": "payment_intent_authentication_failure"}
    failed = INTENT | {"status": "requires_payment_method", "last_payment_error": error}
    connector, sent = over({ONE: failed})
    outcome = connector.resume(ResumeRequest(KEY, "pi_1", EUR, query=query))
    assert isinstance(outcome, Declined)
    assert outcome.kind == "authentication_failed"
    assert [request.url.path for request in sent] == ["/v1/payment_intents/pi_1"]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            401,
            invalid("x") | {"error": {"type": "invalid_request_error", "message": "Invalid API Key"}},
            "configuration",
        ),
        (403, {"error": {"type": "invalid_request_error", "message": "no permission"}}, "configuration"),
        (429, invalid("rate_limit"), "rate_limited"),
        (400, invalid("amount_too_small"), "unsupported"),
        (400, invalid("testmode_charges_only"), "configuration"),
        (400, invalid("parameter_unknown"), "validation"),
        (400, invalid("resource_missing", param="payment_method"), "validation"),
    ],
)
def test_a_refusal_that_comes_before_anything_ran_lets_another_provider_try(status, body, kind):
    outcome = said(status, body)
    assert isinstance(outcome, Rejected)
    assert outcome.kind == kind


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"type": "idempotency_error", "message": "used with other parameters"}}),
        (409, invalid("idempotency_key_in_use")),
        (429, invalid("lock_timeout")),
        (429, {"message": "slow down"}),
        (401, {"message": "a proxy"}),
        (402, {"error": {"type": "api_error", "message": "?"}}),
        (400, invalid("anything", payment_intent=INTENT)),
        (402, declined("do_not_honor", payment_intent=HELD)),
        (404, {"error": "no such page"}),
        (500, declined()),
        (200, INTENT | {"status": "requires_confirmation"}),
        (200, INTENT | {"amount_received": "1250"}),
        (200, INTENT | {"amount_received": True}),
        (200, INTENT | {"object": "charge"}),
        (200, INTENT | {"status": "requires_payment_method"}),
        (200, [INTENT]),
    ],
)
def test_what_might_have_charged_is_no_outcome(status, body):
    connector = stripe(Script({INTENTS: (status, body)}))
    with pytest.raises((ValueError, KeyError, TypeError)):
        connector.charge(asked())


def test_every_documented_decline_has_a_kind_of_ours():
    assert set(DECLINES.values()) <= set(DECLINE_KINDS)
    for code, kind in DECLINES.items():
        outcome = said(402, declined(code))
        assert (outcome.kind, outcome.provider_code) == (kind, code)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (declined("do_not_honor"), "soft"),
        (declined("do_not_honor", advice_code="try_again_later"), "soft"),
        (declined("do_not_honor", advice_code="do_not_try_again"), "hard"),
        (declined("of_tomorrow"), "hard"),
        ({"error": {"type": "card_error", "code": "expired_card", "message": ""}}, "hard"),
        ({"error": {"type": "card_error", "code": "processing_error", "message": ""}}, "soft"),
    ],
)
def test_a_decline_goes_elsewhere_only_if_nothing_speaks_against_it(body, kind):
    assert said(402, body).kind == kind


def test_find_looks_among_the_newest_first_and_then_everywhere():
    other = INTENT | {"id": "pi_0", "metadata": {}}
    connector, sent = over({"GET /v1/payment_intents": listed(other, INTENT), ONE: INTENT})
    assert connector.find(KEY) == Approved("pi_1", EUR, card=VISA)
    assert len(sent) == 2
    connector, sent = over(LISTS | {"GET /v1/payment_intents/search": searched(INTENT), ONE: HELD})
    assert connector.find(KEY) == Approved("pi_1", Money(0, "EUR"), authorized=EUR, card=VISA)
    assert sent[1].url.params["query"] == f"metadata['penstock_key']:'{KEY}'"


def test_of_two_intents_with_one_key_the_one_with_money_counts():
    dead = INTENT | {"id": "pi_0", "status": "canceled"}
    connector, _ = over({"GET /v1/payment_intents": listed(dead, INTENT), ONE: INTENT})
    assert connector.find(KEY) == Approved("pi_1", EUR, card=VISA)


def test_not_found_is_never_claimed_to_be_a_proof():
    assert stripe(Script({})).capabilities.lookup_is_authoritative_after is None


def test_a_key_that_could_change_the_search_is_not_searched():
    with pytest.raises(ValueError, match="key"):
        stripe(Script(LISTS)).find("x' OR status:'succeeded")


def test_a_reversal_of_nothing_spends_the_key_so_that_nothing_can_come_later():
    fence = INTENT | {"status": "requires_payment_method", "metadata": {"penstock_fence": KEY}}
    cancelled = fence | {"status": "canceled"}
    connector, sent = over(LISTS | {INTENTS: fence, f"{INTENTS}/pi_1/cancel": cancelled})
    assert connector.reverse(KEY) is True
    spent = next(request for request in sent if request.method == "POST")
    assert spent.headers["idempotency-key"] == KEY
    assert "confirm" not in nested(spent.content)


@pytest.mark.parametrize("status", [400, 409])
def test_a_key_that_was_used_before_reverses_nothing(status):
    body = {"error": {"type": "idempotency_error", "message": "used"}}
    connector, _ = over(LISTS | {INTENTS: (status, body)})
    assert connector.reverse(KEY) is False


def test_a_reversal_gives_back_what_was_taken_and_lets_go_what_was_held():
    found = {"GET /v1/payment_intents": listed(INTENT)}
    connector, sent = over(found | {ONE: INTENT, f"POST {REFUNDS}": REFUND | {"amount": 1250}})
    assert connector.reverse(KEY) is True
    assert "amount" not in nested(sent[-1].content)
    connector, _ = over(found | {ONE: INTENT, f"POST {REFUNDS}": REFUND | {"status": "pending"}})
    assert connector.reverse(KEY) is False
    connector, _ = over(found | {ONE: HELD, f"{INTENTS}/pi_1/cancel": HELD | {"status": "canceled"}})
    assert connector.reverse(KEY) is True
    connector, _ = over(found | {ONE: INTENT | {"status": "canceled"}})
    assert connector.reverse(KEY) is True


def test_a_capture_takes_what_is_asked_and_says_what_was_taken():
    part = dataclasses.replace(CAPTURE, money=Money(700, "EUR"))
    connector, sent = over({f"{INTENTS}/pi_1/capture": TAKEN | {"amount_received": 700}})
    assert connector.capture(part) == Done("pi_1", Money(700, "EUR"))
    assert sent[0].headers["idempotency-key"] == "cap_key"
    assert nested(sent[0].content) == {"amount_to_capture": "700", "metadata": {"penstock_capture": "cap_key"}}


def test_a_void_lets_go_of_the_whole():
    connector, sent = over({f"{INTENTS}/pi_1/cancel": HELD | {"status": "canceled"}})
    assert connector.void(VOID) == Done("pi_1", EUR)
    assert sent[0].headers["idempotency-key"] == "void_key"


def test_a_repeat_that_comes_too_late_for_its_key_is_read_from_the_intent():
    answers = {
        f"{INTENTS}/pi_1/capture": (400, invalid("payment_intent_unexpected_state")),
        f"{INTENTS}/pi_1/cancel": (400, invalid("payment_intent_unexpected_state")),
        f"POST {REFUNDS}": (400, invalid("charge_already_refunded")),
        f"GET {REFUNDS}": listed(REFUND, url=REFUNDS),
        ONE: TAKEN,
    }
    connector, _ = over(answers)
    assert connector.capture(CAPTURE) == Done("pi_1", EUR)
    assert connector.refund(BACK) == Done("re_1", Money(500, "EUR"))
    refused = connector.void(VOID)
    assert isinstance(refused, Rejected)
    assert refused.provider_code == "succeeded"


def test_a_refund_names_its_payment_its_key_and_a_reason_that_stripe_knows():
    connector, sent = over({f"POST {REFUNDS}": REFUND})
    assert connector.refund(BACK) == Done("re_1", Money(500, "EUR"))
    connector.refund(dataclasses.replace(BACK, reason="duplicate"))
    connector.refund(dataclasses.replace(BACK, reason="came too late"))
    first, second, third = (nested(request.content) for request in sent)
    assert first == {"payment_intent": "pi_1", "amount": "500", "metadata": {"penstock_key": KEY}}
    assert second["reason"] == "duplicate"
    assert third["metadata"]["reason"] == "came too late"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("pending", Pending("re_1")),
        ("requires_action", Pending("re_1")),
        ("failed", Declined("hard", "lost_or_stolen_card")),
        ("canceled", Declined("hard", "lost_or_stolen_card")),
    ],
)
def test_a_refund_may_still_be_on_its_way_or_fail(status, told):
    connector, _ = over({f"POST {REFUNDS}": REFUND | {"status": status, "failure_reason": "lost_or_stolen_card"}})
    assert connector.refund(BACK) == told


def test_a_refund_is_found_by_its_key_on_whichever_page_it_stands():
    pages = [
        listed(REFUND | {"id": "re_0", "metadata": {}}, url=REFUNDS) | {"has_more": True},
        listed(REFUND, url=REFUNDS),
    ]
    asked_for: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked_for.append(request.url)
        return httpx.Response(200, json=pages[len(asked_for) - 1])

    connector = stripe(Described(httpx.MockTransport(answer), description("stripe_refunds")))
    assert connector.find_follow_up(BACK) == Done("re_1", Money(500, "EUR"))
    assert asked_for[1].params["starting_after"] == "re_0"


def test_a_follow_up_that_never_came_is_none_and_one_that_cannot_come_is_refused():
    connector, _ = over({ONE: HELD, f"GET {REFUNDS}": listed(url=REFUNDS)})
    assert connector.find_follow_up(CAPTURE) is None
    assert connector.find_follow_up(VOID) is None
    assert connector.find_follow_up(BACK) is None
    connector, _ = over({ONE: HELD | {"status": "canceled"}})
    assert isinstance(connector.find_follow_up(CAPTURE), Rejected)
    assert connector.find_follow_up(VOID) == Done("pi_1", EUR)


def test_what_somebody_else_captured_is_not_this_capture():
    connector, _ = over({ONE: TAKEN | {"metadata": {}}})
    refused = connector.find_follow_up(CAPTURE)
    assert isinstance(refused, Rejected)
    assert refused.provider_code == "succeeded"


def test_a_token_is_described_by_stripe_and_bound_to_it():
    method = {"id": "pm_1", "object": "payment_method", "type": "card", "created": 1, "livemode": False}
    method |= {"billing_details": {}, "card": CARD | {"brand": "diners"}}
    connector, _ = over({"GET /v1/payment_methods/pm_1": method})
    assert connector.describe_token("pm_1") == CardFacts("diners-club", "4242", 12, 2030, "credit", "US")
    connector, _ = over({"GET /v1/payment_methods/pm_1": (404, invalid("resource_missing"))})
    assert connector.describe_token("pm_1") is None
    assert connector.describe_token("card_1") is None
    assert connector.takes_token("pm_1")
    assert not connector.takes_token("tok_sandbox_approve")


def test_an_account_is_verified_by_reading():
    over({"GET /v1/payment_intents": listed()})[0].verify_account()
    for status in (401, 403):
        connector, _ = over({"GET /v1/payment_intents": (status, invalid("x"))})
        with pytest.raises(BadCredentials) as refused:
            connector.verify_account()
        assert "sk_test" not in str(refused.value)
    with pytest.raises(ValueError, match="500"):
        stripe(Script({"GET /v1/payment_intents": (500, invalid("x"))})).verify_account()


@pytest.mark.parametrize(
    ("environment", "settings"),
    [
        ("production", {"secret_key": "sk_test_conformanceSECRET0"}),
        ("sandbox", {"secret_key": "sk_live_conformanceSECRET0"}),
        ("production", {"secret_key": "sk_live_conformanceSECRET0", "base_url": "https://stripe.example"}),
    ],
)
def test_no_environment_is_built_with_the_keys_of_another(environment, settings):
    with pytest.raises(ValueError, match=r"mode|tests"):
        stripe(Script({}), environment, **settings)


def test_every_currency_goes_to_the_wire_and_comes_back():
    for currency in CURRENCIES:
        assert is_currency(currency)
        assert from_wire(on_wire(Money(12300, currency)), currency.lower()) == Money(12300, currency)


@pytest.mark.parametrize(("money"), [Money(1255, "KWD"), Money(1250, "MGA"), Money(0, "EUR"), Money(5, "XAU")])
def test_an_amount_that_stripe_cannot_charge_is_refused_before_anything_is_sent(money):
    with pytest.raises(Unchargeable):
        on_wire(money)
    if is_currency(money.currency):
        connector, sent = over({})
        assert connector.charge(asked(money)).kind == "unsupported"
        assert connector.capture(dataclasses.replace(CAPTURE, money=money)).kind == "unsupported"
        assert connector.refund(dataclasses.replace(BACK, money=money)).kind == "unsupported"
        assert not sent


@pytest.mark.parametrize(
    ("amount", "currency"), [(1250.0, "eur"), ("1", "eur"), (True, "eur"), (1, None), (150, "isk"), (1, "xxx")]
)
def test_what_is_no_amount_of_stripes_is_not_read_as_one(amount, currency):
    with pytest.raises(ValueError, match=r"."):
        from_wire(amount, currency)


def test_answers_of_the_fixtures_are_what_stripe_describes():
    for name, one in (("payment_intent", INTENT), ("payment_intent", HELD), ("payment_intent", waiting())):
        description("stripe_intents").check_schema(name, one)
    description("stripe_refunds").check_schema("refund", REFUND)
    assert json.dumps(declined())
