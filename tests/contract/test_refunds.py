"""Refunds keep their word: never too much, never twice, and back to where it was when they fail."""

from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from jobs.actors import Runner
from penstock.flows.reconcile_follow_up import reconcile_follow_up, review_follow_up
from penstock.ids import new_id
from storage import tables
from storage.audit import audit
from storage.due import DueTable
from tests.shop import made, refused


def paid(shop, token="tok_sandbox_approve"):
    """The id of a captured payment of 30.00."""
    return made(shop.complete(shop.session()["id"], token))["paymentId"]


def refund(shop, payment_id, amount=None, **kw):
    return shop.post(f"/payments/{payment_id}/refund", None if amount is None else {"amount": amount}, **kw)


def movements(shop, payment_id):
    listed = made(shop.get(f"/payments/{payment_id}/transactions"))["data"]
    return [(t["type"], t["status"], t["amount"]) for t in listed]


def events_of(shop, object_id):
    engine = sa.create_engine(shop.house.settings.database_url)
    with engine.connect() as connection:
        told = connection.execute(
            sa.select(tables.events.c.type)
            .where(tables.events.c.object_id == object_id)
            .order_by(tables.events.c.sequence)
        )
        found = list(told.scalars())
    engine.dispose()
    return found


def work_of(shop):
    caller = shop.house.identity.by_key(shop.secret_key)
    return partial(shop.house.work, caller.scope)


def look(shop, step_id):
    """Ask the provider, as the worker would."""
    return reconcile_follow_up(work_of(shop), shop.house.cascade, step_id)


def settle(shop, step_id, *, approve):
    """Have the bank decide a pending refund, and the worker look."""
    with work_of(shop)(read=True) as uow:
        step = uow.steps.get(step_id)
        connection = uow.connections.get(step.connection_id)
    bank = shop.house.cascade.candidate(connection).connector
    bank.settle_follow_up(step.provider_ref, approve=approve)
    return look(shop, step_id)


@pytest.fixture(autouse=True)
def _audited(house):
    yield
    assert audit(house.database) == []


@pytest.mark.parametrize("body", [None, {}, {"amount": 3000}])
def test_without_an_amount_everything_is_refunded(shop, body):
    payment_id = paid(shop)
    told = made(shop.post(f"/payments/{payment_id}/refund", body))
    assert (told["id"], told["status"], told["refundedAmount"]) == (payment_id, "refunded", 3000)
    assert (told["transactionStatus"], told["transactionAmount"], told["currency"]) == ("succeeded", 3000, "USD")
    payment = made(shop.get(f"/payments/{payment_id}"))
    assert (payment["status"], payment["amountRefunded"], payment["amountRefunding"]) == ("refunded", 3000, 0)
    assert movements(shop, payment_id) == [("sale", "succeeded", 3000), ("refund", "succeeded", 3000)]
    assert events_of(shop, payment_id) == ["payment.captured", "payment.refunded"]


def test_parts_add_up_to_the_whole_and_to_no_more(shop):
    payment_id = paid(shop)
    first = made(refund(shop, payment_id, 1000))
    assert (first["status"], first["refundedAmount"]) == ("partially_refunded", 1000)
    error = refused(refund(shop, payment_id, 2001), 422, "refund_not_allowed")
    assert error["details"] == {"status": "partially_refunded", "available": 2000}
    assert made(refund(shop, payment_id, 500))["refundedAmount"] == 1500
    assert made(refund(shop, payment_id))["transactionAmount"] == 1500
    assert refused(refund(shop, payment_id), 422, "refund_not_allowed")["details"]["available"] == 0
    kinds = ["payment.captured", "payment.partially_refunded", "payment.partially_refunded", "payment.refunded"]
    assert events_of(shop, payment_id) == kinds


def test_the_order_follows_its_refund(shop):
    order = shop.paid_order()
    [payment] = made(shop.get(f"/orders/{order['id']}/payments"))["data"]
    made(refund(shop, payment["id"], 1))
    assert made(shop.get(f"/orders/{order['id']}"))["paymentStatus"] == "partially_refunded"
    made(refund(shop, payment["id"]))
    after = made(shop.get(f"/orders/{order['id']}"))
    assert (order["status"], after["status"], after["paymentStatus"]) == ("processing", "cancelled", "refunded")
    assert events_of(shop, order["id"])[-2:] == ["order.updated", "order.cancelled"]


