"""The test vectors of the payments' semantics, by number: what one answer leads to, on a real wire.

Each provider is a server that answers as the test says; see `tests.wire`.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from connectors.payments import sandbox_messages
from jobs.actors import Runner
from jobs.relay import LEASE
from penstock.caller import Scope
from storage import tables
from storage.due import DueTable
from storage.engine import parse
from tests import routes, wire
from tests.routes import cond, us
from tests.shop import made, refused
from tests.shops import connect

NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there."""


@pytest.fixture(scope="module")
def provider():
    opened = wire.Provider()
    yield opened
    opened.close()


@dataclass
class Till:
    """A shop with some connections, in order, and one session."""

    shop: Any
    provider: wire.Provider
    urls: dict[str, str]
    session: Any = None

    def plan(self, name, *replies, verb="charge"):
        self.provider.plan(self.urls[name], verb, *replies)

    def calls(self, name, verb="charge"):
        return self.provider.calls(self.urls[name], verb)

    def open(self):
        self.session = self.shop.session()
        return self.session["id"]

    def pay(self, token="tok"):
        """Complete the session, a new one if there is none yet."""
        return self.shop.complete(self.session["id"] if self.session else self.open(), token)

    def payments(self):
        return made(self.shop.get("/payments"))["data"]

    def attempts(self, body):
        payments = made(self.shop.get(f"/orders/{body['orderId']}/payments"))["data"]
        return [(a["connector"], a["state"]) for a in payments[0]["attempts"]]


@pytest.fixture
def till(bare_shop, provider):
    """Opens a shop whose connections are these connectors, asked in this order."""

    def opened(*names, **urls):
        places = {name: urls.get(name) or provider.url(name) for name in names}
        for position, name in enumerate(names):
            connect(bare_shop, name, position=position, url=places[name])
        return Till(bare_shop, provider, places)

    return opened


def is_open(till):
    """The answer to a payment whose outcome is open, and what such a payment may not have done."""
    waiting = made(till.pay(), 202)
    assert (waiting["paymentStatus"], waiting["pendingReason"]) == ("pending", "outcome_unknown")
    assert made(till.shop.get(f"/orders/{waiting['orderId']}"))["status"] == "pending"
    assert till.attempts(waiting)[-1][1] == "unknown"
    return waiting


def test_vector_01_a_refused_connection_goes_on_to_the_next(till):
    shop = till("plain", "second", plain=NOWHERE)
    done = made(shop.pay())
    assert shop.attempts(done) == [("plain", "not_sent"), ("second", "approved")]


def test_vector_02_silence_of_a_provider_that_can_do_no_more_is_202_and_nobody_else_is_asked(till):
    shop = till("plain", "second")
    shop.plan("plain", wire.SILENCE)
    waiting = is_open(shop)
    assert shop.attempts(waiting) == [("plain", "unknown")]
    assert (len(shop.calls("plain")), shop.calls("second")) == (1, [])
    refused(shop.pay("another"), 409, "payment_in_progress")
    assert made(shop.pay(), 202)["paymentId"] == waiting["paymentId"], "the same body gets the same answer"


def test_vector_03_silence_is_repeated_once_under_the_same_key(till):
    shop = till("repeating", "second")
    shop.plan("repeating", wire.SILENCE)
    done = made(shop.pay())
    assert shop.attempts(done) == [("repeating", "approved")]
    sent = shop.calls("repeating")
    assert len(sent) == 2
    assert sent[0] == sent[1], "the same request under the same key"
    assert shop.calls("second") == []


def test_vector_03_what_is_silent_twice_is_not_sent_a_third_time(till):
    shop = till("repeating", "second")
    shop.plan("repeating", wire.SILENCE, wire.SILENCE)
    is_open(shop)
    assert (len(shop.calls("repeating")), shop.calls("second")) == (2, [])


@pytest.mark.parametrize("reply", [(429, {}), (401, {}), wire.declined("duplicate"), wire.HTML_500], ids=str)
def test_vector_03_a_repeat_that_was_refused_says_nothing_of_the_first(till, reply):
    shop = till("repeating", "second")
    shop.plan("repeating", wire.SILENCE, reply)
    is_open(shop)
    assert shop.calls("second") == []


def test_vector_04_a_soft_decline_that_is_found_by_asking_goes_on(till):
    shop = till("looking", "second")
    shop.plan("looking", wire.SILENCE)
    shop.plan("looking", wire.declined("soft"), verb="find")
    done = made(shop.pay())
    assert shop.attempts(done) == [("looking", "declined"), ("second", "approved")]


