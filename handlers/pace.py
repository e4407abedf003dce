"""Which requests are answered on the event loop itself: those that take less time than the way to a thread and back.

Reads of a local file are: a few statements without a network, behind no lock. Whatever took longer than it may twice
in a row is sent to the threads for a while. Once is no sign: the machine may have had something else to do.
"""

from typing import Final

MOST_SECONDS: Final = 0.005
MOST_SLOW: Final = 2
AWAY: Final = 32


class Pace:
    """The pace of one endpoint. `is_here` says where its next request is answered.

    `is_in_turn`: it does nothing but write one block to a file that has one writer.
    """

    __slots__ = ("_is_measured", "_left", "_slow", "is_here", "is_in_turn")

    def __init__(self, *, is_here: bool, is_measured: bool = False, is_in_turn: bool = False) -> None:
        self.is_here = is_here
        self.is_in_turn = is_in_turn
        self._is_measured = is_measured
        self._left = 0
        self._slow = 0

    def took(self, seconds: float) -> None:
        """Note how long a request took on the loop."""
        if not self._is_measured:
            return
        if seconds <= MOST_SECONDS:
            self._slow = 0
            return
        self._slow += 1
        if self._slow == MOST_SLOW:
            self._slow = 0
            self.is_here = False
            self._left = AWAY

    def was_away(self) -> None:
        """Note a request that a thread answered."""
        if self._is_measured and not self.is_here:
            self._left -= 1
            self.is_here = self._left <= 0
