"""A card provider that lives in the house: it answers as its test token asks, and takes nobody's money.

The tokens are listed in ``docs/connectors/sandbox-tokens.md``. What it executed, its bank remembers.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from threading import Lock
from typing import Any, ClassVar, Final, Literal, cast
from urllib.parse import quote

import orjson

from connectors.payments import sandbox_messages
from connectors.payments.remote_bank import RemoteBank
from connectors.payments.sandbox_bank import PREFIX, Answer, Bank, FileBank, is_behaviour
from penstock.boundary import assert_no_transaction
from penstock.connector import (
    BadCredentials,
    Capabilities,
    Context,
    EnvironmentKind,
    NotSent,
    PaymentConnector,
    PaymentMethod,
)
from penstock.hooks import hookimpl
from penstock.money import Money
from penstock.outcome import (
    DECLINE_KINDS,
    REJECT_KINDS,
    Approved,
    CardFacts,
    Declined,
    DeclineKind,
    Done,
    FollowUp,
    Outcome,
    Pending,
    ProxyState,
    ProxyTransaction,
    Rejected,
    RejectKind,
)
from penstock.request import (
    CaptureRequest,
    ChargeRequest,
    FollowUpRequest,
    Hint,
    RefundRequest,
    ResumeRequest,
    VoidRequest,
    WebhookDelivery,
)

REFUSED_KEY: Final = "refused"
Funding = Literal["credit", "debit", "prepaid"] | None
_CARD: Final = CardFacts("visa", "4242", 12, 2040, "credit", "US")
CARD_MARK: Final = "/"
_STATES: Final[Mapping[str, ProxyState]] = {
    "approved": "captured",
    "declined": "declined",
    "pending": "pending",
    "challenged": "pending",
}
_banks: dict[tuple[int, str], FileBank] = {}
_opening: Final = Lock()


class SandboxPayments(PaymentConnector):
    """The sandbox card provider. ``settle`` plays the cardholder at the bank's challenge page."""

    name = "sandbox"
    display_name = "Sandbox"
    capabilities = Capabilities(
        None,
        frozenset({"card", "ideal"}),
        idempotent_create=True,
        lookup_is_authoritative_after=60,
        proxy=True,
        manual_capture=True,
        refund=True,
        follow_up_lookup=True,
        step_up=True,
        verify=True,
        resume=True,
        redirect_methods=frozenset({"ideal"}),
        webhooks=True,
    )
    environments: ClassVar[frozenset[EnvironmentKind]] = frozenset({"sandbox"})
    settings_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "bank_file": {
                "type": "string",
                "minLength": 1,
                "readOnly": True,
                "description": "SQLite file of the bank. Without it the bank lives in the server's memory.",
            },
            "bank_url": {
                "type": "string",
                "pattern": "^https?://",
                "readOnly": True,
                "description": "A bank over HTTP instead.",
            },
            "public_url": {
                "type": "string",
                "pattern": "^https?://",
                "readOnly": True,
                "description": "Where the challenge page is.",
            },
            "approve_all": {"type": "boolean", "description": "Approve every known test token."},
            "webhook_secret": {
                "type": "string",
                "minLength": 16,
                "maxLength": 255,
                "writeOnly": True,
                "description": "What the sandbox's own messages are signed with. Without it none is taken.",
            },
            "api_key": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "writeOnly": True,
                "description": "Stands for a provider's key: the sandbox refuses it when it is verified if it says `refused`.",
            },
        },
    }

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._bank: Bank = _bank(ctx)

    def charge(self, request: ChargeRequest) -> Outcome:
        """Charge at the bank; the token chooses what happens. The same key gets the same answer."""
        assert_no_transaction()
        token = request.method_token.partition(CARD_MARK)[0] or (f"{PREFIX}3ds" if request.method == "ideal" else "")
        if not token.startswith(PREFIX) or not is_behaviour(token.removeprefix(PREFIX)):
            return Rejected("validation", "unknown_token", "this is no token of the sandbox")
        if request.step_up and token == f"{PREFIX}decline_auth_required":
            token = f"{PREFIX}3ds"
        if self.ctx.settings.get("approve_all"):
            token = f"{PREFIX}approve"
        return self._outcome(
            self._bank.charge(
                {
                    "key": request.key,
                    "amount": request.money.amount,
                    "currency": request.money.currency,
                    "token": token,
                    "reference": request.reference,
                    "capture": request.capture,
                }
            )
        )

    def describe_token(self, token: str) -> CardFacts | None:
        """Return the test card, or the one that the token spells out: ``<token>/<scheme>/<funding>/<country>``."""
        plain, mark, spelled = token.partition(CARD_MARK)
        if not plain.startswith(PREFIX):
            return None
        if not mark:
            return _CARD
        scheme, funding, country, *_ = [*(part or None for part in spelled.split(CARD_MARK)), None, None, None]
        return CardFacts(scheme, funding=cast("Funding", funding), country=country)

    def find(self, key: str) -> Outcome | None:
        """Ask the bank what became of a charge. Nothing found after 60 seconds means that nothing happened."""
        items = _json(self._bank.find(key), 200)["items"]
        return self._told(items[0]) if items else None

    def parse_webhook(self, delivery: WebhookDelivery) -> Sequence[Hint]:
        """Read a message that is signed with the account's ``webhook_secret`` and at most five minutes old."""
        return sandbox_messages.read(delivery, self.ctx.settings.get("webhook_secret"))

    def verify_account(self) -> None:
        """Ask the bank for nothing in particular; the key that says ``refused`` is refused, as if it was revoked."""
        if self.ctx.settings.get("api_key") == REFUSED_KEY:
            raise BadCredentials("the sandbox refuses this api_key, as asked")
        answer = self._bank.find("verify")
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise BadCredentials("the sandbox bank does not let us in")
        _json(answer, 200)

    def resume(self, request: ResumeRequest) -> Outcome:
        """Ask the bank how the buyer decided; what the browser brought along is not looked at."""
        found = self.find(request.key)
        if found is None:
            raise LookupError("the sandbox bank has no such charge")
        return found

    def payment_methods(self) -> Sequence[PaymentMethod]:
        """Return the card and a bank transfer that redirects, in this order."""
        return [PaymentMethod("card", "Card"), PaymentMethod("ideal", "iDEAL")]

    def settle(self, ref: str, *, approve: bool) -> Outcome | None:
        """Decide a challenged or pending charge as its cardholder would; None if the bank has no such charge."""
        answer = self._bank.settle(ref, is_approved=approve)
        return None if answer.status == HTTPStatus.NOT_FOUND else self._told(_json(answer, 200))

    def read_transaction(self, ref: str) -> ProxyTransaction | None:
        """Read a payment of the bank's own widget: ``txn_sandbox_<behaviour>.<amount>.<currency>.<reference>``."""
        answer = self._bank.transaction(ref)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        row = _json(answer, 200)
        money = Money(row["amount"], row["currency"])
        return ProxyTransaction(row["ref"], row["reference"], money, _STATES[row["status"]])

    def capture(self, request: CaptureRequest) -> FollowUp:
        """Capture at the bank; the charge's token chooses what happens."""
        return self._follow_up("capture", request)

    def void(self, request: VoidRequest) -> FollowUp:
        """Void at the bank; the charge's token chooses what happens."""
        return self._follow_up("void", request)

    def refund(self, request: RefundRequest) -> FollowUp:
        """Refund at the bank; the charge's token chooses what happens."""
        return self._follow_up("refund", request)

    def find_follow_up(self, request: FollowUpRequest) -> FollowUp | None:
        """Ask the bank what became of a capture, void or refund. Nothing found after 60 seconds proves nothing happened."""
        items = _json(self._bank.find_follow_up(request.key), 200)["items"]
        return _followed(items[0]) if items else None

    def settle_follow_up(self, ref: str, *, approve: bool) -> FollowUp | None:
        """Decide a pending capture, void or refund; None if the bank has no such one."""
        answer = self._bank.settle_follow_up(ref, is_approved=approve)
        return None if answer.status == HTTPStatus.NOT_FOUND else _followed(_json(answer, 200))

    def _follow_up(self, verb: str, request: FollowUpRequest) -> FollowUp:
        assert_no_transaction()
        answer = self._bank.follow_up(
            {
                "key": request.key,
                "verb": verb,
                "charge": request.ref,
                "amount": request.money.amount,
                "currency": request.money.currency,
            }
        )
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise NotSent("the sandbox bank was too busy to look at it, as asked")
        if answer.status == HTTPStatus.BAD_REQUEST:
            return Rejected("validation", str(_json(answer, 400)["error"]["code"]), "refused by the sandbox, as asked")
        return _followed(_json(answer, 200, 201))

    def _outcome(self, answer: Answer) -> Outcome:
        if answer.status in (400, 401, 403, 429):
            error = _json(answer, answer.status)["error"]
            if error["kind"] in REJECT_KINDS:
                return Rejected(cast("RejectKind", error["kind"]), error["code"], "refused by the sandbox, as asked")
        return self._told(_json(answer, 200, 201))

    def _told(self, row: Mapping[str, Any]) -> Outcome:
        match row["status"]:
            case "approved":
                money = Money(row["amount"], row["currency"])
                if row.get("capture") == "manual":
                    return Approved(row["ref"], Money(0, money.currency), money, card=_CARD)
                return Approved(row["ref"], money, card=_CARD)
            case "pending":
                return Pending(row["ref"])
            case "challenged":
                home = str(self.ctx.settings.get("public_url", "http://localhost:8000")).rstrip("/")
                query = f"?session_id={quote(row['reference'], safe='')}" if row["reference"] else ""
                return Pending(row["ref"], f"{home}/sandbox/challenge/{row['ref']}{query}")
            case "declined" if row["kind"] in DECLINE_KINDS:
                return Declined(cast("DeclineKind", row["kind"]), f"sandbox_{row['kind']}", "declined, as asked")
        raise ValueError(f"the sandbox bank said {row['status']!r}")


