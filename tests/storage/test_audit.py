"""The audit finds nothing in what the flows write, and finds each bad row that is planted."""

import pytest
import sqlalchemy as sa

from penstock.flows.hold_discount import hold_discount, redeem_discount
from penstock.flows.lapse_discount import LAPSE
from penstock.flows.reconcile_follow_up import RECONCILE_STEP
from penstock.flows.settle_payment import RECONCILE, RETURN_STRAY
from penstock.follow_up import begin_step, settle_step, transaction_of
from penstock.ids import new_id
from penstock.ledger import capture_posting, refund_posting, stray_posting
from penstock.money import Money
from penstock.outcome import Approved, Done
from penstock.session import SessionKind
from penstock.verdict import StepVerdict
from storage.audit import audit
from storage.audit_rules import RULES
from tests import make


@pytest.fixture
def ids(work):
    """A paid checkout, refunded in part and being refunded further, and a waiting one, as the flows leave them."""
    cart = make.cart(items=2)
    order, session = make.order(cart_id=cart.id), make.session(kind=SessionKind.CART, cart_id=cart.id)
    order.take_snapshot(cart, make.NOW)
    payment = make.payment(order_id=order.id, session_id=session.id, amount=order.totals.total)
    attempt = payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="one", now=make.NOW)
    payment.record(attempt, "approved", Approved("ref", payment.money), make.NOW)
    order.follow(payment, make.NOW)
    session.begin_payment(payment_id=payment.id, order_id=order.id, digest="d", now=make.NOW)
    session.complete(make.NOW)
    cart.enter_payment(payment.id, order.id, make.NOW)
    cart.convert(make.NOW)
    waiting_order, waiting = _waiting()
    failed_order, failed = _stray()
    stray = failed.attempts[0]
    posting = capture_posting(payment, make.NOW)
    with work(make.SCOPE) as uow:
        uow.carts.add(cart)
        uow.sessions.add(session)
        uow.orders.add(order)
        uow.payments.add(payment)
        uow.payments.post(posting)
        uow.orders.add(waiting_order)
        uow.payments.add(waiting)
        uow.due.add(RECONCILE, waiting.id, uow.now)
        uow.orders.add(failed_order)
        uow.payments.add(failed)
        uow.payments.post(stray_posting(failed, stray, make.NOW))
        uow.due.add(RETURN_STRAY, failed.id, uow.now)
    refund, refunding = _refunds(work, payment, order)
    discount, paid_cart, holding_cart = _discounted(work)
    return {
        "discount": discount.id,
        "paid_cart": paid_cart.id,
        "paid_order": paid_cart.order_id,
        "holding_cart": holding_cart.id,
        "holding_order": holding_cart.order_id,
        "holding": holding_cart.redemption_id,
        "cart": cart.id,
        "session": session.id,
        "order": order.id,
        "payment": payment.id,
        "posting": posting.id,
        "refund": refund.id,
        "refunding": refunding.id,
        "stray": stray.id,
        "failed": failed.id,
        "failed_order": failed_order.id,
        "waiting": waiting.id,
        "waiting_session": waiting.session_id,
        "waiting_order": waiting_order.id,
    }


def _refunds(work, payment, order):
    """One refund that succeeded, and one whose outcome is open."""
    with work(make.SCOPE) as uow:
        made = []
        for amount in (100, 50):
            step = begin_step(payment, made, "refund", amount, now=uow.now)
            uow.payments.reserve_refund(payment.id, amount)
            uow.steps.add(step, transaction_of(step))
            uow.due.add(RECONCILE_STEP, step.id, uow.now)
            payment.amount_refunding += amount
            made.append(step)
        settle_step(payment, made[0], StepVerdict("succeeded", Done("ref", Money(100, "USD"))), uow.now)
        uow.payments.post(refund_posting(payment, 100, uow.now))
        order.follow(payment, uow.now)
        uow.steps.save(made[0])
        uow.payments.save(payment)
        uow.orders.save(order)
        uow.due.done(RECONCILE_STEP, made[0].id)
    return made


