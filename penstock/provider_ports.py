"""What the flows need of the providers, as the plugins' room has it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from penstock.mail import Mail
from penstock.money import Money
from penstock.outcome import CaptureMode, CardFacts, ProxyTransaction, Widget
from penstock.request import ChargeRequest, FollowUpRequest, ResumeRequest, WidgetRequest
from penstock.verdict import Candidate, StepVerdict, Verdict
from penstock.verdict import Connection as Account


class Offer(Protocol):
    """A way to pay at one connection."""

    @property
    def connection_id(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def display_name(self) -> str: ...


class Cascade(Protocol):
    """Orders the connections that can take a charge, and asks one at a time. Never inside a transaction."""

    def candidates(
        self, connections: Iterable[Account], request: ChargeRequest, *, is_imagined: bool = False
    ) -> Sequence[Candidate]:
        """Return who can take a charge, in order. An imagined one has no token, so any token would do."""
        ...

    def objection(self, connection: Account, request: ChargeRequest, *, is_imagined: bool = False) -> str:
        """Return why a connection cannot take a charge, or "" where it can."""
        ...

    def candidate(self, connection: Account) -> Candidate | None: ...
    def offers(self, connections: Iterable[Account], *, currency: str) -> Sequence[Offer]: ...
    @property
    def deadline(self) -> float:
        """How many seconds all the attempts of one payment may take together."""
        ...

    def call(self, candidate: Candidate, request: ChargeRequest, *, within: float | None = None) -> Verdict: ...
    def resume(self, candidate: Candidate, request: ResumeRequest, *, within: float | None = None) -> Verdict: ...
    def is_failing(self, connection_id: str) -> bool:
        """Whether too many calls of a connection fail, so that it is passed over or tried with care."""
        ...

    def ways(self, connection: Account) -> Sequence[Offer] | None:
        """Return the ways to pay at one connection in any currency; None where it could not say."""
        ...

    def describe(self, connections: Iterable[Account], token: str) -> CardFacts | None:
        """Return what a provider says about the card behind a token; None if nobody knows it."""
        ...

    def find(
        self,
        candidate: Candidate,
        key: str,
        *,
        money: Money | None = None,
        capture: CaptureMode = "automatic",
        within: float | None = None,
    ) -> Verdict | None: ...
    def reverse(self, candidate: Candidate, key: str, *, within: float | None = None) -> bool: ...
    def read_transaction(self, candidate: Candidate, ref: str) -> ProxyTransaction | None: ...
    def open_widget(self, candidate: Candidate, request: WidgetRequest) -> Widget: ...
    def follow_up(self, candidate: Candidate, request: FollowUpRequest) -> StepVerdict: ...
    def find_follow_up(self, candidate: Candidate, request: FollowUpRequest) -> StepVerdict | None: ...


class Mailer(Protocol):
    """Hands mails over. Never inside a transaction."""

    @property
    def address(self) -> str:
        """What mails come from."""
        ...

    @property
    def knows_repeats(self) -> bool:
        """Whether the same key is never delivered twice."""
        ...

    def send(self, mail: Mail) -> str | None:
        """Hand a mail over and return the other side's name for it.

        Raises `NotSent` or `MailRefused`; anything else means that nobody knows.
        """
        ...
