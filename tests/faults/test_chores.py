"""What a house has done again and again is done by its crew, and plugins hear of what happens."""

import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

import bootstrap
from handlers.app import create_app
from jobs.broker import build_broker
from jobs.crew import crew_of
from penstock import settings
from storage import tables
from storage.retention import CHORES, HOUSEKEEPING
from tests import wire
from tests.shops import DATABASES, SECRET, OffsetClock, database_of, open_shop
from tests.unit.test_hooks import plugin


def wait_until(is_so, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def heard():
    return []


@pytest.fixture(params=DATABASES)
def town(request, tmp_path, heard):
    """A house with a plugin that listens, and one that breaks."""

    def broken(event):
        raise ValueError(event.id)

    def hear(event):
        heard.append(event)

    listeners = [plugin(penstock_event=broken), plugin(penstock_event=hear)]
    with database_of(request, request.param).fresh() as url:
        given = settings.load(database_url=url, secret_key=SECRET, state_dir=tmp_path, public_url="http://testserver")
        with bootstrap.build(given, clock=OffsetClock(), plugins=[wire, *listeners]) as house:
            yield house


def rows(house):
    engine = sa.create_engine(house.settings.database_url)
    with engine.connect() as connection:
        found = connection.execute(sa.select(tables.due)).all()
    engine.dispose()
    return found


def test_plugins_hear_of_each_event_once_and_one_that_breaks_keeps_it_from_nobody(town, heard):
    with TestClient(create_app(town)) as client, crew_of(town, build_broker(None), threads=2):
        cart = open_shop(town, client).cart(items=1)
        wait_until(lambda: len(heard) >= 2)
        wait_until(lambda: not [row for row in rows(town) if row.kind == "tell"])
    assert sorted(event.type for event in heard) == ["cart.created", "cart.item_added"]
    assert {event.data["cartId"] for event in heard} == {cart["id"]}
    assert all(event.id.startswith("evt_") for event in heard)


def test_chores_are_done_by_the_crew_and_again_after_their_time(town):
    def done():
        now = town.clock.now()
        return {row.object_id for row in rows(town) if row.kind == HOUSEKEEPING and row.run_at > now}

    with crew_of(town, build_broker(None), threads=2) as crew:
        wait_until(lambda: done() == set(CHORES))
        town.clock.advance(max(chore.every for chore in CHORES.values()) + timedelta(seconds=1))
        assert done() == set()
        crew.nudge()
        wait_until(lambda: done() == set(CHORES))
