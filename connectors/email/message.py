"""A mail as the message that goes over the wire: text and HTML, with headers that say who made it."""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from penstock.mail import Mail


def message_of(mail: Mail, now: datetime) -> EmailMessage:
    """Return a mail as a message. Raises ValueError for a header that holds a line break."""
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr((mail.from_name, mail.from_address))
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message