def test_a_payment_without_captured_money_has_nothing_to_refund(shop):
    session = shop.session()
    refused(shop.complete(session["id"], "tok_sandbox_decline_hard"), 402, "payment_failed")
    [failed] = made(shop.get("/payments"))["data"]
    error = refused(refund(shop, failed["id"], 1), 422, "refund_not_allowed")
    assert error["details"] == {"status": "failed", "available": 0}
    held = made(shop.complete(shop.session(captureMode="manual")["id"]))
    refused(refund(shop, held["paymentId"], 1), 422, "refund_not_allowed")


def test_a_payment_of_nothing_has_nothing_to_refund(shop):
    cart = shop.cart(customerEmail="a@b.example")
    shop.item(cart["id"], unitPrice=0, type="service")
    done = made(shop.complete(shop.session(cart["id"], collect={"shippingAddress": False})["id"]))
    refused(refund(shop, done["paymentId"]), 422, "refund_not_allowed")


@pytest.mark.parametrize("amount", [0, -1, 1.5, "1000", None, 10**12, True])
def test_an_amount_that_does_not_fit_is_refused(shop, amount):
    error = refused(shop.post(f"/payments/{paid(shop)}/refund", {"amount": amount}), 422, "validation_error")
    assert error["details"][0]["pointer"] == "/amount"


def test_a_refund_needs_its_scope_and_its_own_payment(shop, other_shop):
    theirs = paid(other_shop)
    for unknown in (theirs, new_id(), "nonsense"):
        refused(refund(shop, unknown), 404, "not_found")
        refused(shop.get(f"/payments/{unknown}"), 404, "not_found")
    key = made(shop.as_member("POST", "/api-keys", {"name": "reader", "scopes": ["payments:write"]}), 201)["rawKey"]
    refused(refund(shop, paid(shop), key=key), 403, "insufficient_scopes")


@pytest.mark.parametrize(("behaviour", "kind"), [("declined", "hard"), ("rejected", "validation")])
def test_a_refused_refund_leaves_the_payment_as_it_was(shop, behaviour, kind):
    payment_id = paid(shop, f"tok_sandbox_refund_{behaviour}")
    error = refused(refund(shop, payment_id, 1000), 422, "refund_not_allowed")
    assert (error["details"]["declineKind"], error["details"]["available"]) == (kind, 3000)
    payment = made(shop.get(f"/payments/{payment_id}"))
    assert (payment["status"], payment["amountRefunded"], payment["amountRefunding"]) == ("captured", 0, 0)
    assert movements(shop, payment_id)[1:] == [("refund", "failed", 1000)]
    assert events_of(shop, payment_id) == ["payment.captured", "payment.refund_failed"]


def test_a_provider_that_did_not_hear_refunds_nothing(shop):
    payment_id = paid(shop, "tok_sandbox_refund_not_sent")
    refused(refund(shop, payment_id), 422, "no_eligible_connector")
    assert movements(shop, payment_id)[1:] == [("refund", "failed", 3000)]
    assert made(shop.get(f"/payments/{payment_id}"))["amountRefunding"] == 0


@pytest.mark.parametrize("approve", [True, False])
def test_a_slow_refund_keeps_its_money_aside_until_the_provider_says(shop, approve):
    payment_id = paid(shop, "tok_sandbox_refund_pending")
    told = made(refund(shop, payment_id, 2000))
    assert (told["status"], told["refundedAmount"], told["transactionStatus"]) == ("captured", 0, "pending")
    assert refused(refund(shop, payment_id, 1001), 422, "refund_not_allowed")["details"]["available"] == 1000
    settle(shop, told["transactionId"], approve=approve)
    after = made(shop.get(f"/payments/{payment_id}"))
    expected = ("partially_refunded", 2000, 0) if approve else ("captured", 0, 0)
    assert (after["status"], after["amountRefunded"], after["amountRefunding"]) == expected
    assert movements(shop, payment_id)[1:] == [("refund", "succeeded" if approve else "failed", 2000)]


