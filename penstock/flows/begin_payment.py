"""The first half of a completion: decide whether a payment may begin, and write it down before anyone is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.caller import Caller
from penstock.cart import Address, Cart, CartStatus
from penstock.checks import check_address, require, require_live
from penstock.errors import (
    CartNotOpen,
    Fault,
    FeatureUnavailable,
    MissingRequiredField,
    NoEligibleConnector,
    NoGr4vyConnection,
    NotFound,
    PaymentInProgress,
    PaymentMethodUnavailable,
    TooManyAttempts,
)
from penstock.failpoint import failpoint
from penstock.flows.hold_discount import buyer_key, hold_discount
from penstock.flows.reconcile_payment import SENDING_GRACE
from penstock.flows.route_payment import route_payment, with_candidates
from penstock.flows.settle_payment import RECONCILE, Checkout, conclude
from penstock.ids import new_id, new_order_number
from penstock.money import Money
from penstock.order import Order, OrderLine, OrderStatus
from penstock.outcome import CardFacts
from penstock.payment import PROXY_METHOD, Payment, PaymentStatus
from penstock.payment_errors import AmountChanged
from penstock.ports import Cascade, UnitOfWork
from penstock.request import ChargeRequest
from penstock.retry_budget import MAX_DECLINES, OVER_BUDGET, WINDOW, card_ref
from penstock.routing import ORDER_TYPE_KEY, Route
from penstock.session import CheckoutSession, SessionStatus
from penstock.totals import Totals
from penstock.verdict import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the buyer submitted. ``digest`` is the same for the same submission; ``return_url`` is where to come back."""

    payment_method: str
    digest: str
    return_url: str
    payment_token: str | None = field(default=None, repr=False)
    provider_transaction_id: str | None = None
    email: str | None = field(default=None, repr=False)
    shipping_address: Address | None = field(default=None, repr=False)
    billing_address: Address | None = field(default=None, repr=False)
    expected_amount: int | None = None
    """The total that the buyer agreed to, in minor units; None where nobody said."""
    card: CardFacts | None = None
    """What the token's provider says about the card; None while nobody was asked."""
    is_live: bool = False
    """Whether real cards are charged: a sandbox's tokens stand for no card, and everybody uses them."""

    @property
    def card_ref(self) -> str | None:
        """What stands for the card in the count of its declines; None where there is no real card's token."""
        if self.payment_method != "card" or not self.is_live:
            return None
        return card_ref(self.payment_token or "", self.card)


