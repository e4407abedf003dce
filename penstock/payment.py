"""A payment and its attempts: which step may follow which. Pure: no clock, no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from penstock.caller import Scope
from penstock.events import Recorded
from penstock.ids import new_id
from penstock.money import Money
from penstock.outcome import Approved, CaptureMode, Declined, Outcome, Pending, Rejected
from penstock.verdict import BREAKER_OPEN

PROXY_METHOD = "gr4vy"
"""The method of a payment that the buyer makes in a provider's own widget (the reference's name for it)."""

PROXY_ALIAS = "provider"
"""The same, by a name that is no provider's (semantics 1.4)."""

MAX_ATTEMPTS = 3
"""How many connectors one payment tries at the most (semantics 2.3)."""


class PaymentStatus(StrEnum):
    """Where a payment stands (semantics 1.3)."""

    PENDING = "pending"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"
    VOIDED = "voided"


class AttemptState(StrEnum):
    """Where one attempt at one connector stands. ``sending`` and ``unknown`` may both have taken the money.

    ``stray`` took it after it had ended in a certain no, so that the money is nobody's and goes back.
    """

    SENDING = "sending"
    APPROVED = "approved"
    PENDING = "pending"
    DECLINED = "declined"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    STRAY = "stray"


OPEN_ATTEMPTS = frozenset({AttemptState.SENDING, AttemptState.PENDING, AttemptState.UNKNOWN})
"""The states in which a provider may still take, or have taken, the money."""

CERTAIN_NO = frozenset({AttemptState.DECLINED, AttemptState.REJECTED, AttemptState.NOT_SENT})
"""The states that say: nobody took the money through this attempt."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One try at one connector. Its id is the provider's idempotency key and the merchant's reference."""

    id: str
    payment_id: str
    number: int
    connection_id: str
    connector: str
    started_at: datetime
    state: AttemptState = AttemptState.SENDING
    provider_ref: str | None = None
    kind: str | None = None
    provider_code: str | None = None
    message: str | None = None
    redirect_url: str | None = None
    finished_at: datetime | None = None
    card_ref: str | None = None
    """What stands for the card in the count of its declines (`penstock.retry_budget`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One movement at a provider. ``amount`` is in minor units of the payment's currency."""

    id: str
    payment_id: str
    attempt_id: str
    type: str
    status: str
    amount: int
    currency: str
    connector: str
    created_at: datetime
    provider_ref: str | None = None


