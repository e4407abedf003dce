"""Tell why a payment went where it went, where one would go, and what a draft of the rules would have changed."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from penstock.flows.replace_list import connectors_of
from penstock.flows.route_payment import with_candidates
from penstock.money import Money
from penstock.ports import Cascade, UnitOfWork
from penstock.request import ChargeRequest
from penstock.routing import ORDER_TYPE_KEY, Decision, Facts, ListName, Route, Rule, source_of
from penstock.rule_reading import check_list, read_rules
from penstock.ruleset import RuleList, compile_list, decide, names_for
from penstock.trace import attempts_out, stops_out, trace_out

Json = dict[str, Any]
_DRAFTED: Final[Mapping[str, ListName]] = {
    "paymentRouting": "payment-routing",
    "cardDecline": "card-decline",
    "otherRouting": "other-routing",
    "otherDecline": "other-decline",
}


def trace_payment(uow: UnitOfWork, payment_id: str) -> Json | None:
    """Return the trace of a payment, or None for an unknown one and one from before its route was kept."""
    payment, route = uow.payments.get(payment_id), uow.routing.route(payment_id)
    if payment is None or route is None:
        return None
    rules = {name: _kept_rules(uow, route.decision, name) for name in route.decision.versions}
    tried = [each.connection_id for each in payment.attempts]
    names = {each: _plugin(uow, each) for each in {*route.taking, *route.passed_over}}
    stops = list(stops_out(route, {id_: name for id_, name in names.items() if name}, tried))
    return {"paymentId": payment_id, **trace_out(route, rules, stops, list(attempts_out(payment.attempts)))}


def simulate_routing(uow: UnitOfWork, cascade: Cascade, given: Json, draft: Json) -> Json:
    """Return the trace that a payment with these facts would have. Nobody is asked. Raises what a bad draft raises."""
    facts = _facts(given)
    active = uow.connections.list_active()
    lists = _lists(uow, cascade, draft)
    route = Route(facts=facts, decision=decide(lists, facts))
    if not route.decision.is_declined:
        request = ChargeRequest(
            "", Money(facts.amount, facts.currency), facts.payment_method, "", country=facts.country
        )
        _, route = with_candidates(route, cascade, active, request, is_imagined=True)
    looked_at = names_for(facts)[:1] if route.decision.is_declined else names_for(facts)
    rules = {name: lists[name].rules for name in looked_at if name in lists}
    stops = stops_out(route, {each.id: each.connector for each in active}, None)
    return {"paymentId": None, **trace_out(route, rules, list(stops), ())}


def replay_routing(uow: UnitOfWork, cascade: Cascade, draft: Json, *, limit: int) -> Json:
    """Decide about the newest payments again under a draft; return those that it would have treated differently.

    Raises what a bad draft raises.
    """
    lists = _lists(uow, cascade, draft)
    routes = [(id_, each) for id_, each in uow.routing.routes(limit=limit) if each.decision.way != "not_routed"]
    again = [(id_, route.decision, decide(lists, route.facts)) for id_, route in routes]
    differences = [
        {"paymentId": id_, "before": before.shape(), "after": after.shape()}
        for id_, before, after in again
        if _effect(before) != _effect(after)
    ]
    return {"examined": len(again), "changed": len(differences), "differences": differences}


def _kept_rules(uow: UnitOfWork, decision: Decision, name: ListName) -> Sequence[Rule]:
    """Return the rules of a list as the payment met them: none of a list that was not looked at or never set."""
    number = decision.versions[name]
    is_skipped = decision.is_declined and name != decision.list_name
    version = uow.routing.numbered(name, number) if number and not is_skipped else None
    return read_rules(version.body) if version else ()


def _plugin(uow: UnitOfWork, connection_id: str) -> str | None:
    connection = uow.connections.get(connection_id)
    return None if connection is None else connection.connector


def _lists(uow: UnitOfWork, cascade: Cascade, draft: Json) -> Mapping[ListName, RuleList]:
    lists = dict(uow.routing.in_force())
    if draft:
        connectors = connectors_of(cascade, uow.connections.list_active())
        for field, body in draft.items():
            check_list(_DRAFTED[field], body, connectors, f"/draft/{field}")
            lists[_DRAFTED[field]] = compile_list(_DRAFTED[field], 0, body)
    return lists


def _facts(given: Json) -> Facts:
    method = given.get("paymentMethod", "card")
    known = {"paymentSource": "ecommerce", "cardSource": source_of(method), **given, "paymentMethod": method}
    return Facts.read({**known, "metadata": {ORDER_TYPE_KEY: "one_off", **given.get("metadata", {})}})


def _effect(decision: Decision) -> tuple[bool, str | None, tuple[str, ...] | None]:
    return decision.is_declined, decision.error_code, decision.connector_ids
