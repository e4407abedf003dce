"""A key tells its own typos, keeps its secret, and is kept as a hash."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.api_key import MAX_LENGTH, masked, mint, parse
from penstock.ids import BASE62

PEPPER = b"p" * 32
KEY = mint("secret", "sandbox")


def test_a_key_has_its_kind_its_environment_and_190_random_bits():
    assert re.fullmatch(r"sk_sandbox_[0-9A-Za-z]{32}[0-9A-Za-z]{6}", KEY.text)
    assert re.fullmatch(r"pk_production_[0-9A-Za-z]{38}", mint("publishable", "production").text)


def test_no_two_keys_are_alike():
    assert len({mint("secret", "sandbox").text for _ in range(1000)}) == 1000


@pytest.mark.parametrize("slug", ["sandbox", "production", "qa-2", "a", "a-b-c", "x" * 40])
@pytest.mark.parametrize("kind", ["secret", "publishable"])
def test_a_key_reads_back_as_it_was_made(kind, slug):
    key = mint(kind, slug)
    assert parse(key.text) == key
    assert (key.kind, key.environment) == (kind, slug)


@pytest.mark.parametrize("slug", ["", "UPPER", "a_b", "-a", "a-", "ü", "a b", "x" * 41])
def test_a_slug_that_cannot_stand_in_a_key_is_refused(slug):
    with pytest.raises(ValueError, match="cannot stand in a key"):
        mint("secret", slug)


@given(st.integers(0, len(KEY.text) - 1), st.sampled_from(BASE62))
def test_one_wrong_character_is_noticed_without_a_database(at, char):
    typo = KEY.text[:at] + char + KEY.text[at + 1 :]
    assert (parse(typo) is not None) == (typo == KEY.text)


@given(st.integers(0, len(KEY.text) - 1))
def test_a_truncated_key_is_no_key(length):
    assert parse(KEY.text[:length]) is None


@given(st.text(max_size=200))
def test_any_other_text_is_no_key(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [KEY.text + "\n", " " + KEY.text, KEY.text.upper(), "s" * 100_000, KEY.text * 3],
    ids=["a line's end", "a blank", "capitals", "far too long", "three keys"],
)
def test_what_surrounds_a_key_is_not_forgiven(text):
    assert parse(text) is None
    assert len(KEY.text) <= MAX_LENGTH


def test_the_digest_depends_on_the_pepper_and_the_whole_key():
    assert len(KEY.digest(PEPPER)) == 64
    assert KEY.digest(PEPPER) == parse(KEY.text).digest(PEPPER)
    assert KEY.digest(PEPPER) != KEY.digest(b"q" * 32)
    assert KEY.digest(PEPPER) != mint("secret", "sandbox").digest(PEPPER)


def test_what_is_kept_to_be_shown_gives_little_of_the_key_away():
    assert (KEY.prefix, KEY.last4) == ("sk_sandbox_", KEY.text[-4:])


def test_a_key_is_in_no_repr():
    assert KEY.text not in repr(KEY) + str(KEY) + f"{KEY}"
    assert KEY.text[11:-4] not in repr(KEY)


def test_a_masked_key_shows_its_beginning_and_its_end_only():
    assert masked(KEY.text) == f"sk_sandbox_…{KEY.text[-4:]}"
    assert masked("not a key") == "…"
