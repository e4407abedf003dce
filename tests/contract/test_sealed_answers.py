"""Answers kept for repeats hold what was to be shown once: the database must not be able to tell it."""

import sqlalchemy as sa

from storage import tables
from tests.shop import made
from tests.shops import execute

BODY = {"name": "sealed", "scopes": ["carts:read"]}


def create(shop, idempotency_key):
    return shop.as_member("POST", "/api-keys", BODY, headers={"Idempotency-Key": idempotency_key})


def kept(shop):
    """Return everything that the table of keys holds about a shop."""
    engine = sa.create_engine(shop.house.settings.database_url)
    mine = tables.idempotency_keys.c.workspace_id == shop.workspace_id
    with engine.connect() as connection:
        rows = connection.execute(sa.select(tables.idempotency_keys).where(mine)).all()
    engine.dispose()
    return rows


def test_a_key_that_was_shown_once_does_not_stand_in_the_database(shop):
    raw_key = made(create(shop, "seal-1"), 201)["rawKey"]
    (row,) = kept(shop)
    assert raw_key not in str(row)
    assert raw_key.encode() not in bytes(row.body)


def test_a_sealed_answer_is_replayed_as_it_was(shop):
    first, again = create(shop, "seal-1"), create(shop, "seal-1")
    assert again.headers["idempotency-replay"] == "true"
    assert again.content == first.content


def test_an_answer_moved_to_another_key_cannot_be_had_there(shop):
    created = made(create(shop, "seal-1"), 201)
    (row,) = kept(shop)
    moved = sa.update(tables.idempotency_keys).where(tables.idempotency_keys.c.workspace_id == shop.workspace_id)
    execute(shop.house, moved.values(key="seal-2", fingerprint=row.fingerprint))
    answer = create(shop, "seal-2")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "idempotency_conflict"
    assert created["rawKey"] not in answer.text
