"""The hooks that a plugin may implement, and what they trade in. Each has a heading in ``docs/hooks.md``.

Hooks register and rank; they never pay: the host calls one object by name for that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import pluggy

from penstock.caller import Scope
from penstock.connector import PaymentConnector
from penstock.mail import MailSender
from penstock.rate_source import RateSource
from penstock.request import ChargeRequest
from penstock.tax_engine import TaxEngine

hookspec = pluggy.HookspecMarker("penstock")
hookimpl = pluggy.HookimplMarker("penstock")


class NotMine(Exception):
    """The token was made by somebody else: ask the next verifier."""


class InvalidToken(Exception):
    """The token is this verifier's own and is not valid: expired, altered or revoked. Nobody else is asked."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The person a dashboard token speaks for. ``workspace_id`` is set when the token is bound to one.

    ``application_id`` and ``environment_id`` are the ones meant where the request names none.
    """

    subject: str
    workspace_id: str | None = None
    application_id: str | None = None
    environment_id: str | None = None
    email: str | None = field(default=None, repr=False)


class IdentityVerifier(Protocol):
    """Checks dashboard tokens of one issuer."""

    name: str

    def verify(self, token: str, now: datetime) -> Identity:
        """Return whom the token speaks for; raise `NotMine` or `InvalidToken`. Called on every request: be quick."""
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was committed. ``type`` is one of ``spec/events.yaml``; ``data`` fits its schema there."""

    id: str
    type: str
    occurred_at: datetime
    scope: Scope
    data: Mapping[str, Any] = field(repr=False)


@hookspec
def penstock_payment_connectors() -> Iterable[type[PaymentConnector]]:
    """Offer payment connectors. The host builds one object per configured account."""
    raise NotImplementedError


@hookspec
def penstock_tax_engines() -> Iterable[type[TaxEngine]]:
    """Offer tax engines. The host builds one object per configured account."""
    raise NotImplementedError


@hookspec
def penstock_rate_sources() -> Iterable[type[RateSource]]:
    """Offer sources of shipping rates. The host builds one object per configured account."""
    raise NotImplementedError


@hookspec
def penstock_rank(request: ChargeRequest, candidates: Sequence[str]) -> Mapping[str, int] | None:
    """Add to or take from the score of each candidate before the cascade picks an order.

    :param request: the charge to be routed, without the buyer's payment token
    :param candidates: names of the connectors that can take it, in the application's order
    :return: points by name, negative ones too; names left out get none, names never asked about are ignored
    """
    raise NotImplementedError


@hookspec
def penstock_event(event: Event) -> None:
    """See an event after it was committed. Runs in the worker; may be told of the same event twice.

    :param event: what happened; its ``id`` is the same each time it is told
    """
    raise NotImplementedError


@hookspec
def penstock_identity_verifiers() -> Iterable[IdentityVerifier]:
    """Offer verifiers of dashboard tokens. They are asked in turn until one does not raise `NotMine`."""
    raise NotImplementedError


@hookspec
def penstock_mail_senders() -> Iterable[type[MailSender]]:
    """Offer ways for e-mail to leave. The installation names one; the host builds one object of it."""
    raise NotImplementedError
