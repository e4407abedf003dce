"""E-mails in rows: what was written, and how sending it went."""

from typing import Any

from penstock.mail import Letter, MailStatus
from storage import scoped
from storage.columns import SCOPE_COLUMNS
from storage.scoped import ScopedConnection
from storage.statement import Statement
from storage.tables import mails

_OWN = [each.name for each in mails.columns if each.name not in SCOPE_COLUMNS]
_CHANGED = ("status", "attempts", "begun_at", "finished_at", "ref", "error")

_GET_FOR_UPDATE = Statement(
    scoped.select(*(mails.c[name] for name in _OWN)).where(scoped.by_id(mails)).with_for_update()
)
_ADD = Statement(scoped.insert(mails))
_SAVE = Statement(scoped.update(mails, _CHANGED).where(scoped.by_id(mails)))


class MailRows:
    """The e-mails of one scope."""

    def __init__(self, connection: ScopedConnection) -> None:
        self._connection = connection

    def get_for_update(self, mail_id: str) -> Letter | None:
        """Return a mail and hold its row until the block ends."""
        row = self._connection.row(_GET_FOR_UPDATE, {"id": mail_id})
        if row is None:
            return None
        own = {name: getattr(row, name) for name in _OWN}
        return Letter(scope=self._connection.scope, **own | {"status": MailStatus(row.status)})

    def add(self, letter: Letter) -> None:
        """Write a new mail."""
        self._connection.put(_ADD, _to_row(letter))

    def save(self, letter: Letter) -> None:
        """Write how sending it went."""
        self._connection.put(_SAVE, _to_row(letter))


def _to_row(letter: Letter) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in _OWN} | {"status": letter.status.value}
