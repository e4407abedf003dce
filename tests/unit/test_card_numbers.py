"""Card numbers: what looks like one is found however it is written; ids, dates and phone numbers are left alone."""

import json
import time
import uuid

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handlers.card_numbers import _FOREIGN, _plain, card_places, places_in, text_holds_card
from penstock.ids import new_id, new_session_id


def with_check_digit(digits):
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 - place % 2)
        total += number - 9 if number > 9 else number
    return digits + str(-total % 10)


def ends_as_article(digits):
    """Tell whether 13 digits end in their own GS1 check digit."""
    return len(digits) == 13 and sum(int(d) * (1 + 2 * (i % 2)) for i, d in enumerate(digits)) % 10 == 0


# What schemes issue: Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro, Mir.
SCHEMES = [
    *[("4", length) for length in (13, 16, 18, 19)],
    *[(str(prefix), 16) for prefix in (51, 55, 2221, 2720, 6011, 65, 3528, 3589, 2200, 2204)],
    *[("34", 15), ("37", 15), ("300", 14), ("305", 14), ("36", 14), ("38", 14)],
    *[("62", length) for length in (16, 17, 18, 19)],
    *[("6759", 16), ("50", 16), ("56", 19)],
]
CARDS = (
    st.sampled_from(SCHEMES)
    .flatmap(
        lambda s: st.text("0123456789", min_size=s[1] - len(s[0]) - 1, max_size=s[1] - len(s[0]) - 1).map(
            lambda rest: with_check_digit(s[0] + rest)
        )
    )
    .filter(lambda card: not ends_as_article(card))
)
ARTICLES = st.text("0123456789", min_size=12, max_size=12).map(
    lambda digits: digits + str(-sum(int(d) * (1 + 2 * (i % 2)) for i, d in enumerate(digits)) % 10)
)
NEIGHBORS = st.text(st.characters(categories=["L", "P", "S"], exclude_characters="+-"), max_size=10)


@given(CARDS, NEIGHBORS, NEIGHBORS)
def test_every_card_number_is_found_in_any_text(card, before, after):
    assert text_holds_card(f"{before}/{card}/{after}")


@given(CARDS, st.lists(st.sampled_from(["", " ", "-", "  ", " - "]), min_size=19, max_size=19))
def test_every_card_number_is_found_with_any_separators(card, separators):
    text = "".join(digit + separator for digit, separator in zip(card, separators, strict=False))
    # Four digits, dash, two, dash, two is a date, and dates are left alone.
    assert text_holds_card(text) or "-" in text


@given(CARDS)
def test_every_card_number_is_found_in_other_digits(card):
    for zero in ("０", "٠", "०", "𝟎"):
        assert text_holds_card("".join(chr(ord(zero) + int(digit)) for digit in card))


@given(CARDS)
def test_a_wrong_check_digit_makes_no_card_number(card):
    assert not text_holds_card(card[:-1] + str((int(card[-1]) + 1) % 10))


@given(ARTICLES)
def test_article_numbers_are_no_card_numbers(article):
    assert not text_holds_card(article)
    assert not text_holds_card(f"EAN {article}, blue")


@given(st.integers(9_000_000_000_000_000, 9_999_999_999_999_999))
def test_long_numbers_that_no_scheme_issues_are_no_card_numbers(number):
    assert not text_holds_card(str(number))


def test_our_ids_are_no_card_numbers():
    for _ in range(1000):
        for text in (
            new_id(),
            str(uuid.uuid4()),
            new_session_id(),
            f"https://shop.example/{new_id()}?s={new_session_id()}",
        ):
            assert not text_holds_card(text)


@pytest.mark.parametrize(
    "text", ["+49 1512 3456789", "2026-11-20 2026-11-21", "2026-11-20T14:30:00+00:00", "12 34", "", "4" * 40]
)
def test_dates_phone_numbers_and_long_numbers_are_no_card_numbers(text):
    assert not text_holds_card(text)


def test_places_name_the_field_and_never_the_number():
    card = "4111111111111111"
    document = {"a": [{"b/c": card}], card: "x", "n": int(card), "ok": "fine"}
    assert card_places(orjson.dumps(document), document) == ["", "/a/0/b~1c", "/n"]


PIECES = st.lists(
    CARDS
    | st.text(max_size=3)
    | st.sampled_from(["\x00", "\x01", "\n", "\\", '"', "u0031", "é", "٤", "\u00ad", " ", "–", "+"]),
    max_size=4,
).map("".join)


@given(st.dictionaries(PIECES, PIECES | st.integers(0, 10**17) | st.lists(PIECES), max_size=3), st.booleans())
@example({"a": "\x014111111111111111"}, True)
@example({"é": "4111\u00ad111111111111"}, False)
@example({"é": "4111\u20131111\u20131111\u20131111"}, True)
def test_a_look_at_the_whole_body_misses_nothing(document, is_ascii):
    raw = json.dumps(document, ensure_ascii=is_ascii).encode()
    assert card_places(raw, document) == places_in(document)


def test_letters_that_are_passed_over_hide_nothing():
    passed = [chr(code) for code in range(128, 0x11000) if not _FOREIGN.search(chr(code))]
    assert len(passed) > 30_000
    assert [each for each in passed if _plain(each) != each] == []


@pytest.mark.parametrize("piece", ["1 ", "1", "tok_1", "1111-", "2026-11-20 ", "12 345 "])
def test_no_text_of_a_megabyte_takes_long(piece):
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    text_holds_card(text)
    assert time.process_time() - began < 5
