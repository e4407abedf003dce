"""Mails as files: what a laptop has, and an installation whose operator has not said how mails leave."""

from pathlib import Path
from typing import Any, ClassVar

import structlog

from connectors.email.message import message_of
from penstock.hooks import hookimpl
from penstock.mail import Mail, MailSender

_log = structlog.get_logger(__name__)


class MailFiles(MailSender):
    """Writes each mail into a folder as ``<key>.eml``, which mail programs open, and logs a line. Nothing leaves."""

    name = "files"
    knows_repeats = True
    needs_address = False
    settings_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["folder"],
        "properties": {"folder": {"type": "string", "minLength": 1, "description": "Where the files go."}},
    }

    def send(self, mail: Mail) -> str:
        """Write the file, all of it or none, and return its path."""
        folder = Path(self.ctx.settings["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{mail.key}.eml"
        beside = file.with_suffix(".part")
        beside.write_bytes(message_of(mail, self.ctx.clock.now()).as_bytes())
        beside.replace(file)
        _log.info("mail_written", file=str(file), subject=mail.subject)
        return str(file)


@hookimpl
def penstock_mail_senders() -> list[type[MailSender]]:
    """Offer the folder."""
    return [MailFiles]
