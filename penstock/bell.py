"""Tells whoever waits that something was written for them. A bell that nobody hears delays work and loses none."""

from collections.abc import Callable


class Bell:
    """Rung after a commit. Listeners return at once and may be called from any thread."""

    def __init__(self) -> None:
        self._listeners: tuple[Callable[[], object], ...] = ()

    def listen(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` at every ring from now on."""
        self._listeners = (*self._listeners, listener)

    def ring(self) -> None:
        """Tell every listener."""
        for listener in self._listeners:
            listener()
