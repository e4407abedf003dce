"""Whoever waits in the lane is told when what his request wrote is on the disk, and not before."""

import asyncio
import threading
from contextlib import contextmanager

import pytest

from handlers.lane import MOST, Lane
from handlers.pool import Pool
from storage.database import DatabaseUnavailable


class Disk:
    """A database of which the test says when a stretch ends, and which receipts are bad."""

    def __init__(self):
        self.stretches, self.bad, self.receipts = [], set(), 0
        self.failure = None
        self.may_end = threading.Event()
        self.may_end.set()

    @contextmanager
    def together(self):
        began = self.receipts
        yield self
        self.may_end.wait(10)
        if self.failure is not None:
            raise self.failure
        self.stretches.append(self.receipts - began)

    def receipt(self):
        self.receipts += 1
        number = self.receipts

        def told():
            if number in self.bad:
                raise DatabaseUnavailable

        return told


@pytest.fixture
def disk():
    return Disk()


def run(disk, act):
    """Have ``act`` play with a lane."""

    async def play():
        pool = Pool(threads=1, most_waiting=1000)
        lane = Lane(pool, disk.together)
        try:
            await act(lane, pool)
        finally:
            lane.close()
            pool.close()
        assert pool.load == 0

    asyncio.run(play())


def test_nobody_is_told_before_the_stretch_has_ended(disk):
    disk.may_end.clear()
    done = []

    async def act(lane, _):
        waiting = [asyncio.create_task(lane.run(done.append, number)) for number in range(3)]
        await asyncio.sleep(0.1)
        assert done
        assert not any(each.done() for each in waiting)
        disk.may_end.set()
        await asyncio.gather(*waiting)

    run(disk, act)
    assert done == [0, 1, 2]


def test_those_who_wait_share_a_stretch_and_none_is_longer_than_it_may_be(disk):
    disk.may_end.clear()

    async def act(lane, _):
        first = asyncio.create_task(lane.run(str, 0))
        await asyncio.sleep(0.1)
        others = [asyncio.create_task(lane.run(str, number)) for number in range(1, MOST + 3)]
        await asyncio.sleep(0.1)
        disk.may_end.set()
        assert await asyncio.gather(first, *others) == [str(number) for number in range(MOST + 3)]

    run(disk, act)
    assert disk.stretches == [1, MOST, 2]


def test_what_the_disk_lost_is_told_to_the_one_who_wrote_it(disk):
    disk.bad = {2}

    async def act(lane, _):
        assert await lane.run(str, 1) == "1"
        with pytest.raises(DatabaseUnavailable):
            await lane.run(str, 2)
        assert await lane.run(str, 3) == "3"

    run(disk, act)


def test_a_failure_belongs_to_its_own_request(disk):
    async def act(lane, _):
        answers = await asyncio.gather(*(lane.run(lambda n: 1 // n, n) for n in (1, 0, 1)), return_exceptions=True)
        assert [type(each) for each in answers] == [int, ZeroDivisionError, int]

    run(disk, act)


def test_a_stretch_that_breaks_takes_only_its_own_requests_with_it(disk):
    broken = RuntimeError("the disk is on fire")

    async def act(lane, _):
        disk.failure = broken
        with pytest.raises(RuntimeError, match="on fire"):
            await lane.run(str, 1)
        disk.failure = None
        assert await lane.run(str, 2) == "2"

    run(disk, act)


def test_what_is_queued_is_done_before_the_lane_closes(disk):
    done = []

    async def act(lane, pool):
        disk.may_end.clear()
        waiting = [asyncio.create_task(lane.run(done.append, number)) for number in range(5)]
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(asyncio.to_thread(lane.close))
        await asyncio.sleep(0.05)
        disk.may_end.set()
        await closing
        await asyncio.gather(*waiting)

    run(disk, act)
    assert done == [0, 1, 2, 3, 4]


def test_one_that_hangs_is_left_behind(disk, monkeypatch):
    monkeypatch.setattr("handlers.lane.CLOSING_SECONDS", 0.1)
    gate = threading.Event()

    async def act(lane, _):
        waiting = asyncio.create_task(lane.run(gate.wait, 5))
        await asyncio.sleep(0.05)
        lane.close()
        gate.set()
        await waiting

    run(disk, act)