class SecondSandboxPayments(SandboxPayments):
    """A second provider with the same tokens, so that a cascade has somewhere to go. It has no step-up."""

    name = "sandbox_b"
    display_name = "Sandbox B"
    capabilities = replace(SandboxPayments.capabilities, step_up=False)


@hookimpl
def penstock_payment_connectors() -> Iterable[type[PaymentConnector]]:
    """Offer the two sandbox providers."""
    return [SandboxPayments, SecondSandboxPayments]


def _followed(row: Mapping[str, Any]) -> FollowUp:
    match row["status"]:
        case "done":
            return Done(row["ref"], Money(row["amount"], row["currency"]))
        case "pending":
            return Pending(row["ref"])
        case "declined":
            return Declined("hard", "sandbox_refused", "declined, as asked")
    raise ValueError(f"the sandbox bank said {row['status']!r}")


def _bank(ctx: Context) -> Bank:
    if "bank_url" in ctx.settings:
        return RemoteBank(ctx.http, str(ctx.settings["bank_url"]))
    here = (os.getpid(), str(ctx.settings.get("bank_file", ":memory:")))
    with _opening:
        if here not in _banks:
            _banks[here] = FileBank(here[1])
        return _banks[here]


def _json(answer: Answer, *statuses: int) -> dict[str, Any]:
    if answer.status not in statuses:
        raise ValueError(f"the sandbox bank answered {answer.status}")
    found: dict[str, Any] = orjson.loads(answer.body)
    return found
