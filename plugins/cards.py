"""What is behind a card token, as the provider that made it says: for rules that look at the card."""

from collections.abc import Iterable
from typing import Final

import structlog

from penstock.checks import check_country
from penstock.connector import PaymentConnector
from penstock.outcome import CardFacts
from penstock.verdict import Candidate
from plugins.guard import Crowded, DeadlinePassed, Guard

_SECONDS: Final = 3.0
"""How long one provider may take. A buyer waits; a fact that comes too late is a fact that is missing."""

_ASKED: Final = 3
_LONGEST: Final = 40
_log = structlog.get_logger(__name__)


def describe_card(guard: Guard, candidates: Iterable[Candidate], token: str) -> CardFacts | None:
    """Ask the first few connectors that can describe tokens; None where none of them knows this one."""
    able = [each for each in candidates if type(each.connector).describe_token is not PaymentConnector.describe_token]
    for candidate in able[:_ASKED]:
        found = _describe(guard, candidate, token)
        if found is not None:
            return found
    return None


def _describe(guard: Guard, candidate: Candidate, token: str) -> CardFacts | None:
    connector = candidate.connector
    try:
        ended = guard.run(
            candidate.connector_name,
            lambda: connector.describe_token(token) if connector.takes_token(token) else None,
            seconds=_SECONDS,
        )
    except (Crowded, DeadlinePassed) as exc:
        _log.warning("card_not_described", connector=candidate.connector_name, error=str(exc))
        return None
    if ended.raised is not None:
        # Not its text: it may hold the token.
        _log.warning("card_not_described", connector=candidate.connector_name, error=type(ended.raised).__name__)
        return None
    return _usable(ended.value) if isinstance(ended.value, CardFacts) else None


def _usable(card: CardFacts) -> CardFacts:
    """Return what of a card may be believed and kept: the facts that rules look at, and its fingerprint."""
    scheme = card.scheme if isinstance(card.scheme, str) and 0 < len(card.scheme) <= _LONGEST else None
    funding = card.funding if card.funding in ("credit", "debit", "prepaid") else None
    country = card.country.upper() if isinstance(card.country, str) else None
    country = None if any(check_country(country, "")) else country
    fingerprint = card.fingerprint if isinstance(card.fingerprint, str) and card.fingerprint else None
    return CardFacts(scheme, funding=funding, country=country, fingerprint=fingerprint)
