"""Money that comes after its attempt has ended is nobody's: it is told of, and it goes back."""

import threading
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from jobs.actors import Runner
from jobs.relay import BATCH, LEASE
from penstock.caller import Scope
from penstock.flows.reconcile_payment import recheck_attempt, reconcile_payment
from penstock.flows.settle_payment import SCHEDULE
from storage import tables
from storage.audit import audit
from storage.due import DueTable
from tests import wire
from tests.contract.test_vectors import provider, till  # noqa: F401  fixtures
from tests.shop import made, refused

DONE = (200, {"status": "done"})
CLOSED = (503, {})


def work_of(shop):
    scope = Scope(shop.shop.workspace_id, shop.shop.environment_id, shop.shop.application_id)
    return partial(shop.shop.house.work, scope)


def given_up(shop, clock, name):
    """A payment whose silent charge the provider has said it does not have; returns the payment as it is shown."""
    shop.plan(name, wire.SILENCE)
    shop.plan(name, *[(404, {})] * 2, verb="find")
    waiting = made(shop.pay(), 202)
    clock.advance(timedelta(seconds=310))
    reconcile_payment(work_of(shop), shop.shop.house.cascade, waiting["paymentId"])
    payment = made(shop.shop.get(f"/payments/{waiting['paymentId']}"))
    assert (payment["status"], payment["attempts"][0]["state"]) == ("failed", "not_sent")
    return payment


def come_after_all(shop, name, payment, *also):
    """The provider has the charge after all, and somebody looks; ``also`` is what it says to later looks."""
    shop.plan(name, wire.took(3000), *also, verb="find")
    recheck_attempt(work_of(shop), shop.shop.house.cascade, payment["id"], payment["attempts"][0]["id"])


def work_off(shop):
    rows = DueTable(shop.shop.house.database)
    runner = Runner(shop.shop.house, rows)
    while claimed := rows.claim(shop.shop.house.clock.now(), limit=BATCH, lease=LEASE):
        for row in claimed:
            runner.run_due(row.id, row.attempt)


def shown(shop, payment):
    return made(shop.shop.get(f"/payments/{payment['id']}"))


def movements(shop, payment):
    listed = made(shop.shop.get(f"/payments/{payment['id']}/transactions"))["data"]
    return [(each["type"], each["status"], each["amount"]) for each in listed]


def told(shop, payment):
    engine = sa.create_engine(shop.shop.house.settings.database_url)
    with engine.connect() as connection:
        of_it = sa.select(tables.events).where(tables.events.c.object_id == payment["id"])
        found = connection.execute(of_it.order_by(tables.events.c.sequence)).all()
    engine.dispose()
    return found


def test_vector_21_a_late_yes_beside_another_success_is_told_and_given_back(till, clock):  # noqa: F811
    shop = till("giving", "second")
    first = given_up(shop, clock, "giving")
    shop.plan("giving", (429, {}))
    paid = made(shop.pay("another"))
    assert shop.attempts(paid)[-1] == ("second", "approved")
    come_after_all(shop, "giving", first, wire.took(3000))
    event = told(shop, first)[-1]
    assert (event.type, event.data["besidePaymentId"]) == ("payment.duplicate_detected", paid["paymentId"])
    shop.plan("giving", DONE, verb="refund")
    work_off(shop)
    (asked,) = shop.calls("giving", "refund")
    assert (asked["amount"], asked["ref"]) == (3000, f"ref_{first['attempts'][0]['id']}")
    assert movements(shop, first) == [("sale", "succeeded", 3000), ("reversal", "succeeded", 3000)]
    assert told(shop, first)[-1].type == "payment.duplicate_returned"
    after = shown(shop, first)
    assert (after["status"], after["attempts"][0]["state"], after["needsReview"]) == ("failed", "stray", False)
    assert made(shop.shop.get(f"/orders/{paid['orderId']}"))["paymentStatus"] == "captured"
    assert audit(shop.shop.house.database) == []


def test_a_charge_that_answers_after_others_gave_it_up_is_given_back_and_leaves_the_next_one_alone(till, clock):  # noqa: F811
    """A server that stood still between sending and recording finds that another one has closed its attempt."""
    shop = till("giving")
    left, may_answer = threading.Event(), threading.Event()

    def late(body):
        left.set()
        may_answer.wait(0.3)
        return wire.approved(body)

    shop.plan("giving", late, (201, {"status": "pending"}))
    shop.plan("giving", (404, {}), verb="find")
    shop.open()
    answers = []
    slow = threading.Thread(target=lambda: answers.append(shop.pay()))
    slow.start()
    assert left.wait(5)
    clock.advance(timedelta(seconds=400))
    waiting = made(shop.pay("another"), 202)
    may_answer.set()
    slow.join()
    refused(answers[0], 409, "payment_in_progress")
    first = shop.payments()[1]
    assert told(shop, first)[-1].type == "payment.duplicate_detected"
    assert made(shop.shop.get(f"/orders/{waiting['orderId']}"))["paymentStatus"] == "pending"
    assert made(shop.pay("another"), 202)["paymentId"] == waiting["paymentId"], "the session still waits for the second"
    shop.plan("giving", DONE, verb="refund")
    work_off(shop)
    assert movements(shop, first)[-1] == ("reversal", "succeeded", 3000)
    assert audit(shop.shop.house.database) == []


