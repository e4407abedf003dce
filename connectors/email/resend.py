"""Mails through Resend (https://resend.com/docs/api-reference/emails/send-email).

It remembers an ``Idempotency-Key`` for a day, so a try with an open outcome is simply made again.
"""

from email.utils import formataddr
from typing import Any, ClassVar, Final

from penstock.connector import NotSent
from penstock.hooks import hookimpl
from penstock.mail import Mail, MailRefused, MailSender

_URL: Final = "https://api.resend.com"
_NOT_NOW: Final = frozenset({401, 403, 429})
"""Answers that say that nothing was sent, and that a later try may do better: a wrong key, a limit."""

_NEVER: Final = frozenset({400, 404, 405, 422})


class Resend(MailSender):
    """Sends through one account."""

    name = "resend"
    knows_repeats = True
    settings_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["api_key"],
        "properties": {
            "api_key": {"type": "string", "minLength": 1},
            "url": {"type": "string", "pattern": "^https?://", "description": "Another address than Resend's own."},
        },
    }

    def send(self, mail: Mail) -> str | None:
        """Post the mail under its key, and return Resend's id."""
        answer = self.ctx.http.post(
            f"{self.ctx.settings.get('url', _URL)}/emails",
            headers={"Authorization": f"Bearer {self.ctx.settings['api_key']}", "Idempotency-Key": mail.key},
            json={
                "from": formataddr((mail.from_name, mail.from_address)),
                "to": [mail.to],
                "subject": mail.subject,
                "text": mail.text,
                "html": mail.html,
                "headers": {"Auto-Submitted": "auto-generated"},
            },
        )
        if answer.status_code in _NOT_NOW:
            raise NotSent(f"Resend answered {answer.status_code}")
        if answer.status_code in _NEVER:
            raise MailRefused(f"Resend answered {answer.status_code}")
        if answer.status_code == 409 and "invalid_idempotent_request" in answer.text:  # noqa: PLR2004  the status says it
            raise MailRefused("Resend has another mail under this key")
        answer.raise_for_status()
        ref: str | None = answer.json().get("id")
        return ref


@hookimpl
def penstock_mail_senders() -> list[type[MailSender]]:
    """Offer Resend."""
    return [Resend]
