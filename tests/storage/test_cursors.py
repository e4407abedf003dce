"""A cursor is of use only as it was written, for the list, filters and scope that it was written for."""

from datetime import UTC, datetime

import pytest

from penstock.errors import InvalidCursor
from penstock.ids import new_id
from storage.cursors import Cursors, Place
from tests import make

CURSORS = Cursors(b"key one")
PLACE = Place(datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC), new_id())
FILTERS = {"status": "draft", "amount_min": 5}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def written():
    return CURSORS.write(PLACE, make.SCOPE, "orders", FILTERS)


def test_a_cursor_comes_back_to_its_place():
    assert CURSORS.read(written(), make.SCOPE, "orders", FILTERS) == PLACE
    assert CURSORS.read(written(), make.SCOPE, "orders", dict(reversed(FILTERS.items()))) == PLACE


def test_every_changed_character_is_noticed():
    cursor = written()
    for index, old in enumerate(cursor):
        for new in LETTERS:
            if new != old:
                changed = cursor[:index] + new + cursor[index + 1 :]
                with pytest.raises(InvalidCursor):
                    CURSORS.read(changed, make.SCOPE, "orders", FILTERS)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é" * 54, "A" * 54, "A" * 53, "=" * 54, "A" * 10_000, "\0" * 54, "A" * 52 + "==", " " + "A" * 53],
)
def test_what_is_no_cursor_is_refused(cursor):
    with pytest.raises(InvalidCursor):
        CURSORS.read(cursor, make.SCOPE, "orders", {})


@pytest.mark.parametrize(
    ("cursors", "scope", "name", "filters"),
    [
        (Cursors(b"key two"), make.SCOPE, "orders", FILTERS),
        (CURSORS, make.scope(), "orders", FILTERS),
        (CURSORS, make.SCOPE, "payments", FILTERS),
        (CURSORS, make.SCOPE, "orders", {}),
        (CURSORS, make.SCOPE, "orders", {**FILTERS, "status": "pending"}),
        (CURSORS, make.SCOPE, "orders", {"status": "draft", "amount_min": "5"}),
    ],
)
def test_a_cursor_of_another_list_is_refused(cursors, scope, name, filters):
    with pytest.raises(InvalidCursor):
        cursors.read(written(), scope, name, filters)
