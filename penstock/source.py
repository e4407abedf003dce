"""What tax engines and rate sources have in common: how they say no, and how their answers are held to the contract.

Two answers, so that the careless plugin is the safe one: what was found, or `Refused`. Whatever a plugin raises means
that there is no answer, and no answer is never a zero: nothing that costs nothing is taken for granted, it has to be
said (a part without tax has a reason, a rate that is free says so).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from penstock.outcome import BrokenPromise

RefusalKind = Literal["address", "not_served", "configuration", "rate_limited"]
REFUSAL_KINDS: Final[tuple[RefusalKind, ...]] = get_args(RefusalKind)

MAX_CODE: Final = 100
"""The longest code, name or reference that an answer may hold."""

MAX_NOTE: Final = 300
"""The longest sentence of an answer that is kept."""

MAX_NOTES: Final = 20


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no answer, for certain, and ``kind`` says why. ``message`` is for people, without secrets.

    ``address``: the place is not known or not complete, and another could be. ``not_served``: not for this place,
    currency or parcel. ``configuration``: the account's credentials or set-up are wrong. ``rate_limited``: too many
    questions for now.
    """

    kind: RefusalKind
    message: str = ""
    provider_code: str = ""


def check_refusal(refused: Refused) -> Refused:
    """Return a refusal with its texts clipped. Raises `BrokenPromise` for a kind that there is not."""
    if refused.kind not in REFUSAL_KINDS:
        raise BrokenPromise(f"it refused with the kind {str(refused.kind)[:40]!r}, which there is not")
    return replace(refused, message=clip(refused.message), provider_code=clip(refused.provider_code, MAX_CODE))


def check_code(value: object, what: str) -> str:
    """Return a code, name or reference. Raises `BrokenPromise` unless it is a printable text that is not blank."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_CODE or not value.isprintable():
        raise BrokenPromise(f"{what} is not a printable text of 1 to {MAX_CODE} characters")
    return value


def check_whole(value: object, what: str, most: int) -> int:
    """Return a whole number from 0 to ``most``. Raises `BrokenPromise` for anything else, a float included."""
    if type(value) is not int or not 0 <= value <= most:
        raise BrokenPromise(f"{what} is not a whole number from 0 to {most}")
    return value


def check_notes(notes: object) -> tuple[str, ...]:
    """Return what an answer says beside itself, clipped. Raises `BrokenPromise` unless it is a sequence of texts."""
    if isinstance(notes, str) or not isinstance(notes, Sequence):
        raise BrokenPromise("its notes are not a sequence of texts")
    return tuple(clip(note) for note in notes[:MAX_NOTES])


def clip(text: object, most: int = MAX_NOTE) -> str:
    """Return a text short and printable. Raises `BrokenPromise` for what is no text."""
    if not isinstance(text, str):
        raise BrokenPromise(f"it gave {type(text).__name__} where a text belongs")
    return "".join(c if c.isprintable() else " " for c in text[:most])
