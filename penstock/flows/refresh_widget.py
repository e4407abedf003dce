"""Give the buyer's browser a fresh token for the page or the widget in which a session is paid."""

from dataclasses import dataclass

from penstock.errors import NotFound
from penstock.flows.open_widget import asked_widget, first_with_widget
from penstock.money import Money
from penstock.outcome import Widget
from penstock.ports import Cascade, Work
from penstock.session import CheckoutSession
from penstock.verdict import Candidate


@dataclass(frozen=True, slots=True)
class Refreshed:
    """An open session, what it charges if that is known, and the provider's widget if it has one."""

    session: CheckoutSession
    price: Money | None
    widget: Widget | None = None


def refresh_widget(work: Work, cascade: Cascade, session_id: str) -> Refreshed:
    """Return an open session with a fresh token for its widget, pinned to what the session charges now.

    A session keeps to the connection that opened its first widget. Raises `NotFound`, `SessionExpired`,
    `SessionNotOpen` and `Gr4vyUpstreamError`.
    """
    with work(read=True) as uow:
        session = uow.sessions.get(session_id)
        if session is None:
            raise NotFound("There is no checkout session with this id.")
        session.assert_open(uow.now)
        price = session.price(uow.carts.get(session.cart_id) if session.cart_id else None)
        kept = session.widget_connection_id and uow.connections.get(session.widget_connection_id)
        connections = [kept] if kept else uow.connections.list_active()
        now = uow.now
    candidate = first_with_widget(cascade, connections)
    if candidate is None or price is None or price.amount == 0:
        return Refreshed(session, price)
    widget = asked_widget(cascade, candidate, session, price, now)
    if (session.widget_connection_id, session.widget_ref) == (candidate.connection_id, widget.ref):
        return Refreshed(session, price, widget)
    return Refreshed(_remember(work, session, candidate, widget), price, widget)


def _remember(work: Work, session: CheckoutSession, candidate: Candidate, widget: Widget) -> CheckoutSession:
    with work() as uow:
        locked = uow.sessions.get_for_update(session.id) or session
        locked.assert_open(uow.now)
        locked.take_widget(candidate.connection_id, widget.ref, uow.now)
        uow.sessions.save(locked)
    return locked
