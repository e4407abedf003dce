"""The place that a cart holds of its discount's limits: reserved at checkout, redeemed by a payment, or given back.

The one rule: a place is taken by one conditional update, under which everything else is counted (semantics 1.10).
"""

from dataclasses import replace

from penstock.cart import Cart, CartStatus
from penstock.discount import AppliedDiscount, Discount, Misfit, Redemption, customer_key, invalid
from penstock.errors import DiscountInvalid
from penstock.failpoint import failpoint
from penstock.ids import new_id
from penstock.ports import UnitOfWork
from penstock.session import CheckoutSession


def buyer_key(cart: Cart, session: CheckoutSession | None = None, email: str | None = None) -> str | None:
    """Return who counts as the customer of a cart, and of the session that pays for it. ``email`` was given last."""
    known = session.customer.get("customerId") if session is not None else None
    email = email or (session.email if session is not None else None) or cart.customer_email
    return customer_key(cart.customer_id or known, email)


def hold_discount(uow: UnitOfWork, cart: Cart, key: str | None, *, is_final: bool = False) -> None:
    """Have a locked cart hold a place of the discount that it has, and of no other; the caller saves the cart.

    What it holds already is checked again. Where ``is_final``, a discount with a limit for each customer needs to know
    the customer. Raises `DiscountInvalid`.
    """
    applied = cart.applied if cart.applied_amount else None
    held = uow.discounts.redemption(cart.redemption_id) if cart.redemption_id else None
    if held is not None and (applied is None or held.discount_id != applied.discount_id):
        release_discount(uow, cart)
        held = None
    if applied is None:
        return
    if held is not None:
        misfit = _renew(uow, cart, held, key, is_final=is_final)
    else:
        misfit = _reserve(uow, cart, applied, key, is_final=is_final)
    if misfit is not None:
        raise invalid(misfit, applied.code)


def hold_or_replace(uow: UnitOfWork, cart: Cart, key: str | None) -> None:
    """Hold the cart's discount; an automatic one that cannot be had gives way to the next best.

    The cart was read with its offers. Raises `DiscountInvalid` for a code.
    """
    while True:
        try:
            return hold_discount(uow, cart, key)
        except DiscountInvalid:
            if cart.applied is None or not cart.applied.is_automatic:
                raise
            without_offer(cart, cart.applied.discount_id)
            cart.drop_discount(uow.now)


def hold_or_drop(uow: UnitOfWork, cart: Cart, key: str | None) -> DiscountInvalid | None:
    """Hold the cart's discount, or take off its code that is not valid any more and return the refusal that says so.

    Who hands the refusal on without raising it keeps the cart as it is then: the next try is for its new total.
    """
    try:
        hold_or_replace(uow, cart, key)
    except DiscountInvalid as refusal:
        drop_discount(uow, cart)
        return refusal
    return None


def drop_discount(uow: UnitOfWork, cart: Cart) -> None:
    """Take a discount that cannot be had any more off a locked cart, with the place that the cart holds, and save the cart."""
    if cart.applied is not None:
        without_offer(cart, cart.applied.discount_id)
    release_discount(uow, cart)
    cart.drop_discount(uow.now)
    uow.carts.save(cart)


def without_offer(cart: Cart, discount_id: str) -> None:
    """Leave an automatic discount out of what the cart may choose from."""
    cart.offers = [offer for offer in cart.offers or () if offer.discount_id != discount_id]


def release_if_changed(uow: UnitOfWork, cart: Cart) -> None:
    """Give a place back that the cart's discount, as a change has left it, does not need."""
    held = uow.discounts.redemption(cart.redemption_id) if cart.redemption_id else None
    if held is not None:
        needed = cart.applied.discount_id if cart.applied and cart.applied_amount else None
        if held.discount_id != needed:
            release_discount(uow, cart)


def release_discount(uow: UnitOfWork, cart: Cart) -> None:
    """Give back what the cart holds, if anything. What a paid cart has used stays with it."""
    if cart.redemption_id is not None and cart.status is not CartStatus.CONVERTED:
        uow.discounts.release(cart.redemption_id)
        cart.redemption_id = None


def redeem_discount(uow: UnitOfWork, cart: Cart) -> None:
    """Count the cart's place as used: its payment is authorized. Tells where that was the last one."""
    discount = uow.discounts.redeem(cart.redemption_id) if cart.redemption_id else None
    if discount is not None and discount.usage_limit is not None and discount.times_redeemed >= discount.usage_limit:
        discount.tell("discount.exhausted")
        uow.discounts.save(discount)


def customer_misfit(
    uow: UnitOfWork, discount: Discount, cart_id: str, key: str | None, *, is_final: bool = False
) -> Misfit | None:
    """Return why a customer may not use a discount, or None. The cart's own place does not count against it."""
    if discount.max_per_customer is None:
        return None
    if key is None:
        return Misfit.CUSTOMER_UNKNOWN if is_final else None
    used = uow.discounts.count_of(discount.id, key, besides=cart_id)
    return Misfit.CUSTOMER_LIMIT if used >= discount.max_per_customer else None


def _reserve(
    uow: UnitOfWork, cart: Cart, applied: AppliedDiscount, key: str | None, *, is_final: bool
) -> Misfit | None:
    discount = uow.discounts.take_place(applied.discount_id)
    if discount is None:
        there = uow.discounts.get(applied.discount_id)
        return (there.misfit(uow.now) or Misfit.EXHAUSTED) if there is not None else Misfit.UNKNOWN
    misfit = customer_misfit(uow, discount, cart.id, key, is_final=is_final)
    if misfit is not None:
        uow.discounts.give_back(discount.id)
        return misfit
    cart.redemption_id = new_id()
    redemption = Redemption(
        id=cart.redemption_id,
        discount_id=discount.id,
        cart_id=cart.id,
        customer_key=key,
        amount=cart.applied_amount,
        currency=cart.currency,
        created_at=uow.now,
        updated_at=uow.now,
    )
    uow.discounts.add_redemption(redemption)
    failpoint("discount.reserved")
    return None


def _renew(uow: UnitOfWork, cart: Cart, held: Redemption, key: str | None, *, is_final: bool) -> Misfit | None:
    discount = uow.discounts.get_for_update(held.discount_id)
    if discount is None:
        return Misfit.UNKNOWN
    misfit = discount.misfit(uow.now, holds_place=True)
    misfit = misfit or customer_misfit(uow, discount, cart.id, key, is_final=is_final)
    if misfit is None:
        amount = cart.applied_amount
        uow.discounts.save_redemption(replace(held, customer_key=key, amount=amount, updated_at=uow.now))
    return misfit