def test_vector_05_not_found_is_no_proof(till):
    shop = till("looking", "second")
    shop.plan("looking", wire.SILENCE)
    shop.plan("looking", (404, {}), verb="find")
    is_open(shop)
    assert shop.calls("second") == []


def test_vector_05_not_found_is_no_proof_before_its_time_and_one_after_it(till, clock):
    shop = till("knowing", "second")
    shop.plan("knowing", wire.SILENCE)
    shop.plan("knowing", *[(404, {})] * 9, verb="find")
    is_open(shop)
    clock.advance(timedelta(seconds=290))
    refused(shop.pay("another"), 409, "payment_in_progress")
    clock.advance(timedelta(seconds=20))
    done = made(shop.pay("another"))
    assert [p["status"] for p in shop.payments()] == ["captured", "failed"]
    assert shop.attempts(done)[-1][1] == "approved"


def test_vector_06_a_confirmed_reversal_goes_on(till):
    shop = till("undoing", "second")
    shop.plan("undoing", wire.SILENCE)
    shop.plan("undoing", (200, {"reversed": True}), verb="reverse")
    done = made(shop.pay())
    assert shop.attempts(done) == [("undoing", "not_sent"), ("second", "approved")]
    assert [c["key"] for c in shop.calls("undoing")] == [c["key"] for c in shop.calls("undoing", "reverse")]


@pytest.mark.parametrize("reply", [wire.SILENCE, wire.HTML_500, (200, {"reversed": False}), (200, b"ok")], ids=str)
def test_vector_07_a_reversal_that_is_not_confirmed_is_202(till, reply):
    shop = till("undoing", "second")
    shop.plan("undoing", wire.SILENCE)
    shop.plan("undoing", reply, verb="reverse")
    is_open(shop)
    assert shop.calls("second") == []


def test_vector_08_an_error_page_is_no_answer(till):
    shop = till("plain", "second")
    shop.plan("plain", wire.HTML_500)
    is_open(shop)
    assert shop.calls("second") == []


@pytest.mark.parametrize("reply", [wire.GARBAGE, wire.took(3001), wire.took(3000, "EUR")], ids=str)
def test_vector_09_an_answer_that_cannot_be_read_or_cannot_be_so_is_unknown(till, reply):
    shop = till("plain", "second")
    shop.plan("plain", reply)
    is_open(shop)
    assert shop.calls("second") == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (10, "hard"),
        (11, "insufficient_funds"),
        (11, "fraud"),
        (11, "duplicate"),
        (11, "compliance"),
        (11, "authentication_failed"),
    ],
)
def test_vector_10_and_11_a_decline_that_is_not_soft_ends_the_payment(till, number, kind):
    shop = till("plain", "second")
    shop.plan("plain", wire.declined(kind))
    error = refused(shop.pay(), 402, "payment_failed")
    assert error["details"]["declineKind"] == kind
    assert shop.calls("second") == []


def test_vector_12_three_soft_declines_are_three_attempts_and_402(till):
    shop = till("plain", "second", "third", "looking")
    for name in ("plain", "second", "third", "looking"):
        shop.plan(name, wire.declined("soft"))
    error = refused(shop.pay(), 402, "payment_failed")
    assert [a["connector"] for a in error["details"]["attempts"]] == ["plain", "second", "third"]
    assert shop.calls("looking") == []


def test_vector_13_an_issuer_that_wants_the_buyer_gets_one_step_up_at_the_same_connector(till):
    shop = till("stepping", "second")
    shop.plan("stepping", wire.declined("auth_required"))
    done = made(shop.pay())
    assert shop.attempts(done) == [("stepping", "declined"), ("stepping", "approved")]
    assert [c["stepUp"] for c in shop.calls("stepping")] == [False, True]
    assert len({c["key"] for c in shop.calls("stepping")}) == 2


def test_vector_13_a_second_wish_for_authentication_ends_the_payment(till):
    shop = till("stepping", "second")
    shop.plan("stepping", *[wire.declined("auth_required")] * 3)
    error = refused(shop.pay(), 402, "payment_failed")
    assert error["details"]["declineKind"] == "auth_required"
    assert (len(shop.calls("stepping")), shop.calls("second")) == (2, [])


def test_vector_13_a_connector_without_step_up_is_not_asked_again(till):
    shop = till("plain", "second")
    shop.plan("plain", wire.declined("auth_required"))
    refused(shop.pay(), 402, "payment_failed")
    assert (len(shop.calls("plain")), shop.calls("second")) == (1, [])


CHALLENGE = wire.pending("https://bank.example/3ds")


