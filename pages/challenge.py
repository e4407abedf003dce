"""The sandbox's bank: where a 3-D Secure test payment is confirmed or refused by whoever plays the cardholder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from bootstrap import House
from connectors.payments.sandbox import SandboxPayments
from pages.layout import render
from pages.response import redirect
from pages.summary import brand
from penstock.money import Money
from penstock.payment import Attempt, AttemptState, Payment
from penstock.tenant import Connection, EmbedConfig
from penstock.web_page import Page, PageRequest, PageResponse

_ANSWERS: Final = {"approve": True, "fail": False}
_OWN: Final = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Challenge:
    """One question of the sandbox's bank: which charge it is about, and for whom."""

    ref: str
    session_id: str
    amount: Money
    config: EmbedConfig
    bank: SandboxPayments
    is_asked: bool

    @property
    def action(self) -> str:
        """Where the answer goes."""
        return f"/sandbox/challenge/{self.ref}?{urlencode({'session_id': self.session_id})}"

    @property
    def comeback(self) -> str:
        """Where the buyer goes from the bank."""
        return f"/checkout/{self.session_id}/return"


def challenge_pages(house: House) -> tuple[Page, Page]:
    """Return the page that asks and the one that takes the answer."""

    def ask(request: PageRequest) -> PageResponse:
        challenge = _find(house, request)
        if challenge is None:
            return _unknown()
        return _question(challenge) if challenge.is_asked else redirect(challenge.comeback)

    def answer(request: PageRequest) -> PageResponse:
        challenge = _find(house, request)
        if challenge is None:
            return _unknown()
        if not is_own(request):
            return _notice("This answer came from another page", "Answer on the bank's own page.", status=403)
        word = request.form("answer") or ""
        if word not in _ANSWERS:
            return _notice("That is no answer", "Approve the payment, or fail it.", status=400)
        if challenge.is_asked:
            challenge.bank.settle(challenge.ref, approve=_ANSWERS[word])
        return _thanks(challenge)

    return ask, answer


def is_own(request: PageRequest) -> bool:
    """Tell whether a form comes from a page of this server. Browsers say so; what says nothing is no browser."""
    if request.headers.get("sec-fetch-site", "none") not in _OWN:
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _find(house: House, request: PageRequest) -> Challenge | None:
    """Return the challenge, if the session that the address names has this very charge at a sandbox connector."""
    ref, session_id = request.params["ref"], request.argument("session_id") or ""
    caller = house.identity.by_session(session_id)
    if caller is None:
        return None
    with house.work(caller.scope, read=True) as uow:
        session = uow.sessions.get(session_id)
        payment = uow.payments.get(session.payment_id) if session and session.payment_id else None
        attempt = _attempt(payment, ref)
        connection = uow.connections.get(attempt.connection_id) if attempt else None
        config = uow.embed_configs.get()
    bank = _bank(house, connection)
    if payment is None or attempt is None or bank is None:
        return None
    return Challenge(ref, session_id, payment.money, config, bank, attempt.state is AttemptState.PENDING)


def _attempt(payment: Payment | None, ref: str) -> Attempt | None:
    attempts = payment.attempts if payment is not None else ()
    return next((one for one in attempts if one.provider_ref == ref), None)


def _bank(house: House, connection: Connection | None) -> SandboxPayments | None:
    candidate = house.cascade.candidate(connection) if connection is not None else None
    found = candidate.connector if candidate is not None else None
    return found if isinstance(found, SandboxPayments) else None


def _question(challenge: Challenge) -> PageResponse:
    values = {
        "amount": challenge.amount,
        "merchant": challenge.config.merchant_name,
        "action": challenge.action,
        "is_embedded": False,
        "brand": brand(EmbedConfig()),
        "state": {"page": "challenge", "sessionId": challenge.session_id, "isEmbedded": False, "parentOrigin": None},
    }
    # Without a referrer a browser would hide the form's origin, which is what tells it from a forged one.
    return render(
        "challenge.html",
        values,
        ancestors=challenge.config.allowed_origins,
        headers={"referrer-policy": "same-origin"},
    )


def _thanks(challenge: Challenge) -> PageResponse:
    # A page and no redirect: browsers hold a form's redirects to the page's `form-action`, and the way ends at the
    # shop, on another origin.
    return _notice(
        "The bank has your answer",
        "You are taken back.",
        link={"url": challenge.comeback, "label": "Go back"},
        ancestors=challenge.config.allowed_origins,
        headers={"refresh": f"0; url={challenge.comeback}"},
    )


def _unknown() -> PageResponse:
    return _notice("The bank knows no such payment", "The link may be incomplete. Go back to the shop.", status=404)


def _notice(
    title: str,
    text: str,
    *,
    status: int = 200,
    link: Mapping[str, str] | None = None,
    ancestors: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> PageResponse:
    values = {"title": title, "text": text, "tone": "", "sign": "?", "link": link, "is_waiting": link is not None}
    values |= {"is_embedded": False, "brand": None, "state": None}
    return render("slip.html", values, status=status, ancestors=ancestors, headers=headers)
