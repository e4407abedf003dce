"""Choosing among rules gives what trying one after the other gives, and what is not known satisfies nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.chooser import Chooser
from penstock.routing import Facts, Rule, first_match, scheme_of, source_of, texts
from penstock.rule_reading import read_rules
from penstock.ruleset import compile_list, decide

COUNTRIES = ["US", "DE", "FR", "JP"]
SETS = {
    "country": COUNTRIES,
    "cardScheme": ["visa", "amex", "diners-club"],
    "cardType": ["credit", "debit", "prepaid"],
    "cardCountry": COUNTRIES,
    "currency": ["USD", "EUR", "JPY"],
    "paymentSource": ["ecommerce", "moto"],
}
KEYS = ["channel", "tier"]
TEXTS = ["a", "b", "c", "1", "true"]


def facts(**given_):
    return Facts(**{"amount": 1000, "currency": "USD", "payment_method": "card", **given_})


def rule(*conditions, **more):
    return {"conditions": list(conditions), **more}


def is_one_of(kind, *values):
    return {"type": kind, "op": "is_one_of", "values": list(values)}


def is_not_one_of(kind, *values):
    return {"type": kind, "op": "is_not_one_of", "values": list(values)}


def amount(op, currency="USD", **bounds):
    return {"type": "amount", "op": op, "currency": currency, **bounds}


def meta(op, key, *values):
    return {"type": "metadata", "op": op, "key": key, "values": list(values)}


def matches(condition, given_):
    rules = read_rules({"rules": [rule(condition)]})
    chosen = Chooser(rules).choose(given_)
    assert chosen == first_match(rules, given_)
    return chosen == 0


@st.composite
def conditions(draw):
    kinds = draw(st.lists(st.sampled_from([*SETS, "amount", *KEYS]), unique=True, max_size=5))
    found = []
    for kind in kinds:
        if kind in KEYS:
            values = draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3))
            found.append(meta(draw(st.sampled_from(["includes", "excludes"])), kind, *values))
        elif kind == "amount":
            low, wide = draw(st.integers(1, 30)), draw(st.integers(1, 30))
            op = draw(st.sampled_from(["gt", "lt", "between"]))
            bounds = {"gt": {"min": low}, "lt": {"max": low}, "between": {"min": low, "max": low + wide}}[op]
            found.append(amount(op, draw(st.sampled_from(SETS["currency"])), **bounds))
        else:
            values = draw(st.lists(st.sampled_from(SETS[kind]), min_size=1, max_size=3))
            found.append((is_one_of if draw(st.booleans()) else is_not_one_of)(kind, *values))
    return rule(*found)


@st.composite
def any_facts(draw):
    known = {kind: draw(st.none() | st.sampled_from([*values, "XX"])) for kind, values in SETS.items()}
    plain = st.none() | st.sampled_from(TEXTS) | st.booleans() | st.integers(0, 2) | st.just({"a": "b"})
    metadata = {key: draw(plain | st.lists(plain, max_size=3)) for key in draw(st.lists(st.sampled_from(KEYS)))}
    currency = draw(st.sampled_from(SETS["currency"]))
    return Facts.read(
        {
            **known,
            "currency": currency,
            "paymentMethod": "card",
            "amount": draw(st.integers(0, 7000)),
            "metadata": metadata,
        }
    )


def naive(rules, given_):
    """The first rule that matches, worked out from the wire's own words and nothing of ours."""
    exponents = {"USD": 100, "EUR": 100, "JPY": 1}

    def holds(c):
        if c["type"] == "amount":
            if given_.currency != c["currency"]:
                return False
            unit, value = exponents[c["currency"]], given_.amount
            return {
                "gt": lambda: value > c["min"] * unit,
                "lt": lambda: value < c["max"] * unit,
                "between": lambda: c["min"] * unit <= value <= c["max"] * unit,
            }[c["op"]]()
        if c["type"] == "metadata":
            value = given_.metadata.get(c["key"])
            values = [v for v in (value if isinstance(value, list) else [value]) if v is not None and v != {"a": "b"}]
            words = [str(v).lower() if isinstance(v, bool) else str(v) for v in values]
            if not words:
                return False
            return any(word in c["values"] for word in words) == (c["op"] == "includes")
        value = given_.shape()[c["type"]]
        return value is not None and (value in c["values"]) == (c["op"] == "is_one_of")

    return next((index for index, each in enumerate(rules) if all(map(holds, each["conditions"]))), None)


@settings(max_examples=400, deadline=None)
@given(st.lists(conditions(), max_size=25), any_facts())
def test_the_chooser_finds_what_trying_one_rule_after_the_other_finds(rules, given_):
    made = read_rules({"rules": rules})
    expected = naive(rules, given_)
    assert first_match(made, given_) == expected
    assert Chooser(made).choose(given_) == expected


@given(st.integers(0, 400), any_facts())
def test_rules_that_cannot_match_change_nothing(count, given_):
    never = rule(is_one_of("country", "AQ"), is_one_of("cardCountry", "AQ"))
    last = rule(is_one_of("currency", given_.currency))
    assert Chooser(read_rules({"rules": [never] * count + [last]})).choose(given_) == count


