"""What a provider may answer, and the check that an answer can be so. Anything else means that nobody knows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, get_args

from penstock.money import Money

DeclineKind = Literal[
    "hard", "soft", "auth_required", "fraud", "insufficient_funds", "duplicate", "compliance", "authentication_failed"
]
RejectKind = Literal["unsupported", "configuration", "validation", "rate_limited", "merchant_blocked"]
CaptureMode = Literal["automatic", "manual"]
ProxyState = Literal["captured", "authorized", "pending", "declined"]

DECLINE_KINDS: Final[tuple[DeclineKind, ...]] = get_args(DeclineKind)
REJECT_KINDS: Final[tuple[RejectKind, ...]] = get_args(RejectKind)

MAX_REF: Final = 255
"""The longest reference of a provider that is stored."""

MAX_URL: Final = 4096
_JWT: Final = re.compile(r"[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]+")


class BrokenPromise(Exception):
    """A connector returned something that the contract does not allow. The attempt's outcome is unknown."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the provider says about the card. Never a number: the last four digits are all that is kept."""

    scheme: str | None = None
    last4: str | None = None
    expiry_month: int | None = None
    expiry_year: int | None = None
    funding: Literal["credit", "debit", "prepaid"] | None = None
    country: str | None = None
    fingerprint: str | None = None
    """The provider's own name for this card, the same for each of its tokens. It counts how often the card is tried."""


@dataclass(frozen=True, slots=True)
class Approved:
    """The provider said yes: ``captured`` is taken, or (manual capture) zero is and ``authorized`` is held."""

    ref: str
    captured: Money
    authorized: Money | None = None
    card: CardFacts | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """The provider will say later, or the buyer must act at ``redirect_url`` first."""

    ref: str
    redirect_url: str | None = None


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider or the card's issuer said no, for certain. ``provider_code`` is their own word for it."""

    kind: DeclineKind
    provider_code: str = ""
    message: str = ""

    @property
    def may_go_elsewhere(self) -> bool:
        """Whether another provider may be asked for the same payment."""
        return self.kind == "soft"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused the request itself, for certain: nothing was executed, another provider may be asked."""

    kind: RejectKind
    provider_code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """A capture, void or refund went through: ``money`` was taken, released or given back."""

    ref: str
    money: Money


Outcome = Approved | Pending | Declined | Rejected
FollowUp = Done | Pending | Declined | Rejected


@dataclass(frozen=True, slots=True)
class ProxyTransaction:
    """A payment that the buyer made in the provider's own widget, as the provider reports it to us."""

    ref: str
    reference: str
    money: Money
    state: ProxyState


@dataclass(frozen=True, slots=True)
class Widget:
    """What a buyer's browser needs to open a provider's own widget. ``ref`` is the provider's session behind it, if any."""

    token: str = field(repr=False)
    expires_at: datetime
    ref: str | None = None


def check_answer(outcome: object, money: Money, capture: CaptureMode) -> Outcome:
    """Return what a connector answered about a charge, with its texts clipped.

    Raises `BrokenPromise` where it does not fit the amount asked and the capture mode.
    """
    match outcome:
        case Approved():
            _check_ref(outcome.ref)
            _check_money(outcome, money, capture)
            return outcome
        case Pending():
            _check_ref(outcome.ref)
            _check_url(outcome.redirect_url)
            return outcome
        case Declined() | Rejected():
            return _clipped(outcome)
    raise BrokenPromise(f"it answered with {type(outcome).__name__}, which is no outcome")


def check_follow_up(answer: object, money: Money) -> FollowUp:
    """Return what a connector answered about a capture, void or refund of ``money``, with its texts clipped.

    Raises `BrokenPromise` where it cannot be so.
    """
    match answer:
        case Done():
            _check_ref(answer.ref)
            if answer.money != money:
                raise BrokenPromise(f"it was asked for {money} and says {answer.money}")
            return answer
        case Pending():
            _check_ref(answer.ref)
            return replace(answer, redirect_url=None)
        case Declined() | Rejected():
            return _clipped(answer)
    raise BrokenPromise(f"it answered with {type(answer).__name__}, which is no answer to a follow-up")


def check_widget(opened: object) -> Widget:
    """Return what a connector gave to open its widget with. Raises `BrokenPromise` for what no browser could use."""
    if not isinstance(opened, Widget):
        raise BrokenPromise(f"it answered with {type(opened).__name__}, which opens no widget")
    is_jwt = isinstance(opened.token, str) and _JWT.fullmatch(opened.token) and len(opened.token) <= MAX_URL
    if not is_jwt or not isinstance(opened.expires_at, datetime) or opened.expires_at.tzinfo is None:
        raise BrokenPromise("it gave no token that a browser could use")
    if opened.ref is not None:
        _check_ref(opened.ref)
    return opened


def _clipped(refusal: Declined | Rejected) -> Declined | Rejected:
    _check_kind(refusal.kind, DECLINE_KINDS if isinstance(refusal, Declined) else REJECT_KINDS)
    return replace(refusal, provider_code=_clip(refusal.provider_code, 100), message=_clip(refusal.message))


def _check_money(approved: Approved, asked: Money, capture: CaptureMode) -> None:
    captured, authorized = approved.captured, approved.authorized
    if not isinstance(captured, Money) or not isinstance(authorized, Money | None):
        raise BrokenPromise("it approved something that is not Money")
    nothing = Money(0, asked.currency)
    if capture == "automatic":
        kept = captured == asked and authorized in (None, asked)
    else:
        kept = captured == nothing and authorized == asked
    if not kept:
        raise BrokenPromise(f"it was asked for {asked} ({capture}) and says {captured}, authorized {authorized}")


def _check_ref(ref: object) -> None:
    if not isinstance(ref, str) or not ref.strip() or len(ref) > MAX_REF or not ref.isprintable():
        raise BrokenPromise("it gave no usable reference")


def _check_url(url: object) -> None:
    if url is None:
        return
    is_url = isinstance(url, str) and url.startswith(("https://", "http://"))
    if not is_url or len(str(url)) > MAX_URL or not str(url).isprintable():
        raise BrokenPromise("it gave a redirect_url that no browser should follow")


def _check_kind(kind: object, kinds: Sequence[str]) -> None:
    if kind not in kinds:
        raise BrokenPromise(f"it gave {str(kind)[:40]!r}, which is not one of {', '.join(kinds)}")


def _clip(text: object, length: int = 500) -> str:
    if not isinstance(text, str):
        raise BrokenPromise("it gave a provider_code or message that is not text")
    return "".join(c for c in text[:length] if c.isprintable())
