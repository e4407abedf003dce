"""One type layer: what fits comes back exactly on both databases, what does not is refused on both."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.ids import new_id
from penstock.money import MAX_AMOUNT
from storage.columns import column, optional
from storage.database import BrokenRule
from storage.statement import Statement
from storage.types import (
    Amount,
    Bytes,
    Flag,
    JsonText,
    SignedAmount,
    Text,
    Unstorable,
    UtcDateTime,
    UuidText,
    Whole,
    canonical,
    from_microseconds,
    to_microseconds,
)

KINDS = {
    "moment": UtcDateTime(),
    "whole": Whole(1, 10),
    "amount": Amount(),
    "signed": SignedAmount(),
    "flag": Flag(),
    "text": Text(5),
    "uuid": UuidText(),
    "json": JsonText(),
    "bytes": Bytes(),
}
things = sa.Table(
    "things",
    sa.MetaData(),
    column("id", UuidText(), key=True),
    *(optional(name, kind) for name, kind in KINDS.items()),
    sqlite_strict=True,
)
ADD = Statement(sa.insert(things).values({c.name: sa.bindparam(c.name, type_=c.type) for c in things.c}), across=True)
GET = Statement(sa.select(things).where(things.c.id == sa.bindparam("id", type_=UuidText())), across=True)
ORDERED = Statement(sa.select(things.c.moment).order_by(things.c.moment), across=True)
NOTHING = dict.fromkeys(KINDS)


@pytest.fixture
def db(database):
    engine = sa.create_engine(database.url)
    things.create(engine)
    engine.dispose()
    return database


def kept(db, **values):
    row = {**NOTHING, "id": new_id(), **values}
    with db.writing() as connection:
        connection.run(ADD, row)
    with db.reading() as connection:
        found = connection.row(GET, row)
    [name] = values
    return getattr(found, name)


CEST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("moment", datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)),
        ("moment", datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("moment", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("moment", datetime(2026, 3, 1, 14, 0, tzinfo=CEST)),
        ("whole", 1),
        ("whole", 10),
        ("amount", 0),
        ("amount", MAX_AMOUNT),
        ("signed", -MAX_AMOUNT),
        ("flag", True),
        ("flag", False),
        ("text", ""),
        ("text", "ßé漢🎉!"),
        ("text", "'\";--"),
        ("uuid", "01a1f965-e982-78ac-9ca6-089a054c1a8b"),
        ("json", {"b": [1, 2.5, None, True], "a": {"ü": "\u2028"}}),
        ("json", []),
        ("bytes", b"\0\xff"),
        *((name, None) for name in KINDS),
    ],
)
def test_what_fits_comes_back_exactly(db, name, value):
    found = kept(db, **{name: value})
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("moment", datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None)),
        ("whole", 0),
        ("whole", 11),
        ("whole", True),
        ("whole", 1.0),
        ("whole", "1"),
        ("amount", -1),
        ("amount", MAX_AMOUNT + 1),
        ("amount", 12.5),
        ("amount", True),
        ("signed", MAX_AMOUNT + 1),
        ("flag", 1),
        ("flag", "true"),
        ("text", "sechs!"),
        ("text", "a\0b"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_sent(db, name, value):
    with pytest.raises(Unstorable):
        kept(db, **{name: value})


@pytest.mark.parametrize(
    ("name", "sql"),
    [("whole", "11"), ("amount", "-1"), ("amount", "100000000000"), ("text", "'sechs!'"), ("flag", "2")],
)
def test_the_database_itself_refuses_what_does_not_fit(db, name, sql):
    engine = sa.create_engine(db.url)
    try:
        with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
            connection.execute(sa.text(f"INSERT INTO things (id, {name}) VALUES ('{new_id()}', {sql})"))
    finally:
        engine.dispose()


@pytest.mark.parametrize(("name", "sql"), [("amount", "1.5"), ("text", "x'00ff'"), ("text", "'a' || char(0)")])
def test_sqlite_takes_column_types_at_their_word(tmp_path, sqlite_url, name, sql):
    engine = sa.create_engine(sqlite_url)
    things.create(engine)
    try:
        with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
            connection.execute(sa.text(f"INSERT INTO things (id, {name}) VALUES ('{new_id()}', {sql})"))
    finally:
        engine.dispose()


def test_moments_are_ordered_alike_on_both_databases(db):
    base = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    steps = [timedelta(0), timedelta(microseconds=1), timedelta(days=-30_000), timedelta(seconds=5), timedelta(days=9)]
    for step in steps:
        kept(db, moment=(base + step).astimezone(CEST))
    with db.reading() as connection:
        found = [row.moment for row in connection.rows(ORDERED, {})]
    assert found == sorted(base + step for step in steps)


def test_a_second_row_with_the_same_key_breaks_a_rule(db):
    row = {**NOTHING, "id": new_id()}
    with db.writing() as connection:
        connection.run(ADD, row)
    with pytest.raises(BrokenRule), db.writing() as connection:
        connection.run(ADD, row)


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_lose_nothing(moment):
    assert from_microseconds(to_microseconds(moment)) == moment


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(_json.filter(lambda value: value is not None))
def test_json_comes_back_as_it_was(value):
    kind = JsonText()
    written = canonical(value)
    assert kind.result_processor(None, None)(written) == value
    assert canonical(kind.result_processor(None, None)(written)) == written
