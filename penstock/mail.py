"""E-mail: what is sent, and the contract of a plugin that sends it.

A sender returns when it has handed the mail over, raises `NotSent` where that certainly did not happen, and `MailRefused`
where it never will. Anything else that it raises means that nobody knows: the mail is tried again only if the sender
recognizes a repeat.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final

from penstock.caller import Scope
from penstock.connector import Context

SEND: Final = "send_mail"
"""The kind of the due row of a mail that is still to be sent."""

WAITS: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
)
"""How long to wait after each try that failed. All within the day for which a provider remembers a key."""


class MailRefused(Exception):
    """The mail was refused for good: the address does not exist, or the provider will not take this mail."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person. ``key`` is the same each time it is sent: a sender makes the Message-ID of it.

    ``from_name`` is what the reader sees as the sender; the address behind it is the installation's.
    """

    key: str
    from_name: str
    from_address: str
    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)

    @property
    def message_id(self) -> str:
        """The Message-ID header."""
        return f"<{self.key}@{self.from_address.rpartition('@')[2]}>"


class MailSender(ABC):
    """Hands mails over. One object serves the installation, from many threads.

    ``name`` is what `PENSTOCK_MAIL` names; ``settings_schema`` is a JSON Schema for `PENSTOCK_MAIL_SETTINGS`.
    ``knows_repeats`` claims that the same key is never delivered twice, so that a try with an open outcome may be
    repeated. ``needs_address`` says that the installation has to have an address of its own to send from.
    """

    name: ClassVar[str]
    settings_schema: ClassVar[Mapping[str, Any]]
    knows_repeats: ClassVar[bool] = False
    needs_address: ClassVar[bool] = True

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    @abstractmethod
    def send(self, mail: Mail) -> str | None:
        """Hand a mail over and return the other side's name for it, if it gave one. Never called in a transaction."""


class MailStatus(StrEnum):
    """Where a mail stands; all but ``pending`` are final."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It may have been sent, and sending it again might send it twice."""
    DROPPED = "dropped"
    """What it is about no longer holds."""


@dataclass(slots=True, kw_only=True)
class Letter:
    """A mail that is to be sent, as it stands. ``kind`` says what it is about, ``object_id`` about which object."""

    id: str
    scope: Scope
    kind: str
    object_id: str
    recipient: str = field(repr=False)
    from_name: str
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    created_at: datetime
    status: MailStatus = MailStatus.PENDING
    attempts: int = 0
    begun_at: datetime | None = None
    """When a try began whose end is not written down."""
    finished_at: datetime | None = None
    ref: str | None = None
    error: str | None = None

    def begin(self, now: datetime) -> None:
        """Note that a try begins."""
        self.begun_at, self.attempts = now, self.attempts + 1

    def end(self, status: MailStatus, now: datetime, *, ref: str | None = None, error: str | None = None) -> None:
        """Note the end of it."""
        self.status, self.finished_at, self.begun_at, self.ref, self.error = status, now, None, ref, error

    def again_at(self, now: datetime, error: str, *, is_open: bool) -> datetime | None:
        """Note that a try failed, and return when to try again; None where there were enough tries, which ends it.

        ``is_open`` says that nobody knows whether the mail was sent all the same.
        """
        self.error = error
        if not is_open:
            self.begun_at = None
        if self.attempts > len(WAITS):
            self.end(MailStatus.UNKNOWN if is_open else MailStatus.FAILED, now, error=error)
            return None
        return now + WAITS[self.attempts - 1]