def _discounted(work):
    """A discount with two places taken: one by a cart that was paid, one by a draft order."""
    discount = make.discount(usage_limit=2, code=None)
    discount.tell("discount.created")
    paid, holding = make.cart(items=1), make.cart(items=1)
    with work(make.SCOPE) as uow:
        uow.discounts.add(discount)
        for cart in (paid, holding):
            cart.apply_discount(discount.snapshot(), make.NOW)
            uow.carts.add(cart)
    with work(make.SCOPE) as uow:
        for cart in (paid, holding):
            hold_discount(uow, cart, None)
            order = make.order(number=f"ORD-{cart.id[-8:].upper()}", cart_id=cart.id)
            order.take_snapshot(cart, make.NOW)
            order.note("order.created", order.summary())
            uow.orders.add(order)
            cart.freeze(order.id, make.NOW)
        redeem_discount(uow, paid)
        paid.convert(make.NOW)
        for cart in (paid, holding):
            uow.carts.save(cart)
        uow.due.add(LAPSE, holding.id, uow.now)
    return discount, paid, holding


def _waiting():
    order = make.order(number="ORD-WAITING")
    payment = make.payment(order_id=order.id, amount=0, session_id="cs_waiting")
    payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="one", now=make.NOW)
    order.follow(payment, make.NOW)
    return order, payment


def _stray():
    """A payment that failed, and whose provider took the money after that."""
    order = make.order(number="ORD-STRAY")
    payment = make.payment(order_id=order.id, session_id="cs_stray")
    attempt = payment.begin(attempt_id=new_id(), connection_id=new_id(), connector="one", now=make.NOW)
    payment.record(attempt, "not_sent", None, make.NOW, "the provider has no such charge")
    payment.fail(make.NOW)
    payment.take_stray(attempt, "ref", make.NOW, beside=None)
    order.follow(payment, make.NOW)
    return order, payment


def plant(database, ids, *statements):
    engine = sa.create_engine(database.url)
    with engine.begin() as connection:
        for sql in statements:
            connection.exec_driver_sql(sql.format(**ids, other=new_id()))
    engine.dispose()


