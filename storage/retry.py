"""Runs a block again that was undone because two transactions stood in each other's way.

The one rule: only what touches nothing but the database may be run again; never anything that calls a provider.
"""

import random
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from storage.database import Collision

TRIES: Final = 5
FIRST_PAUSE_SECONDS: Final = 0.005

Result = TypeVar("Result")
_jitter = random.SystemRandom()
_pause = threading.Event()


def again_on_collision(block: Callable[[], Result]) -> Result:
    """Return what a block returns, run up to five times while it ends in `Collision`, with growing random pauses."""
    for attempt in range(1, TRIES):
        try:
            return block()
        except Collision:
            _pause.wait(_jitter.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))
    return block()
