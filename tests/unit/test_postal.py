"""Postal patterns, and what the address data of a country knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.places import check_place, knows_state, place_of, same_place, state_code
from penstock.postal import BadPattern, normal_code, read_pattern

NUMBERS = st.integers(1, 3).flatmap(lambda length: st.integers(0, 10**length - 1).map(lambda n: f"{n:0{length}}"))
RANGES = st.integers(1, 3).flatmap(
    lambda length: st.tuples(*[st.integers(0, 10**length - 1)] * 2).map(
        lambda pair: "..".join(f"{n:0{length}}" for n in sorted(pair))
    )
)
PATTERNS = st.one_of(NUMBERS, NUMBERS.map(lambda start: f"{start}*"), RANGES)


@pytest.mark.parametrize(
    ("pattern", "code", "country", "is_match"),
    [
        ("12345", "12345", "US", True),
        ("12345", "12345-6789", "US", True),
        ("12345", "12346", "US", False),
        ("123*", "12399", "US", True),
        ("SW1A*", "sw1a 1aa", "GB", True),
        ("SW1A 1AA", "SW1A1AA", "GB", True),
        ("SW1*", "SW10 9ZZ", "GB", True),
        ("10000..10499", "10117", "DE", True),
        ("10000..10499", "10500", "DE", False),
        ("100..104", "10117", "DE", True),
        ("100..104", "10", "DE", False),
        ("100..104", "1A117", "GB", False),
        ("100*", "10", "DE", False),
        ("10100..10199", "1012 AB", "NL", False),
        ("1000..1099", "1012 AB", "NL", True),
    ],
)
def test_a_pattern_matches_what_it_says(pattern, code, country, is_match):
    assert read_pattern(pattern).matches(normal_code(code, country)) is is_match


@pytest.mark.parametrize("text", ["", "*", "1*2", "12..", "12..345", "20..10", "AB..CD", "..", "12..13*", "é*"])
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(BadPattern):
        read_pattern(text)


def test_the_narrower_of_two_patterns_is_the_more_specific():
    rising = ["1*", "10..15", "12*", "121..125", "123*", "12345"]
    found = [read_pattern(text).precision for text in rising]
    assert found == sorted(set(found))


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("80*", "80999..81000"),
        ("80000..89999", "80900..81099"),
        ("80*", "80331"),
        ("SW*", "SW1*"),
        ("1000..1199", "1012AB*"),
    ],
)
def test_it_is_the_width_that_makes_a_pattern_narrow(wide, narrow):
    assert read_pattern(wide).precision < read_pattern(narrow).precision


@given(st.data())
def test_two_patterns_meet_where_some_code_belongs_to_both(data):
    one, other = (read_pattern(data.draw(PATTERNS)) for _ in range(2))
    codes = [f"{number:03}" for number in range(1000)] + [one.low, other.low]
    assert one.meets(other) == other.meets(one) == any(one.matches(code) and other.matches(code) for code in codes)


@pytest.mark.parametrize("text", ["10001-1234", "10001-1230..10001-1239", "100011*"])
def test_of_a_pattern_too_only_five_digits_count_in_the_us(text):
    assert read_pattern(text).within("US").matches(normal_code("10001-9999", "US"))
    assert not read_pattern(text).within("DE").matches("10001")


@given(st.integers(0, 99_999), st.integers(0, 99_999), st.integers(0, 99_999))
def test_a_range_holds_exactly_the_codes_between_its_ends(low, high, code):
    low, high = min(low, high), max(low, high)
    assert read_pattern(f"{low:05}..{high:05}").matches(f"{code:05}") == (low <= code <= high)


@given(st.text(alphabet="0123456789ABC", min_size=1, max_size=8), st.text(alphabet="0123456789ABC", max_size=10))
def test_a_beginning_holds_exactly_the_codes_that_begin_so(start, code):
    assert read_pattern(f"{start}*").matches(code) == code.startswith(start)


@pytest.mark.parametrize(
    ("country", "name", "code"),
    [
        ("US", "new york", "NY"),
        ("US", " TX ", "TX"),
        ("CA", "Québec", "QC"),
        ("CA", "quebec", "QC"),
        ("IN", "Kerala", "KL"),
        ("AU", "Victoria", "VIC"),
        ("DE", "Bayern", "BAYERN"),
        ("XK", "Somewhere", "SOMEWHERE"),
    ],
)
def test_a_state_is_known_by_its_code_and_its_names(country, name, code):
    assert state_code(country, name) == code
    assert knows_state(country, code)


def test_a_state_that_a_country_does_not_have_is_told():
    assert not knows_state("US", "ZZ")


@pytest.mark.parametrize(
    ("address", "faulty"),
    [
        ({"countryCode": "US", "stateProvince": "NY", "postalCode": "10001"}, []),
        ({"countryCode": "US", "stateProvince": "NY", "postalCode": "90210"}, ["/a/postalCode"]),
        ({"countryCode": "US", "stateProvince": "Ontario"}, ["/a/stateProvince"]),
        ({"countryCode": "DE", "postalCode": "1234"}, ["/a/postalCode"]),
        ({"countryCode": "GB", "postalCode": "SW1A 1AA"}, []),
        ({"countryCode": "HK"}, []),
        (None, []),
    ],
)
def test_an_address_is_held_to_its_country_s_rules(address, faulty):
    assert [fault.pointer for fault in check_place(address, "/a")] == faulty


def test_what_a_complete_address_lacks_is_told():
    lacking = check_place({"countryCode": "US", "city": "Austin"}, "/a", is_complete=True)
    assert {(f.pointer, f.code) for f in lacking} == {
        ("/a/stateProvince", "address_incomplete"),
        ("/a/postalCode", "address_incomplete"),
        ("/a/addressLine1", "address_incomplete"),
    }


def test_a_place_is_in_normal_form():
    place = place_of({"countryCode": "US", "stateProvince": "Texas", "postalCode": "78701-1234"})
    assert (place.country, place.state, place.postal) == ("US", "TX", "78701")
    assert place_of({"city": "Austin"}) is None


def test_names_do_not_make_another_place():
    one = {"countryCode": "US", "city": "Austin", "firstName": "Ada"}
    assert same_place(one, {"countryCode": "US", "city": " austin", "phone": "1"})
    assert not same_place(one, {**one, "postalCode": "78701"})
    assert not same_place(one, None)
    assert same_place(None, {})