def test_vector_14_a_buyer_who_never_comes_back_frees_the_session(till, clock):
    shop = till("stepping", "second")
    shop.plan("stepping", CHALLENGE)
    shop.plan("stepping", *[CHALLENGE] * 2, verb="find")
    shop.plan("stepping", (200, {"reversed": True}), verb="reverse")
    assert made(shop.pay(), 202)["pendingReason"] == "buyer_action"
    clock.advance(timedelta(minutes=29))
    refused(shop.pay("another"), 409, "payment_in_progress")
    assert shop.calls("stepping", "reverse") == []
    clock.advance(timedelta(minutes=2))
    made(shop.pay("another"))
    given_up = shop.payments()[1]
    assert (given_up["status"], given_up["declineKind"]) == ("failed", "authentication_failed")
    assert shop.calls("second") == [], "nobody else was asked for the first one"


def test_vector_14_a_challenge_that_cannot_be_undone_stays_open(till, clock):
    shop = till("stepping")
    shop.plan("stepping", CHALLENGE)
    shop.plan("stepping", CHALLENGE, verb="find")
    shop.plan("stepping", wire.SILENCE, verb="reverse")
    made(shop.pay(), 202)
    clock.advance(timedelta(hours=2))
    refused(shop.pay("another"), 409, "payment_in_progress")


def test_vector_14_a_connector_that_only_resumes_is_asked_to_give_the_buyer_up(till, clock):
    shop = till("returning", "second")
    shop.plan("returning", CHALLENGE)
    shop.plan("returning", CHALLENGE, wire.declined("authentication_failed"), verb="resume")
    made(shop.pay(), 202)
    clock.advance(timedelta(minutes=29))
    refused(shop.pay("another"), 409, "payment_in_progress")
    clock.advance(timedelta(minutes=2))
    made(shop.pay("another"))
    assert [(asked["giveUp"], asked["query"]) for asked in shop.calls("returning", "resume")] == [
        (False, {}),
        (True, {}),
    ]
    assert shop.payments()[1]["declineKind"] == "authentication_failed"
    assert shop.calls("second") == [], "nobody else was asked for the first one"


@pytest.mark.parametrize("reply", [wire.SILENCE, wire.HTML_500, (429, {}), CHALLENGE], ids=str)
def test_vector_14_a_buyer_whom_the_provider_does_not_give_up_stays_awaited(till, clock, reply):
    shop = till("returning")
    shop.plan("returning", CHALLENGE)
    shop.plan("returning", reply, verb="resume")
    made(shop.pay(), 202)
    clock.advance(timedelta(hours=2))
    refused(shop.pay("another"), 409, "payment_in_progress")
    assert [asked["giveUp"] for asked in shop.calls("returning", "resume")] == [True]


def test_vector_14_a_buyer_who_paid_in_the_last_moment_has_paid(till, clock):
    shop = till("returning")
    shop.plan("returning", CHALLENGE)
    waiting = made(shop.pay(), 202)
    clock.advance(timedelta(hours=2))
    refused(shop.pay("another"), 422, "session_not_open")
    assert made(shop.shop.get(f"/orders/{waiting['orderId']}"))["paymentStatus"] == "captured"
    assert [asked["giveUp"] for asked in shop.calls("returning", "resume")] == [True]


def test_vector_14_a_method_that_takes_its_time_is_never_given_up(till, clock):
    shop = till("stepping")
    shop.plan("stepping", CHALLENGE)
    shop.plan("stepping", wire.pending(), verb="find")
    made(shop.pay(), 202)
    clock.advance(timedelta(hours=2))
    refused(shop.pay("another"), 409, "payment_in_progress")
    assert shop.calls("stepping", "reverse") == []


@pytest.mark.parametrize(("number", "status"), [(15, 401), (16, 429)])
def test_vector_15_and_16_a_documented_refusal_goes_on(till, number, status):
    shop = till("plain", "second")
    shop.plan("plain", (status, {}))
    done = made(shop.pay())
    assert shop.attempts(done) == [("plain", "rejected"), ("second", "approved")]


def test_vector_15_the_merchant_hears_of_refused_credentials_at_once_and_once(till, bare_shop):
    shop = till("plain", "second")
    shop.plan("plain", *[(401, {})] * 2)
    for _ in range(2):
        shop.session = None
        made(shop.pay())
    assert connector_events(bare_shop, "connector.refused") == [("plain", "charge", 1)]


def test_vector_22_twenty_completions_at_once_are_one_call(till):
    shop = till("plain", "second")
    session = shop.open()
    with ThreadPoolExecutor(20) as racers:
        answers = list(racers.map(lambda n: shop.shop.complete(session, f"tok_{n % 2}"), range(20)))
    assert len(shop.calls("plain") + shop.calls("second")) == 1
    assert {a.status_code for a in answers} <= {200, 409, 422}
    assert len(shop.payments()) == 1


