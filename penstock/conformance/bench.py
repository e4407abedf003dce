"""What the kit's tests stand on: the author's answers, and a connector built against a provider that gives them."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal, TypeVar

import httpx
import pytest

from penstock.conformance import operations
from penstock.conformance.operations import CHARGE, FIND, Operation, asked_of
from penstock.conformance.provider import Answer, CannedProvider, Heard, SideCall, fresh, owed, standing_clock
from penstock.conformance.settings import AccountBench
from penstock.connector import Context, PaymentConnector, Provider
from penstock.money import Money
from penstock.request import (
    CaptureRequest,
    ChargeRequest,
    FollowUpRequest,
    RefundRequest,
    ResumeRequest,
    VoidRequest,
    WebhookDelivery,
)

KEY: Final = "019a0000-0000-7000-8000-00000000c0de"
OTHER_KEY: Final = "019a0000-0000-7000-8000-00000000beef"
CHARGE_KEY: Final = "019a0000-0000-7000-8000-00000000face"
"""The key of the charge that a capture, void or refund follows."""

Test = TypeVar("Test", bound=Callable[..., None])


def claiming(claim: str) -> Callable[[Test], Test]:
    """Mark a test as one that exists only for connectors that claim this."""

    def marked(test: Test) -> Test:
        test.__dict__["claim"] = claim
        return test

    return marked


def is_claimed(connector: type[PaymentConnector], test: Callable[..., Any], operation: Operation | None) -> bool:
    """Tell whether the connector's capabilities let this test exist."""
    claims = [getattr(test, "claim", ""), operation.claim if operation else ""]
    if operation in operations.FOLLOW_UP_LOOKUPS:
        claims += [o.claim for o in operations.FOLLOW_UPS if operation and o.name == asked_of(operation)]
    return all(getattr(connector.capabilities, claim) for claim in claims if claim)


