"""The payment connector contract: what a provider is asked, what it may answer, and what a connector must keep.

Five answers, so that the careless connector is the safe one: `Approved`, `Pending`, `Declined` and `Rejected` are
returned; `NotSent` is raised when the provider certainly never heard us. Anything else that is raised means that
nobody knows, and no other provider is tried.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Final, Literal, Protocol

import httpx

from penstock.clock import Clock
from penstock.outcome import CardFacts, FollowUp, Outcome, ProxyTransaction, Widget
from penstock.request import (
    CaptureRequest,
    ChargeRequest,
    FollowUpRequest,
    Hint,
    RefundRequest,
    ResumeRequest,
    VoidRequest,
    WebhookDelivery,
    WidgetRequest,
)

EnvironmentKind = Literal["production", "sandbox"]
ProviderKind = Literal["payment", "tax", "shipping"]


class NotSent(Exception):
    """The provider certainly never got the request: nothing can have happened. Only raise it with proof."""


class NotClaimed(NotImplementedError):
    """A verb was called that the connector's capabilities do not claim."""


class BadCredentials(Exception):
    """The provider refuses the account's credentials. Its text is shown to the operator, without secrets."""


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A way to pay that a connector offers: its code (``card``) and what a buyer reads."""

    method: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector can do. A verb exists if and only if it is claimed here.

    ``currencies`` None means every currency. ``idempotent_create`` claims that the same key never acts twice, in
    a charge or in what follows it.
    ``lookup_is_authoritative_after`` is in seconds: from then on "not found" proves that nothing happened; None
    means never. ``reverse_by_reference`` claims `reverse`, ``proxy`` claims `read_transaction`,
    ``manual_capture`` claims `capture` and `void`. ``follow_up_lookup`` claims `find_follow_up`; ``webhooks`` claims
    `parse_webhook`; ``resume`` claims `resume`; ``verify`` claims `verify_account`; ``widget`` claims `open_widget`. ``step_up`` claims that
    `ChargeRequest.step_up` is honoured. ``redirect_methods`` are the methods that need no token: the buyer is sent
    to the provider.
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
    follow_up_lookup: bool = False
    webhooks: bool = False
    resume: bool = False
    verify: bool = False
    step_up: bool = False
    proxy: bool = False
    widget: bool = False
    redirect_methods: frozenset[str] = frozenset()

    @property
    def is_settled_by_resume(self) -> bool:
        """Whether a charge that waits for its buyer is asked after by `resume`, since it cannot be looked up."""
        return self.resume and not self.lookup


@dataclass(frozen=True, slots=True)
class Context:
    """All that a connector is lent: its account's settings, one HTTP client, the clock. Never the host."""

    settings: Mapping[str, Any] = field(repr=False)
    http: httpx.Client
    clock: Clock
    environment: EnvironmentKind = "sandbox"


class Claims(Protocol):
    """What every kind of provider claims or does not."""

    @property
    def verify(self) -> bool:
        """Whether credentials can be tried."""
        ...


class Provider(ABC):
    """Somebody outside who is asked: for money, for a tax, for a shipping rate.

    An instance serves one configured account, from many threads; it keeps no state between calls. ``name`` is what a
    connection names (lower case, an identifier, unlike any other plugin's of any kind); ``settings_schema`` is a JSON
    Schema for one account's settings, from which the form, the check and the docs come. ``environments`` says where
    it may be used.
    """

    kind: ClassVar[ProviderKind]
    name: ClassVar[str]
    display_name: ClassVar[str]
    capabilities: ClassVar[Claims]
    settings_schema: ClassVar[Mapping[str, Any]]
    environments: ClassVar[frozenset[EnvironmentKind]] = frozenset({"production", "sandbox"})

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def verify_account(self) -> None:
        """Return if the provider accepts the settings' credentials; raise `BadCredentials` if it refuses them."""
        raise NotClaimed(f"{self.name} does not verify its account")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class PaymentConnector(Provider):
    """One payment provider."""

    kind = "payment"
    capabilities: ClassVar[Capabilities]

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

    def find_follow_up(self, request: FollowUpRequest) -> FollowUp | None:
        """Return what became of this capture, void or refund, or None if the provider has none under its key."""
        raise NotClaimed(f"{self.name} does not look follow-ups up ({request.key})")

    def resume(self, request: ResumeRequest) -> Outcome:
        """Go on with a charge after the buyer came back; what the buyer's browser brought proves nothing by itself.

        A connector without ``lookup`` is asked by this at other times too, with an empty ``query``.
        """
        raise NotClaimed(f"{self.name} does not resume ({request.key})")

    def parse_webhook(self, delivery: WebhookDelivery) -> Sequence[Hint]:
        """Check the sender of a message and return what it hints at. Raises `Forged`; calls nobody for us."""
        raise NotClaimed(f"{self.name} reads no webhooks ({len(delivery.body)} bytes)")

    def takes_token(self, token: str) -> bool:
        """Whether this provider could use the token: False for one that is bound to somebody else. Calls nobody."""
        return bool(token)

    def describe_token(self, token: str) -> CardFacts | None:
        """Return what is known about the card behind a token, for routing; None if nothing is. May call the provider."""
        _ = token
        return None

    def reverse(self, key: str) -> bool:
        """Undo whatever the charge with this key did; True only once the provider confirmed it."""
        raise NotClaimed(f"{self.name} does not reverse ({key})")

    def read_transaction(self, ref: str) -> ProxyTransaction | None:
        """Read a payment made in the provider's own widget; None if the provider has none under this reference."""
        raise NotClaimed(f"{self.name} is no proxy ({ref})")

    def open_widget(self, request: WidgetRequest) -> Widget:
        """Return a token with which the buyer's browser opens the provider's widget, for this session and amount only."""
        raise NotClaimed(f"{self.name} has no widget ({request.session_id})")


CLAIMED_VERBS: Final = (
    ("manual_capture", "capture"),
    ("manual_capture", "void"),
    ("refund", "refund"),
    ("follow_up_lookup", "find_follow_up"),
    ("reverse_by_reference", "reverse"),
    ("resume", "resume"),
    ("webhooks", "parse_webhook"),
    ("verify", "verify_account"),
    ("proxy", "read_transaction"),
    ("widget", "open_widget"),
)
"""The verbs that exist only where a claim says so, with the claim before each."""


def unkept_claims(connector: type[PaymentConnector]) -> list[str]:
    """Return, in sentences, where a class's claims and its verbs differ. Empty for an honest connector."""
    faults = []
    for claim, verb in CLAIMED_VERBS:
        has = getattr(connector, verb) is not getattr(PaymentConnector, verb)
        if getattr(connector.capabilities, claim) and not has:
            faults.append(f"it claims {claim} and has no {verb}()")
        if has and not getattr(connector.capabilities, claim):
            faults.append(f"it has {verb}() and does not claim {claim}")
    return faults


def unkept_verify(provider: type[Provider]) -> list[str]:
    """Return, in sentences, where the claim to verify accounts and the verb differ: the one that every kind has."""
    has = provider.verify_account is not Provider.verify_account
    if provider.capabilities.verify and not has:
        return ["it claims verify and has no verify_account()"]
    if has and not provider.capabilities.verify:
        return ["it has verify_account() and does not claim verify"]
    return []