def test_vector_17_a_failing_connection_is_passed_over_and_the_next_one_asked(till, bare_shop):
    shop = till("plain", "second", plain=NOWHERE)
    for _ in range(20):
        shop.session = None
        made(shop.pay())
    shop.session = None
    done = made(shop.pay())
    payments = made(bare_shop.get(f"/orders/{done['orderId']}/payments"))["data"]
    tried = [(a["connector"], a["state"], a["message"]) for a in payments[0]["attempts"]]
    assert tried == [("plain", "not_sent", "breaker_open"), ("second", "approved", None)]
    assert len(shop.calls("second")) == 21
    trace = routes.trace(bare_shop, done["paymentId"])
    assert [(a["next"], a["reason"]) for a in trace["attempts"]] == [
        ("went_on", "breaker_open"),
        ("stopped", "approved"),
    ]
    listed = made(bare_shop.as_member("GET", "/routing-connectors"))["data"]
    assert [each["health"] for each in listed] == ["degraded", "healthy"]


def test_vector_17_declines_never_open_a_breaker(till):
    shop = till("plain")
    shop.plan("plain", *[wire.declined("hard")] * 30)
    for _ in range(30):
        shop.session = None
        refused(shop.pay(), 402, "payment_failed")
    shop.session = None
    made(shop.pay())


def test_vector_17_the_merchant_hears_of_the_failing_connection_once(till, bare_shop):
    shop = till("plain", plain=NOWHERE)
    for _ in range(22):
        shop.session = None
        refused(shop.pay(), 422, "no_eligible_connector")
    assert connector_events(bare_shop, "connector.degraded") == [("plain", "charge", 1)]


def connector_events(shop, kind):
    shop.house.cascade.health.share()
    found = rows(shop, sa.select(tables.events).where(tables.events.c.type == kind))
    mine = [row for row in found if str(row.application_id) == shop.application_id]
    mine = [row for row in mine if str(row.environment_id) == shop.environment_id]
    return [(row.data["connector"], row.data["operation"], row.sequence) for row in mine]


def rows(shop, statement):
    engine = sa.create_engine(shop.house.settings.database_url)
    with engine.connect() as connection:
        found = connection.execute(statement).all()
    engine.dispose()
    return found


def test_vector_18_a_rule_that_matched_is_not_followed_by_the_default_cascade(shop):
    ids = routes.two_banks(shop)
    routes.route(shop, [ids["sandbox_b"]], ([us()], [ids["sandbox"]]))
    error = refused(shop.complete(shop.session()["id"], "tok_sandbox_decline_soft"), 402, "payment_failed")
    assert [each["connector"] for each in error["details"]["attempts"]] == ["sandbox"]
    trace = routes.trace(shop, error["details"]["paymentId"])
    assert (trace["outcome"], trace["rule"], trace["connectorIds"]) == ("rule", 0, [ids["sandbox"]])
    assert trace["attempts"][0] | {"connectorId": ""} == {
        "number": 1,
        "connectorId": "",
        "connector": "sandbox",
        "state": "declined",
        "kind": "soft",
        "next": "stopped",
        "reason": "no_more_connectors",
    }


def test_vector_23_where_a_decline_rule_and_a_routing_rule_match_it_is_declined_and_nobody_is_asked(shop):
    ids = routes.two_banks(shop)
    routes.route(shop, [ids["sandbox"]], ([us()], [ids["sandbox_b"]]))
    routes.decline(shop, us(), errorCode="flow_not_to_us")
    session = shop.session()
    answer = shop.complete(session["id"])
    assert answer.status_code == 402
    error = answer.json()["error"]
    assert error["code"] == "flow_not_to_us"
    assert error["docs"].endswith("/docs/errors#flow_decline")
    payment = routes.last_payment(shop)
    assert (payment["id"], payment["status"], payment["connector"]) == (error["details"]["paymentId"], "failed", None)
    trace = routes.trace(shop, payment["id"])
    assert (trace["outcome"], trace["list"], trace["rule"]) == ("declined", "card-decline", 0)
    assert (trace["errorCode"], trace["attempts"], trace["connectors"]) == ("flow_not_to_us", [], [])
    routes.put(shop, "/card-decline", {"rules": []})
    assert made(shop.complete(session["id"]))["paymentStatus"] == "captured"