PLANTED = {
    "ledger_balances": ("UPDATE ledger_entries SET amount = amount - 1 WHERE amount > 0 AND kind = 'capture'",),
    "amounts_in_bounds": ("UPDATE payments SET amount_refunded = amount_captured + 1 WHERE id = '{payment}'",),
    "status_follows_amounts": ("UPDATE payments SET status = 'voided' WHERE id = '{payment}'",),
    "captured_is_posted": ("DELETE FROM ledger_entries",),
    "captured_has_transactions": ("DELETE FROM transactions",),
    "refunds_fit_the_capture": ("UPDATE payments SET amount_refunding = amount_captured WHERE id = '{payment}'",),
    "refunded_is_refunds": ("UPDATE payment_steps SET state = 'declined' WHERE id = '{refund}'",),
    "refunding_is_open_refunds": ("UPDATE payment_steps SET state = 'not_sent' WHERE id = '{refunding}'",),
    "refunded_is_posted": ("DELETE FROM ledger_entries WHERE kind = 'refund'",),
    "refund_status_follows": ("UPDATE payments SET status = 'captured' WHERE id = '{payment}'",),
    "captured_or_voided": (
        "DROP INDEX uq_payment_steps_closing",
        "UPDATE payment_steps SET verb = CASE state WHEN 'succeeded' THEN 'capture' ELSE 'void' END",
    ),
    "voided_was_released": ("UPDATE payments SET status = 'voided' WHERE id = '{payment}'",),
    "step_has_its_transaction": ("DELETE FROM transactions WHERE id = '{refunding}'",),
    "open_step_is_watched": ("DELETE FROM due WHERE object_id = '{refunding}'",),
    "stray_goes_back": ("DELETE FROM due WHERE kind = 'return_stray'",),
    "stray_is_posted": ("DELETE FROM ledger_entries WHERE kind = 'stray'",),
    "stray_goes_back_once": (
        "UPDATE payment_steps SET verb = 'reversal', charge_id = '{stray}' WHERE id IN ('{refund}', '{refunding}')",
    ),
    "one_currency": ("UPDATE orders SET currency = 'EUR' WHERE id = '{order}'",),
    "approved_is_counted": (
        "UPDATE payments SET status = 'failed', amount_captured = 0, amount_authorized = 0 WHERE id = '{payment}'",
    ),
    "one_open_attempt": (
        "DROP INDEX uq_payment_attempts_open",
        "UPDATE payment_attempts SET number = 2, state = 'unknown', payment_id = '{waiting}' WHERE state = 'approved'",
    ),
    "open_attempt_is_watched": ("DELETE FROM due",),
    "one_live_payment": (
        "DROP INDEX uq_payments_live",
        "UPDATE payments SET status = 'pending', session_id = 'cs_waiting' WHERE id = '{payment}'",
    ),
    "paid_once": ("UPDATE payments SET status = 'captured', session_id = '{session}' WHERE id = '{waiting}'",),
    "order_total_adds_up": ("UPDATE orders SET total = total + 1 WHERE id = '{order}'",),
    "order_is_its_lines": ("DELETE FROM order_lines WHERE position = 2",),
    "cart_total_adds_up": ("UPDATE cart_items SET quantity = quantity + 1 WHERE position = 1",),
    "charged_is_ordered": (
        "UPDATE orders SET total = total - 1, discount_total = discount_total + 1 WHERE id = '{order}'",
    ),
    "paid_order_moves_on": ("UPDATE orders SET status = 'pending' WHERE id = '{order}'",),
    "order_follows_payment": ("UPDATE orders SET payment_status = 'captured' WHERE id = '{waiting_order}'",),
    "completed_session_is_paid": ("UPDATE checkout_sessions SET payment_id = '{other}'",),
    "paid_session_is_completed": ("UPDATE checkout_sessions SET status = 'open'",),
    "converted_cart_has_order": ("UPDATE carts SET order_id = NULL",),
    "cart_is_watched": ("UPDATE carts SET status = 'open'", "DELETE FROM due"),
    "abandoned_has_its_time": ("UPDATE carts SET status = 'abandoned'",),
    "discount_within_limit": ("UPDATE discounts SET usage_limit = 1",),
    "discount_counts_its_redemptions": ("UPDATE discounts SET times_reserved = times_reserved + 1",),
    "reserved_redemption_is_watched": ("DELETE FROM due",),
    "paid_discount_is_redeemed": ("UPDATE discount_redemptions SET state = 'released' WHERE state = 'redeemed'",),
    "ordered_discount_is_the_cart_s": ("UPDATE orders SET applied_amount = 0 WHERE id = '{paid_order}'",),
    "events_of_discounts": ("UPDATE discounts SET sequence = sequence + 1",),
    "scope_of_discount_redemptions": ("UPDATE discount_redemptions SET workspace_id = '{other}'",),
    "events_of_carts": ("DELETE FROM events WHERE object_id = '{cart}' AND sequence = 2",),
    "events_of_checkout_sessions": ("UPDATE checkout_sessions SET sequence = sequence + 1",),
    "events_of_orders": ("DELETE FROM events WHERE object_id = '{order}'",),
    "events_of_payments": ("UPDATE events SET sequence = 7 WHERE object_id = '{payment}' AND sequence = 1",),
    "scope_of_cart_items": ("UPDATE cart_items SET environment_id = '{other}'",),
    "scope_of_order_lines": ("UPDATE order_lines SET workspace_id = '{other}'",),
    "scope_of_payments": ("UPDATE payments SET application_id = '{other}' WHERE id = '{payment}'",),
    "scope_of_payment_attempts": ("UPDATE payment_attempts SET environment_id = '{other}'",),
    "scope_of_payment_steps": ("UPDATE payment_steps SET workspace_id = '{other}'",),
    "scope_of_transactions": ("UPDATE transactions SET workspace_id = '{other}'",),
    "scope_of_ledger_entries": ("UPDATE ledger_entries SET application_id = '{other}'",),
}


def test_what_the_flows_write_breaks_no_rule(database, ids):
    assert audit(database) == []


def test_an_empty_database_breaks_no_rule(database):
    assert audit(database) == []


def test_every_rule_has_a_planted_row():
    assert {rule.name for rule in RULES} == set(PLANTED)


@pytest.mark.parametrize("rule", PLANTED)
def test_the_audit_finds(database, ids, rule):
    plant(database, ids, *PLANTED[rule])
    found = {finding.rule: finding for finding in audit(database)}
    assert rule in found
    assert found[rule].id in ids.values()
    assert found[rule].says.endswith(".")
