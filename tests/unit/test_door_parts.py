"""The parts of the door that need no server: routes, names, formats, faults, logs, the pool."""

import asyncio
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.faults import echo, faults_in, suggest
from handlers.formats import is_date, is_date_time, is_email, is_uri
from handlers.logs import described, redacted
from handlers.pace import AWAY, Pace
from handlers.parameters import NotText, query_values, snake_name, text_of
from handlers.pool import Pool
from handlers.routes import Routes
from handlers.schema import BadSpec, Compiler
from penstock.boundary import waiting
from penstock.errors import InvalidRequest


class Endpoint:
    def __init__(self, name):
        self.name = name
        self.body_limit = None
        self.is_browser_safe = False


def routes(*templates):
    made = Routes()
    for template in templates:
        made.add("GET", template, Endpoint(template))
    return made


def found(made, path):
    hit = made.find(path)
    return None if hit is None else (hit[0].template, hit[1])


def test_literals_win_over_parameters_and_dead_ends_are_left_again():
    made = routes("/a/{x}", "/a/b", "/a/b/c", "/a/{x}/d", "/{y}/b/e")
    assert found(made, b"/a/b") == ("/a/b", ())
    assert found(made, b"/a/z") == ("/a/{x}", (b"z",))
    assert found(made, b"/a/b/d") == ("/a/{x}/d", (b"b",))
    assert found(made, b"/a/b/e") == ("/{y}/b/e", (b"a",))


@pytest.mark.parametrize(
    "path", [b"", b"a", b"/", b"//", b"/a", b"/a/", b"/a//d", b"/a/b/", b"/A/b", b"/a/b/c/d", b"*"]
)
def test_what_no_template_fits_is_not_found(path):
    assert found(routes("/a/{x}", "/a/b", "/a/{x}/d"), path) is None


def test_two_operations_for_one_address_and_half_segments_stop_the_start():
    with pytest.raises(ValueError, match="two operations"):
        routes("/a/{x}", "/a/{y}")
    with pytest.raises(ValueError, match="whole segment"):
        routes("/a/{x}.pdf")


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("cartId", "cart_id"),
        ("id", "id_"),
        ("X-Flavor", "x_flavor"),
        ("due_from", "due_from"),
        ("class", "class_"),
        ("q", "q"),
    ],
)
def test_arguments_have_python_names(name, argument):
    assert snake_name(name) == argument


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_percent_encoding_is_undone(text):
    assert text_of("".join(f"%{byte:02x}" for byte in text.encode()).encode()) == text


@pytest.mark.parametrize(
    "raw", [b"%", b"%4", b"%zz", b"a%2", b"%ff", b"%c3%28", b"%ed%a0%80", b"%00", b"\xff", b"%u0041"]
)
def test_what_is_no_text_is_refused(raw):
    with pytest.raises(NotText):
        text_of(raw)


def test_a_query_keeps_repeats_and_reads_plus_as_a_space():
    assert query_values(b"a=1&b=x+y&a=2&&c&d=%26%3D") == {"a": ["1", "2"], "b": ["x y"], "c": [""], "d": ["&="]}
    with pytest.raises(InvalidRequest):
        query_values(b"a=%")