@dataclass(frozen=True, slots=True)
class Begun:
    """A payment whose first attempt is written down, and whom to ask for it, in order."""

    payment: Payment
    request: ChargeRequest
    candidates: Sequence[Candidate]
    route: Route


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be asked, of whom, for which submission."""

    request: ChargeRequest
    candidates: Sequence[Candidate]
    completion: Completion
    changed: Sequence[str]
    """What the buyer changed of the cart while paying."""
    route: Route


@dataclass(frozen=True, slots=True)
class Standing:
    """A payment that this submission, or another one, has made or begun before."""

    payment_id: str
    is_live: bool
    is_same: bool


def begin_payment(
    uow: UnitOfWork, cascade: Cascade, caller: Caller, session_id: str, completion: Completion
) -> Begun | Standing:
    """Lock the session and its cart, take the snapshot, and write order, payment and attempt.

    Returns `Standing` where a payment of this session is live, or this submission has completed it. Raises `NotFound`,
    `SessionExpired`, `SessionNotOpen`, `TooManyAttempts`, `CartNotOpen`, `CartNotReady`, `MissingRequiredField`,
    `PaymentInProgress`, `AmountChanged`, `DiscountInvalid`, `PaymentMethodUnavailable`, `FeatureUnavailable`, `NoGr4vyConnection`,
    `NoEligibleConnector`, and `CardNeeded` where the rules look at a card that nobody was asked about. A payment that a
    decline rule refuses, or that nobody of those it goes to can take, has ended already, without an attempt.
    """
    completion = replace(completion, is_live=caller.is_production)
    session = uow.sessions.get_for_update(session_id)
    if session is None:
        raise NotFound("There is no checkout session with this id.")
    failpoint("attempt.before_insert")
    if (standing := _standing(session, completion)) is not None:
        return standing
    session.assert_may_pay(uow.now)
    require_live(caller)
    cart = _lock_cart(uow, session)
    changed = _take_buyer(session, cart, completion)
    if cart is not None:
        cart.assert_ready()  # what the buyer changed while paying may have taken a final calculation back
    money = _price(session, cart)
    if completion.expected_amount not in {None, money.amount}:
        raise AmountChanged(details={"amount": money.amount, "currency": money.currency})
    request = _request(session, money, completion)
    route = route_payment(uow, session, cart, request, completion.card)
    candidates, route = _candidates(uow, cascade, request, route, session)
    candidates, route = _within_budget(uow, completion, candidates, route)
    if cart is not None and not route.decision.is_declined:
        hold_discount(uow, cart, buyer_key(cart, session), is_final=True)
    return _write(uow, session, cart, Plan(request, candidates, completion, changed, route))


def _standing(session: CheckoutSession, completion: Completion) -> Standing | None:
    is_same = session.completion_digest == completion.digest
    if session.live_payment_id is not None:
        return Standing(session.live_payment_id, is_live=True, is_same=is_same)
    if session.status is SessionStatus.COMPLETED and is_same and session.payment_id is not None:
        return Standing(session.payment_id, is_live=False, is_same=True)
    return None


def _lock_cart(uow: UnitOfWork, session: CheckoutSession) -> Cart | None:
    if session.cart_id is None:
        return None
    cart = uow.carts.get_for_update(session.cart_id)
    if cart is None:
        raise LookupError(f"session {session.id} has lost its cart")
    if cart.status is CartStatus.CONVERTED:
        raise CartNotOpen(details={"status": cart.status.value})
    if cart.live_payment_id is not None:
        raise PaymentInProgress("Another session is paying for this cart.", headers={"Retry-After": "2"})
    cart.assert_ready()
    return cart


def _take_buyer(session: CheckoutSession, cart: Cart | None, completion: Completion) -> list[str]:
    """Keep what the buyer gave on session and cart, or say what is missing; return what changed of the cart."""
    require(
        [
            *check_address(completion.shipping_address, "/shippingAddress"),
            *check_address(completion.billing_address, "/billingAddress"),
        ]
    )
    email = completion.email or session.email or (cart.customer_email if cart else None)
    shipping = completion.shipping_address or session.address("shippingAddress") or (cart and cart.shipping_address)
    billing = completion.billing_address or session.address("billingAddress") or (cart and cart.billing_address)
    needed: Mapping[str, tuple[bool, Any]] = {
        "/email": (completion.payment_method != PROXY_METHOD, email),
        "/shippingAddress": (session.collect.shipping_address, shipping),
        "/billingAddress": (session.collect.billing_address, billing),
    }
    missing = [name for name, (is_needed, value) in needed.items() if is_needed and not value]
    if missing:
        raise MissingRequiredField(*(Fault(name, "required", "this session needs it to complete") for name in missing))
    session.customer_email = email
    known = {"shippingAddress": shipping, "billingAddress": billing}
    session.customer = {**session.customer, **{name: value for name, value in known.items() if value}}
    if cart is None:
        return []
    return cart.take_buyer(email=email, shipping=shipping or None, billing=billing or None)


def _price(session: CheckoutSession, cart: Cart | None) -> Money:
    money = session.price(cart)
    if money is None:
        message = "nothing says what this session charges: give amount and currency in the session's metadata"
        raise MissingRequiredField(Fault("/metadata/amount", "required", message))
    return money


def _request(session: CheckoutSession, money: Money, completion: Completion) -> ChargeRequest:
    _check_method(session, completion, money)
    address = session.address("billingAddress") or session.address("shippingAddress") or {}
    return ChargeRequest(
        "",
        money,
        completion.payment_method,
        completion.payment_token or "",
        reference=session.id,
        email=session.email,
        country=address.get("countryCode") or session.country,
        return_url=completion.return_url,
        capture=session.capture_mode,
        metadata={ORDER_TYPE_KEY: "one_off", "checkoutSessionId": session.id},
    )


def _check_method(session: CheckoutSession, completion: Completion, money: Money) -> None:
    method = completion.payment_method
    if method == "net30":
        raise FeatureUnavailable("Invoice terms are not offered here.", details={"feature": "net30"})
    if session.allowed_methods is not None and method not in session.allowed_methods and method != PROXY_METHOD:
        raise PaymentMethodUnavailable(details={"paymentMethod": method})
    if method == "card" and not completion.payment_token and money.amount:
        raise MissingRequiredField(Fault("/paymentToken", "required", "paying by card needs a payment token"))
    if method == PROXY_METHOD and not completion.provider_transaction_id:
        raise MissingRequiredField(Fault("/gr4vyTransactionId", "required", "the provider's transaction id is needed"))


def _candidates(
    uow: UnitOfWork, cascade: Cascade, request: ChargeRequest, route: Route, session: CheckoutSession
) -> tuple[Sequence[Candidate], Route]:
    """Return who can take the payment, in the order to try them, and the route with that written down.

    Where nobody can, the payment is made all the same and fails, so that its trace says why; without any connection there
    is nothing to say.
    """
    if request.money.amount == 0 or route.decision.is_declined:
        return (), route
    if request.method == PROXY_METHOD:
        return _proxy(uow, cascade, session), route
    active = uow.connections.list_active()
    if not active:
        raise NoEligibleConnector(details={"paymentMethod": request.method, "currency": request.money.currency})
    return with_candidates(route, cascade, active, request)


def _within_budget(
    uow: UnitOfWork, completion: Completion, candidates: Sequence[Candidate], route: Route
) -> tuple[Sequence[Candidate], Route]:
    """Leave out those for whom the card has no tries left. Raises `TooManyAttempts` where that is everybody."""
    card = completion.card_ref
    if card is None or not candidates:
        return candidates, route
    left = MAX_DECLINES - uow.payments.declines(card, uow.now - WINDOW, limit=MAX_DECLINES)
    if left <= 0:
        raise TooManyAttempts(
            "This card was declined too often lately; another one may work.", details={"limit": MAX_DECLINES}
        )
    taking = tuple(each.connection_id for each in candidates[:left])
    over = {each.connection_id: OVER_BUDGET for each in candidates[left:]}
    return candidates[:left], replace(route, taking=taking, passed_over={**route.passed_over, **over})


def _proxy(uow: UnitOfWork, cascade: Cascade, session: CheckoutSession) -> Sequence[Candidate]:
    """Return the one connection that can tell of a payment in its widget: the one whose widget it was, active or not."""
    opened = session.widget_connection_id and uow.connections.get(session.widget_connection_id)
    connections = [opened] if opened else uow.connections.list_active()
    usable = [c for c in map(cascade.candidate, connections) if c is not None]
    found = [c for c in usable if c.connector.capabilities.proxy][:1]
    if not found:
        raise NoGr4vyConnection("No active connection reports payments made in a provider's own widget.")
    return found


def _write(uow: UnitOfWork, session: CheckoutSession, cart: Cart | None, plan: Plan) -> Begun:
    request, candidates = plan.request, plan.candidates
    order, is_new = _order(uow, session, cart, request)
    payment = Payment(
        id=new_id(),
        scope=uow.scope,
        order_id=order.id,
        order_number=order.number,
        session_id=session.id,
        amount=request.money.amount,
        currency=request.money.currency,
        method=request.method,
        created_at=uow.now,
        updated_at=uow.now,
        metadata={ORDER_TYPE_KEY: "one_off"},
        capture_mode=session.capture_mode,
    )
    session.begin_payment(payment_id=payment.id, order_id=order.id, digest=plan.completion.digest, now=uow.now)
    if cart is not None:
        cart.enter_payment(payment.id, order.id, uow.now, plan.changed)
    order.session_id, order.payment_method = session.id, request.method
    checkout = Checkout(session, cart, order, payment)
    _save(uow, checkout, plan, is_new=is_new)
    return Begun(payment, request, candidates, plan.route)


def _save(uow: UnitOfWork, checkout: Checkout, plan: Plan, *, is_new: bool) -> None:
    """Write everything that must stand on disk before a byte leaves the house, or the end of one that none leaves for."""
    order, payment, cart, candidates = checkout.order, checkout.payment, checkout.cart, plan.candidates
    if candidates:
        first = candidates[0]
        attempt = payment.begin(
            attempt_id=new_id(),
            connection_id=first.connection_id,
            connector=first.connector_name,
            now=uow.now,
            card_ref=plan.completion.card_ref,
        )
        attempt.provider_ref = plan.completion.provider_transaction_id
        order.follow(payment, uow.now)
    elif payment.amount == 0:
        payment.settle_free(uow.now)
    if is_new:
        uow.orders.add(order)
    else:
        uow.orders.save(order)
        uow.orders.replace_lines(order)
    failpoint("order.before_commit")
    uow.payments.add(payment)
    uow.routing.add_route(payment.id, plan.route)
    if not candidates:
        conclude(uow, checkout)
        return
    if cart is not None:
        uow.carts.save(cart)
    uow.sessions.save(checkout.session)
    uow.due.add(RECONCILE, payment.id, uow.now + SENDING_GRACE)


def _order(uow: UnitOfWork, session: CheckoutSession, cart: Cart | None, request: ChargeRequest) -> tuple[Order, bool]:
    known = session.order_id or (cart.order_id if cart else None)
    order = uow.orders.get_for_update(known) if known else None
    is_new = order is None
    if order is None:
        order = _new_order(uow, session, cart, request)
    if cart is not None:
        order.take_snapshot(cart, uow.now)
    order.customer_email = session.email or order.customer_email
    if is_new:
        order.note("order.created", order.summary())
    return order, is_new


def _new_order(uow: UnitOfWork, session: CheckoutSession, cart: Cart | None, request: ChargeRequest) -> Order:
    order = Order(
        id=new_id(),
        scope=uow.scope,
        number=new_order_number(),
        status=OrderStatus.PENDING,
        payment_status=PaymentStatus.PENDING,
        currency=request.money.currency,
        created_at=uow.now,
        updated_at=uow.now,
        cart_id=cart.id if cart else None,
        external_cart_id=session.external_cart_id,
        metadata={**(cart.metadata if cart else {}), **session.metadata},
    )
    if cart is None:
        order.lines, order.totals = [_bare_line(session, request.money)], Totals(subtotal=request.money.amount)
        order.shipping_address = session.address("shippingAddress")
        order.billing_address = session.address("billingAddress")
    return order


def _bare_line(session: CheckoutSession, money: Money) -> OrderLine:
    """Return the one line that stands for a cart kept elsewhere, so that an order is always the sum of its lines."""
    return OrderLine(
        id=new_id(),
        type="custom",
        name=f"Cart {session.external_cart_id}" if session.external_cart_id else "Payment",
        unit_price=money.amount,
        quantity=1,
        discount_amount=0,
        tax_amount=0,
        total=money.amount,
        requires_shipping=session.collect.shipping_address,
        reference_id=session.external_cart_id,
    )