def test_vector_24_yen_have_no_minor_unit(shop):
    ids = routes.two_banks(shop)
    above = cond("amount", "gt", currency="JPY", min=500)
    routes.route(shop, [ids["sandbox"]], ([above], [ids["sandbox_b"]]))
    for amount, connector in ((500, "sandbox"), (501, "sandbox_b")):
        metadata = {"amount": amount, "currency": "JPY"}
        session = shop.session(externalCartId=f"yen-{amount}", metadata=metadata, collect={"shippingAddress": False})
        done = made(shop.complete(session["id"], email="ada@example.com"))
        assert routes.last_payment(shop)["connector"] == connector, done


def test_vector_26_a_capture_whose_answer_is_lost_holds_up_void_and_refund_until_it_is_known(till):
    shop = till("holding", "second")
    shop.session = shop.shop.session(captureMode="manual")
    place = f"/payments/{made(shop.pay())['paymentId']}"
    shop.plan("holding", wire.SILENCE, verb="capture")
    shop.plan("holding", *[wire.SILENCE] * 3, (200, {"status": "done"}), verb="find_step")
    assert made(shop.shop.post(f"{place}/capture"), 202)["status"] == "authorized"
    for verb in ("refund", "void"):
        refused(shop.shop.post(f"{place}/{verb}"), 409, "payment_in_progress")
    refused(shop.shop.post(f"{place}/void"), 422, "void_not_allowed")
    assert made(shop.shop.get(place))["amountCaptured"] == 3000
    assert (len(shop.calls("holding", "capture")), shop.calls("holding", "void")) == (1, [])


def test_vector_25_a_card_whose_country_is_not_known_satisfies_no_negative_condition(shop):
    ids = routes.two_banks(shop)
    foreign = cond("cardCountry", "is_not_one_of", "US")
    routes.route(shop, [ids["sandbox"]], ([foreign], [ids["sandbox_b"]]))
    done = made(shop.complete(shop.session()["id"], "tok_sandbox_approve/visa/credit"))
    trace = routes.trace(shop, done["paymentId"])
    assert (trace["outcome"], trace["attempts"][0]["connector"]) == ("default", "sandbox")
    assert "cardCountry" in trace["missing"]
    assert trace["rules"] == [
        {
            "list": "payment-routing",
            "rule": 0,
            "matched": False,
            "condition": 0,
            "fact": "cardCountry",
            "finding": "attribute_missing",
        }
    ]
    done = made(shop.complete(shop.session()["id"], "tok_sandbox_approve/visa/credit/GB"))
    assert routes.trace(shop, done["paymentId"])["attempts"][0]["connector"] == "sandbox_b"


def test_vector_20_a_message_about_a_pending_payment_authorizes_it_once(bare_shop, clock):
    body = {"connector": "sandbox", "settings": {"webhook_secret": "whsec_of_vector_twenty"}}
    connection = made(bare_shop.post("/connectors", body), 201)
    waiting = made(bare_shop.complete(bare_shop.session()["id"], "tok_sandbox_pending"), 202)
    attempt = decided_by_the_bank(bare_shop, connection["id"], waiting["paymentId"])
    for event_id in ("evt_1", "evt_1", "evt_2"):
        message = orjson.dumps({"id": event_id, "type": "charge.updated", "key": attempt})
        headers = sandbox_messages.signed(message, "whsec_of_vector_twenty", clock.now())
        made(bare_shop.client.post(connection["webhookUrl"], content=message, headers=headers))
        rows = DueTable(bare_shop.house.database)
        for row in rows.claim(clock.now(), limit=10_000, lease=LEASE):
            Runner(bare_shop.house, rows).run_due(row.id, row.attempt)
    payment = made(bare_shop.get(f"/orders/{waiting['orderId']}/payments"))["data"][0]
    assert (payment["status"], payment["amountCaptured"], len(payment["attempts"])) == ("captured", 3000, 1)
    assert events_of(bare_shop, waiting["paymentId"]) == ["payment.pending", "payment.captured"]


def decided_by_the_bank(shop, connection_id, payment_id):
    """Have the sandbox's bank approve what it left open; returns the attempt's key."""
    scope = Scope(shop.workspace_id, shop.environment_id, shop.application_id)
    with shop.house.work(scope, read=True) as uow:
        attempt = uow.payments.get(payment_id).attempts[-1]
        connection = uow.connections.get(connection_id)
    shop.house.registry.build(connection).settle(attempt.provider_ref, approve=True)
    return attempt.id


def events_of(shop, object_id):
    engine = sa.create_engine(parse(shop.house.settings.database_url))
    with engine.connect() as beside:
        of_it = sa.select(tables.events.c.type).where(tables.events.c.object_id == object_id)
        found = beside.execute(of_it.order_by(tables.events.c.sequence)).scalars().all()
    engine.dispose()
    return found
