"""What a connector raised, as text that may be stored and shown."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from penstock.connector import Provider
from penstock.outcome import BrokenPromise
from plugins.guard import Call
from plugins.manager import masked

_SECRET_LENGTH: Final = 6


def told(ended: Call[Any], secrets: Iterable[str]) -> str:
    """Return what was raised as text that may be stored: masked, short, printable."""
    text = ended.text
    for secret in secrets:
        text = text.replace(secret, "***") if secret else text
    text = masked(re.sub(r"\?\S*", "?***", text))
    name = "broken promise" if isinstance(ended.raised, BrokenPromise) else type(ended.raised).__name__
    return "".join(c if c.isprintable() else " " for c in f"{name}: {text}")[:300]


def texts(connector: Provider) -> list[str]:
    """Return every text among a connector's settings that is long enough to be a secret."""
    found: list[str] = []
    queue: list[Any] = [connector.ctx.settings]
    while queue:
        one = queue.pop()
        if isinstance(one, str) and len(one) >= _SECRET_LENGTH:
            found.append(one)
        elif isinstance(one, Mapping):
            queue.extend(one.values())
        elif isinstance(one, list | tuple):
            queue.extend(one)
    return found
