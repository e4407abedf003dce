"""Named places where a test may pause, break or kill the program; nothing happens there in production.

The one rule: a place is declared in `FAILPOINTS` before it is used. `failpoint` is a function that does nothing unless
the process was started with ``PENSTOCK_TEST_FAILPOINTS=1``. Then ``PENSTOCK_FAILPOINTS`` arms places from outside
(``attempt.after_commit=kill,provider.before_send=sleep:0.002``) and `arm` does so from inside, after a fork for example.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Final

FAILPOINTS: Final[Mapping[str, str]] = {
    "key.before_insert": "an idempotency key is about to be claimed",
    "key.after_commit": "an idempotency key was claimed and committed",
    "attempt.before_insert": "the session was read under its lock; the attempt is not written yet",
    "attempt.after_commit": "the attempt is committed; no provider was called yet",
    "provider.before_send": "the request to the provider is about to leave",
    "provider.after_send": "the provider has answered; nothing of it is written yet",
    "result.before_commit": "the outcome is written but not committed",
    "result.after_commit": "the outcome is committed; the client has no answer yet",
    "order.before_commit": "the order is written but not committed",
    "discount.reserved": "a place of a discount's limits is taken; nothing is committed yet",
    "event.before_insert": "a change is written; its event is not yet",
    "message.after_commit": "a provider's message is kept; nobody has looked yet",
    "rotation.after_commit": "some data keys are wrapped anew and committed; the others are not",
    "step.before_insert": "a capture, void or refund was decided under its payment's lock; it is not written yet",
    "step.after_commit": "a capture, void or refund is committed; no provider was called yet",
    "step.after_send": "the provider has answered for it; nothing of that is written yet",
    "abandon.before_commit": "a cart was abandoned; that is not committed yet",
    "abandon.after_commit": "a cart was abandoned and that is committed",
    "mail.after_begin": "the try to send a mail is committed; nothing has left yet",
    "mail.after_send": "a mail was handed over; that is not written yet",
    "reconcile.after_lookup": "the provider was asked again; nothing of its answer is written yet",
}

_armed: dict[str, Callable[[], None]] = {}


class UnknownFailpoint(LookupError):
    """The name is not declared in `FAILPOINTS`."""


class FailpointRaised(RuntimeError):
    """What an armed place raises when it was told to fail."""


def kill() -> None:
    """End this process at once, as a power cut would: no handler, no rollback, no flush."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    """Raise `FailpointRaised`."""
    raise FailpointRaised


def sleep(seconds: float) -> Callable[[], None]:
    """Return an action that pauses for so many seconds."""
    return lambda: time.sleep(seconds)


def arm(name: str, action: Callable[[], None]) -> None:
    """Do ``action`` each time the place called ``name`` is reached in this process."""
    if failpoint is _nothing:
        raise RuntimeError("Failpoints are off: start the process with PENSTOCK_TEST_FAILPOINTS=1.")
    _declared(name)
    _armed[name] = action


def disarm() -> None:
    """Make every place do nothing again."""
    _armed.clear()


def arm_from(text: str) -> None:
    """Arm from ``name=kill``, ``name=raise`` and ``name=sleep:<seconds>``, separated by commas."""
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, what = entry.partition("=")
        verb, _, argument = what.partition(":")
        actions = {"kill": kill, "raise": fail, "sleep": sleep(float(argument or 0))}
        if verb not in actions:
            raise ValueError(f"A failpoint can kill, raise or sleep:<seconds>, not {what!r}.")
        arm(name, actions[verb])


def _declared(name: str) -> None:
    if name not in FAILPOINTS:
        raise UnknownFailpoint(f"{name!r} is not declared in penstock/failpoint.py.")


def _nothing(name: str, /) -> None:
    """Do nothing: what every process but a test's has for `failpoint`."""


def _reach(name: str, /) -> None:
    _declared(name)
    action = _armed.get(name)
    if action is not None:
        action()


failpoint: Callable[[str], None] = _nothing
if os.environ.get("PENSTOCK_TEST_FAILPOINTS") == "1":
    failpoint = _reach
    arm_from(os.environ.get("PENSTOCK_FAILPOINTS", ""))
