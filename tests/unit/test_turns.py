"""So many of one key run at once; the rest waits without a thread and is done in its order."""

import threading

from jobs.turns import Turns


def test_work_that_finds_no_place_is_done_by_whoever_has_it():
    turns, began, release, done = Turns(1), threading.Event(), threading.Event(), []

    def first() -> None:
        began.set()
        release.wait(10)
        done.append("first")

    holder = threading.Thread(target=turns.run, args=("a", first))
    holder.start()
    began.wait(10)
    turns.run("a", lambda: done.append("second"))
    turns.run("a", lambda: done.append("third"))
    turns.run("b", lambda: done.append("another's"))
    assert done == ["another's"]
    release.set()
    holder.join(10)
    assert done == ["another's", "first", "second", "third"]


def test_a_failure_is_its_own_and_gives_its_place_back():
    turns, done = Turns(1), []

    def fails() -> None:
        turns.run("a", lambda: done.append("behind it"))
        raise LookupError

    turns.run("a", fails)
    turns.run("a", lambda: done.append("later"))
    assert done == ["behind it", "later"]


def test_nothing_that_waits_begins_once_it_is_closed():
    turns, done = Turns(1), []

    def first() -> None:
        turns.run("a", lambda: done.append("too late"))
        turns.close()

    turns.run("a", first)
    assert done == []
