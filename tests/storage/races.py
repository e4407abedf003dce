"""Lets many threads do one thing at the same moment."""

import threading
from collections.abc import Callable, Sequence
from typing import Any


def race(runners: Sequence[Callable[[], Any]]) -> list[Any]:
    """Start all runners behind one barrier; return what each returned or raised, in their order."""
    barrier = threading.Barrier(len(runners))
    results: list[Any] = [None] * len(runners)

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = runners[index]()
        except Exception as exc:  # noqa: BLE001  what a racer raises is what the test asks about
            results[index] = exc

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(runners))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a racer hangs"
    return results