@pytest.mark.parametrize(
    ("check", "text", "is_good"),
    [
        (is_date_time, "2026-02-28T23:59:59Z", True),
        (is_date_time, "2026-02-28T23:59:59.123456789+05:30", True),
        (is_date_time, "2027-02-29T00:00:00Z", False),
        (is_date_time, "2026-02-28T23:59:60Z", False),
        (is_date_time, "2026-02-28T24:00:00Z", False),
        (is_date_time, "2026-02-28T23:59:59", False),
        (is_date_time, "2026-02-28 23:59:59Z", False),
        (is_date_time, "9999-12-31T23:59:59-14:00", False),
        (is_date_time, "0001-01-01T00:00:00+14:00", False),
        (is_date_time, "２026-02-28T23:59:59Z", False),
        (is_date, "2028-02-29", True),
        (is_date, "2027-02-29", False),
        (is_date, "20280229", False),
        (is_date, "2028-W09-2", False),
        (is_uri, "https://shop.example:8443/a/b?c=d", True),
        (is_uri, "https://xn--bcher-kva.example", True),
        (is_uri, "https://bücher.example", False),
        (is_uri, "https://shop.example:0/", False),
        (is_uri, "https://shop.example:99999/", False),
        (is_uri, "https://shop.example:/", False),
        (is_uri, "https://a@b.example", False),
        (is_uri, "https://b.example/#x", False),
        (is_uri, "HTTPS://b.example/", False),
        (is_uri, "https://b.example/" + "a" * 2048, False),
        (is_email, "ada+1@mail.shop.example", True),
        (is_email, "o'neil@shop.example", True),
        (is_email, ".ada@shop.example", False),
        (is_email, "ada@-shop.example", False),
        (is_email, "ada@shop..example", False),
        (is_email, "a" * 65 + "@shop.example", False),
        (is_email, "ada@shop.example\n", False),
    ],
)
def test_formats(check, text, is_good):
    assert check(text) is is_good


def test_suggestions_need_likeness():
    known = ["unitPrice", "quantity", "metadata"]
    assert suggest("unit_price", known) == "unitPrice"
    assert suggest("quantty", known) == "quantity"
    assert suggest("color", known) is None
    assert suggest("q" * 10_000, known) is None


@pytest.mark.parametrize(
    ("place", "value", "shown"),
    [(["name"], "Mug", "Mug"), (["name"], 5, 5), (["name"], "x" * 65, None), (["paymentToken"], "abc", None),
     (["a", "secretKey", "b"], "x", None), (["name"], "sk_test_abc", None), (["name"], "tok_x", None), (["name"], {"a": 1}, None),
     (["name"], "4111111111111111", None), (["name"], 4111111111111111, None), (["name"], None, None)],
)  # fmt: skip
def test_only_short_values_that_are_no_secret_are_shown(place, value, shown):
    assert echo(place, value) == shown


def test_logs_hold_no_credentials_and_no_local_values():
    text = redacted("key sk_live_abc card 4111 1111 1111 1111 at postgresql://me:pw@db/x token eyJhbGciOi.x.y")
    for secret in ("sk_live", "4111", "pw@", "eyJ"):
        assert secret not in text

    def fails(password):
        raise ValueError("no luck")

    try:
        fails("hunter2")
    except ValueError as failure:
        fields = described(failure)
    assert fields["error_type"] == "ValueError"
    assert "hunter2" not in str(fields)


def test_nullable_without_a_type_and_foreign_references_stop_the_start():
    compiler = Compiler({"schemas": {"A": {"type": "string"}}})
    with pytest.raises(BadSpec):
        compiler.compile({"nullable": True, "allOf": [{"$ref": "#/components/schemas/A"}]}, "request")
    with pytest.raises(BadSpec):
        compiler.compile({"$ref": "other.yaml#/A"}, "request")
    with pytest.raises(BadSpec):
        compiler.compile({"$ref": "#/components/schemas/B"}, "request")


def test_a_schema_may_contain_itself():
    compiler = Compiler({"schemas": {"T": {"type": "object", "properties": {"t": {"$ref": "#/components/schemas/T"}}}}})
    tree = compiler.compile({"$ref": "#/components/schemas/T"}, "request")
    assert tree.fits({"t": {"t": {}}})
    assert not tree.fits({"t": {"t": 1}})


def test_one_is_an_integer_and_one_point_zero_is_not():
    integer = Compiler({}).compile({"type": "integer"}, "request")
    assert [integer.fits(value) for value in (1, 1.0, True, "1", 2**70)] == [True, False, False, False, True]


