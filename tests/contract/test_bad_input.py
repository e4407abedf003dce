"""Bad input, row by row: what must be refused, with which status and code, before anything behind the door hears of it.

`target` is the application under test: real or cardboard, the rows are the same.
"""

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import orjson
import pytest
import sqlalchemy as sa

import bootstrap
from handlers import spec
from handlers.app import create_app
from penstock import settings
from storage import tables
from tests import shops
from tests.contract.door import stub
from tests.contract.door.serving import say, serving

CARTS, CART_ID = "/api/v1/carts", "0190b3c4-5d6e-7f80-91a2-b3c4d5e6f708"
PATHS = ("/carts", "/carts/{id}", "/carts/{id}/items", "/carts/{id}/events", "/payments", "/checkout/sessions")
CARD = "4111111111111111"


@dataclass
class Target:
    """An application that serves, and what is needed to ask it. `count` tells how much came through the door."""

    port: int
    client: httpx.Client
    key: str
    application_id: str
    cart_id: str
    count: Callable[[], int]

    def send(self, raw, path=CARTS, method="POST", **headers):
        sent = {"X-API-Key": self.key, "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = raw if isinstance(raw, bytes) else orjson.dumps(raw)
        return self.client.request(
            method, path, content=content, headers={name: value for name, value in sent.items() if value is not None}
        )

    def ask(self, path):
        return self.client.get(path, headers={"X-API-Key": self.key})

    def cart(self, **fields):
        return {"applicationId": self.application_id, **fields}


@contextmanager
def asked(app):
    with (
        serving(app) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
    ):
        yield port, client


@contextmanager
def cardboard():
    house = stub.House(validate_responses="off")
    real = spec.load()
    document = {**real, "paths": {path: _only(real["paths"][path], path) for path in PATHS}}
    with asked(create_app(house, document, "tests.contract.door")) as (port, client):
        yield Target(port, client, stub.SECRET, CART_ID, CART_ID, lambda: len(house.state["notes"]))


def _only(item, path):
    wanted = "get" if path in {"/carts/{id}", "/carts/{id}/events", "/payments"} else "post"
    return {wanted: item[wanted]}


@contextmanager
def real(databases, folder):
    with databases.fresh() as url:
        given = settings.load(
            database_url=url, secret_key=shops.SECRET, state_dir=folder, validate_responses="raise", log_level="error"
        )
        with bootstrap.build(given) as house, asked(create_app(house)) as (port, client):
            shop = shops.open_shop(house, client)
            cart_id = shop.cart()["id"]
            yield Target(port, client, shop.secret_key, shop.application_id, cart_id, lambda: _rows(house))


def _rows(house):
    count = sa.func.count()
    written = (tables.carts, tables.cart_items, tables.checkout_sessions, tables.idempotency_keys)
    engine = sa.create_engine(house.settings.database_url)
    with engine.connect() as connection:
        found = sum(connection.scalar(sa.select(count).select_from(table)) for table in written)
    engine.dispose()
    return found


@pytest.fixture(scope="module", params=["cardboard", "sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def target(request, tmp_path_factory):
    if request.param == "cardboard":
        made = cardboard()
    else:
        kind = "sqlite_databases" if request.param == "sqlite" else "postgres_databases"
        made = real(request.getfixturevalue(kind), tmp_path_factory.mktemp("bad-input"))
    with made as target:
        yield target


def refused(answer, status, code):
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    assert error["requestId"] == answer.headers["x-request-id"]
    assert set(error) <= {"code", "message", "requestId", "docs", "details"}
    return error


@pytest.fixture(autouse=True)
def _nothing_came_through(target, request):
    before = target.count()
    yield
    if not request.node.name.startswith("test_good"):
        assert target.count() == before


def short(text):
    return text[:40]


# 3.1 JSON and framing


def nested(depth):
    return b'{"metadata":' + b'{"a":' * (depth - 2) + b"{}" + b"}" * (depth - 2) + b"}"


NOT_JSON = {
    "empty": b"",
    "white space alone": b"  \n ",
    "trailing text": b"{} {}",
    "cut off": b'{"applicationId":',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "invalid UTF-8": b'{"customerEmail":"\xff\xfe"}',
    "overlong UTF-8": b'{"customerEmail":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"customerEmail":"\xed\xa0\x80"}',
    "integer of 5,000 digits": b'{"a":' + b"9" * 5000 + b"}",
    "integer of 20 digits": b'{"a":' + b"9" * 20 + b"}",
    "2^63": b'{"a":9223372036854775808}',
    "below -2^63": b'{"a":-9223372036854775809}',
    "nested 60,000 deep": b"[" * 60_000,
    "nested 1,000 deep": nested(1000),
    "nested 33 deep": nested(33),
    "a key twice": b'{"applicationId":"a","applicationId":"b"}',
    "a key twice, once escaped": b'{"applicationId":"a","\\u0061pplicationId":"b"}',
    "a key twice, far in": b'{"metadata":{"x":[{"y":1,"y":2}]}}',
    "a key twice, beside an escape": b'{"metadata":{"t":"a\\"b:","y":1,"y":2}}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":-Infinity}',
    "1e400": b'{"a":1e400}',
    "leading zero": b'{"a":01}',
    "plus sign": b'{"a":+1}',
    "hexadecimal": b'{"a":0x10}',
    "U+0000 in a value": b'{"customerEmail":"a\\u0000b"}',
    "U+0000 in a key": b'{"a\\u0000b":1}',
    "lone high surrogate": b'{"customerEmail":"\\ud800"}',
    "lone low surrogate": b'{"customerEmail":"\\udc00"}',
    "swapped surrogates": b'{"customerEmail":"\\udc00\\ud800"}',
    "single quotes": b"{'a':1}",
    "comment": b'{"a":1/*x*/}',
    "trailing comma": b'{"a":1,}',
    "control character in a string": b'{"a":"\x01"}',
    "a form": b"applicationId=x",
}  # fmt: skip


@pytest.mark.parametrize("raw", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_strict_json_is_400(target, raw):
    began = time.process_time()
    refused(target.send(raw), 400, "invalid_json")
    assert time.process_time() - began < 1, "the server is in this process: it worked for a second"


@pytest.mark.parametrize(
    "raw", [b"[" * 1000, b"[" * 60_000, b'{"a":' * 300, b"[" * 33, nested(33), nested(1000)], ids=short
)
def test_what_is_nested_too_deep_is_told_so(target, raw):
    assert refused(target.send(raw), 400, "invalid_json")["message"] == "The body is nested more than 32 levels deep."


@pytest.mark.parametrize("raw", [b"null", b"[]", b'"text"', b"5", b"true", b"{}", b'[{"applicationId":"x"}]'])
def test_json_of_another_shape_is_422(target, raw):
    refused(target.send(raw), 422, "validation_error")


@pytest.mark.parametrize(
    ("number", "status"),
    [("1.0", 422), ("1e3", 422), ("1.5", 422), ("true", 422), ('"5"', 422), ("null", 422), ("-1", 422),
     ("99999999999", 201), ("100000000000", 422), ("9007199254740993", 422), ("9223372036854775807", 422), ("0", 201)],
)  # fmt: skip
def test_good_and_bad_amounts(target, number, status):
    raw = b'{"name":"Mug","unitPrice":%s}' % number.encode()
    answer = target.send(raw, f"{CARTS}/{target.cart_id}/items")
    assert answer.status_code == status, answer.text
    if status == 422:
        assert [fault["pointer"] for fault in refused(answer, 422, "validation_error")["details"]] == ["/unitPrice"]


def test_an_unknown_field_is_named_with_what_was_meant(target):
    error = refused(target.send(target.cart(curency="EUR")), 422, "validation_error")
    assert error["details"] == [
        {"field": "curency", "pointer": "/curency", "code": "unrecognized_keys",
         "message": "is not a known field; did you mean currency?", "suggestion": "currency"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/json; charset=bogus",
     "application/json; charset=utf-16", "application/json;charset=latin-1", "application/json, text/plain", "json"],
)  # fmt: skip
def test_another_content_type_is_415(target, content_type):
    refused(target.send(target.cart(), Content_Type=content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
def test_good_content_types_of_any_case_are_validated(target, content_type):
    assert target.send(target.cart(), Content_Type=content_type).status_code == 201
    refused(target.send({"nonsense": 1}, Content_Type=content_type), 422, "validation_error")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x"])
def test_a_content_encoding_is_415(target, encoding):
    refused(target.send(target.cart(), Content_Encoding=encoding), 415, "unsupported_media_type")


def test_a_body_over_the_limit_is_413_before_it_is_parsed(target):
    error = refused(target.send(b"[" * 2_000_000), 413, "payload_too_large")
    assert error["details"]["limit"] > 0


def test_a_chunked_body_over_the_limit_is_413_while_it_comes_in(target):
    def endless():
        for _ in range(400):
            yield b" " * 65536

    headers = {"X-API-Key": target.key, "Content-Type": "application/json"}
    try:
        answer = target.client.post(CARTS, content=endless(), headers=headers)
    except httpx.WriteError:
        return  # the server hung up on a client that would not listen
    refused(answer, 413, "payload_too_large")


def test_good_chunked_bodies_are_taken(target):
    raw = orjson.dumps(target.cart())
    headers = {"X-API-Key": target.key, "Content-Type": "application/json"}
    answer = target.client.post(CARTS, content=iter([raw[:10], raw[10:]]), headers=headers)
    assert answer.status_code == 201


# Card numbers

CARDS = {
    "plain": CARD,
    "spaces": "4111 1111 1111 1111",
    "dashes": "4111-1111-1111-1111",
    "mixed": "4111 1111-1111 1111",
    "15 digits": "378282246310005",
    "13 digits": "4222222222222",
    "19 digits": "6304000000000000000",
    "full width": "４１１１１１１１１１１１１１１１",
    "in a sentence": f"card {CARD}, please",
    "with an expiry": "4111 1111 1111 1111 12/28",
    "no-break spaces": "4111\u00a01111\u00a01111\u00a01111",
    "en dashes": "4111–1111–1111–1111",
    "zero-width": "4111\u200b1111\u200b1111\u200b1111",
    "Arabic digits": "٤١١١١١١١١١١١١١١١",
    "behind tok_": f"tok_{CARD}",
}


@pytest.mark.parametrize("text", CARDS.values(), ids=CARDS.keys())
def test_a_card_number_in_a_value_is_refused_and_not_echoed(target, text):
    answer = target.send(target.cart(metadata={"note": text}))
    error = refused(answer, 422, "card_data_not_allowed")
    assert error["details"][0]["pointer"] == "/metadata/note"
    assert CARD not in answer.text


def test_a_card_number_in_a_key_is_refused_and_not_echoed(target):
    answer = target.send(target.cart(metadata={CARD: "x"}))
    error = refused(answer, 422, "card_data_not_allowed")
    assert error["details"][0]["pointer"] == "/metadata"
    assert CARD not in answer.text


def test_a_card_number_written_as_escapes_or_as_a_number_is_refused(target):
    escaped = "".join(f"\\u00{ord(digit):x}" for digit in CARD).encode()
    body = b'{"applicationId":"%s","metadata":{"n":"%s"}}' % (target.application_id.encode(), escaped)
    refused(target.send(body), 422, "card_data_not_allowed")
    refused(target.send(target.cart(metadata={"n": int(CARD)})), 422, "card_data_not_allowed")


def test_a_card_number_in_a_query_is_refused(target):
    for query in (f"cursor={CARD}", f"{CARD}=x", f"{CARD}=%00"):
        answer = target.ask(f"/api/v1/payments?{query}")
        assert refused(answer, 422, "card_data_not_allowed")["message"].startswith("The query ")
        assert CARD not in answer.text


@pytest.mark.parametrize(
    "text",
    ["11111111-1111-1111-1111-111111111111", "0190b3c4-5d6e-7f80-9111-111111111111", "cs_4111111111111111aB4111111111111b",
     "4111111111111112", "2026-11-20 2026-11-21", "+49 1512 3456789", "2026-11-20T14:30:00.123456Z", "411111111111"],
)  # fmt: skip
def test_good_ids_dates_and_phone_numbers_are_no_card_numbers(target, text):
    assert target.send(target.cart(metadata={"note": text})).status_code == 201


# 3.2 Parameters and formats

BAD_IDS = ["abc", "0190B3C4-5D6E-7F80-91A2-B3C4D5E6F708", "{0190b3c4-5d6e-7f80-91a2-b3c4d5e6f708}",
           "urn:uuid:0190b3c4-5d6e-7f80-91a2-b3c4d5e6f708", "0190b3c45d6e7f8091a2b3c4d5e6f708", "%zz", "%ff%fe", "%00", "%",
           "0190b3c4-5d6e-7f80-91a2-b3c4d5e6f708%0a", "0190b3c4-5d6e-7f80-91a2-b3c4d5e6f708%20", "..%2f..%2fetc", "%2e%2e",
           "0190b3c4-5d6e-7f80-91a2-b3c4d5e6f70８", "a" * 3000, "-", "null"]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_IDS, ids=short)
def test_a_path_value_that_can_be_no_id_is_404_with_the_operations_code(target, bad):
    path = bad.encode().decode("latin-1") if not bad.isascii() else bad
    head = f"GET {CARTS}/{path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {target.key}\r\nConnection: close\r\n\r\n"
    heard = say(target.port, head.encode("latin-1"))
    status, body = _parsed(heard)
    if bad.isascii():
        assert (status, body["error"]["code"]) == (404, "cart_not_found")
    else:
        assert (status, body["error"]["code"]) in {(404, "cart_not_found"), (400, "invalid_request")}


BAD_QUERIES = ["limit=1_0", "limit=%2B5", "limit=+5", "limit=%EF%BC%91%EF%BC%90", "limit=010", "limit=", "limit=1.0",
               "limit=1e1", "limit=0x1", "limit=-1", "limit=0", "limit=101", "limit=99999999999999999999", "limit= 5",
               "limit=1&limit=99", "limit=true", "limit=%00", "limit=%zz", "limit=%ff", "cursor=%ff", "cursor=a%00b",
               "amount_min=10000000000000", "amount_min=NaN", "limt=5", "x=1", "order_id=abc",
               "order_id=0190B3C4-5D6E-7F80-91A2-B3C4D5E6F708", "due_from=2026-02-30", "due_from=2026-2-3", "status=nope",
               "due_from=2026-01-01%0A", "cursor=" + "a" * 10_240, "__proto__=1", "limit[]=5", "%6Cimit=5&limit=6",
               "sinceDays=366"]  # fmt: skip


@pytest.mark.parametrize("query", BAD_QUERIES, ids=short)
def test_a_bad_query_is_400(target, query):
    refused(target.ask(f"/api/v1/payments?{query}"), 400, "invalid_request")


NUL, UTF8 = "must not hold the character U+0000", "must be percent-encoded UTF-8"
NAME = "the name of a query parameter"


@pytest.mark.parametrize(
    ("query", "pointer", "advice", "message"),
    [
        ("cursor=%00", "/cursor", NUL, f"cursor: {NUL}"),
        ("limit=5&cursor=a%00b", "/cursor", NUL, f"cursor: {NUL}"),
        ("cursor=%ff", "/cursor", UTF8, f"cursor: {UTF8}"),
        ("cursor=%zz", "/cursor", UTF8, f"cursor: {UTF8}"),
        ("a/b=%00", "/a~1b", NUL, f"a/b: {NUL}"),
        ("%00=x", "", f"{NAME} {NUL}", f"The query: {NAME} {NUL}"),
        ("%=x", "", f"{NAME} {UTF8}", f"The query: {NAME} {UTF8}"),
    ],
)
def test_what_is_no_text_in_a_query_is_told_with_its_place(target, query, pointer, advice, message):
    error = refused(target.ask(f"/api/v1/payments?{query}"), 400, "invalid_request")
    assert [(each["pointer"], each["code"], each["message"]) for each in error["details"]] == [
        (pointer, "encoding", advice)
    ]
    assert error["message"] == message


@pytest.mark.parametrize(
    "query", ["sinceSequence=-1", "sinceSequence=9223372036854775808", "sinceSequence=9007199254740992"]
)
def test_a_sequence_out_of_range_is_400(target, query):
    refused(target.ask(f"{CARTS}/{target.cart_id}/events?{query}"), 400, "invalid_request")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=99999999999999999999999", "must be 100 or less"),
        ("limit=-99999999999999999999999", "must be 1 or more"),
        ("limit=" + "9" * 5000, "must be 100 or less"),
        ("limit=1_0", "must be an integer in plain ASCII digits"),
    ],
    ids=short,
)
def test_an_integer_that_is_too_long_is_told_its_bound(target, query, says):
    error = refused(target.ask(f"/api/v1/payments?{query}"), 400, "invalid_request")
    assert (error["message"], error["details"][0]["pointer"]) == (f"limit: {says}", "/limit")


def test_a_parameter_without_a_name_is_a_fault_of_the_query(target):
    error = refused(target.ask("/api/v1/payments?="), 400, "invalid_request")
    assert error["message"] == "The query: a parameter has no name"
    assert error["details"][0]["pointer"] == ""


def test_an_unknown_parameter_is_named_with_what_was_meant(target):
    error = refused(target.ask("/api/v1/payments?limt=5"), 400, "invalid_request")
    assert error["details"][0]["suggestion"] == "limit"


BAD_URIS = ["javascript:alert(1)", "http://shop.example/x", "//evil.example", "https:evil", "https://user@shop.example",
            "https://shop.example\\@evil.example", "https://shop.example/\r\nX: y", "data:text/html,x", "https://",
            "https://shop.example/a b", " https://shop.example", "https://shop.example/#" + "x" * 3000, ""]  # fmt: skip


@pytest.mark.parametrize("uri", BAD_URIS, ids=short)
def test_a_bad_address_is_422(target, uri):
    body = {"applicationId": target.application_id, "cartId": target.cart_id, "returnUrl": uri, "cancelUrl": uri}
    error = refused(target.send(body, "/api/v1/checkout/sessions"), 422, "validation_error")
    assert {fault["pointer"] for fault in error["details"]} == {"/returnUrl", "/cancelUrl"}


@pytest.mark.parametrize("currency", ["usd", "USD\n", "US", "USDX", "ＵＳＤ", "", " USD"])
def test_a_currency_of_another_form_is_422(target, currency):
    error = refused(target.send(target.cart(currency=currency)), 422, "validation_error")
    assert {fault["pointer"] for fault in error["details"]} == {"/currency"}


@pytest.mark.parametrize(
    "email", ["a", "a@", "@b.example", "a@b@c.example", "a b@c.example", "a@c.example\r\nBcc: x@y.example"]
)
def test_a_bad_email_is_422(target, email):
    refused(target.send(target.cart(customerEmail=email)), 422, "validation_error")


@pytest.mark.parametrize("name", ["X-API-Key", "Content-Type", "Idempotency-Key"])
def test_a_header_that_means_one_thing_may_come_once(target, name):
    raw = orjson.dumps(target.cart())
    sent = {"X-API-Key": target.key, "Content-Type": "application/json", "Idempotency-Key": "k"}
    heard = say(target.port, _message("POST", CARTS, [*sent.items(), (name, sent[name])], raw))
    status, body = _parsed(heard)
    assert (status, body["error"]["code"]) == (400, "invalid_request")


# What only a socket can say


def _message(method, path, headers, body=b""):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _parsed(heard):
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), heard[:200]
    assert b"\r\nx-request-id: " in head
    assert b"\r\nserver:" not in head.lower()
    return int(head.split()[1]), orjson.loads(body)


REFUSED_AT_THE_SOCKET = {
    "no Host": (b"GET /health/live HTTP/1.1\r\n\r\n", 400, "invalid_request"),
    "two Hosts": (b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "invalid_request"),
    "a bad Host": (b"GET /health/live HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "invalid_request"),
    "100 kB header": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n", 431, "headers_too_large"),
    "2,000 headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 2000 + b"\r\n", 431, "headers_too_large"),
    "100 kB address": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, "headers_too_large"),
    "header without an end": (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 300_000, 431, "headers_too_large"),
    "two lengths": (
        b"POST /api/v1/carts HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "invalid_request"),
    "length and chunks": (
        b"POST /api/v1/carts HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400, "invalid_request"),
    "negative length": (b"POST /api/v1/carts HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "invalid_request"),
    "folded header": (b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n", 400, "invalid_request"),
    "NUL in a header": (b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n", 400, "invalid_request"),
    "space before the colon": (b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n", 400, "invalid_request"),
    "bare line feed in a name": (b"GET /health/live HTTP/1.1\r\nHost: x\r\nX\nA: b\r\n\r\n", 400, "invalid_request"),
    "a bad chunk": (
        b"POST /api/v1/carts HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400, "invalid_request"),
    "an unknown method": (b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_request"),
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "invalid_request"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "status", "code"), REFUSED_AT_THE_SOCKET.values(), ids=REFUSED_AT_THE_SOCKET.keys())
def test_what_is_no_request_is_refused_in_the_envelope_and_hung_up_on(target, raw, status, code):
    heard = say(target.port, raw)
    got, body = _parsed(heard)
    assert (got, body["error"]["code"]) == (status, code)
    assert b"\r\nconnection: close" in heard.lower()


def test_headers_that_never_end_are_hung_up_on(target, monkeypatch):
    monkeypatch.setattr("handlers.protocol.HEAD_SECONDS", 0.3)
    began = time.perf_counter()
    heard = say(target.port, b"GET / HTTP/1.1\r\n", *[b"A: b\r\n"] * 30, pause=0.05)
    assert time.perf_counter() - began < 5
    assert _parsed(heard)[0] == 400


def test_a_connection_that_says_nothing_is_closed_without_a_word(target, monkeypatch):
    monkeypatch.setattr("handlers.protocol.HEAD_SECONDS", 0.2)
    assert say(target.port, b"") == b""


def test_a_body_that_never_ends_is_hung_up_on(target, monkeypatch):
    monkeypatch.setattr("handlers.protocol.HEAD_SECONDS", 0.2)
    monkeypatch.setattr("handlers.protocol.MESSAGE_SECONDS", 0.3)
    head = f"POST {CARTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nX-API-Key: {target.key}\r\n\r\n"
    began = time.perf_counter()
    say(target.port, head.encode(), *[b" "] * 30, pause=0.05)
    assert time.perf_counter() - began < 5


def test_good_answers_are_given_before_a_refusal_that_came_behind_them(target):
    good = f"GET {CARTS}/{target.cart_id} HTTP/1.1\r\nHost: x\r\nX-API-Key: {target.key}\r\n\r\n".encode()
    heard = say(target.port, good + b"GARBAGE\r\n\r\n")
    assert heard.startswith((b"HTTP/1.1 200", b"HTTP/1.1 404"))
    assert heard.count(b"HTTP/1.1") == 1


def test_fifty_megabytes_are_refused_without_being_read(target):
    head = (
        b"POST /api/v1/carts HTTP/1.1\r\nHost: x\r\nContent-Length: 52428800\r\nContent-Type: application/json\r\n\r\n"
    )
    began = time.process_time()
    status, body = _parsed(say(target.port, head + b" " * 65536))
    assert (status, body["error"]["code"]) == (413, "payload_too_large")
    assert time.process_time() - began < 1, "the server is in this process: it worked for a second"
