"""Four providers in memory, each with one payment that waits for its buyer, and with messages about it.

Every request to them, and every answer of theirs, is held against the provider's own description.
"""

import hmac
import json
from hashlib import sha256
from typing import ClassVar

import httpx

from tests.connectors import adyen_world, fake_gr4vy, fake_paypal, stripe_world
from tests.connectors.forms import nested
from tests.connectors.official import Described, description


class StripeWorld(httpx.BaseTransport):
    """A card whose issuer wants to see the buyer."""

    name = "stripe"
    settings = stripe_world.SETTINGS
    slices = ("stripe_intents", "stripe_methods")
    pays: ClassVar = {"paymentMethod": "card", "paymentToken": "pm_1"}
    stolen = settings | {"webhook_secret": "whsec_of_somebody_else"}

    def __init__(self):
        self.intent = stripe_world.waiting()

    def handle_request(self, request):
        path = request.url.path
        if path.startswith("/v1/payment_methods/"):
            return httpx.Response(404, json=stripe_world.invalid("resource_missing"))
        if request.method == "POST":
            form = nested(request.content)
            self.intent |= {"amount": int(form["amount"]), "currency": form["currency"], "metadata": form["metadata"]}
        lists = {"/v1/payment_intents": stripe_world.listed, "/v1/payment_intents/search": stripe_world.searched}
        shown = lists[path](self.intent) if request.method == "GET" and path in lists else self.intent
        return httpx.Response(200, json=shown)

    def decide(self):
        self.intent |= {"status": "succeeded", "amount_received": self.intent["amount"], "next_action": None}

    def message(self, now, settings=settings):
        told = {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": 1, "livemode": False}
        told |= {"api_version": "2023-10-16", "data": {"object": self.intent}, "pending_webhooks": 1, "request": None}
        description("stripe_events").check_schema("event", told)
        body, moment = json.dumps(told).encode(), int(now.timestamp())
        signature = hmac.new(settings["webhook_secret"].encode(), f"{moment}.".encode() + body, sha256).hexdigest()
        return body, {"stripe-signature": f"t={moment},v1={signature}"}


class AdyenWorld(httpx.BaseTransport):
    """An iDEAL payment or a direct debit. Adyen cannot be asked: what it decided stands in its message alone."""

    name = "adyen"
    settings = adyen_world.SETTINGS
    slices = ("adyen_checkout",)
    base = "/v72"
    schemas: ClassVar = {
        "AUTHORISATION": "AuthorisationNotificationRequest",
        "OFFER_CLOSED": "NotificationRequest",
        "REFUND": "RefundNotificationRequest",
    }
    pays: ClassVar = {"paymentMethod": "ideal"}
    stolen = settings | {"hmac_key": "00" * 32}

    def __init__(self):
        self.asked = self.refund = {}

    def handle_request(self, request):
        body = json.loads(request.content)
        if request.url.path.endswith("/refunds"):
            self.refund = body
            return httpx.Response(201, json=adyen_world.received(request))
        if request.url.path.endswith("/details"):
            told = {"pspReference": adyen_world.PSP, "resultCode": "Authorised", "amount": self.asked["amount"]}
            return httpx.Response(200, json=told | {"merchantReference": self.asked["reference"]})
        self.asked = body
        if body["paymentMethod"]["type"] == "ideal":
            action = {"type": "redirect", "method": "GET", "url": adyen_world.PAGE, "paymentMethodType": "ideal"}
            return httpx.Response(200, json={"resultCode": "RedirectShopper", "action": action})
        told = {"pspReference": adyen_world.PSP, "resultCode": "Received", "merchantReference": body["reference"]}
        return httpx.Response(200, json=told | {"amount": body["amount"]})

    def decide(self):
        """Nothing to be done: the message is the decision."""

    def message(self, _now, settings=settings, *, event="AUTHORISATION", success=True):
        asked = self.refund if event == "REFUND" else self.asked
        item = adyen_world.item(event, asked["reference"], success=success, amount=asked["amount"])
        # The description's own example of an OFFER_CLOSED is signed, but its schema knows no signature.
        shown = {"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}
        description("adyen_webhooks").check_schema(self.schemas[event], shown)
        return adyen_world.message(item, key=settings["hmac_key"]).body, {}


class PayPalWorld(fake_paypal.FakePayPal):
    """A wallet whose owner has to approve the order at PayPal."""

    name = "paypal"
    settings = fake_paypal.SETTINGS
    slices = ("paypal_orders", "paypal_payments")
    beside = (fake_paypal.LOG_IN, fake_paypal.CERT_URL.removeprefix("https://api.sandbox.paypal.com"))
    pays: ClassVar = {"paymentMethod": "paypal"}
    stolen = settings | {"webhook_id": "1JE4291016473214C"}

    @property
    def order(self):
        return next(iter(self.orders.values()))

    def decide(self):
        self.approve(self.order["id"])

    def captures(self):
        return [request for request in self.sent if request.url.path.endswith("/capture")]

    def message(self, now, settings=settings):
        resource = {"id": self.order["id"], "status": "APPROVED", "purchase_units": self.order["purchase_units"]}
        event = {"id": "WH-1", "event_type": "CHECKOUT.ORDER.APPROVED", "resource": resource}
        event["create_time"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        description("paypal_webhooks").check_schema("event", event)
        body = json.dumps(event).encode()
        return body, fake_paypal.signed(body, webhook_id=settings["webhook_id"], at=now)


class Gr4vyWorld(fake_gr4vy.FakeGr4vy):
    """An iDEAL payment behind Gr4vy."""

    name = "gr4vy"
    settings = fake_gr4vy.SETTINGS
    slices = ("gr4vy",)
    pays: ClassVar = {"paymentMethod": "ideal"}
    stolen = settings | {"webhook_secret": "of somebody else"}

    def decide(self):
        (one,) = self.transactions.values()
        one |= {"status": "capture_succeeded", "intent_outcome": "succeeded", "captured_amount": one["amount"]}

    def message(self, now, settings=settings):
        (one,) = self.transactions.values()
        event = {"type": "event", "id": "e1", "name": "transaction.captured", "target": one}
        body = json.dumps(event).encode()
        return body, fake_gr4vy.signed(body, secret=settings["webhook_secret"], at=now)


WORLDS = (StripeWorld, AdyenWorld, PayPalWorld, Gr4vyWorld)


def client_of(world):
    """Return an HTTP client that reaches nothing but this provider."""
    described = [description(name, getattr(world, "base", "")) for name in world.slices]
    transport = Described(world, *described, beside=getattr(world, "beside", ()))
    return httpx.Client(transport=transport, trust_env=False)
