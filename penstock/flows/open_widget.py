"""Open a session for a bare amount whose buyer pays in a provider's own widget."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from penstock.caller import Caller
from penstock.flows.open_session import check_proxy_session, keep_session, new_proxy_session
from penstock.ids import new_session_id
from penstock.money import Money
from penstock.outcome import Widget
from penstock.ports import Cascade, Work
from penstock.request import WidgetRequest
from penstock.routing_errors import Gr4vyUpstreamError
from penstock.session import CheckoutSession
from penstock.tenant import Connection
from penstock.verdict import Candidate


def open_widget(
    work: Work, cascade: Cascade, caller: Caller, fields: Mapping[str, Any]
) -> tuple[CheckoutSession, Widget | None]:
    """Open the session and the widget of the first connection that has one; None where no connection has.

    The provider is asked before the session is written: where it fails, there is no session. Raises what
    `check_proxy_session` does, and `Gr4vyUpstreamError`.
    """
    session_id = new_session_id()
    with work() as uow:
        connections = check_proxy_session(uow, caller, fields["country"])
        session = new_proxy_session(uow, session_id=session_id, **fields)
        candidate = first_with_widget(cascade, connections)
        if candidate is None or session.amount == 0:  # there is nothing to pay in a widget
            return keep_session(uow, session), None
        now = uow.now
    widget = asked_widget(cascade, candidate, session, Money(fields["amount"], fields["currency"]), now)
    with work() as uow:
        session.take_widget(candidate.connection_id, widget.ref, uow.now)
        return keep_session(uow, session), widget


def first_with_widget(cascade: Cascade, connections: Iterable[Connection]) -> Candidate | None:
    """Return the first connection whose provider has a widget of its own, or None."""
    usable = (cascade.candidate(connection) for connection in connections)
    return next((c for c in usable if c is not None and c.connector.capabilities.widget), None)


def asked_widget(
    cascade: Cascade, candidate: Candidate, session: CheckoutSession, money: Money, now: datetime
) -> Widget:
    """Have the widget opened for a session. Raises `Gr4vyUpstreamError` where the provider does not."""
    left = int((session.expires_at - now).total_seconds())
    request = WidgetRequest(session.id, money, lifetime=max(left, 1), country=session.country, ref=session.widget_ref)
    try:
        return cascade.open_widget(candidate, request)
    except Exception as exc:
        raise Gr4vyUpstreamError from exc
