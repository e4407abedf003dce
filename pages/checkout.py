"""The hosted and the embedded checkout. They show a session and carry its form; what may be done, the API decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from bootstrap import House
from pages import tokens
from pages.layout import render
from pages.summary import Brand, Summary, brand, countries, known_addresses, needs_address, summarize
from penstock.cart import Cart
from penstock.payment import Payment, PaymentStatus
from penstock.session import CheckoutSession, SessionStatus
from penstock.tenant import EmbedConfig
from penstock.web_page import Page, PageRequest, PageResponse

DECLINES: Final[Mapping[str, str]] = {
    "insufficient_funds": "The card has insufficient funds.",
    "authentication_failed": "Your bank could not confirm that it is you.",
    "auth_required": "Your bank wants to confirm this payment with you.",
    "duplicate": "This looks like a payment that was made before.",
    "soft": "The bank could not take the payment just now.",
    "other": "The payment was declined.",
}
"""What a buyer is told. Suspicion of fraud and compliance reasons are for the merchant alone."""

_THEMES: Final = frozenset({"light", "dark"})


@dataclass(frozen=True, slots=True)
class Visit:
    """One session as it stood when its page was asked for."""

    session: CheckoutSession
    cart: Cart | None
    payment: Payment | None
    config: EmbedConfig
    has_sandbox: bool
    is_production: bool
    is_over: bool
    is_to_calculate: bool
    """Whether the total depends on what the buyer gives: the application has Penstock work out shipping or tax."""
    is_embedded: bool
    parent_origin: str | None = None
    theme: str | None = None
    brand: Brand = field(default_factory=lambda: brand(EmbedConfig()))

    def state(self, page: str, **more: Any) -> dict[str, Any]:
        """Return what the page's script needs to know."""
        return {
            "page": page,
            "sessionId": self.session.id,
            "isEmbedded": self.is_embedded,
            "parentOrigin": self.parent_origin,
            "returnUrl": come_back(self.session.return_url, self.session.id),
            "cancelUrl": come_back(self.session.cancel_url, self.session.id),
            "hasCardForm": self.has_sandbox or not self.is_production,
            "declines": dict(DECLINES),
            **more,
        }

    def draw(self, template: str, values: Mapping[str, Any], *, status: int = 200) -> PageResponse:
        """Draw a page that only the allowed origins may frame."""
        return render(
            template,
            {"is_embedded": self.is_embedded, "brand": self.brand, "theme": self.theme, **values},
            status=status,
            ancestors=self.config.allowed_origins,
            images=self.brand.image_origins,
            headers={"permissions-policy": "payment=(self), camera=(), geolocation=(), microphone=(), usb=()"},
        )


def come_back(url: str | None, session_id: str) -> str | None:
    """Return the merchant's address with the session's id in it, so that its page knows which buyer is back."""
    if url is None:
        return None
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode({"session_id": session_id})) if part)
    return urlunsplit(parts._replace(query=query))


def checkout_pages(house: House) -> tuple[Page, Page]:
    """Return the hosted page and the embedded one."""

    def hosted(request: PageRequest) -> PageResponse:
        return _sealed(house, _show(house, request, is_embedded=False))

    def embedded(request: PageRequest) -> PageResponse:
        return _sealed(house, _show(house, request, is_embedded=True))

    return hosted, embedded


def _sealed(house: House, answer: PageResponse) -> PageResponse:
    """Have browsers come back by https only, where buyers reach this server by https."""
    if not house.settings.public_url.startswith("https://"):
        return answer
    return replace(answer, headers={**answer.headers, "strict-transport-security": "max-age=31536000"})


def _show(house: House, request: PageRequest, *, is_embedded: bool) -> PageResponse:
    visit = _visit(house, request.params["sessionId"], is_embedded=is_embedded)
    if visit is None:
        return _unknown(is_embedded=is_embedded)
    if is_embedded:
        origin = _parent_origin(request.argument("parentOrigin"), visit.config)
        if origin is None:
            return _refused(visit)
        theme = request.argument("theme")
        visit = replace(visit, parent_origin=origin, theme=theme if theme in _THEMES else None)
    return _PAGES[_standing(visit)](visit)


def _visit(house: House, session_id: str, *, is_embedded: bool) -> Visit | None:
    caller = house.identity.by_session(session_id)
    if caller is None:
        return None
    with house.work(caller.scope, read=True) as uow:
        session = uow.sessions.get(session_id)
        if session is None:
            return None
        config = uow.embed_configs.get()
        return Visit(
            session=session,
            cart=uow.carts.get(session.cart_id) if session.cart_id else None,
            payment=uow.payments.get(session.payment_id) if session.payment_id else None,
            config=config,
            has_sandbox=any(tokens.is_sandbox(c.connector) for c in uow.connections.list_active()),
            is_production=caller.is_production,
            is_over=session.is_over(uow.now),
            is_to_calculate=session.cart_id is not None and uow.shipping_tax.in_force().is_calculating,
            is_embedded=is_embedded,
            brand=brand(config),
        )


