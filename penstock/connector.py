"""The payment connector contract: what a provider is asked, what it may answer, and what a connector must keep.

Five answers, so that the careless connector is the safe one: `Approved`, `Pending`, `Declined` and `Rejected` are
returned; `NotSent` is raised when the provider certainly never heard us. Anything else that is raised means that
nobody knows, and no other provider is tried.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, ClassVar, Final, Literal, get_args

import httpx

from penstock.clock import Clock
from penstock.money import Money

DeclineKind = Literal[
    "hard", "soft", "auth_required", "fraud", "insufficient_funds", "duplicate", "compliance", "authentication_failed"
]
RejectKind = Literal["unsupported", "configuration", "validation", "rate_limited", "merchant_blocked"]
CaptureMode = Literal["automatic", "manual"]
EnvironmentKind = Literal["production", "sandbox"]
ProxyState = Literal["captured", "authorized", "pending", "declined"]

DECLINE_KINDS: Final[tuple[DeclineKind, ...]] = get_args(DeclineKind)
REJECT_KINDS: Final[tuple[RejectKind, ...]] = get_args(RejectKind)

MAX_REF: Final = 255
MAX_URL: Final = 4096
"""The longest reference of a provider that is stored."""


class NotSent(Exception):
    """The provider certainly never got the request: nothing can have happened. Only raise it with proof."""


class BrokenPromise(Exception):
    """A connector returned something that the contract does not allow. The attempt's outcome is unknown."""


class NotClaimed(NotImplementedError):
    """A verb was called that the connector's capabilities do not claim."""


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """One attempt to take money.

    ``key`` is the attempt's id: the provider's idempotency key and our reference there, the same on every repeat.
    ``reference`` is what the merchant recognises (an order or session id). ``country`` is ISO 3166-1 alpha-2.
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


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Take (part of) what an earlier charge authorized. ``ref`` is the provider's, from `Approved`."""

    key: str
    ref: str
    money: Money


@dataclass(frozen=True, slots=True)
class VoidRequest:
    """Release what an earlier charge authorized and nobody captured."""

    key: str
    ref: str


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Give back (part of) what was captured."""

    key: str
    ref: str
    money: Money
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the provider says about the card. Never a number: the last four digits are all that is kept."""

    scheme: str | None = None
    last4: str | None = None
    expiry_month: int | None = None
    expiry_year: int | None = None
    funding: Literal["credit", "debit", "prepaid"] | None = None
    country: str | None = None


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
class PaymentMethod:
    """A way to pay that a connector offers: its code (``card``) and what a buyer reads."""

    method: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector can do. A verb exists if and only if it is claimed here.

    ``currencies`` None means every currency. ``idempotent_create`` claims that the same key never charges twice.
    ``lookup_is_authoritative_after`` is in seconds: from then on "not found" proves that nothing happened; None
    means never. ``reverse_by_reference`` claims `reverse`, ``proxy`` claims `read_transaction`,
    ``manual_capture`` claims `capture` and `void`.
    """

    currencies: frozenset[str] | None
    methods: frozenset[str]
    _: KW_ONLY
    manual_capture: bool = False
    idempotent_create: bool = False
    lookup: bool = True
    lookup_is_authoritative_after: int | None = None
    reverse_by_reference: bool = False
    refund: bool = False
    proxy: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """All that a connector is lent: its account's settings, one HTTP client, the clock. Never the host."""

    settings: Mapping[str, Any] = field(repr=False)
    http: httpx.Client
    clock: Clock
    environment: EnvironmentKind = "sandbox"


class PaymentConnector(ABC):
    """One provider. An instance serves one configured account, from many threads; it keeps no state between calls.

    ``name`` is what a connection names (lower case, an identifier); ``settings_schema`` is a JSON Schema for one
    account's settings, from which the form, the check and the docs come. ``environments`` says where it may be used.
    """

    name: ClassVar[str]
    display_name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    settings_schema: ClassVar[Mapping[str, Any]]
    environments: ClassVar[frozenset[EnvironmentKind]] = frozenset({"production", "sandbox"})

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    @abstractmethod
    def charge(self, request: ChargeRequest) -> Outcome:
        """Ask the provider for the money. Raise `NotSent` with proof only; raise anything else for "nobody knows"."""

    @abstractmethod
    def find(self, key: str) -> Outcome | None:
        """Return what became of the charge with this key, or None if the provider has none."""

    def payment_methods(self) -> Sequence[PaymentMethod]:
        """Return the ways to pay that this account offers, in the order to show them."""
        return [PaymentMethod(m, m.replace("_", " ").capitalize()) for m in sorted(self.capabilities.methods)]

    def capture(self, request: CaptureRequest) -> FollowUp:
        """Take what was authorized. Claimed by ``manual_capture``."""
        raise NotClaimed(f"{self.name} does not capture ({request.key})")

    def void(self, request: VoidRequest) -> FollowUp:
        """Release what was authorized. Claimed by ``manual_capture``."""
        raise NotClaimed(f"{self.name} does not void ({request.key})")

    def refund(self, request: RefundRequest) -> FollowUp:
        """Give money back. Claimed by ``refund``."""
        raise NotClaimed(f"{self.name} does not refund ({request.key})")

    def reverse(self, key: str) -> bool:
        """Undo whatever the charge with this key did; True only once the provider confirmed it."""
        raise NotClaimed(f"{self.name} does not reverse ({key})")

    def read_transaction(self, ref: str) -> ProxyTransaction | None:
        """Read a payment made in the provider's own widget; None if the provider has none under this reference."""
        raise NotClaimed(f"{self.name} is no proxy ({ref})")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


_VERBS: Final = (
    ("manual_capture", "capture"),
    ("manual_capture", "void"),
    ("refund", "refund"),
    ("reverse_by_reference", "reverse"),
    ("proxy", "read_transaction"),
)


def unkept_claims(connector: type[PaymentConnector]) -> list[str]:
    """Return, in sentences, where a class's claims and its verbs differ. Empty for an honest connector."""
    faults = []
    for claim, verb in _VERBS:
        has = getattr(connector, verb) is not getattr(PaymentConnector, verb)
        if getattr(connector.capabilities, claim) and not has:
            faults.append(f"it claims {claim} and has no {verb}()")
        if has and not getattr(connector.capabilities, claim):
            faults.append(f"it has {verb}() and does not claim {claim}")
    return faults


def check_outcome(request: ChargeRequest, outcome: object) -> Outcome:
    """Return what a connector answered, with its texts clipped; raise `BrokenPromise` if it cannot be so."""
    return check_answer(outcome, request.money, request.capture)


def check_answer(outcome: object, money: Money, capture: CaptureMode) -> Outcome:
    """Hold an answer against the amount asked and the capture mode: `check_outcome` without the request."""
    match outcome:
        case Approved():
            _check_ref(outcome.ref)
            _check_money(outcome, money, capture)
            return outcome
        case Pending():
            _check_ref(outcome.ref)
            _check_url(outcome.redirect_url)
            return outcome
        case Declined():
            _check_kind(outcome.kind, DECLINE_KINDS)
            return replace(outcome, provider_code=_clip(outcome.provider_code, 100), message=_clip(outcome.message))
        case Rejected():
            _check_kind(outcome.kind, REJECT_KINDS)
            return replace(outcome, provider_code=_clip(outcome.provider_code, 100), message=_clip(outcome.message))
    raise BrokenPromise(f"it answered with {type(outcome).__name__}, which is no outcome")


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
