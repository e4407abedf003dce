"""One account at Stripe, whoever asks for it: the key's mode fits the environment, and every request names the account."""

import httpx
import pytest

from connectors.payments.stripe import StripePayments
from connectors.payments.stripe_account import VERSION, headers
from connectors.tax.stripe_tax import StripeTax
from penstock.clock import StandingClock
from penstock.conformance import NOON
from penstock.plugin import Context

OURS = pytest.mark.parametrize("provider", [StripePayments, StripeTax])


def built(provider, key, environment):
    settings = {"secret_key": f"{key}_conformanceSECRET0"}
    return provider(Context(settings, httpx.Client(), StandingClock(NOON), environment))


@OURS
@pytest.mark.parametrize(("key", "environment"), [("sk_live", "sandbox"), ("rk_test", "production")])
def test_a_key_of_the_other_mode_is_refused_without_being_shown(provider, key, environment):
    with pytest.raises(ValueError, match="other mode") as told:
        built(provider, key, environment)
    assert "SECRET" not in str(told.value)


@OURS
@pytest.mark.parametrize(("key", "environment"), [("rk_live", "production"), ("sk_test", "sandbox")])
def test_a_key_of_the_environments_mode_is_taken(provider, key, environment):
    assert built(provider, key, environment).name == provider.name


def test_a_connected_account_is_named_only_where_there_is_one():
    plain = {"Authorization": "Bearer sk_test_1", "Stripe-Version": VERSION}
    assert headers({"secret_key": "sk_test_1"}) == plain
    assert headers({"secret_key": "sk_test_1", "account": "acct_7"}) == plain | {"Stripe-Account": "acct_7"}
