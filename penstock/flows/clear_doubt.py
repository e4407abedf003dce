"""Learn from the provider itself what became of a charge that it gave no answer to (semantics 2.3, steps 2 to 4)."""

from datetime import timedelta
from typing import Final

from penstock.outcome import Declined
from penstock.ports import Cascade
from penstock.request import ChargeRequest
from penstock.verdict import Candidate, Verdict

ASK_SECONDS: Final = 4.0
"""How long each of the three questions may take; the buyer waits for them on top of the cascade's deadline."""


def clear_doubt(cascade: Cascade, candidate: Candidate, request: ChargeRequest, verdict: Verdict) -> Verdict:
    """Return the verdict on a charge just sent, made certain where the provider lets us.

    The same request goes once more under the same key if the wire fell silent and a repeat cannot act twice; then the
    charge is looked up; then it is reversed. What remains unknown stays so.
    """
    if verdict.state != "unknown":
        return verdict
    if verdict.doubt == "transport" and candidate.connector.capabilities.idempotent_create:
        repeated = cascade.call(candidate, request, within=ASK_SECONDS)
        if _tells_of_the_first(repeated):
            return repeated
    found = look_up(cascade, candidate, request, age=timedelta())
    if verdict.doubt == "running":
        # The call may still charge: that nothing is there yet, or was undone, would prove nothing.
        return found if found.outcome is not None else verdict
    if found.state != "unknown":
        return found
    return reverse(cascade, candidate, request.key) or verdict


def look_up(cascade: Cascade, candidate: Candidate, request: ChargeRequest, *, age: timedelta) -> Verdict:
    """Ask what became of a charge. "Not found" is a no only where the connector claims so, after the time it claims.

    ``age`` is the time since the charge was last sent.
    """
    found = cascade.find(candidate, request.key, money=request.money, capture=request.capture, within=ASK_SECONDS)
    if found is not None:
        return found
    after = candidate.connector.capabilities.lookup_is_authoritative_after
    if after is not None and age >= timedelta(seconds=after):
        return Verdict("not_sent", error="the provider has no such charge")
    return Verdict("unknown", error="not found, which proves nothing yet")


def reverse(cascade: Cascade, candidate: Candidate, key: str) -> Verdict | None:
    """Have a charge undone, whatever it did; None unless the provider confirmed that."""
    if not cascade.reverse(candidate, key, within=ASK_SECONDS):
        return None
    return Verdict("not_sent", error="the provider confirmed that the charge is reversed")


def _tells_of_the_first(repeated: Verdict) -> bool:
    """Tell whether a repeat's answer is the first one's: that the repeat was refused or never sent says nothing of it."""
    if isinstance(repeated.outcome, Declined) and repeated.outcome.kind == "duplicate":
        return False
    return repeated.state in ("approved", "pending", "declined")
