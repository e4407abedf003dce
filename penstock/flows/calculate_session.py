"""Calculate shipping and tax for the buyer of a session: the page takes an address, and shows what it will charge."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from penstock.errors import CartNotReady, NotFound, PaymentInProgress
from penstock.flows.calculate_cart import Render, Wanted, calculate_cart, check_addresses
from penstock.ports import UnitOfWork, Work
from penstock.quoting import Quoter
from penstock.tax_errors import TaxProviderError

_NAMES: Final[Mapping[str, str]] = {"shipping_address": "shippingAddress", "billing_address": "billingAddress"}


def calculate_session(
    work: Work, quoter: Quoter, session_id: str, wanted: Wanted, render: Callable[[str], Render]
) -> dict[str, Any]:
    """Keep what the buyer gave on the session and its cart, calculate, and return what ``render`` makes for that cart.

    Raises `NotFound`, `SessionExpired`, `SessionNotOpen`, `PaymentInProgress` while a payment may still succeed,
    `CartNotReady` for a session whose cart is kept elsewhere, and what `calculate_cart` raises. Which source failed, and
    why, is the merchant's to know and left out of `TaxProviderError`.
    """
    check_addresses(wanted.addresses)
    with work() as uow:
        cart_id = _take(uow, session_id, wanted)
    try:
        return calculate_cart(work, quoter, cart_id, wanted, render(cart_id))
    except TaxProviderError:
        raise TaxProviderError("Shipping and tax cannot be worked out just now.") from None


def _take(uow: UnitOfWork, session_id: str, wanted: Wanted) -> str:
    """Note the buyer's addresses on the session, which count before the cart's when it is paid; return the cart's id."""
    session = uow.sessions.get_for_update(session_id)
    if session is None:
        raise NotFound("There is no checkout session with this id.")
    session.assert_open(uow.now)
    if session.live_payment_id is not None:
        raise PaymentInProgress(headers={"Retry-After": "2"})
    if session.cart_id is None:
        raise CartNotReady("The cart of this session is kept elsewhere.", details={"missing": ["cart"]})
    given = {_NAMES[name]: address for name, address in wanted.addresses.items()}
    if any(session.address(name) != address for name, address in given.items()):
        session.customer, session.updated_at = {**session.customer, **given}, uow.now
        uow.sessions.save(session)
    return session.cart_id
