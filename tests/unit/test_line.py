"""A line of one endpoint's deliveries is as long as its receiver is quick, and says when the rest has its turn."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from jobs.line import FRESH_SECONDS, LONGEST, MOST_READ, PLACES, SHORTEST, STALE_SECONDS, Line

LEAST, MOST = timedelta(seconds=2), timedelta(minutes=2)


def letter(name):
    return SimpleNamespace(row=name)


def filled(line, now=0.0):
    while not line.is_full:
        line.waiting.append((f"row {line.length}", now))
    return line


def settled(seconds, *, is_answered=True):
    line = Line()
    for _ in range(60):
        line.ended(seconds, is_answered=is_answered)
    return line


@pytest.mark.parametrize(("seconds", "length"), [(0.001, LONGEST), (0.05, 1600), (1.0, 80), (10.0, SHORTEST)])
def test_a_quick_receiver_has_a_long_line_and_a_slow_one_a_short_one(seconds, length):
    assert filled(settled(seconds)).length == pytest.approx(length, rel=0.01)


def test_a_receiver_that_does_not_answer_is_tried_one_at_a_time():
    silent = settled(10.0, is_answered=False)
    assert (silent.places, silent.room) == (1, 1)
    silent.ended(0.01, is_answered=True)
    assert silent.room == PLACES


def test_who_finds_no_place_comes_back_when_its_turn_is_near():
    line = filled(settled(10.0, is_answered=False))
    waits = [line.turn(0.0, least=LEAST, most=MOST).total_seconds() for _ in range(10)]
    assert waits[:3] == pytest.approx([90, 100, 110], rel=0.01)
    assert waits[-1] == MOST.total_seconds()
    assert not line.is_over(1.0)
    quick = filled(settled(0.001))
    assert quick.turn(0.0, least=LEAST, most=MOST) == LEAST


def test_a_receiver_that_hangs_keeps_nobody_busy():
    assert filled(settled(10.0, is_answered=False)).busy == 0
    assert filled(settled(0.05)).busy == 320
    assert Line().busy == 0


def test_what_is_read_is_tried_at_once_or_read_anew():
    line = Line()
    line.ready.append((letter("a"), 0.0))
    line.ready.append((letter("b"), 0.0))
    assert line.next(0.1).row == "a"
    assert line.next(FRESH_SECONDS + 0.1) is None
    assert [row for row, _ in line.waiting] == ["b"]
    assert line.to_read(FRESH_SECONDS + 0.1) == ["b"]


def test_no_more_run_than_there_are_places():
    line = Line(running=PLACES)
    line.ready.append((letter("a"), 0.0))
    assert line.next(0.0) is None
    line.running -= 1
    assert line.next(0.0).row == "a"


def test_what_stood_in_line_too_long_is_left_to_the_next_claim():
    line = Line()
    line.waiting.extend([("old", 0.0), ("new", STALE_SECONDS)])
    assert line.to_read(STALE_SECONDS + 1) == ["new"]


def test_reading_ahead_is_bounded_and_happens_once_at_a_time():
    line = filled(settled(0.001))
    assert len(line.to_read(0.0)) == MOST_READ
    line.is_reading = True
    assert line.to_read(0.0) == []
    line.is_reading = False
    line.ready.extend((letter(n), 0.0) for n in range(MOST_READ))
    assert line.to_read(0.0) == []


def test_leaving_takes_everything_that_is_not_being_tried():
    line = Line(running=1)
    line.waiting.append(("a", 0.0))
    line.ready.append((letter("b"), 0.0))
    assert line.leave() == ["a", "b"]
    assert line.length == 0
    line.running = 0
    assert line.is_over(0.0)
