"""Do the forms that we send fit the types of Stripe's own, current library?

The description that we hold requests against is of the version that each request names. The library is of today: a
parameter that Stripe drops or renames is seen here first.
"""

import sys
from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError
from stripe import _request_options
from stripe._stripe_context import StripeContext
from stripe.params import (
    PaymentIntentCancelParams,
    PaymentIntentCaptureParams,
    PaymentIntentCreateParams,
    RefundCreateParams,
)

from tests.connectors.forms import nested
from tests.connectors.stripe_world import HELD, INTENT, REFUND, Script, listed, searched, stripe
from tests.connectors.test_stripe import BACK, CAPTURE, INTENTS, KEY, LISTS, REFUNDS, TAKEN, VOID, asked

TYPES = {
    "/v1/payment_intents": PaymentIntentCreateParams,
    "/v1/payment_intents/pi_1/capture": PaymentIntentCaptureParams,
    "/v1/payment_intents/pi_1/cancel": PaymentIntentCancelParams,
    "/v1/refunds": RefundCreateParams,
}

RENAMED = {"payment_method_types": "allowed_payment_method_types"}
"""What the version that we name calls otherwise than today's. To be empty again when the connector names a newer one."""


def fits(kind: Any, form: Any) -> Any:
    """Read a form as one of the library's types, where no other field may stand."""
    module = vars(sys.modules[kind.__module__])
    for name, one in module.items():
        if name.startswith(kind.__name__):
            one.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    adapter = TypeAdapter(kind)
    adapter.rebuild(_types_namespace={**vars(_request_options), **module, "StripeContext": StripeContext})
    return adapter.validate_python(form)


def everything_sent():
    fence = INTENT | {"status": "requires_payment_method", "metadata": {"penstock_fence": KEY}}
    cancelled = HELD | {"status": "canceled"}
    answers = {f"{INTENTS}/pi_1/capture": TAKEN, f"{INTENTS}/pi_1/cancel": cancelled, f"POST {REFUNDS}": REFUND}
    script = Script({INTENTS: INTENT} | answers)
    connector = stripe(script)
    more = {"statement": "Order 7", "metadata": {"shop": "north"}, "reference": "cs_1", "step_up": True}
    connector.charge(asked(**more))
    connector.charge(asked(capture="manual"))
    connector.capture(CAPTURE)
    connector.void(VOID)
    connector.refund(BACK)
    script.answers |= LISTS | {INTENTS: fence}
    assert connector.reverse(KEY)
    script.answers |= {"GET /v1/payment_intents": listed(INTENT), "GET /v1/payment_intents/search": searched()}
    script.answers |= {"GET /v1/payment_intents/pi_1": INTENT}
    assert connector.reverse(KEY)
    return [request for request in script.sent if request.method == "POST"]


def test_every_form_fits_the_types_of_todays_library():
    sent = everything_sent()
    assert {request.url.path for request in sent} == set(TYPES)
    for request in sent:
        form = {RENAMED.get(name, name): value for name, value in nested(request.content).items()}
        fits(TYPES[request.url.path], form)


@pytest.mark.parametrize("old", RENAMED)
def test_what_we_call_by_its_old_name_has_a_new_one(old):
    with pytest.raises(ValidationError):
        fits(PaymentIntentCreateParams, {"amount": "1", "currency": "eur", old: ["card"]})


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (PaymentIntentCreateParams, {"amount": "12.5", "currency": "eur"}),
        (PaymentIntentCreateParams, {"amount": "1", "currency": "eur", "amount_total": "1"}),
        (PaymentIntentCreateParams, {"amount": "1", "currency": "eur", "confirm": "perhaps"}),
        (
            PaymentIntentCreateParams,
            {"amount": "1", "currency": "eur", "payment_method_options": {"card": {"sca": "1"}}},
        ),
        (PaymentIntentCreateParams, {"amount": "1"}),
        (RefundCreateParams, {"payment_intent": "pi_1", "amount": "five"}),
    ],
)
def test_a_form_that_the_library_does_not_know_is_seen(kind, form):
    with pytest.raises(ValidationError):
        fits(kind, form)
