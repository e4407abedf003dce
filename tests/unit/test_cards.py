"""A plugin that describes cards badly costs a fact, never a payment."""

from typing import ClassVar

import pytest

from penstock.connector import Capabilities, PaymentConnector
from penstock.outcome import CardFacts
from penstock.verdict import Candidate
from plugins import cards
from plugins.guard import Guard


class Describing(PaymentConnector):
    """Says of a token what its class says."""

    name = "describing"
    display_name = "Describing"
    capabilities = Capabilities(None, frozenset({"card"}))
    settings_schema: ClassVar = {}
    answer: ClassVar = None

    def __init__(self):
        pass

    def charge(self, request):
        raise NotImplementedError

    def find(self, key):
        raise NotImplementedError

    def describe_token(self, token):
        return self.answer(token)


class Silent(PaymentConnector):
    name = "silent"
    capabilities = Capabilities(None, frozenset({"card"}))

    def __init__(self):
        pass

    def charge(self, request):
        raise NotImplementedError

    def find(self, key):
        raise NotImplementedError


def described(*answers, connector=Describing):
    made = [type("One", (connector,), {"answer": staticmethod(answer)})() for answer in answers]
    candidates = [Candidate(f"c{index}", f"describing{index}", each) for index, each in enumerate(made)]
    return cards.describe_card(Guard(places=4), candidates, "tok")


def test_the_first_that_knows_the_card_is_believed():
    assert described(lambda _: None, lambda _: CardFacts("visa"), lambda _: CardFacts("amex")) == CardFacts("visa")


def test_only_what_rules_look_at_is_kept():
    card = CardFacts("visa", "4242", 12, 2030, "debit", "gb")
    assert described(lambda _: card) == CardFacts("visa", funding="debit", country="GB")


@pytest.mark.parametrize(
    "card",
    [CardFacts("v" * 41, funding="gift", country="ZZ"), CardFacts(7, funding=[], country=7), CardFacts("", country="")],
    ids=["made up", "of another type", "empty"],
)
def test_what_cannot_be_is_not_known(card):
    assert described(lambda _: card) == CardFacts()


def broken(_):
    raise KeyboardInterrupt("tok")


@pytest.mark.parametrize(
    "answer", [broken, lambda _: "visa", lambda _: {"scheme": "visa"}], ids=["raises", "text", "dict"]
)
def test_a_connector_that_breaks_is_passed_over(answer):
    assert described(answer) is None
    assert described(answer, lambda _: CardFacts("amex")) == CardFacts("amex")


def test_a_connector_that_hangs_is_left_behind(monkeypatch):
    from threading import Event

    monkeypatch.setattr(cards, "_SECONDS", 0.05)
    assert described(lambda _: Event().wait(1), lambda _: CardFacts("amex")) == CardFacts("amex")


def test_a_connector_that_does_not_use_the_token_is_not_asked():
    class Foreign(Describing):
        def takes_token(self, token):
            return False

    assert described(lambda _: CardFacts("visa"), connector=Foreign) is None


def test_one_that_cannot_describe_takes_no_turn():
    silent = [Candidate(f"s{index}", "silent", Silent()) for index in range(5)]
    able = Candidate(
        "d", "describing", type("One", (Describing,), {"answer": staticmethod(lambda _: CardFacts("jcb"))})()
    )
    assert cards.describe_card(Guard(places=4), [*silent, able], "tok") == CardFacts("jcb")
