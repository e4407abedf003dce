"""What each operation says that it emits is true, both ways: nothing else (`UndeclaredEvent` sees to it), nothing less.

Runs behind all other tests of this folder and judges what was heard during them; alone it has nothing to judge.
"""

from pathlib import Path

import pytest

from penstock import catalogue
from tests import listener

OWN_ACTS = {
    "checkout_sessions.cancel_session": {"checkout.session.cancelled"},
    "checkout_sessions.expire_session": {"checkout.session.expired"},
    "payments.refund_payment": {
        "payment.refunded",
        "payment.partially_refunded",
        "payment.refund_failed",
        "order.updated",
        "order.cancelled",
    },
    "payments.capture_payment": {"payment.captured", "order.updated", "order.completed"},
    "payments.void_payment": {"payment.voided", "order.cancelled"},
    "payments.resolve_payment": {"payment.resolved"},
    "carts.apply_discount": {"cart.discount_applied"},
    "carts.remove_discount": {"cart.discount_removed"},
}
"""What these do themselves. The payments' and the endings of sessions first settle an outcome that was left open, and so
may emit whatever settling does."""

BY_THE_WAY = {
    "cart.discount_applied",
    "cart.discount_removed",
    "discount.exhausted",
    "payment.duplicate_detected",
    "payment.duplicate_returned",
    "payment.review_required",
}
"""What may follow from any change of a cart, any order or any settling. It is enough that somebody was heard to emit it."""


@pytest.fixture
def heard(request):
    folder = Path(__file__).parent
    ran = {item.path for item in request.session.items if item.path.parent == folder}
    if ran != set(folder.glob("test_*.py")):
        pytest.skip("only the whole folder has heard everything")
    return listener.heard


def test_each_operation_was_heard_to_emit_what_it_says(heard):
    anybody = set().union(*heard.values())
    silent = {}
    for operation, declared in listener.declared().items():
        own = OWN_ACTS.get(operation, declared - BY_THE_WAY)
        missing = own - heard[operation] | (declared - own - anybody)
        silent |= {operation: sorted(missing)} if missing else {}
    assert silent == {}


def test_every_type_that_requests_cause_was_heard(heard):
    by_request = {kind for kind, entry in catalogue.events().items() if entry.by == "request"}
    assert by_request - set().union(*heard.values()) == set()


def test_an_own_act_is_declared():
    for operation, own in OWN_ACTS.items():
        assert own <= listener.declared()[operation]
