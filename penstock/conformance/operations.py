"""The operations that a connector is asked for, and the host's judgement of how each one ended."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from penstock.conformance.provider import Heard
from penstock.connector import NotSent
from penstock.money import Money
from penstock.outcome import (
    Approved,
    BrokenPromise,
    CaptureMode,
    Declined,
    Done,
    Pending,
    check_answer,
    check_follow_up,
)

Verdict = Literal["approved", "done", "pending", "declined", "rejected", "none", "not_sent", "unknown"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a connector is asked.

    ``claim`` is the capability that makes it exist ("" for what every connector does), ``scenario`` the name of the
    answer that says yes. A read changes nothing at the provider, so nothing about it is ever "not sent".
    """

    name: str
    scenario: str
    claim: str = ""
    is_read: bool = False
    is_follow_up: bool = False


CHARGE: Final = Operation("charge", "approved")
AUTHORIZE: Final = Operation("authorize", "authorized", "manual_capture")
CAPTURE: Final = Operation("capture", "captured", "manual_capture", is_follow_up=True)
VOID: Final = Operation("void", "voided", "manual_capture", is_follow_up=True)
REFUND: Final = Operation("refund", "refunded", "refund", is_follow_up=True)
FIND: Final = Operation("find", "found", "lookup", is_read=True)
FIND_CAPTURE: Final = Operation("find_capture", "found_capture", "follow_up_lookup", is_read=True, is_follow_up=True)
FIND_VOID: Final = Operation("find_void", "found_void", "follow_up_lookup", is_read=True, is_follow_up=True)
FIND_REFUND: Final = Operation("find_refund", "found_refund", "follow_up_lookup", is_read=True, is_follow_up=True)

OPERATIONS: Final = (CHARGE, AUTHORIZE, CAPTURE, VOID, REFUND, FIND)
"""The six columns of the fault matrix: the five that move or hold money, and the look that settles an open one."""

FOLLOW_UPS: Final = (CAPTURE, VOID, REFUND)
FOLLOW_UP_LOOKUPS: Final = (FIND_CAPTURE, FIND_VOID, FIND_REFUND)


def asked_of(operation: Operation) -> str:
    """Return the verb that a follow-up's lookup is about: ``find_refund`` asks about a ``refund``."""
    return operation.name.removeprefix("find_")


def judge(operation: Operation, heard: Heard, money: Money) -> Verdict:
    """Return what the host makes of a call that was about ``money``: the same rules as the cascade's."""
    if heard.raised is not None:
        return "not_sent" if isinstance(heard.raised, NotSent) and not operation.is_read else "unknown"
    if heard.returned is None and operation.is_read:
        return "none"
    capture: CaptureMode = "manual" if operation == AUTHORIZE else "automatic"
    try:
        if operation.is_follow_up:
            return _word(check_follow_up(heard.returned, money))
        return _word(check_answer(heard.returned, money, capture))
    except BrokenPromise:
        return "unknown"


def _word(answer: Any) -> Verdict:
    match answer:
        case Approved():
            return "approved"
        case Done():
            return "done"
        case Pending():
            return "pending"
        case Declined():
            return "declined"
    return "rejected"
