"""How often a card may be tried that keeps being declined: the card schemes count, and fine, what goes on (semantics 2.3)."""

import hashlib
from datetime import timedelta
from typing import Final

from penstock.outcome import CardFacts

MAX_DECLINES: Final = 15
"""The lowest number that a scheme is known to allow."""

WINDOW: Final = timedelta(days=30)
OVER_BUDGET: Final = "retry_budget"
"""Why a connection is not tried, where the card has no tries left for it."""


def card_ref(token: str, card: CardFacts | None) -> str | None:
    """Return what stands for a card in the count: its provider's fingerprint of it where that is known, else its token.

    None where there is no card token. A token is digested, a fingerprint tells nothing of the number.
    """
    if card is not None and card.fingerprint:
        return f"card:{hashlib.sha256(card.fingerprint.encode()).hexdigest()[:32]}"
    return f"token:{hashlib.sha256(token.encode()).hexdigest()[:32]}" if token else None