@dataclass(slots=True, kw_only=True)
class Payment(Recorded):
    """One amount that a buyer owes, tried at one connector after another. Amounts are minor units."""

    id: str
    scope: Scope
    order_id: str
    order_number: str
    amount: int
    currency: str
    method: str
    created_at: datetime
    updated_at: datetime
    session_id: str | None = None
    status: PaymentStatus = PaymentStatus.PENDING
    pending_reason: str | None = None
    amount_authorized: int = 0
    amount_captured: int = 0
    amount_refunded: int = 0
    amount_refunding: int = 0
    """What open refunds may have given back by now."""
    connector: str | None = None
    provider_ref: str | None = None
    decline_kind: str | None = None
    needs_review: bool = False
    capture_mode: CaptureMode = "automatic"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    """Transactions that are not written yet; the repository takes them over."""

    @property
    def money(self) -> Money:
        """The amount asked for."""
        return Money(self.amount, self.currency)

    @property
    def refundable(self) -> int:
        """What can still be given back: nothing that an open refund may have given back already."""
        return self.amount_captured - self.amount_refunded - self.amount_refunding

    @property
    def is_open(self) -> bool:
        """Whether some provider may still take, or have taken, the money without our knowing."""
        return any(attempt.state in OPEN_ATTEMPTS for attempt in self.attempts)

    @property
    def has_stray(self) -> bool:
        """Whether an attempt took the money after it had ended in a certain no."""
        return any(attempt.state is AttemptState.STRAY for attempt in self.attempts)

    @property
    def redirect_url(self) -> str | None:
        """Where the buyer has to go, while a provider waits for that."""
        last = self.attempts[-1] if self.attempts else None
        return last.redirect_url if last is not None and last.state is AttemptState.PENDING else None

    def begin(
        self, *, attempt_id: str, connection_id: str, connector: str, now: datetime, card_ref: str | None = None
    ) -> Attempt:
        """Open the next attempt, with the first one's card. Only after a certain no of every other one."""
        if self.is_open or self.status is not PaymentStatus.PENDING:
            raise ValueError("another attempt of this payment may have taken the money")
        attempt = Attempt(
            id=attempt_id,
            payment_id=self.id,
            number=len(self.attempts) + 1,
            connection_id=connection_id,
            connector=connector,
            started_at=now,
            card_ref=self.attempts[0].card_ref if self.attempts else card_ref,
        )
        self.attempts.append(attempt)
        self.connector, self.pending_reason = connector, None
        return attempt

    def may_cascade(self) -> bool:
        """Whether another connector may be tried: only after a certain no that another one may see differently.

        A connector that was not asked because it is failing (`BREAKER_OPEN`) uses up none of the attempts.
        """
        if self.is_open or sum(each.message != BREAKER_OPEN for each in self.attempts) >= MAX_ATTEMPTS:
            return False
        last = self.attempts[-1]
        if last.state is AttemptState.DECLINED:
            return last.kind == "soft"
        return last.state in (AttemptState.REJECTED, AttemptState.NOT_SENT)

    def may_step_up(self) -> bool:
        """Whether the connector that was asked last may be asked once more, with the buyer's authentication."""
        if self.is_open or not self._wants_authentication(-1):
            return False
        return len(self.attempts) < MAX_ATTEMPTS and not (len(self.attempts) > 1 and self._wants_authentication(-2))

    def _wants_authentication(self, index: int) -> bool:
        attempt = self.attempts[index]
        return attempt.state is AttemptState.DECLINED and attempt.kind == "auth_required"

    def record(self, attempt: Attempt, state: str, outcome: Outcome | None, now: datetime, message: str = "") -> None:
        """Write down what an attempt came to. A definite answer is final: a later one changes nothing."""
        if attempt.state not in OPEN_ATTEMPTS:
            return
        before = (attempt.state, self.pending_reason)
        attempt.state, attempt.message, self.updated_at = AttemptState(state), message or attempt.message, now
        match outcome:
            case Approved():
                self._approve(attempt, outcome, now)
            case Pending(ref=ref, redirect_url=url):
                attempt.provider_ref, attempt.redirect_url = ref, url
                self._wait("buyer_action" if url else "async_method", before)
            case Declined() | Rejected():
                attempt.kind, attempt.provider_code = outcome.kind, outcome.provider_code or None
                attempt.message = outcome.message or None
                self.pending_reason = None
            case None if attempt.state is AttemptState.UNKNOWN:
                self._wait("outcome_unknown", before)
            case None:
                self.pending_reason = None
        if attempt.state not in (AttemptState.UNKNOWN, AttemptState.PENDING):
            attempt.finished_at = now

    def take_stray(self, attempt: Attempt, ref: str, now: datetime, *, beside: str | None) -> None:
        """Write down that an attempt took the money after it had ended in a certain no.

        ``ref`` is the provider's for that charge, ``beside`` the payment of the same session that has the money as well.
        """
        if attempt.state not in CERTAIN_NO:
            raise ValueError("only an attempt that ended in a no can be a stray")
        attempt.state, attempt.provider_ref, self.updated_at = AttemptState.STRAY, ref, now
        self._charged(attempt, is_captured=self.capture_mode == "automatic", now=now)
        self.note("payment.duplicate_detected", {**self._stray(attempt), "besidePaymentId": beside})

    def give_back(self, attempt: Attempt) -> None:
        """Note that the money which a stray attempt took is given back."""
        self.note("payment.duplicate_returned", self._stray(attempt))

    def _stray(self, attempt: Attempt) -> dict[str, Any]:
        stray = {"attemptId": attempt.id, "connector": attempt.connector, "providerRef": attempt.provider_ref}
        return {**self.summary(), **stray}

    def settle_free(self, now: datetime) -> None:
        """Count a payment of nothing as captured; no provider is asked for it."""
        if self.amount != 0:
            raise ValueError("only a payment of nothing needs no provider")
        self.status, self.updated_at = PaymentStatus.CAPTURED, now
        self.note("payment.captured", self.summary())

    def fail(self, now: datetime) -> None:
        """End without the money, for certain. The last definite decline is the reason."""
        self.status, self.pending_reason, self.updated_at = PaymentStatus.FAILED, None, now
        declines = [a.kind for a in self.attempts if a.state is AttemptState.DECLINED]
        rejections = [a.kind for a in self.attempts if a.state is AttemptState.REJECTED]
        self.decline_kind = (declines or rejections or [None])[-1]
        self.note("payment.failed", {**self.summary(), "declineKind": self.decline_kind})

    def flag_for_review(self, now: datetime) -> None:
        """Ask a person to look: every way of finding the outcome out has been tried."""
        if not self.needs_review:
            self.needs_review, self.updated_at = True, now
            self.note("payment.review_required", self.summary())

    def resolve(self, told: Mapping[str, str | None], now: datetime) -> None:
        """Note what a person said became of it, before it follows that; ``told`` is the rest of the event."""
        self.needs_review, self.updated_at = False, now
        self.note("payment.resolved", {**self.summary(), **told})

    def dispute(self, now: datetime) -> None:
        """Note that the buyer or their bank disputes the payment. Its status stays: the provider decides later."""
        self.updated_at = now
        self.note("payment.disputed", self.summary())

    def summary(self) -> dict[str, Any]:
        """Return what every payment event carries."""
        return {
            "paymentId": self.id,
            "orderId": self.order_id,
            "status": self.status.value,
            "pendingReason": self.pending_reason,
            "amount": self.amount,
            "amountCaptured": self.amount_captured,
            "amountRefunded": self.amount_refunded,
            "currency": self.currency,
            "method": self.method,
        }

    def _approve(self, attempt: Attempt, outcome: Approved, now: datetime) -> None:
        attempt.provider_ref, self.provider_ref, self.connector = outcome.ref, outcome.ref, attempt.connector
        self.pending_reason, self.amount_authorized = None, self.amount
        self.amount_captured = outcome.captured.amount
        captured = self.amount_captured > 0 or self.amount == 0
        self.status = PaymentStatus.CAPTURED if captured else PaymentStatus.AUTHORIZED
        self._charged(attempt, is_captured=captured, now=now)
        self.note("payment.captured" if captured else "payment.authorized", self.summary())

    def _charged(self, attempt: Attempt, *, is_captured: bool, now: datetime) -> None:
        self.transactions.append(
            Transaction(
                id=new_id(),
                payment_id=self.id,
                attempt_id=attempt.id,
                type="sale" if is_captured else "authorization",
                status="succeeded",
                amount=self.amount,
                currency=self.currency,
                connector=attempt.connector,
                created_at=now,
                provider_ref=attempt.provider_ref,
            )
        )

    def _wait(self, reason: str, before: tuple[AttemptState, str | None]) -> None:
        self.pending_reason = reason
        if before[1] != reason:
            self.note("payment.pending", self.summary())
