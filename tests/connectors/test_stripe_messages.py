"""Whose message is it, and what is it about? Stripe's own library signs, and judges beside ours."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import stripe as sdk

from penstock.conformance.bench import KEY
from penstock.plugin import Forged, Hint, WebhookDelivery
from tests.connectors.official import description
from tests.connectors.stripe_world import INTENT, REFUND, SETTINGS, Script, stripe

SECRET = SETTINGS["webhook_secret"]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DISPUTE = {"id": "dp_1", "object": "dispute", "payment_intent": "pi_1", "metadata": {}}


def event(subject, kind="payment_intent.succeeded"):
    told = {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created": 1,
        "livemode": False,
        "api_version": "2023-10-16",
    }
    told |= {"data": {"object": subject}, "pending_webhooks": 1, "request": None}
    description("stripe_events").check_schema("event", told)
    return json.dumps(told).encode()


def signed(body, *, at=NOW, secret=SECRET):
    moment = int(at.timestamp())
    signature = sdk.WebhookSignature._compute_signature(f"{moment}.{body.decode()}", secret)
    return {"stripe-signature": f"t={moment},v1={signature}"}


def read(body, headers, received=NOW):
    return stripe(Script({})).parse_webhook(WebhookDelivery(headers, body, received))


@pytest.mark.parametrize(
    ("subject", "hint"),
    [
        (INTENT, Hint("evt_1", "payment", KEY, "pi_1")),
        (INTENT | {"metadata": {}}, Hint("evt_1", "payment", None, "pi_1")),
        (REFUND, Hint("evt_1", "refund", KEY, "pi_1")),
        ({"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}, Hint("evt_1", "payment", None, "pi_1")),
        (DISPUTE, Hint("evt_1", "dispute", None, "pi_1")),
        ({"id": "cus_1", "object": "customer"}, Hint("evt_1", "other")),
    ],
)
def test_a_message_of_stripes_says_what_to_look_at(subject, hint):
    body = event(subject)
    assert read(body, signed(body)) == [hint]


def test_what_stripes_own_library_accepts_is_accepted():
    body, now = event(INTENT), datetime.fromtimestamp(int(time.time()), UTC)
    headers = signed(body, at=now)
    sdk.Webhook.construct_event(body, headers["stripe-signature"], SECRET)
    assert read(body, headers, now)


def test_one_good_signature_among_several_is_enough():
    body = event(INTENT)
    good = signed(body)["stripe-signature"]
    old = good.replace("v1=", "v0=")
    assert read(body, {"stripe-signature": f"{old},v1={'0' * 64},{good.partition(',')[2]}"})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"stripe-signature": ""},
        {"stripe-signature": "t=1"},
        {"stripe-signature": f"v1={'0' * 64}"},
        {"stripe-signature": f"t=now,v1={'0' * 64}"},
        {"stripe-signature": "t=" + "9" * 40 + ",v1=0"},
        {"stripe-signature": "t=²,v1=é"},
        signed(event(INTENT), secret="whsec_of_somebody_else"),
        signed(event(REFUND)),
        {"stripe-signature": signed(event(INTENT))["stripe-signature"].replace("v1=", "v0=")},
    ],
)
def test_a_message_of_somebody_else_is_forged(headers):
    with pytest.raises(Forged):
        read(event(INTENT), headers)


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_a_message_that_is_too_old_or_from_the_future_is_forged(seconds):
    body = event(INTENT)
    with pytest.raises(Forged, match="too long ago"):
        read(body, signed(body, at=NOW - timedelta(seconds=seconds)))
    assert read(body, signed(body, at=NOW - timedelta(seconds=299)))


def test_without_a_secret_nobody_is_believed():
    connector = stripe(Script({}))
    connector.ctx.settings.pop("webhook_secret")
    body = event(INTENT)
    with pytest.raises(Forged, match="webhook_secret"):
        connector.parse_webhook(WebhookDelivery(signed(body), body, NOW))
