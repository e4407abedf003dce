"""What every connector keeps about its account, its tokens and its own widget."""

# ruff: noqa: D102  a test's name is its sentence

import base64
import json
import re
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from penstock.conformance.bench import Bench, claiming
from penstock.conformance.provider import NOON, Answer, Heard
from penstock.connector import BadCredentials, PaymentConnector
from penstock.money import Money
from penstock.outcome import CardFacts, ProxyTransaction, Widget, check_widget
from penstock.request import WidgetRequest

_FAILING = pytest.mark.parametrize("status", [302, 429, 500, 503])
_STATES = ("captured", "authorized", "pending", "declined")
_LONGEST: Final = timedelta(days=1)
_FLEETING: Final = ("jti", "iat", "nbf", "exp")
SESSION: Final = "cs_conformance_Qm7yXo2T"
"""The checkout session for which a widget is opened."""


class AccountPromises(Bench):
    """Verify, tokens, and the provider's own widget. Each test runs for what is claimed."""

    @claiming("verify")
    def test_a_good_account_is_accepted(self) -> None:
        heard = self._verified("account_ok")
        assert heard.raised is None, heard.said()
        assert heard.sent, "it asked nobody"

    @claiming("verify")
    def test_refused_credentials_are_told_without_the_secret(self) -> None:
        heard = self._verified("account_refused")
        assert isinstance(heard.raised, BadCredentials), f"raise BadCredentials: {heard.said()}"
        assert not any(secret in str(heard.raised) for secret in self.secrets()), "its text shows the secret"

    @claiming("verify")
    @_FAILING
    def test_a_failing_provider_says_nothing_about_an_account(self, status: int) -> None:
        heard = self._verified(lambda _: httpx.Response(status, json={}))
        assert heard.raised is not None, f"a {status} does not accept the credentials: {heard.said()}"
        assert not isinstance(heard.raised, BadCredentials), f"a {status} does not refuse the credentials"

    def test_a_token_is_judged_without_asking_anybody(self) -> None:
        heard = self.ask("approved", lambda connector: connector.takes_token(self.method_token))
        assert heard.returned is True, f"it must take the kit's own token: {heard.said()}"
        assert not heard.sent, "takes_token() calls nobody"

    def test_a_token_of_somebody_else_is_not_taken(self) -> None:
        foreign = self.foreign_token
        if foreign is None:
            pytest.skip("this provider's tokens cannot be told from others")
        assert self.ask("approved", lambda connector: connector.takes_token(foreign)).returned is False

    def test_a_described_token_gives_facts_and_no_number(self) -> None:
        if self.connector.describe_token is PaymentConnector.describe_token:
            pytest.skip("it describes no tokens")
        heard = self.ask("token_described", lambda connector: connector.describe_token(self.method_token))
        assert heard.raised is None, heard.said()
        facts = heard.returned
        assert isinstance(facts, CardFacts), heard.said()
        assert facts.last4 is None or re.fullmatch(r"\d{4}", facts.last4), "last4 is four digits and no more"
        assert facts.scheme is None or facts.scheme == facts.scheme.lower(), "a scheme is in lower case: visa"
        assert facts.country is None or re.fullmatch(r"[A-Z]{2}", facts.country), "a country is two capital letters"

    @claiming("proxy")
    def test_a_payment_in_its_own_widget_is_read(self) -> None:
        heard = self._read("transaction")
        assert heard.raised is None, heard.said()
        assert isinstance(heard.returned, ProxyTransaction), heard.said()
        assert heard.returned.ref == self.transaction_ref, "it answered for another payment"
        assert isinstance(heard.returned.money, Money), "money is Money"
        assert heard.returned.state in _STATES, f"state is one of {', '.join(_STATES)}"

    @claiming("proxy")
    def test_no_payment_in_its_own_widget_is_told_as_none(self) -> None:
        heard = self._read("transaction_not_found")
        assert heard.raised is None, heard.said()
        assert heard.returned is None, heard.said()

    @claiming("proxy")
    @pytest.mark.parametrize("status", [302, 401, 429, 500, 503])
    def test_a_failing_look_at_a_widget_payment_says_nothing(self, status: int) -> None:
        heard = self._read(lambda _: httpx.Response(status, json={}))
        assert heard.raised is not None, f"a {status} says nothing about it: {heard.said()}"

    @claiming("widget")
    def test_its_widget_is_opened_for_this_session_only(self) -> None:
        heard = self._opened("widget")
        assert heard.raised is None, heard.said()
        widget = heard.returned
        assert check_widget(widget) == widget
        assert NOON < widget.expires_at <= NOON + _LONGEST, "expires_at is a time to come, and within a day"
        assert widget.token not in repr(widget), "the token stands in a repr"
        assert SESSION in _bound(heard), "neither the token nor what was sent names the checkout session"

    @claiming("widget")
    def test_another_amount_opens_another_widget(self) -> None:
        more = Money(self.money.amount + 1, self.money.currency)
        first, second = self._opened("widget"), self._opened("widget", more)
        assert second.raised is None, second.said()
        assert _bound(first) != _bound(second), "neither the token nor what was sent depends on the amount"

    @claiming("widget")
    @_FAILING
    def test_a_failing_provider_opens_no_widget(self, status: int) -> None:
        heard = self._opened(lambda _: httpx.Response(status, json={}))
        assert heard.raised is not None, f"a {status} opens nothing: {heard.said()}"

    def _opened(self, answer: Answer | str, money: Money | None = None) -> Heard:
        self.need_claim("widget")
        asked = WidgetRequest(SESSION, money or self.money, lifetime=1800, country="NL")
        heard = self.ask(answer, lambda connector: connector.open_widget(asked))
        heard.request = asked
        return heard

    def _verified(self, answer: Answer | str) -> Heard:
        self.need_claim("verify")
        # Fetching a token may be all that there is to verify, so nothing is a side call here.
        return self.ask(answer, lambda connector: connector.verify_account(), lambda _: None)

    def _read(self, answer: Answer | str) -> Heard:
        self.need_claim("proxy")
        return self.ask(answer, lambda connector: connector.read_transaction(self.transaction_ref))


def _bound(heard: Heard) -> str:
    """Return all that a widget is bound to: what was sent for it, and its token with what a signed one spells out."""
    token = heard.returned.token if isinstance(heard.returned, Widget) else ""
    said = [request.content.decode(errors="replace") + str(request.url) for request in heard.sent]
    return "\n".join([*said, _claims(token)])


def _claims(token: str) -> str:
    """Return what a signed token says, without what is new in each; a token that cannot be read as it is."""
    try:
        _, payload, _ = token.split(".")
        claims: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return json.dumps({name: value for name, value in claims.items() if name not in _FLEETING})
    except (ValueError, AttributeError):  # base64 and JSON say ValueError, what is no object has no items
        return token
