"""Which zone a place belongs to, what its methods cost, and which rates tax a part."""

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.config_rules import canonical_config, config_faults
from penstock.places import Locality, place_of
from penstock.rate_tables import Wanting, rates_for
from penstock.rate_tables import wanting as rates_wanting
from penstock.shipping_tax import read_config
from penstock.zone_rates import Parcel, offers, zone_for
from penstock.zone_rates import wanting as zones_wanting


def config(*, zones=(), rates=(), **more):
    body = {"shipping": {"mode": "builtin", "zones": list(zones)}, "tax": {"mode": "builtin", "rates": list(rates)}}
    return canonical_config({**body, **more})


def zone(id_, countries, *methods, **more):
    return {"id": id_, "name": id_, "countries": countries, "methods": list(methods), **more}


def method(id_="m", type_="flat", **more):
    given = {"id": id_, "name": id_, "type": type_, "currency": "USD"}
    return given | ({"amount": 500} if type_ in ("flat", "free_over") else {}) | more


def rate(id_, country="US", **more):
    return {"id": id_, "country": country, "taxType": "sales", "name": id_, "rateBps": 1000, **more}


def zones(*given):
    return read_config(config(zones=given)).shipping.zones


def table(*given):
    return read_config(config(rates=given)).tax.rates


PARCEL = Parcel(currency="USD", subtotal=5000, weight=1200)


def at(country, state=None, postal=None):
    return place_of({"countryCode": country, "stateProvince": state, "postalCode": postal})


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (at("US", "NY", "10001"), "city"),
        (at("US", "NY", "14201"), "state"),
        (at("US", "New York"), "state"),
        (at("US", "CA", "90210"), "country"),
        (at("FR"), "rest"),
    ],
)
def test_the_most_specific_zone_counts(place, found):
    given = zones(
        zone("rest", ["*"]),
        zone("country", ["US", "CA"]),
        zone("state", ["US"], states=["NY"]),
        zone("city", ["US"], states=["NY"], postalCodePatterns=["100*", "104*"]),
    )
    assert zone_for(given, place).id == found
    assert zone_for(tuple(reversed(given)), place).id == found


def test_a_place_that_nobody_ships_to_has_no_zone():
    assert zone_for(zones(zone("us", ["US"], states=["NY"])), at("US", "CA")) is None
    assert zone_for(zones(zone("us", ["US"], postalCodePatterns=["1*"])), at("US")) is None


@pytest.mark.parametrize(
    ("given", "parcel", "amount"),
    [
        (method(), PARCEL, 500),
        (method(type_="free_over", threshold=5000), PARCEL, 0),
        (method(type_="free_over", threshold=5001), PARCEL, 500),
        (method(type_="pickup"), PARCEL, 0),
        (method(type_="weight", tiers=[{"upTo": 1200, "amount": 9}, {"amount": 20}]), PARCEL, 9),
        (method(type_="weight", tiers=[{"upTo": 1199, "amount": 9}, {"amount": 20}]), PARCEL, 20),
        (method(type_="weight", tiers=[{"upTo": 1199, "amount": 9}]), PARCEL, None),
        (method(type_="weight", tiers=[{"amount": 9}]), replace(PARCEL, weight=None), None),
        (method(type_="price_tiers", tiers=[{"upTo": 4999, "amount": 9}, {"upTo": 9999, "amount": 4}]), PARCEL, 4),
        (method(min=5001), PARCEL, None),
        (method(max=4999), PARCEL, None),
        (method(min=5000, max=5000), PARCEL, 500),
        (method(currency="EUR"), PARCEL, None),
    ],
)
def test_a_method_costs_what_its_type_says(given, parcel, amount):
    found = offers(zones(zone("z", ["US"], given))[0], parcel)
    assert [offer.amount for offer in found] == ([] if amount is None else [amount])


def names(found):
    return [each.rate.id for each in found]


def test_of_one_priority_the_most_specific_rate_applies_alone():
    given = table(rate("country"), rate("state", state="NY"), rate("postal", state="NY", postalCodePattern="100*"))
    assert names(rates_for(given, at("US", "NY", "10001"), None)) == ["postal"]
    assert names(rates_for(given, at("US", "NY", "14201"), None)) == ["state"]
    assert names(rates_for(given, at("US", "CA", "90210"), None)) == ["country"]
    assert names(rates_for(given, at("CA", "NY", "10001"), None)) == []


def test_a_category_wins_over_the_general_rate_of_its_place_but_not_over_a_narrower_place():
    given = table(
        rate("country"), rate("books", category="books"), rate("island", postalCodePattern="27498", rateBps=0)
    )
    assert names(rates_for(given, at("US"), "books")) == ["books"]
    assert names(rates_for(given, at("US"), "toys")) == ["country"]
    assert names(rates_for(given, at("US", None, "27498"), "books")) == ["island"]