def test_a_pattern_knows_no_line_ends():
    currency = Compiler({}).compile({"type": "string", "pattern": "^[A-Z]{3}$"}, "request")
    assert currency.fits("USD")
    assert not currency.fits("USD\n")


@pytest.mark.parametrize("email", ["nope", "a@b", "a b@c.de", "\u00fc@x.de", "x" * 300])
def test_a_value_that_is_told_what_it_must_be_is_told_it_once(email):
    schema = {
        "type": "string",
        "format": "email",
        "minLength": 5,
        "maxLength": 254,
        "pattern": "^[a-z]+@[a-z]+[.][a-z]+$",
    }
    validator = Compiler({}).compile({"type": "object", "properties": {"a": schema, "b": schema}}, "request")
    found = [(fault.pointer, fault.message) for fault in faults_in(validator, {"a": email, "b": email})]
    assert sorted(found) == [("/a", "must be an e-mail address"), ("/b", "must be an e-mail address")]


def test_a_value_without_a_word_for_what_it_must_be_is_told_all_its_faults():
    validator = Compiler({}).compile({"type": "string", "minLength": 5, "pattern": "^[a-z]+$"}, "request")
    assert {fault.code for fault in faults_in(validator, "N")} == {"min_length", "pattern"}


def test_what_was_slow_on_the_loop_goes_to_the_threads_for_a_while():
    pace = Pace(is_here=True, is_measured=True)
    for seconds in (0.0001, 1.0, 0.0001, 1.0):
        pace.took(seconds)
        assert pace.is_here
    pace.took(1.0)
    away = 0
    while not pace.is_here:
        pace.was_away()
        away += 1
    assert away == AWAY


def test_a_pool_that_closes_leaves_behind_what_hangs(monkeypatch):
    monkeypatch.setattr("handlers.pool.CLOSING_SECONDS", 0.1)
    gate = threading.Event()

    async def hang():
        pool = Pool(threads=2, most_waiting=1)
        waiting = asyncio.create_task(pool.run(lambda _: gate.wait(5), None))
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        pool.close()
        assert time.perf_counter() - began < 2
        waiting.cancel()
        gate.set()

    asyncio.run(hang())


def test_the_pool_answers_everyone_and_runs_no_more_than_its_threads():
    running, most, lock = 0, 0, threading.Lock()

    def act(number):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1
        if number % 50 == 0:
            raise ValueError(number)
        return number

    async def race():
        pool = Pool(threads=4, most_waiting=1000)
        answers = await asyncio.gather(*(pool.run(act, number) for number in range(400)), return_exceptions=True)
        assert pool.load == 0
        pool.close()
        return answers

    answers = asyncio.run(race())
    assert most == 4
    for number, answer in enumerate(answers):
        assert answer == number or (number % 50 == 0 and isinstance(answer, ValueError))


def test_threads_that_wait_for_a_provider_hold_up_nobody_and_are_too_many_only_while_they_wait():
    gate = threading.Event()

    def act(number):
        if number is None:
            with waiting():
                gate.wait(5)
        return number

    async def race():
        pool = Pool(threads=2, most_waiting=3)
        hanging = [asyncio.create_task(pool.run(act, None)) for _ in range(5)]
        for number in range(20):
            assert await asyncio.wait_for(pool.run(act, number), 2) == number
        assert not pool.is_full
        assert (pool.waiting, len(pool._crew)) == (0, 6), "one for each that waits, and one that works"
        gate.set()
        assert await asyncio.gather(*hanging) == [None] * 5
        for number in range(40):
            await pool.run(act, number)
        assert len(pool._crew) == 2
        pool.close()

    asyncio.run(race())


def test_nobody_is_hired_while_nobody_waits():
    async def race():
        pool = Pool(threads=2, most_waiting=100)

        def act(_):
            with waiting():
                return len(pool._crew)

        sizes = await asyncio.gather(*(pool.run(act, None) for _ in range(2)))
        pool.close()
        return sizes

    assert max(asyncio.run(race())) == 2