def _parent_origin(named: str | None, config: EmbedConfig) -> str | None:
    """Return the one origin that may hear from this frame; only an exact match counts."""
    allowed = config.allowed_origins
    if named is None:
        return allowed[0] if len(allowed) == 1 else None
    return named if named in allowed else None


def _standing(visit: Visit) -> str:
    session = visit.session
    if session.status is SessionStatus.COMPLETED:
        return "paid"
    if session.status is SessionStatus.EXPIRED or visit.is_over:
        return "expired"
    if session.status is SessionStatus.CANCELLED:
        return "cancelled"
    return "waiting" if session.live_payment_id is not None else "open"


def _till(visit: Visit) -> PageResponse:
    session, cart = visit.session, visit.cart
    summary: Summary = summarize(session, cart)
    if summary.total is None:
        return _without_amount(visit)
    shipping, billing = needs_address(session, cart)
    known_shipping, known_billing = known_addresses(session, cart)
    values = {
        "summary": summary,
        "known_email": session.email or (cart.customer_email if cart else None),
        "needs_shipping": shipping,
        "needs_billing": billing,
        "known_shipping": known_shipping,
        "known_billing": known_billing,
        "countries": countries(),
        "country": session.country or "",
        "is_production": visit.is_production,
        "tokens": tokens.CHOICES if visit.has_sandbox else (),
        "declined": _decline(visit.payment),
        "state": visit.state("till", isFree=not summary.total.amount, exponent=summary.total.exponent, **_lock(visit)),
    }
    return visit.draw("till.html", values)


def _lock(visit: Visit) -> dict[str, bool]:
    """Tell whether the page has to have the total worked out, and whether the one that it shows is what would be charged."""
    calculated = visit.cart.calculated if visit.cart else None
    is_final = calculated is not None and calculated.is_final
    return {"isToCalculate": visit.is_to_calculate, "isFinal": is_final or not visit.is_to_calculate}


def _decline(payment: Payment | None) -> str | None:
    if payment is None or payment.status is not PaymentStatus.FAILED:
        return None
    return DECLINES.get(payment.decline_kind or "", DECLINES["other"])


def _waiting(visit: Visit) -> PageResponse:
    bank = visit.payment.redirect_url if visit.payment else None
    text = "Your bank may still ask you to confirm." if bank else "This takes a moment. Please keep this page open."
    values = {
        "title": "Waiting for your bank",
        "text": text,
        "tone": "",
        "sign": "…",
        "link": {"url": bank, "label": "Go to your bank"} if bank else None,
        "is_waiting": True,
        "state": visit.state("waiting"),
    }
    return visit.draw("slip.html", values)


def _paid(visit: Visit) -> PageResponse:
    session = visit.session
    back = come_back(session.return_url, session.id)
    return _slip(
        visit,
        title="Thank you, it is paid",
        text="Your order has been placed.",
        tone="good",
        sign="✓",
        link={"url": back, "label": "Back to the shop"} if back and not visit.is_embedded else None,
        state=visit.state("paid", orderId=session.order_id, paymentId=session.payment_id),
    )


def _expired(visit: Visit) -> PageResponse:
    return _ended(
        visit, "session_expired", "This checkout has expired", "Nothing was charged. Start again in the shop."
    )


def _cancelled(visit: Visit) -> PageResponse:
    return _ended(visit, "session_not_open", "This checkout was cancelled", "Nothing was charged.")


def _ended(visit: Visit, code: str, title: str, text: str) -> PageResponse:
    back = come_back(visit.session.cancel_url, visit.session.id)
    link = {"url": back, "label": "Back to the shop"} if back and not visit.is_embedded else None
    state = visit.state("over", code=code)
    return _slip(visit, title=title, text=text, sign="!", link=link, state=state, status=410)


def _without_amount(visit: Visit) -> PageResponse:
    text = "The shop has not said yet what this order costs. Please go back and try again."
    state = visit.state("over", code="missing_required_field")
    return _slip(visit, title="There is nothing to pay yet", text=text, sign="!", state=state, status=409)


def _slip(visit: Visit, *, status: int = 200, **values: Any) -> PageResponse:
    return visit.draw("slip.html", {"tone": "", "link": None, "is_waiting": False, **values}, status=status)


def _unknown(*, is_embedded: bool) -> PageResponse:
    values = {
        "title": "There is no such checkout",
        "text": "The link may be incomplete, or it was made elsewhere. Go back to the shop and start again.",
        "tone": "",
        "sign": "?",
        "link": None,
        "is_waiting": False,
        "is_embedded": is_embedded,
        "brand": None,
        "state": None,
    }
    return render("slip.html", values, status=404)


def _refused(visit: Visit) -> PageResponse:
    text = "The page that shows this frame is not among the shop's allowed origins."
    return _slip(visit, title="This checkout cannot be shown here", text=text, sign="!", state=None, status=403)


_PAGES: Final[Mapping[str, Callable[[Visit], PageResponse]]] = {
    "open": _till,
    "waiting": _waiting,
    "paid": _paid,
    "expired": _expired,
    "cancelled": _cancelled,
}