def test_rates_of_different_priorities_apply_together_in_their_order():
    given = table(rate("second", priority=2), rate("first", priority=1), rate("special", priority=2, state="QC"))
    assert names(rates_for(given, at("US"), None)) == ["first", "second"]


def test_a_narrow_rate_can_free_shipping_from_a_wide_one():
    given = table(rate("country", appliesToShipping=True), rate("state", state="NY"))
    assert names(rates_for(given, at("US", "TX"), None, is_shipping=True)) == ["country"]
    assert names(rates_for(given, at("US", "NY"), None, is_shipping=True)) == []


codes = st.sampled_from(["US", "CA"])
states = st.sampled_from([None, "NY", "QC"])
postals = st.sampled_from([None, "10001", "10*", "100..104", "H2X 1Y4"])
words = st.sampled_from([None, "books", "food"])


@st.composite
def tables(draw):
    found = []
    for index in range(draw(st.integers(0, 12))):
        given = {"state": draw(states), "postalCodePattern": draw(postals), "category": draw(words)}
        given = {key: value for key, value in given.items() if value is not None}
        found.append(rate(f"r{index}", draw(codes), priority=draw(st.integers(0, 2)), **given))
    return found


localities = st.builds(Locality, codes, states, st.sampled_from([None, "10001", "10117", "H2X1Y4"]))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the first address data is read from a file
@given(tables(), localities, words, st.randoms())
def test_the_order_of_the_table_decides_nothing_and_each_priority_applies_once(raw, place, word, dice):
    given = list(table(*raw))
    found = rates_for(given, place, word)
    shuffled = list(given)
    random.Random(dice.random()).shuffle(shuffled)
    assert rates_for(shuffled, place, word) == found
    priorities = [each.rate.priority for each in found]
    assert priorities == sorted(set(priorities))
    assert all(each.country == place.country and each.category in (None, word) for each in found)


def complaints(body):
    return {(fault.pointer, fault.code) for fault in config_faults(body)}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (config(zones=[zone("z", ["US"], method())], rates=[rate("r")]), set()),
        (config(zones=[zone("z", ["US"])], rates=[rate("r")]), {("/shipping/zones", "required")}),
        (config(zones=[zone("z", ["US"], method())]), {("/tax/rates", "required")}),
        (
            config(zones=[zone("z", ["*", "US"], method())], rates=[rate("r")]),
            {("/shipping/zones/0/countries", "everywhere")},
        ),
        (
            config(zones=[zone("z", ["QQ"], method())], rates=[rate("r")]),
            {("/shipping/zones/0/countries/0", "unknown_country")},
        ),
        (
            config(zones=[zone("z", ["US"], method(), states=["Bavaria"])], rates=[rate("r")]),
            {("/shipping/zones/0/states/0", "unknown_state")},
        ),
        (
            config(zones=[zone("z", ["US"], method(), postalCodePatterns=["1*2"])], rates=[rate("r")]),
            {("/shipping/zones/0/postalCodePatterns/0", "pattern")},
        ),
        (
            config(zones=[zone("z", ["US"], method(), method())], rates=[rate("r")]),
            {("/shipping/zones/0/methods/1/id", "repeated")},
        ),
        (
            config(zones=[zone("z", ["US"], method(type_="weight"))], rates=[rate("r")]),
            {("/shipping/zones/0/methods/0/tiers", "tiers")},
        ),
        (
            config(
                zones=[zone("z", ["US"], method(type_="weight", tiers=[{"upTo": 5, "amount": 1}] * 2))],
                rates=[rate("r")],
            ),
            {("/shipping/zones/0/methods/0/tiers", "order")},
        ),
        (
            config(zones=[zone("z", ["US"], method(type_="free_over"))], rates=[rate("r")]),
            {("/shipping/zones/0/methods/0/threshold", "threshold")},
        ),
        (
            config(zones=[zone("z", ["US"], method(min=2, max=1))], rates=[rate("r")]),
            {("/shipping/zones/0/methods/0/max", "range")},
        ),
        (
            config(zones=[zone("z", ["US"], method())], rates=[rate("a"), rate("b")]),
            {("/tax/rates/1", "ambiguous")},
        ),
        (
            config(zones=[zone("z", ["US"], method())], rates=[rate("a", state="NY"), rate("b", state="new york")]),
            {("/tax/rates/1", "ambiguous")},
        ),
        (
            config(zones=[zone("z", ["US"], method())], rates=[rate("a", ratePpm=1)]),
            {("/tax/rates/0/rateBps", "rate")},
        ),
        (
            config(zones=[zone("z", ["US"], method())], rates=[rate("a", state="ZZ")]),
            {("/tax/rates/0/state", "unknown_state")},
        ),
        (
            config(
                zones=[zone("z", ["US"], method())], rates=[rate("r")], origin={"countryCode": "DE", "postalCode": "1"}
            ),
            {("/origin/postalCode", "address_invalid")},
        ),
    ],
)
def test_what_stands_against_publishing_is_told_with_its_place(body, found):
    assert complaints(body) == found