@pytest.mark.parametrize("kind", ["country", "cardScheme", "cardSource", "cardType", "cardCountry", "paymentSource"])
def test_a_missing_fact_satisfies_neither_a_positive_nor_a_negative_condition(kind):
    given_ = facts(payment_source=None)
    assert not matches(is_one_of(kind, "visa"), given_)
    assert not matches(is_not_one_of(kind, "visa"), given_)


def test_missing_metadata_neither_includes_nor_excludes():
    for value in ({}, {"k": None}, {"k": []}, {"k": {"a": 1}}):
        assert not matches(meta("includes", "k", "a"), facts(metadata=value))
        assert not matches(meta("excludes", "k", "a"), facts(metadata=value))


@pytest.mark.parametrize(
    ("value", "word"), [("a", "a"), (1, "1"), (True, "true"), (1.5, "1.5"), (["x", "a"], "a"), ([True], "true")]
)
def test_metadata_is_compared_as_text_and_any_element_of_a_list_counts(value, word):
    assert matches(meta("includes", "k", word), facts(metadata={"k": value}))
    assert not matches(meta("excludes", "k", word), facts(metadata={"k": value}))
    assert matches(meta("excludes", "k", "other"), facts(metadata={"k": value}))


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        (amount("gt", min=10), 1001, 1000),
        (amount("lt", max=10), 999, 1000),
        (amount("between", min=10, max=12.5), 1000, 999),
        (amount("between", min=10, max=12.5), 1250, 1251),
        (amount("gt", min=19.99), 2000, 1999),
        (amount("lt", max=0.01), 0, 1),
    ],
)
def test_the_ends_of_ranges_are_exact(condition, yes, no):
    assert matches(condition, facts(amount=yes))
    assert not matches(condition, facts(amount=no))


def test_an_amount_in_another_currency_satisfies_nothing():
    assert not matches(amount("gt", "EUR", min=1), facts(amount=99_999))


@pytest.mark.parametrize(("currency", "yes", "no"), [("JPY", 501, 500), ("KWD", 500_001, 500_000)])
def test_major_units_follow_the_currency(currency, yes, no):
    assert matches(amount("gt", currency, min=500), facts(amount=yes, currency=currency))
    assert not matches(amount("gt", currency, min=500), facts(amount=no, currency=currency))


@pytest.mark.parametrize(
    ("given_", "canonical"),
    [
        ("VISA", "visa"),
        ("diners", "diners-club"),
        ("Diners Club", "diners-club"),
        ("american_express", "amex"),
        ("x", "x"),
    ],
)
def test_a_scheme_has_one_spelling(given_, canonical):
    assert scheme_of(given_) == canonical


def test_a_method_that_is_no_card_has_no_card_source():
    assert (source_of("card"), source_of("apple_pay"), source_of("paypal")) == ("token", "applepay", None)


def test_texts_of_nothing_are_missing():
    assert texts(None) is texts([]) is texts({}) is texts([None]) is None


def routing(default=("d",), *rules):
    return {"rules": list(rules), "defaultCascade": list(default)}


def decided(given_, **lists):
    names = {name.replace("_", "-"): body for name, body in lists.items()}
    return decide({name: compile_list(name, 1, body) for name, body in names.items()}, given_)


def test_decline_rules_come_before_routing_and_name_a_code():
    us = rule(is_one_of("country", "US"))
    there = facts(country="US")
    decision = decided(
        there,
        card_decline={"rules": [{**us, "errorCode": "flow_no"}]},
        payment_routing=routing(("d",), {**us, "cascade": ["a"]}),
    )
    assert (decision.way, decision.error_code, decision.connector_ids) == ("declined", "flow_no", None)
    assert decided(there, card_decline={"rules": [us]}).error_code == "flow_decline"


def test_a_rule_that_matched_keeps_its_own_cascade_and_the_default_is_for_the_rest():
    body = routing(("d",), {**rule(is_one_of("country", "US")), "cascade": ["a"]})
    assert decided(facts(country="US"), payment_routing=body).connector_ids == ("a",)
    assert decided(facts(country="DE"), payment_routing=body).connector_ids == ("d",)
    assert decided(facts(), payment_routing=body).way == "default"


def test_without_a_list_the_application_s_order_stands():
    assert decided(facts()).connector_ids is None
    assert decided(facts(payment_method="ideal"), payment_routing=routing()).way == "application_order"


def test_a_rule_for_another_method_is_none_for_this_one():
    rules = [{**rule(), "method": "paypal", "connections": ["p"]}, {**rule(), "method": "ideal", "connections": ["i"]}]
    assert decided(facts(payment_method="ideal"), other_routing={"rules": rules}).connector_ids == ("i",)
    assert decided(facts(payment_method="sofort"), other_routing={"rules": rules}).connector_ids is None


def test_a_rule_without_conditions_matches_everything():
    assert Chooser([Rule(())]).choose(facts()) == 0
    assert Chooser([]).choose(facts()) is None
