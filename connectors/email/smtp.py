"""Mails over SMTP.

A mail is not sent until its last byte was acknowledged: whatever fails before that is a certain no. Once the bytes are
on their way and no answer comes, nobody knows, and SMTP has no way to ask.
"""

import smtplib
import ssl
from contextlib import suppress
from typing import Any, ClassVar, Final

from connectors.email.message import message_of
from penstock.boundary import assert_no_transaction
from penstock.connector import Context, NotSent
from penstock.hooks import hookimpl
from penstock.mail import Mail, MailRefused, MailSender

SECONDS: Final = 10.0
"""How long the server may take for each step."""

_PERMANENT: Final = 500
_OK: Final = frozenset({250, 251})
_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}


class Smtp(MailSender):
    """Sends through one server, over TLS unless it is told otherwise, one connection for each mail."""

    name = "smtp"
    settings_schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["host"],
        "properties": {
            "host": {"type": "string", "minLength": 1},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535},
            "security": {"enum": ["starttls", "tls", "none"], "description": "starttls unless said otherwise."},
            "username": {"type": "string", "minLength": 1},
            "password": {"type": "string", "minLength": 1},
        },
        "dependentRequired": {"username": ["password"], "password": ["username"]},
    }

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._security: str = ctx.settings.get("security", "starttls")
        if self._security == "none" and "password" in ctx.settings:
            raise ValueError("a password is not sent over a connection without TLS")
        self._tls = ssl.create_default_context()

    def send(self, mail: Mail) -> None:
        """Hand the mail to the server."""
        assert_no_transaction()
        content = message_of(mail, self.ctx.clock.now()).as_bytes()
        try:
            server = self._connected()
        except (OSError, smtplib.SMTPException) as exc:
            raise NotSent(f"{type(exc).__name__} while connecting") from exc
        try:
            self._address(server, mail)
            _hand_over(server, content)
        finally:
            with suppress(OSError, smtplib.SMTPException):
                server.quit()

    def _connected(self) -> smtplib.SMTP:
        settings = self.ctx.settings
        port = settings.get("port", _PORTS[self._security])
        if self._security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(settings["host"], port, timeout=SECONDS, context=self._tls)
        else:
            server = smtplib.SMTP(settings["host"], port, timeout=SECONDS)
        try:
            if self._security == "starttls":
                server.starttls(context=self._tls)
            if "password" in settings:
                server.login(settings["username"], settings["password"])
            server.ehlo_or_helo_if_needed()
        except BaseException:
            server.close()
            raise
        return server

    @staticmethod
    def _address(server: smtplib.SMTP, mail: Mail) -> None:
        try:
            code, said = server.mail(mail.from_address)
            if code not in _OK:
                raise NotSent(f"the sender was answered {code} {_text(said)}")
            code, said = server.rcpt(mail.to)
        except (OSError, smtplib.SMTPException) as exc:
            raise NotSent(f"{type(exc).__name__} before the mail") from exc
        if code not in _OK:
            raise (MailRefused if code >= _PERMANENT else NotSent)(f"the recipient was answered {code} {_text(said)}")


def _hand_over(server: smtplib.SMTP, content: bytes) -> None:
    try:
        code, said = server.data(content)
    except smtplib.SMTPDataError as exc:  # no leave to send was given
        raise NotSent(f"the mail was answered {exc.smtp_code}") from exc
    if code not in _OK:
        raise (MailRefused if code >= _PERMANENT else NotSent)(f"the mail was answered {code} {_text(said)}")


def _text(said: bytes) -> str:
    return "".join(c if c.isprintable() else " " for c in said.decode("utf-8", "replace"))[:200]


@hookimpl
def penstock_mail_senders() -> list[type[MailSender]]:
    """Offer SMTP."""
    return [Smtp]
