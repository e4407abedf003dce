"""Send a mail that waits: the try is written down before it begins, so that a mail is never sent twice unawares."""

from datetime import datetime

from penstock.cart import CartStatus
from penstock.connector import NotSent
from penstock.failpoint import failpoint
from penstock.mail import SEND, Letter, Mail, MailRefused, MailStatus
from penstock.ports import Mailer, UnitOfWork, Work
from penstock.recovery import RECOVERY

CUT_OFF = "A try was cut off, and nobody knows whether the mail was sent."


def send_mail(work: Work, mailer: Mailer, mail_id: str) -> datetime | None:
    """Try to send a mail; return when to try again, or None once it has ended in one way or another.

    A try of which nobody knows how it ended is repeated only through a sender that recognizes the repeat.
    """
    with work() as uow:
        letter = _begin(uow, mail_id, knows_repeats=mailer.knows_repeats)
    if letter is None:
        return None
    failpoint("mail.after_begin")
    mail = Mail(letter.id, letter.from_name, mailer.address, letter.recipient, letter.subject, letter.text, letter.html)
    try:
        ref = mailer.send(mail)
    except NotSent as exc:
        return _failed(work, mail_id, str(exc), is_open=False)
    except MailRefused as exc:
        _end(work, mail_id, MailStatus.FAILED, error=str(exc))
        return None
    except Exception as exc:  # noqa: BLE001  nobody knows, and that is one of the ways in which a try ends
        if mailer.knows_repeats:
            return _failed(work, mail_id, str(exc), is_open=True)
        _end(work, mail_id, MailStatus.UNKNOWN, error=str(exc))
        return None
    failpoint("mail.after_send")
    _end(work, mail_id, MailStatus.SENT, ref=ref)
    return None


def _begin(uow: UnitOfWork, mail_id: str, *, knows_repeats: bool) -> Letter | None:
    letter = uow.mails.get_for_update(mail_id)
    if letter is None or letter.status is not MailStatus.PENDING:
        uow.due.done(SEND, mail_id)
        return None
    may_begin = False
    if letter.begun_at is not None and not knows_repeats:
        letter.end(MailStatus.UNKNOWN, uow.now, error=CUT_OFF)
    elif not _still_holds(uow, letter):
        letter.end(MailStatus.DROPPED, uow.now)
    else:
        letter.begin(uow.now)
        may_begin = True
    uow.mails.save(letter)
    if not may_begin:
        uow.due.done(SEND, mail_id)
    return letter if may_begin else None


def _still_holds(uow: UnitOfWork, letter: Letter) -> bool:
    """Tell whether what the mail says is still so: a buyer who has come back is not called back."""
    cart = uow.carts.get(letter.object_id) if letter.kind == RECOVERY else None
    return cart is not None and cart.status is CartStatus.ABANDONED


def _failed(work: Work, mail_id: str, error: str, *, is_open: bool) -> datetime | None:
    with work() as uow:
        letter = uow.mails.get_for_update(mail_id)
        again = None if letter is None else letter.again_at(uow.now, error[:300], is_open=is_open)
        if letter is not None:
            uow.mails.save(letter)
        if again is None:
            uow.due.done(SEND, mail_id)
    return again


def _end(work: Work, mail_id: str, status: MailStatus, *, ref: str | None = None, error: str | None = None) -> None:
    with work() as uow:
        letter = uow.mails.get_for_update(mail_id)
        uow.due.done(SEND, mail_id)
        if letter is None:
            return
        letter.end(status, uow.now, ref=ref, error=error and error[:300])
        uow.mails.save(letter)
        cart = uow.carts.get_for_update(letter.object_id) if letter.kind == RECOVERY else None
        if cart is not None and status is MailStatus.SENT:
            cart.recovery_emailed_at = uow.now
            uow.carts.save(cart)
