"""A shop whose provider is Adyen: from the completion over the bank's page to the paid order."""

import json

import httpx
import pytest

from connectors import http as provider_http
from tests.connectors.adyen_world import PAGE, PSP, SEPA, SETTINGS, token
from tests.connectors.official import Described, description
from tests.shop import made, refused


class FakeAdyen(httpx.BaseTransport):
    """Sends every buyer away, and says what the buyer's return was worth."""

    def __init__(self) -> None:
        self.result = "Authorised"
        self.payments: list[dict] = []

    def handle_request(self, request):
        body = json.loads(request.content)
        if request.url.path.endswith("/payments"):
            self.payments.append(body)
            if body["paymentMethod"]["type"] == "ideal":
                action = {"type": "redirect", "method": "GET", "url": PAGE, "paymentMethodType": "ideal"}
                return httpx.Response(200, json={"resultCode": "RedirectShopper", "action": action})
            return httpx.Response(200, json=self._answer("Received"))
        assert body["details"] == {"redirectResult": "from-the-bank"}
        return httpx.Response(200, json=self._answer(self.result))

    def _answer(self, result):
        paid = self.payments[-1]
        more = {"refusalReason": "Shopper Cancelled", "refusalReasonCode": "16"} if result == "Cancelled" else {}
        told = {"pspReference": PSP, "resultCode": result, "merchantReference": paid["reference"]}
        return told | {"amount": paid["amount"]} | more


@pytest.fixture
def adyen(shop):
    fake = FakeAdyen()
    settings = {name: value for name, value in SETTINGS.items() if name != "hmac_key"}
    for one in made(shop.as_member("GET", "/connectors"))["data"]:
        made(shop.as_member("POST", f"/connectors/{one['id']}/disable"))
    body = {"connector": "adyen", "settings": settings}
    made(shop.as_member("POST", "/connectors", body), 201)
    clients = shop.house.registry._clients
    before = clients.get("adyen")
    described = Described(fake, description("adyen_checkout", "/v72"))
    clients["adyen"] = provider_http.client(transport=described)
    yield fake
    clients.pop("adyen").close()
    if before is not None:
        clients["adyen"] = before


def complete(shop, method, **more):
    session = shop.session()
    path = f"/checkout-sessions/{session['id']}/complete"
    return session, shop.post(path, {"paymentMethod": method, **more}, key=None)


def come_back(shop, session):
    path = f"/checkout/{session['id']}/return?redirectResult=from-the-bank"
    return shop.client.get(path, follow_redirects=False).headers["location"]


def test_a_buyer_pays_at_the_bank_and_comes_back_to_a_paid_order(shop, adyen):
    session, answer = complete(shop, "ideal")
    waiting = made(answer, 202)
    assert waiting["nextAction"]["url"] == PAGE
    assert adyen.payments[0]["returnUrl"].endswith(f"/checkout/{session['id']}/return")
    assert come_back(shop, session) == f"https://shop.example/thanks?session_id={session['id']}"
    assert made(shop.get(f"/orders/{waiting['orderId']}"))["paymentStatus"] == "captured"


def test_a_buyer_who_gave_up_at_the_bank_may_choose_again(shop, adyen):
    adyen.result = "Cancelled"
    session, _ = complete(shop, "ideal")
    assert come_back(shop, session) == f"/checkout/{session['id']}"
    assert made(shop.get("/payments"))["data"][0]["status"] == "failed"


def test_a_direct_debit_leaves_the_order_waiting(shop, adyen):
    session, answer = complete(shop, "sepa", paymentToken=SEPA)
    assert made(answer, 202)["paymentId"]
    refused(
        shop.post(f"/checkout-sessions/{session['id']}/complete", {"paymentMethod": "ideal"}, key=None),
        409,
        "payment_in_progress",
    )
    assert len(adyen.payments) == 1


def test_a_payment_token_as_long_as_adyens_form_makes_it_is_taken(shop, adyen):
    long = token(type="scheme", encryptedCardNumber="n" * 4000, encryptedSecurityCode="c" * 1000)
    assert len(long) > 6000
    _, answer = complete(shop, "card", paymentToken=long)
    made(answer, 202)
    assert len(adyen.payments[0]["paymentMethod"]["encryptedCardNumber"]) == 4000
