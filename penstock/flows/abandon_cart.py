"""Give up a cart that was left alone for too long."""

from datetime import datetime

from penstock.cart import ABANDON, FIRST_LOOK, CartStatus
from penstock.failpoint import failpoint
from penstock.mail import SEND
from penstock.ports import UnitOfWork
from penstock.recovery import recovery_mail


def abandon_cart(uow: UnitOfWork, cart_id: str) -> datetime | None:
    """Abandon a cart whose time is over, or return when to look at it again.

    The row that rings for it waits while the cart changes, so it usually comes too early. A cart whose payment may still
    succeed is never abandoned. Its buyer gets a mail with the way back where the application has a template for it.
    """
    cart = uow.carts.get_for_update(cart_id)
    if cart is None or cart.status in (CartStatus.CONVERTED, CartStatus.ABANDONED):
        uow.due.done(ABANDON, cart_id)
        return None
    config = uow.embed_configs.get()
    again = _next_look(cart.over_at(config.idle), uow.now, is_held=cart.live_payment_id is not None)
    if again is not None:
        return again
    cart.abandon(config.idle, uow.now, recovery_url=config.recovery_url(cart.id))
    uow.carts.save(cart)
    uow.due.done(ABANDON, cart.id)
    letter = recovery_mail(cart, config, uow.now, is_production=uow.environment.is_production)
    if letter is not None:
        uow.mails.add(letter)
        uow.due.add(SEND, letter.id, uow.now)
    failpoint("abandon.before_commit")
    return None


def _next_look(over_at: datetime, now: datetime, *, is_held: bool) -> datetime | None:
    if is_held:
        return max(over_at, now + FIRST_LOOK)
    return over_at if over_at > now else None
