"""A method that sends the buyer away works from the completion to the buyer's return."""

import pytest

from tests.shop import made, refused


def begun(shop):
    """A session whose buyer was sent to the bank, with the path of the bank's page."""
    session = shop.session()
    waiting = made(shop.post(f"/checkout-sessions/{session['id']}/complete", {"paymentMethod": "ideal"}, key=None), 202)
    assert (waiting["pendingReason"], waiting["status"]) == ("buyer_action", "open")
    return session, waiting, waiting["nextAction"]["url"].removeprefix("http://testserver")


def decide(shop, path, answer):
    return shop.client.post(path, data={"answer": answer}, follow_redirects=False)


def come_back(shop, session, query="", method="GET", **headers):
    path = f"/checkout/{session['id']}/return{query}"
    return shop.client.request(method, path, headers=headers, follow_redirects=False)


def test_a_redirect_method_is_offered_and_needs_no_token(shop):
    methods = made(shop.get(f"/checkout-sessions/{shop.session()['id']}/payment-methods", key=None))["methods"]
    assert [(m["method"], m["displayName"]) for m in methods] == [("card", "Card"), ("ideal", "iDEAL")]


def test_a_buyer_who_paid_at_the_bank_is_sent_on_to_the_shop(shop):
    session, waiting, path = begun(shop)
    assert decide(shop, path, "approve").headers["refresh"] == f"0; url=/checkout/{session['id']}/return"
    back = come_back(shop, session, "?redirectResult=anything")
    assert (back.status_code, back.headers["location"]) == (
        303,
        f"https://shop.example/thanks?session_id={session['id']}",
    )
    assert made(shop.get(f"/orders/{waiting['orderId']}"))["paymentStatus"] == "captured"
    assert shop.read_cart(session["cartId"])["status"] == "converted"


def test_a_buyer_who_gave_up_at_the_bank_may_choose_again(shop):
    session, _, path = begun(shop)
    decide(shop, path, "fail")
    back = come_back(shop, session)
    assert (back.status_code, back.headers["location"]) == (303, f"/checkout/{session['id']}")
    assert made(shop.get("/payments"))["data"][0]["status"] == "failed"
    made(shop.complete(session["id"]))


def test_coming_back_proves_nothing(shop):
    session, waiting, _ = begun(shop)
    for query in ("", "?status=paid", "?redirectResult=success"):
        assert come_back(shop, session, query).headers["location"] == f"/checkout/{session['id']}"
    assert made(shop.get(f"/orders/{waiting['orderId']}"))["paymentStatus"] == "pending"
    refused(shop.complete(session["id"]), 409, "payment_in_progress")


def test_coming_back_twice_and_by_a_form_pays_once(shop):
    session, waiting, path = begun(shop)
    decide(shop, path, "approve")
    locations = {come_back(shop, session, method=method).headers["location"] for method in ("POST", "GET", "GET")}
    assert len(locations) == 1
    transactions = made(shop.get(f"/payments/{waiting['paymentId']}/transactions"))["data"]
    assert [t["type"] for t in transactions] == ["sale"]


def test_a_frame_is_never_sent_to_the_shop_s_page(shop):
    session, _, path = begun(shop)
    decide(shop, path, "approve")
    back = come_back(shop, session, **{"sec-fetch-dest": "iframe"})
    assert back.headers["location"] == f"/checkout/{session['id']}"


@pytest.mark.parametrize("session_id", ["cs_unknown", "nonsense"])
def test_coming_back_to_nothing_leads_to_a_page_that_says_so(shop, session_id):
    back = come_back(shop, {"id": session_id})
    assert (back.status_code, back.headers["location"]) == (303, f"/checkout/{session_id}")


def test_a_method_that_needs_a_token_is_not_sent_without_one(shop):
    session = shop.session()
    body = {"paymentMethod": "klarna"}
    refused(shop.post(f"/checkout-sessions/{session['id']}/complete", body, key=None), 422, "no_eligible_connector")
