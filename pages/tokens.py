"""The sandbox's test tokens that a person tries by hand. The guide in ``docs/connectors`` has all of them."""

from dataclasses import dataclass
from typing import Final

_CONNECTORS: Final = frozenset({"sandbox", "sandbox_b"})


@dataclass(frozen=True, slots=True)
class SandboxToken:
    """One token: what to send as ``paymentToken``, and what then happens."""

    value: str
    effect: str


CHOICES: Final = (
    SandboxToken("tok_sandbox_approve", "Approved at once"),
    SandboxToken("tok_sandbox_3ds", "The bank asks the buyer to confirm (3-D Secure)"),
    SandboxToken("tok_sandbox_decline_insufficient_funds", "Declined: insufficient funds"),
    SandboxToken("tok_sandbox_decline_hard", "Declined for good"),
    SandboxToken("tok_sandbox_decline_soft", "Declined by one provider; the next one is asked"),
    SandboxToken("tok_sandbox_decline_authentication_failed", "Declined: the buyer could not be authenticated"),
    SandboxToken("tok_sandbox_delay_2500", "Approved after two and a half seconds"),
    SandboxToken("tok_sandbox_pending", "The bank answers later"),
    SandboxToken("tok_sandbox_timeout_after_charge", "The bank takes the money and its answer is lost"),
    SandboxToken("tok_sandbox_outage_after_charge", "The bank takes the money and falls silent for a while"),
    SandboxToken("tok_sandbox_not_sent", "The provider cannot be reached; the next one is asked"),
)


def is_sandbox(connector: str) -> bool:
    """Tell whether a connector is one of the sandbox's, which have no card form."""
    return connector in _CONNECTORS
