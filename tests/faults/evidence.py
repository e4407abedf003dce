"""One line for each test of this folder: what was tried, how often, and the bound that zero failures give."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LINES: list[str] = []

FULL = os.environ.get("PENSTOCK_FULL_FAULTS") == "1"
"""Whether to run every trial rather than as many as a developer waits for."""


@dataclass
class Trial:
    """What one test counts. Zero failures in n trials mean a rate below 3/n, at 95 % confidence."""

    name: str
    database: str
    clients: int
    trials: int = 0
    failures: int = 0
    remark: str = ""

    def hunt(self, look: Callable[[int], list[str]], size: int, rounds: int = 20) -> list[str]:
        """Look for a planted bug, so many trials at a time, until it shows; return what showed, or nothing in the end.

        A race shows its bug in most trials, not in each: how many that takes depends on the machine.
        """
        faults: list[str] = []
        while not faults and self.trials < size * rounds:
            faults = look(size)
            self.trials += size
        self.failures, self.remark = len(faults), f"caught: {faults[:1]}"
        return faults


@contextmanager
def evidence(name: str, database: str, *, clients: int = 1) -> Iterator[Trial]:
    """Count trials, and write the evidence line at the end, whatever that is."""
    trial = Trial(name, database, clients)
    began = time.monotonic()
    try:
        yield trial
    finally:
        bound = f"< {3 / trial.trials:.3%}" if trial.trials and not trial.failures else "none"
        LINES.append(
            f"{trial.name:<44} {trial.database:<10} {trial.clients:>3} clients {trial.trials:>6} trials "
            f"{trial.failures:>4} failures  bound {bound:<9} {time.monotonic() - began:7.1f} s  {trial.remark}".rstrip()
        )
