"""A session that the merchant ends lets its cart go, and never one that may still be paid."""

import pytest

from penstock.ids import new_session_id
from tests.contract.test_refunds import events_of
from tests.shop import made, refused

ENDS = {"cancel": "cancelled", "expire": "expired"}
each_end = pytest.mark.parametrize("verb", ENDS)


def end(shop, verb, session_id, **kw):
    return shop.post(f"/checkout/sessions/{session_id}/{verb}", **kw)


@each_end
def test_an_open_session_is_ended_once(shop, verb):
    session = shop.session()
    ended = made(end(shop, verb, session["id"]))
    assert ended == {**session, "status": ENDS[verb], "updatedAt": ended["updatedAt"]}
    assert made(end(shop, verb, session["id"])) == ended
    assert events_of(shop, session["id"]) == ["checkout.session.created", f"checkout.session.{ENDS[verb]}"]


def test_an_ended_session_cannot_be_paid_or_ended_otherwise(shop):
    cancelled, expired = shop.session()["id"], shop.session()["id"]
    made(end(shop, "cancel", cancelled))
    made(end(shop, "expire", expired))
    assert refused(shop.complete(cancelled), 422, "session_not_open")["details"] == {"status": "cancelled"}
    refused(shop.complete(expired), 410, "session_expired")
    refused(end(shop, "expire", cancelled), 422, "session_not_open")
    refused(end(shop, "cancel", expired), 410, "session_expired")


@each_end
def test_the_cart_can_be_changed_and_paid_in_another_session(shop, verb):
    cart = shop.ready_cart()
    session = shop.session(cart["id"])
    refused(shop.complete(session["id"], "tok_sandbox_decline_hard"), 402, "payment_failed")
    made(end(shop, verb, session["id"]))
    shop.item(cart["id"])
    made(shop.complete(shop.session(cart["id"])["id"]))


@each_end
@pytest.mark.parametrize("token", ["tok_sandbox_3ds", "tok_sandbox_pending", "tok_sandbox_error_500"])
def test_a_session_whose_payment_may_still_succeed_stays(shop, verb, token):
    session = shop.session()["id"]
    made(shop.complete(session, token), 202)
    refused(end(shop, verb, session), 409, "payment_in_progress")


@each_end
def test_a_paid_session_stays_paid(shop, verb):
    session = shop.session()["id"]
    made(shop.complete(session))
    assert refused(end(shop, verb, session), 422, "session_not_open")["details"] == {"status": "completed"}


@each_end
def test_only_its_own_shop_ends_a_session(shop, other_shop, verb):
    for unknown in (other_shop.session()["id"], new_session_id(), "nonsense"):
        refused(end(shop, verb, unknown), 404, "not_found")
