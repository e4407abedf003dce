"""What a connector is asked: charges, what follows them, the buyer's return, and a provider's own messages."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import Literal

from penstock.money import Money
from penstock.outcome import CaptureMode, FollowUp, Outcome

FollowUpVerb = Literal["capture", "void", "refund"]
HintKind = Literal["payment", "refund", "dispute", "other"]


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """One attempt to take money.

    ``key`` is the attempt's id: the provider's idempotency key and our reference there, the same on every repeat.
    ``reference`` is what the merchant recognises (an order or session id). ``country`` is ISO 3166-1 alpha-2.
    ``method_token`` is "" for a method that needs none (one that redirects the buyer). ``step_up`` asks for the
    buyer's authentication (3-D Secure) after this provider answered that the issuer wants it.
    """

    key: str
    money: Money
    method: str
    method_token: str = field(repr=False)
    _: KW_ONLY
    capture: CaptureMode = "automatic"
    reference: str = ""
    email: str | None = field(default=None, repr=False)
    country: str | None = None
    return_url: str | None = None
    statement: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    step_up: bool = False
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Take (part of) what an earlier charge authorized; what is left of it is released.

    ``key`` is this capture's own idempotency key. ``ref`` is the provider's, from `Approved`, ``charge_key`` the key
    of that charge, ``charged`` the amount that it authorized.
    """

    key: str
    ref: str
    money: Money
    _: KW_ONLY
    charge_key: str
    charged: Money


@dataclass(frozen=True, slots=True)
class VoidRequest:
    """Release all that an earlier charge authorized and nobody captured. ``money`` is that amount."""

    key: str
    ref: str
    money: Money
    _: KW_ONLY
    charge_key: str


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give back (part of) what was captured.

    ``capture_ref`` is the provider's reference of a capture that was a step of its own, or None; ``charged`` is the
    amount that the charge asked for.
    """

    key: str
    ref: str
    money: Money
    _: KW_ONLY
    charge_key: str
    charged: Money
    capture_ref: str | None = None
    reason: str = ""


FollowUpRequest = CaptureRequest | VoidRequest | RefundRequest


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """The buyer came back from `Pending.redirect_url`. ``query`` is what the provider put on the return URL.

    ``give_up`` says that the buyer's time is over. A connector that can make sure that nothing is taken any more does so
    and, once it is sure, answers `Declined`; any other answers how the charge stands. What the buyer paid or approved in
    time stays a yes.
    """

    key: str
    ref: str
    money: Money
    _: KW_ONLY
    capture: CaptureMode = "automatic"
    method: str = "card"
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    give_up: bool = False


@dataclass(frozen=True, slots=True)
class WidgetRequest:
    """The buyer is to pay ``money`` in the provider's own widget, for one checkout session and nothing else.

    ``ref`` is the provider's session of an earlier `Widget` for the same checkout session, to go on with; None for the
    first. ``lifetime`` is how many seconds the checkout session still has.
    """

    session_id: str
    money: Money
    _: KW_ONLY
    lifetime: int
    country: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """A provider's message as it came in. Header names are in lower case; ``body`` is unparsed."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Hint:
    """Something happened at the provider: a reason to look, never an outcome in itself.

    ``event_id`` is the provider's, the same on every repeat. The payment is named by ``key`` (a charge's or
    follow-up's key) or by ``ref`` (the provider's reference of the charge), whichever the message carries.
    ``told`` is for a provider that cannot be asked (Adyen): what the signed part of the message itself says became of
    what ``key`` names. The host takes it as an answer to a lookup, checked against what was asked like any other.
    """

    event_id: str
    kind: HintKind
    key: str | None = None
    ref: str | None = None
    told: Outcome | FollowUp | None = None


class Forged(Exception):
    """A message is not from the provider, or too old to be believed. Nothing in it may be used."""
