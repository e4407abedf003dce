"""Strict JSON: everything that a lenient parser would read in its own way is refused, everything else is taken."""

import json
import time

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handlers.strict_json import MOST_DEPTH, parse
from penstock.errors import InvalidJson

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
DOCUMENTS = st.recursive(
    SCALARS | TEXT, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=20
)


@given(DOCUMENTS, st.booleans(), st.booleans())
@example({'a"b:': "\\", "": [{"x": "\\u0000"}]}, True, True)
@example({":": ":", '"': '"'}, False, False)
def test_every_good_document_is_taken_as_it_is(document, is_ascii, is_spaced):
    raw = json.dumps(document, ensure_ascii=is_ascii, separators=(" , ", " : ") if is_spaced else (",", ":")).encode()
    assert parse(raw) == orjson.loads(raw)


@given(st.dictionaries(TEXT, SCALARS | TEXT, min_size=1, max_size=5), st.data())
def test_a_key_that_stands_twice_is_always_found(document, data):
    key = data.draw(st.sampled_from(sorted(document)))
    pairs = [*document.items(), (key, data.draw(SCALARS | TEXT))]
    names = [json.dumps(name, ensure_ascii=data.draw(st.booleans())) for name, _ in pairs]
    values = [json.dumps(value) for _, value in pairs]
    body = ",".join(f"{name}:{value}" for name, value in zip(names, values, strict=True))
    with pytest.raises(InvalidJson, match="twice"):
        parse(f'{{"around":[{{{body}}}]}}'.encode())


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"a":"\"","a":1}',
        rb'{"a\u0022":1,"a\"":2}',
        rb'{"\u0061":1,"a":2}',
        rb'{"a":"\\","a":"\""}',
        rb'{"a":"\\","a":1}',
    ],
)
def test_a_key_that_stands_twice_is_found_whatever_is_escaped(raw):
    with pytest.raises(InvalidJson, match="twice"):
        parse(raw)


@given(st.integers(min_value=2**63) | st.integers(max_value=-(2**63) - 1))
def test_an_integer_beyond_64_bits_is_always_found(number):
    with pytest.raises(InvalidJson):
        parse(b'{"text":"12345678901234567890","n":[%d]}' % number)


def test_long_numbers_that_are_no_integers_and_long_digits_in_strings_are_taken():
    assert parse(b'{"a":0.12345678901234567890123,"b":"99999999999999999999999","c":1.5e10}')["c"] == 1.5e10


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_depth_is_counted_exactly(opening):
    closing = b"]" if opening == b"[" else b"}"
    for depth, is_good in ((MOST_DEPTH, True), (MOST_DEPTH + 1, False), (1000, False), (5000, False)):
        raw = opening * depth + (b"" if opening == b"[" else b"1") + closing * depth
        if is_good:
            parse(raw)
        else:
            with pytest.raises(InvalidJson):
                parse(raw)


def test_many_brackets_side_by_side_are_not_deep():
    assert len(parse(b"[" + b"[]," * 500 + b"[]]")) == 501


@pytest.mark.parametrize("piece", [b"\\n", b'\\"', b"{", b"\\\\", b"1 ", b"0"])
def test_no_body_of_a_megabyte_takes_long(piece):
    raw = b'{"a":"' + piece * (1_000_000 // len(piece)) + b'"}'
    began = time.process_time()
    parse(raw)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "raw",
    [
        b'["' + b"[" * 1000,
        b'["' + b'\\"[' * 1000,
        b"[" * MOST_DEPTH,
        b"[" + b"[]," * 1000,
        b'{"[{[{":' * 10 + b"}",
        b"," + b"[" * 1000,
    ],
)
def test_a_body_that_breaks_off_is_told_as_broken_and_not_as_deep(raw):
    with pytest.raises(InvalidJson, match="not strict JSON"):
        parse(raw)


@pytest.mark.parametrize(
    ("opening", "piece"), [(b'["', b'\\"'), (b"[", b"[],"), (b"[", b'"",'), (b"[", b'"[",'), (b"[", b'{"a":[]},')]
)
def test_no_broken_body_of_a_megabyte_takes_long(opening, piece):
    raw = opening + piece * (1_000_000 // len(piece))
    began = time.process_time()
    with pytest.raises(InvalidJson):
        parse(raw)
    assert time.process_time() - began < 1
