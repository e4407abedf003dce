"""Take over a payment that the buyer made in a provider's own widget."""

from dataclasses import replace

from penstock.outcome import Approved, Declined, Pending, ProxyTransaction
from penstock.payment import Payment
from penstock.ports import Cascade
from penstock.verdict import Candidate, Verdict


def adopt_transaction(cascade: Cascade, candidate: Candidate, payment: Payment, ref: str) -> Verdict:
    """Ask the provider what the transaction is; the browser that named it is never believed.

    It counts only if the provider has it for this payment's session, amount and currency. A provider that cannot be
    asked leaves the outcome unknown.
    """
    try:
        found = cascade.read_transaction(candidate, ref)
    except Exception as exc:  # noqa: BLE001  whatever went wrong, nobody knows what the provider has
        return Verdict("unknown", error=f"the provider could not be asked ({type(exc).__name__})")
    if found is None:
        return Verdict("declined", Declined("hard", message="The provider knows no such transaction."))
    if found.reference != payment.session_id or found.money != payment.money:
        return Verdict("declined", Declined("hard", message="The transaction is not this session's."))
    return _as_verdict(found)


def _as_verdict(found: ProxyTransaction) -> Verdict:
    match found.state:
        case "captured":
            return Verdict("approved", Approved(found.ref, found.money))
        case "authorized":
            return Verdict("approved", Approved(found.ref, replace(found.money, amount=0), found.money))
        case "pending":
            return Verdict("pending", Pending(found.ref))
        case "declined":
            return Verdict("declined", Declined("hard", message="The provider declined the transaction."))