class Bench(AccountBench):
    """What an author fills in; the tests are in the classes beside this one.

    ``wire`` is what the provider answers, by scenario; the kit's page in the docs lists them by claim. An answer is a
    `reply`, a function of the request, or None where the provider has no such answer. ``amounts`` maps what is asked
    to what must stand on the wire; the first is the one that every good answer in ``wire`` is about.
    ``silent_about_money`` names the operations whose good answers carry no amount. ``ref`` is the provider's
    reference of the charge that captures, voids and refunds follow, ``transaction_ref`` of a payment in its own
    widget. ``foreign_token`` is a token bound to somebody else, if the provider has such, ``step_up_token``
    one whose issuer wants the buyer asked, if that is another than ``method_token``. ``message_age`` is how long
    after it was signed a message may still be believed; None if the signature covers no time.
    """

    connector: ClassVar[type[PaymentConnector]]
    wire: ClassVar[Mapping[str, Answer | None]]
    amounts: ClassVar[Mapping[Money, Any]]
    echoes_amount: ClassVar[bool] = True
    silent_about_money: ClassVar[frozenset[str]] = frozenset({"void"})
    method_token: ClassVar[str] = "tok_conformance_TOKEN_4bf92f35"  # noqa: S105  nobody's
    foreign_token: ClassVar[str | None] = None
    step_up_token: ClassVar[str | None] = None
    ref: ClassVar[str] = "ch_conformance_1"
    transaction_ref: ClassVar[str] = "txn_conformance_1"
    message_age: ClassVar[timedelta | None] = timedelta(hours=1)
    environment: ClassVar[Literal["production", "sandbox"]] = "sandbox"

    @classmethod
    def tried(cls) -> type[Provider]:
        """Return the class that is tried."""
        return cls.connector

    def amount_on_wire(self, request: httpx.Request) -> Any:  # noqa: ARG002  subclasses use it
        """Return the amount as this provider was told it."""
        owed("amount_on_wire(self, request): return the amount as your provider was told it")

    def side_call(self, request: httpx.Request) -> httpx.Response | None:  # noqa: ARG002  subclasses use it
        """Answer a request that is not the one asked about (fetching an access token, say); None if it is."""
        return None

    def message(self, about: str) -> WebhookDelivery | None:  # noqa: ARG002  subclasses use it
        """Return a genuine message about a ``payment``, a ``refund`` or something ``novel``, signed with `settings`.

        Use `delivery` to make it. None if the provider sends no such message. A novel one is of a kind that the
        provider may add tomorrow.
        """
        owed("message(self, about): it claims webhooks, so return a delivery() that your provider signed")

    @property
    def money(self) -> Money:
        """The money that the good answers are about."""
        return next(iter(self.amounts))

    def built(self, answer: Answer | str, side_call: SideCall | None = None) -> tuple[PaymentConnector, CannedProvider]:
        """Build the connector against a provider that gives one answer, or that of a scenario."""
        given = self.scenario(answer) if isinstance(answer, str) else answer
        provider = CannedProvider(given, side_call or self.side_call)
        http = httpx.Client(transport=provider, trust_env=False)
        return self.connector(Context(self.settings, http, standing_clock(), self.environment)), provider

    def asked(self, money: Money | None = None, key: str = KEY, **more: Any) -> ChargeRequest:
        """Return the charge that the tests ask for."""
        claims = self.connector.capabilities
        method = min(claims.methods - claims.redirect_methods or claims.methods)
        given: dict[str, Any] = {"reference": "order_conformance", "return_url": "https://shop.example/back"} | more
        wanted = (key, money or self.money, given.pop("method", method), given.pop("method_token", self.method_token))
        return ChargeRequest(*wanted, **given)

    def follow_up(
        self, verb: str, money: Money | None = None, key: str = KEY, ref: str | None = None
    ) -> FollowUpRequest:
        """Return the capture, void or refund that the tests ask for."""
        wanted, where = money or self.money, ref or self.ref
        if verb == "void":
            return VoidRequest(key, where, wanted, charge_key=CHARGE_KEY)
        kind = CaptureRequest if verb == "capture" else RefundRequest
        charged = max(wanted, self.money, key=_amount) if wanted.currency == self.money.currency else wanted
        return kind(key, where, wanted, charge_key=CHARGE_KEY, charged=charged)

    def perform(
        self, operation: Operation, answer: Answer | str = "", money: Money | None = None, key: str = KEY
    ) -> Heard:
        """Ask for an operation once, of a provider that gives this answer (the good one if none is given)."""
        self.need(operation)
        connector, provider = self.built(answer or operation.scenario)
        request, call = self._call(connector, operation, money, key)
        heard = Heard(request, sent=provider.sent)
        heard.listen(call)
        return heard

    def ask(
        self, answer: Answer | str, call: Callable[[PaymentConnector], Any], side_call: SideCall | None = None
    ) -> Heard:
        """Make a call of one's own, of a provider that gives this answer."""
        connector, provider = self.built(answer, side_call)
        heard = Heard(None, sent=provider.sent)
        heard.listen(lambda: call(connector))
        return heard

    def charge(self, answer: Answer | str, money: Money | None = None, key: str = KEY) -> Heard:
        """Charge once against a provider that gives this answer."""
        return self.perform(CHARGE, answer, money, key)

    def lookup(self, answer: Answer | str) -> Heard:
        """Look a charge up once against a provider that gives this answer."""
        return self.perform(FIND, answer)

    def resumed(self, key: str = KEY) -> ResumeRequest:
        """Return the buyer's return that the tests tell of; its query claims more than anybody proved."""
        lies = {"status": "approved", "redirect_status": "succeeded", "success": "true", "resultCode": "Authorised"}
        method = self.asked().method
        return ResumeRequest(key, self.ref, self.money, method=method, query=lies)

    def need(self, operation: Operation) -> None:
        """Skip a test about an operation that the connector does not claim."""
        if not is_claimed(self.connector, self.perform, operation):
            pytest.skip(f"it does not claim {operation.claim}")

    def need_claim(self, claim: str) -> None:
        """Skip a test about something that the connector does not claim."""
        if not getattr(self.connector.capabilities, claim):
            pytest.skip(f"it does not claim {claim}")

    def scenario(self, name: str) -> Answer:
        """Return the answer for a scenario that must be there; skip where the author says that there is none."""
        if name not in self.wire:
            owed(f'wire["{name}"]: copy the provider\'s answer from its documentation, or None if it never gives one')
        answer = self.wire[name]
        if answer is None:
            pytest.skip(f'wire["{name}"] is None: this provider has no such answer')
        return answer

    def replayed(self, operation: Operation, scenario: str = "") -> Callable[[httpx.Request], httpx.Response]:
        """Return a provider that says what it said to the kit's own request, whatever it is asked now."""
        answer = self.scenario(scenario or operation.scenario)
        assert not isinstance(answer, Exception), f'wire["{scenario or operation.scenario}"] must be an answer'
        if isinstance(answer, httpx.Response):
            return lambda _: fresh(answer)
        given: dict[tuple[str, str], httpx.Response] = {}

        def recorded(request: httpx.Request) -> httpx.Response:
            return given.setdefault((request.method, request.url.path), answer(request))

        self.perform(operation, recorded)
        return lambda request: fresh(given.get((request.method, request.url.path)) or answer(request))

    def answer_to(self, operation: Operation, scenario: str = "") -> httpx.Response:
        """Return a scenario's answer as it stands when the kit's own request asks for it."""
        given: list[httpx.Response] = []
        replayed = self.replayed(operation, scenario)

        def recorded(request: httpx.Request) -> httpx.Response:
            given.append(replayed(request))
            return given[-1]

        self.perform(operation, recorded)
        assert given, f"{operation.name} sent nothing, so there is nothing to answer"
        return fresh(given[-1])

    def _call(
        self, connector: PaymentConnector, operation: Operation, money: Money | None, key: str
    ) -> tuple[Any, Callable[[], Any]]:
        if operation == FIND:
            return self.asked(money, key), lambda: connector.find(key)
        if operation.is_follow_up:
            followed = self.follow_up(asked_of(operation), money, key)
            verb = connector.find_follow_up if operation.is_read else getattr(connector, operation.name)
            return followed, lambda: verb(followed)
        capture = "automatic" if operation == CHARGE else "manual"
        request = self.asked(money, key, capture=capture)
        return request, lambda: connector.charge(request)


def _amount(money: Money) -> int:
    return money.amount


def counts_money(bench: Bench, operation: Operation) -> bool:
    """Tell whether a good answer to this operation says how much money it is about."""
    if asked_of(operation) in bench.silent_about_money or operation.name in bench.silent_about_money:
        return False
    return operation.is_follow_up or bench.echoes_amount
