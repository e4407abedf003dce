"""Say where a payment goes: take its facts once, and let the merchant's rules decide about them."""

from collections.abc import Sequence
from dataclasses import replace

from penstock.cart import Cart
from penstock.outcome import CardFacts
from penstock.payment import PROXY_METHOD
from penstock.ports import Cascade, UnitOfWork
from penstock.request import ChargeRequest
from penstock.routing import ORDER_TYPE_KEY, Decision, Facts, Route, scheme_of, source_of
from penstock.ruleset import decide, names_for
from penstock.session import CheckoutSession
from penstock.tenant import Connection
from penstock.verdict import Candidate


class CardNeeded(Exception):
    """A rule looks at the card, and nobody has been asked about it yet: ask outside of the transaction, and come again."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        super().__init__("a rule looks at the card behind the token")
        self.connections = connections


def route_payment(
    uow: UnitOfWork, session: CheckoutSession, cart: Cart | None, request: ChargeRequest, card: CardFacts | None
) -> Route:
    """Return a payment's facts and the decision about it. ``card`` is None where nobody was asked about the card yet.

    A payment of nothing, and one that was made in a provider's own widget, goes nowhere. Raises `CardNeeded`.
    """
    facts = _facts(session, cart, request, card or CardFacts())
    if request.method == PROXY_METHOD or request.money.amount == 0:
        return Route(facts=facts, decision=Decision(way="not_routed"))
    lists = uow.routing.in_force(names_for(facts))
    if card is None and request.method_token and any(each.needs_card for each in lists.values()):
        raise CardNeeded(uow.connections.list_active())
    return Route(facts=facts, decision=decide(lists, facts))


def in_order(route: Route, active: Sequence[Connection]) -> Sequence[Connection]:
    """Return the active connections that a decision sends a payment to, in its order."""
    ids = route.decision.connector_ids
    if ids is None:
        return active
    by_id = {each.id: each for each in active}
    return [by_id[each] for each in ids if each in by_id]


def with_candidates(
    route: Route, cascade: Cascade, active: Sequence[Connection], request: ChargeRequest, *, is_imagined: bool = False
) -> tuple[Sequence[Candidate], Route]:
    """Return who can take the payment, in order, and the route with them and with why the others of it cannot."""
    candidates = cascade.candidates(in_order(route, active), request, is_imagined=is_imagined)
    taking = tuple(each.connection_id for each in candidates)
    known = {each.id: each for each in active}
    ids = route.decision.connector_ids
    others = [each for each in (ids if ids is not None else known) if each not in taking]
    reasons = {
        each: cascade.objection(known[each], request, is_imagined=is_imagined) or "unusable"
        if each in known
        else "inactive"
        for each in others
    }
    return candidates, replace(route, taking=taking, passed_over=reasons)


def _facts(session: CheckoutSession, cart: Cart | None, request: ChargeRequest, card: CardFacts) -> Facts:
    return Facts(
        amount=request.money.amount,
        currency=request.money.currency,
        payment_method=request.method,
        country=request.country,
        card_scheme=scheme_of(card.scheme),
        card_source=source_of(request.method),
        card_type=card.funding,
        card_country=card.country,
        metadata={**(cart.metadata if cart else {}), **session.metadata, ORDER_TYPE_KEY: "one_off"},
    )