def test_a_refund_whose_answer_was_lost_is_repeated_under_its_key_and_made_once(shop):
    payment_id = paid(shop, "tok_sandbox_refund_timeout_after")
    assert made(refund(shop, payment_id))["transactionStatus"] == "succeeded"


def test_an_unknown_refund_is_asked_about_before_the_next_one(shop):
    payment_id = paid(shop, "tok_sandbox_refund_unknown")
    first = made(refund(shop, payment_id, 1000))
    assert (first["status"], first["transactionStatus"]) == ("captured", "unknown")
    assert movements(shop, payment_id)[1:] == [("refund", "unknown", 1000)]
    refund(shop, payment_id, 500)
    assert movements(shop, payment_id)[1] == ("refund", "succeeded", 1000)


def test_nothing_at_the_provider_proves_nothing_until_its_time_has_passed(shop, clock):
    payment_id = paid(shop, "tok_sandbox_refund_timeout_before")
    step_id = made(refund(shop, payment_id, 1000))["transactionId"]
    assert look(shop, step_id).state == "unknown"
    clock.advance(timedelta(seconds=175))
    assert look(shop, step_id).state == "not_sent"
    assert made(shop.get(f"/payments/{payment_id}"))["amountRefunding"] == 0


def test_a_person_is_asked_when_nothing_else_helps(shop):
    payment_id = paid(shop, "tok_sandbox_refund_error_500")
    step_id = made(refund(shop, payment_id, 1000))["transactionId"]
    review_follow_up(work_of(shop), step_id)
    assert made(shop.get(f"/payments/{payment_id}"))["needsReview"] is True
    assert events_of(shop, payment_id)[-1] == "payment.review_required"


@pytest.mark.parametrize("token", ["tok_sandbox_approve", "tok_sandbox_refund_unknown", "tok_sandbox_refund_pending"])
def test_the_same_request_again_is_the_same_refund(shop, token):
    payment_id, headers = paid(shop, token), {"Idempotency-Key": "once"}
    first = made(refund(shop, payment_id, 1000, headers=headers))
    again = refund(shop, payment_id, 1000, headers=headers)
    assert (made(again), again.headers["idempotency-replay"]) == (first, "true")
    refused(refund(shop, payment_id, 1001, headers=headers), 409, "idempotency_conflict")
    assert len(movements(shop, payment_id)) == 2


def test_a_request_whose_server_died_finds_its_refund_again(shop, clock):
    """The claim of a dead process runs out after its lease; the step that it wrote is still there."""
    payment_id, headers = paid(shop), {"Idempotency-Key": "died"}
    first = made(refund(shop, payment_id, 1000, headers=headers))
    engine = sa.create_engine(shop.house.settings.database_url)
    with engine.begin() as connection:  # as if the answer had never been kept
        key = tables.idempotency_keys
        lapsed = {"status": None, "body": None, "headers": None, "lease_until": clock.now()}
        connection.execute(sa.update(key).where(key.c.key == "died").values(**lapsed))
    engine.dispose()
    assert made(refund(shop, payment_id, 1000, headers=headers)) == first
    assert len(movements(shop, payment_id)) == 2


def test_the_worker_asks_by_itself_and_moves_the_row_on(shop, house, clock):
    payment_id = paid(shop, "tok_sandbox_refund_unknown")
    step_id = made(refund(shop, payment_id, 1000))["transactionId"]
    rows = DueTable(house.database)
    clock.advance(timedelta(seconds=35))
    mine = [
        row
        for row in rows.claim(clock.now(), limit=10_000, lease=timedelta(seconds=1))
        if (row.kind, row.object_id) == ("reconcile_follow_up", step_id)
    ]
    assert len(mine) == 1
    Runner(house, rows).run_due(mine[0].id, mine[0].attempt)
    assert made(shop.get(f"/payments/{payment_id}"))["amountRefunded"] == 1000
    assert rows.read(mine[0].id, mine[0].attempt) is None
