"""What a workspace may do in production follows from what it pays."""

from datetime import timedelta

import pytest

from penstock.tenant import standing_of
from tests.make import NOW

LATER, EARLIER = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)


def standing(**given):
    fields = {
        "lifecycle_stage": "live",
        "billing_status": "active",
        "is_partner": False,
        "has_payment_method": True,
        "trial_ends_at": None,
        "now": NOW,
    }
    return standing_of(**{**fields, **given})


@pytest.mark.parametrize(("stage", "is_live"), [("live", True), ("sandbox", False), ("", False)])
def test_only_a_live_workspace_is_live(stage, is_live):
    assert standing(lifecycle_stage=stage).is_live is is_live


@pytest.mark.parametrize(
    ("given", "is_entitled", "is_trial_over"),
    [
        ({"billing_status": "active"}, True, False),
        ({"billing_status": "active", "trial_ends_at": EARLIER, "has_payment_method": False}, True, False),
        ({"billing_status": "lapsed"}, False, False),
        ({"billing_status": "lapsed", "is_partner": True}, True, False),
        ({"billing_status": "trialing", "trial_ends_at": LATER, "has_payment_method": False}, True, False),
        ({"billing_status": "trialing", "trial_ends_at": None}, True, False),
        ({"billing_status": "trialing", "trial_ends_at": EARLIER}, False, False),
        ({"billing_status": "trialing", "trial_ends_at": NOW, "has_payment_method": False}, False, True),
        ({"billing_status": "trialing", "trial_ends_at": EARLIER, "has_payment_method": False}, False, True),
        ({"billing_status": "trialing", "trial_ends_at": EARLIER, "is_partner": True}, True, False),
        ({"billing_status": "nonsense"}, False, False),
    ],
)
def test_production_is_for_who_pays_tries_or_is_a_partner(given, is_entitled, is_trial_over):
    found = standing(**given)
    assert (found.is_entitled, found.is_trial_over) == (is_entitled, is_trial_over)
