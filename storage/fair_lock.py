"""A lock that is given to whoever has waited longest, without anybody looking again and again whether it is free."""

import threading
from collections import deque


class FairLock:
    """First come, first served, among the threads of one process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_held = False

    def acquire(self, timeout: float) -> bool:
        """Take the lock; False if it was not to be had within so many seconds."""
        with self._guard:
            if not self._is_held:
                self._is_held = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout):
            return True
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # it was handed over between the end of the wait and here

    def hand_over(self) -> bool:
        """Give the held lock to the next in line; False, and it stays held, where nobody waits."""
        with self._guard:
            if not self._waiting:
                return False
            self._waiting.popleft().release()
            return True

    def release(self) -> None:
        """Hand the lock to the next in line, or let it go."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_held = False