def test_money_that_nobody_else_has_goes_back_too(till, clock):  # noqa: F811
    shop = till("giving")
    first = given_up(shop, clock, "giving")
    come_after_all(shop, "giving", first, wire.took(3000))
    assert told(shop, first)[-1].data["besidePaymentId"] is None
    shop.plan("giving", DONE, verb="refund")
    work_off(shop)
    work_off(shop)
    assert len(shop.calls("giving", "refund")) == 1
    assert (shown(shop, first)["status"], shown(shop, first)["amountCaptured"]) == ("failed", 0)
    assert audit(shop.shop.house.database) == []


def test_a_yes_that_is_told_again_is_given_back_once(till, clock):  # noqa: F811
    shop = till("giving")
    first = given_up(shop, clock, "giving")
    come_after_all(shop, "giving", first)
    come_after_all(shop, "giving", first)
    assert [each.type for each in told(shop, first)].count("payment.duplicate_detected") == 1
    shop.plan("giving", DONE, verb="refund")
    work_off(shop)
    come_after_all(shop, "giving", first)
    clock.advance(timedelta(days=2))
    work_off(shop)
    assert len(shop.calls("giving", "refund")) == 1


def test_a_provider_that_is_closed_is_asked_again_later_and_in_the_end_a_person(till, clock):  # noqa: F811
    shop = till("giving")
    first = given_up(shop, clock, "giving")
    come_after_all(shop, "giving", first, *[wire.took(3000)] * 20)
    shop.plan("giving", *[CLOSED] * 20, verb="refund")
    for wait in (timedelta(), *SCHEDULE):
        clock.advance(wait + timedelta(seconds=1))
        work_off(shop)
    assert len(shop.calls("giving", "refund")) == len(SCHEDULE)
    assert shown(shop, first)["needsReview"] is True
    assert audit(shop.shop.house.database) == []


def test_a_provider_that_opens_again_gives_it_back(till, clock):  # noqa: F811
    shop = till("giving")
    first = given_up(shop, clock, "giving")
    come_after_all(shop, "giving", first, *[wire.took(3000)] * 2)
    shop.plan("giving", CLOSED, DONE, verb="refund")
    work_off(shop)
    clock.advance(SCHEDULE[1] + timedelta(seconds=1))
    work_off(shop)
    assert movements(shop, first) == [
        ("sale", "succeeded", 3000),
        ("reversal", "failed", 3000),
        ("reversal", "succeeded", 3000),
    ]


def test_a_provider_that_refuses_leaves_it_to_a_person(till, clock):  # noqa: F811
    shop = till("giving")
    first = given_up(shop, clock, "giving")
    come_after_all(shop, "giving", first, wire.took(3000))
    shop.plan("giving", (200, {"status": "hard"}), verb="refund")
    work_off(shop)
    assert shown(shop, first)["needsReview"] is True
    assert told(shop, first)[-1].type == "payment.review_required"
    assert audit(shop.shop.house.database) == []


def test_a_return_whose_answer_is_lost_is_looked_up_and_not_asked_for_twice(till, clock):  # noqa: F811
    shop = till("giving")
    first = given_up(shop, clock, "giving")
    come_after_all(shop, "giving", first, wire.took(3000))
    shop.plan("giving", wire.SILENCE, verb="refund")
    shop.plan("giving", wire.SILENCE, DONE, verb="find_step")
    work_off(shop)
    assert movements(shop, first)[-1] == ("reversal", "unknown", 3000)
    clock.advance(SCHEDULE[0] + timedelta(seconds=1))
    work_off(shop)
    assert movements(shop, first)[-1] == ("reversal", "succeeded", 3000)
    assert len(shop.calls("giving", "refund")) == 1
    assert audit(shop.shop.house.database) == []


@pytest.mark.parametrize("reversed_", [True, False])
def test_where_there_are_no_refunds_the_charge_is_reversed(till, clock, reversed_):  # noqa: F811
    shop = till("letting")
    shop.plan("letting", (200, {"reversed": False}), verb="reverse")
    first = given_up(shop, clock, "letting")
    come_after_all(shop, "letting", first, wire.took(3000))
    shop.plan("letting", (200, {"reversed": reversed_}), verb="reverse")
    work_off(shop)
    assert movements(shop, first)[-1] == ("reversal", "succeeded" if reversed_ else "failed", 3000)
    assert shown(shop, first)["needsReview"] is not reversed_


def test_a_charge_that_was_undone_meanwhile_needs_nobody(till, clock):  # noqa: F811
    shop = till("giving")
    first = given_up(shop, clock, "giving")
    come_after_all(shop, "giving", first, wire.declined("hard"))
    work_off(shop)
    assert shop.calls("giving", "refund") == []
    assert movements(shop, first)[-1] == ("reversal", "succeeded", 3000)
    assert audit(shop.shop.house.database) == []


@pytest.mark.parametrize("reply", [(404, {}), wire.declined("hard"), wire.SILENCE, wire.took(2999)], ids=str)
def test_a_second_look_that_is_no_yes_changes_nothing(till, clock, reply):  # noqa: F811
    shop = till("giving")
    first = given_up(shop, clock, "giving")
    before = (shown(shop, first), len(told(shop, first)))
    shop.plan("giving", reply, verb="find")
    recheck_attempt(work_of(shop), shop.shop.house.cascade, first["id"], first["attempts"][0]["id"])
    assert (shown(shop, first), len(told(shop, first))) == before