@pytest.mark.parametrize(
    ("one", "other", "is_refused"),
    [
        ("SW1*", "sw 1*", True),
        ("81000..82999", "82000..83999", True),
        ("10*", "100..109", True),
        ("81000..82999", "83000..84999", False),
        ("80331", "80331..80331", False),
        ("80*", "80999..81000", False),
        ("80331", "80332", False),
    ],
)
def test_two_rates_are_refused_where_nothing_decides_between_them(one, other, is_refused):
    rates = [rate(name, country="GB", postalCodePattern=text) for name, text in (("a", one), ("b", other))]
    for given_ in (rates, rates[::-1]):
        body = config(zones=[zone("z", ["GB"], method())], rates=[rate("far"), *given_])
        assert complaints(body) == ({("/tax/rates/2", "ambiguous")} if is_refused else set())


def test_two_zip_codes_that_count_alike_are_refused():
    rates = [rate("a", postalCodePattern="10001-1234"), rate("b", postalCodePattern="10001")]
    body = config(zones=[zone("z", ["US"], method())], rates=rates)
    assert complaints(body) == {("/tax/rates/1", "ambiguous")}


@pytest.mark.parametrize("order", [1, -1])
def test_a_range_that_straddles_a_beginning_is_still_the_narrower_one(order):
    given_ = [rate("wide", "DE", postalCodePattern="80*"), rate("narrow", "DE", postalCodePattern="80999..81000")][
        ::order
    ]
    assert names(rates_for(table(*given_), at("DE", postal="80999"), None)) == ["narrow"]
    found = [
        zone("wide", ["DE"], postalCodePatterns=["80*"]),
        zone("narrow", ["DE"], postalCodePatterns=["80999..81000"]),
    ][::order]
    assert zone_for(zones(*found), at("DE", postal="80999")).id == "narrow"


def test_what_is_to_stand_in_for_a_source_has_to_be_there():
    body = config(onProviderError="fallback_builtin")
    body["shipping"] = {"mode": "plugin", "connectionIds": ["c"], "zones": []}
    body["tax"] = {**body["tax"], "mode": "plugin", "connectionId": "c"}
    assert complaints(body) == {("/shipping/zones", "required"), ("/tax/rates", "required")}
    assert complaints({**body, "onProviderError": "fail"}) == set()


def test_what_is_picked_up_needs_the_origin_where_tax_is_worked_out():
    body = config(zones=[zone("z", ["US"], method(type_="pickup"))], rates=[rate("r")])
    assert complaints(body) == {("/origin", "required")}
    assert complaints({**body, "origin": {"countryCode": "US"}}) == set()
    assert complaints({**body, "tax": {"mode": "off"}}) == set()


def test_what_could_make_another_zone_apply_is_known():
    given_ = zones(
        zone("country", ["US"]), zone("state", ["US"], states=["NY"]), zone("city", ["GB"], postalCodePatterns=["1*"])
    )
    assert zones_wanting(given_, at("US")) == {"stateProvince"}
    assert zones_wanting(given_, at("US", "CA")) == set()
    assert zones_wanting(given_, at("GB")) == {"postalCode"}
    assert zones_wanting(given_, at("FR")) == set()


def test_what_could_make_another_rate_apply_is_known():
    given_ = table(
        rate("country"), rate("state", state="NY"), rate("city", state="NY", postalCodePattern="100*", priority=1)
    )
    assert rates_wanting(given_, at("US"), None) == Wanting(
        needed=frozenset({"stateProvince", "postalCode"}), useful=frozenset({"stateProvince"})
    )
    assert rates_wanting(given_, at("US", "NY"), None) == Wanting(needed=frozenset({"postalCode"}))
    assert rates_wanting(given_, at("US", "CA"), None) == Wanting()
    assert rates_wanting(given_, at("US", "NY", "10001"), None) == Wanting()


def test_a_tax_by_origin_needs_the_origin():
    body = config(zones=[zone("z", ["US"], method())], rates=[rate("r")])
    body["tax"]["basis"] = "origin"
    assert complaints(body) == {("/origin", "required")}


def test_a_rate_can_be_finer_than_a_hundredth_of_a_percent():
    given = {**rate("mta"), "ratePpm": 3750}
    del given["rateBps"]
    assert table(given)[0].rate.ppm == 3750
    assert table(rate("r", rateBps=1900))[0].rate.ppm == 190_000
