"""Take a provider's own message: check who sent it, keep it once, and have somebody look."""

from dataclasses import dataclass
from typing import Final

from penstock.account import Accounts
from penstock.errors import NotFound
from penstock.failpoint import failpoint
from penstock.ids import new_id
from penstock.inbox import Message
from penstock.ports import Work
from penstock.request import WebhookDelivery

FOLLOW: Final = "follow_message"
"""The kind of the due row that has somebody look."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How many events a message told of, and how many of them had been told before."""

    received: int
    repeated: int


def take_message(
    work: Work, accounts: Accounts, connection_id: str, connector: str, delivery: WebhookDelivery
) -> Taken:
    """Keep what a message hints at; nothing of it is believed, so no payment changes here.

    A disabled connection still takes messages: they are about payments from before. Raises `NotFound`,
    `WebhookSignatureInvalid`, `WebhookUnreadable` and `ServiceUnavailable`; nothing is kept then.
    """
    with work(read=True) as uow:
        connection = uow.connections.get_kept(connection_id)
    if connection is None or connection.connector != connector:
        raise NotFound("There is no connection here.")
    hints = accounts.read_message(connection, delivery)
    new = 0
    with work() as uow:
        for hint in hints:
            message = Message(id=new_id(), connection_id=connection_id, hint=hint, received_at=uow.now)
            if uow.inbox.add(message):
                new += 1
                uow.due.add(FOLLOW, message.id, uow.now)
    failpoint("message.after_commit")
    return Taken(len(hints), len(hints) - new)
