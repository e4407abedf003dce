"""Open a checkout session: for a cart of ours, for a cart elsewhere, or for a bare amount."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.caller import Caller
from penstock.cart import Cart, CartStatus
from penstock.checks import (
    check_address,
    check_application,
    check_country,
    check_metadata,
    check_return,
    require,
    require_live,
)
from penstock.discount import Misfit, invalid
from penstock.errors import (
    CartNotFound,
    CartNotOpen,
    DiscountInvalid,
    Fault,
    FeatureUnavailable,
    NoGr4vyConnection,
    ValidationError,
)
from penstock.flows.apply_discount import put_code
from penstock.flows.change_cart import locked_cart
from penstock.flows.hold_discount import buyer_key, hold_or_drop, hold_or_replace
from penstock.flows.settle_payment import EXPIRE
from penstock.ids import new_session_id
from penstock.ports import UnitOfWork
from penstock.session import LIFETIME, CheckoutSession, Collect, SessionKind
from penstock.tenant import Connection


def open_session(
    uow: UnitOfWork, caller: Caller, fields: Mapping[str, Any]
) -> tuple[CheckoutSession, Cart | None] | DiscountInvalid:
    """Open a session for ``cart_id`` or ``external_cart_id``, whose buyer comes back to ``return_url``; return it with its cart.

    Returns `DiscountInvalid` in its place where the cart's own code is not valid any more: the cart has lost it then.
    Raises `ValidationError` for values that do not fit or a cart that this caller has not, `CartNotOpen`,
    `DiscountInvalid` for a ``discount_code`` that this cart cannot have, `FeatureUnavailable` for recurring and
    net terms, and the three 402 errors of a production workspace that may not take payments.
    """
    require_live(caller)
    require(_faults(uow, caller, fields))
    cart = _cart(uow, fields.get("cart_id"))
    _refuse_unavailable(fields)
    if cart is None and fields.get("discount_code") is not None:
        raise invalid(Misfit.NO_CART, fields["discount_code"])
    session = CheckoutSession(
        id=new_session_id(),
        scope=uow.scope,
        kind=SessionKind.CART if cart else SessionKind.EXTERNAL,
        created_at=uow.now,
        updated_at=uow.now,
        expires_at=uow.now + LIFETIME,
        **{name: value for name, value in fields.items() if name not in _NOT_KEPT},
    )
    if cart is not None and (refusal := _discount(uow, cart, session, fields.get("discount_code"))) is not None:
        return refusal
    return keep_session(uow, session), cart


def _discount(uow: UnitOfWork, cart: Cart, session: CheckoutSession, code: str | None) -> DiscountInvalid | None:
    """Put the code on the cart, and have the cart hold a place of its discount's limits while the session is open.

    Returns the refusal where the code that the cart had before is not valid any more, and is taken off.
    """
    if cart.live_payment_id is not None:
        if code is not None:
            cart.assert_open()
        return None
    sequence, held = cart.sequence, cart.redemption_id
    key = buyer_key(cart, session)
    if code is not None:
        cart.assert_open()
        put_code(uow, cart, code, session)
        hold_or_replace(uow, cart, key)
    else:
        if not cart.is_frozen:
            cart.refresh_discount(uow.now)
        if (refusal := hold_or_drop(uow, cart, key)) is not None:
            return refusal
    if (cart.sequence, cart.redemption_id) != (sequence, held):
        uow.carts.save(cart)
    return None


_NOT_KEPT = frozenset({"application_id", "discount_code", "recurring", "payment_terms"})


def check_proxy_session(uow: UnitOfWork, caller: Caller, country: str) -> Sequence[Connection]:
    """Return the active connections if a session for a bare amount may be opened now.

    Raises `ValidationError` for a country that is none, `NoGr4vyConnection` where nothing can be charged, and the
    three 402 errors of a production workspace that may not take payments.
    """
    require_live(caller)
    require(check_country(country, "/country"))
    connections = uow.connections.list_active()
    if not connections:
        raise NoGr4vyConnection
    return connections


def new_proxy_session(
    uow: UnitOfWork, *, session_id: str, amount: int, currency: str, country: str, external_cart_id: str | None
) -> CheckoutSession:
    """Return a new session for a bare amount in minor units, not yet kept: `check_proxy_session` let it pass."""
    return CheckoutSession(
        id=session_id,
        scope=uow.scope,
        kind=SessionKind.PROXY,
        created_at=uow.now,
        updated_at=uow.now,
        expires_at=uow.now + LIFETIME,
        amount=amount,
        currency=currency,
        collect=Collect(shipping_address=False),  # the merchant's own page has asked for what it needs
        country=country,
        external_cart_id=external_cart_id,
        metadata={"externalCartId": external_cart_id} if external_cart_id else {},
    )


def keep_session(uow: UnitOfWork, session: CheckoutSession) -> CheckoutSession:
    """Write a new session with its event, and note when its time is over."""
    session.note("checkout.session.created", session.summary())
    uow.sessions.add(session)
    uow.due.add(EXPIRE, session.id, session.expires_at)
    return session


def _faults(uow: UnitOfWork, caller: Caller, fields: Mapping[str, Any]) -> Iterator[Fault]:
    origins = uow.embed_configs.get().allowed_origins if caller.is_production else ()
    customer = fields.get("customer") or {}
    yield from check_application(uow.scope, fields["application_id"])
    yield from check_return(fields["return_url"], "/returnUrl", caller, origins)
    yield from check_return(fields["cancel_url"], "/cancelUrl", caller, origins)
    yield from check_metadata(fields.get("metadata"))
    yield from check_metadata(customer.get("metadata"), "/customer/metadata")
    yield from check_address(customer.get("shippingAddress"), "/customer/shippingAddress")
    yield from check_address(customer.get("billingAddress"), "/customer/billingAddress")
    if fields.get("cart_id") is None and fields.get("external_cart_id") is None:
        yield Fault("/cartId", "required", "give cartId, or externalCartId for a cart that is kept elsewhere")


def _cart(uow: UnitOfWork, cart_id: str | None) -> Cart | None:
    if cart_id is None:
        return None
    try:
        cart = locked_cart(uow, cart_id)
    except CartNotFound:
        raise ValidationError(Fault("/cartId", "unknown_cart", "this credential knows no cart with this id")) from None
    if cart.status is CartStatus.CONVERTED:
        raise CartNotOpen(details={"status": cart.status.value})
    return cart


def _refuse_unavailable(fields: Mapping[str, Any]) -> None:
    if fields.get("recurring") is not None:
        raise FeatureUnavailable("Subscriptions are not offered here.", details={"feature": "recurring"})
    if (fields.get("payment_terms") or {}).get("netN") is not None:
        raise FeatureUnavailable("Invoice terms are not offered here.", details={"feature": "paymentTerms"})
