"""A mail server that keeps what it is given, and answers as it is told."""

import email
import email.policy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from tests.servers import free_port

HANG_UP = "hang up"
"""An answer to a mail: take it, and close the connection without a word."""


@dataclass
class PostOffice:
    """``recipient`` answers an address, ``content`` a whole mail; None means that it is taken."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    tries: int = 0
    recipient: Callable[[str], str | None] = lambda _: None
    content: Callable[[int], str | None] = lambda _: None

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        answer = self.recipient(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.tries += 1
        answer = self.content(self.tries)
        if answer in (None, HANG_UP):
            self.taken.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        if answer == HANG_UP:
            server.transport.abort()
        return answer or "250 OK"


@contextmanager
def opened_office(**tls: Any) -> Iterator[PostOffice]:
    office = PostOffice(free_port())
    controller = Controller(office, hostname="127.0.0.1", port=office.port, **tls)
    controller.start()
    try:
        yield office
    finally:
        controller.stop()
