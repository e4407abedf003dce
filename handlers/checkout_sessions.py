"""Checkout sessions and embedded checkout."""

import hashlib

import orjson

from bootstrap import House
from handlers.tax_wire import rendered, session_calculation_out, session_wanted
from handlers.wire import Json, Reply, completed_out, methods_out, session_out, snake_in
from penstock.caller import Caller
from penstock.clock import rfc3339
from penstock.errors import AllowedMethodsUnsupported, DiscountInvalid, Fault, SessionNotFound, ValidationError
from penstock.flows.begin_payment import Completion
from penstock.flows.calculate_session import calculate_session as calculate
from penstock.flows.complete_session import complete_session as complete
from penstock.flows.end_session import end_session
from penstock.flows.open_session import open_session
from penstock.flows.open_widget import open_widget
from penstock.flows.refresh_widget import Refreshed, refresh_widget
from penstock.money import Money
from penstock.payment import PROXY_ALIAS, PROXY_METHOD
from penstock.ports import UnitOfWork, Work
from penstock.session import Collect, SessionStatus


def create_embed_token(work: Work, caller: Caller, house: House, body: Json) -> Json:
    if "allowedMethods" in body:
        raise AllowedMethodsUnsupported
    fields = {"country": "US", "external_cart_id": None, **snake_in(body)}
    session, widget = open_widget(work, house.cascade, caller, fields)
    price = Money(body["amount"], body["currency"])
    return _with_token(house, caller, Refreshed(session, price, widget)) | {
        "hostedUrl": house.links.hosted(session.id),
        "embedUrl": house.links.embed(session.id),
        "expiresAt": rfc3339(session.expires_at),
    }


def create_session(uow: UnitOfWork, caller: Caller, house: House, body: Json) -> Json | DiscountInvalid:
    collect = body.get("collect") or {}
    wanted = Collect(collect.get("shippingAddress", True), collect.get("billingAddress", False))
    opened = open_session(uow, caller, {**snake_in(body), "collect": wanted})
    if isinstance(opened, DiscountInvalid):
        return opened
    session, cart = opened
    hosted, embed = house.links.hosted(session.id), house.links.embed(session.id)
    return session_out(session, hosted=hosted, embed=embed, cart=cart)


def cancel_session(work: Work, house: House, id_: str) -> Json:
    session, cart = end_session(work, house.cascade, id_, "cancelled")
    hosted, embed = house.links.hosted(session.id), house.links.embed(session.id)
    return session_out(session, hosted=hosted, embed=embed, cart=cart)


def expire_session(work: Work, house: House, id_: str) -> Json:
    session, cart = end_session(work, house.cascade, id_, "expired")
    hosted, embed = house.links.hosted(session.id), house.links.embed(session.id)
    return session_out(session, hosted=hosted, embed=embed, cart=cart)


def refresh_embed_token(work: Work, caller: Caller, house: House, id_: str) -> Json:
    fresh = refresh_widget(work, house.cascade, id_)
    return _with_token(house, caller, fresh) | {
        "amount": fresh.price.amount if fresh.price else None,
        "currency": fresh.price.currency if fresh.price else None,
        "gr4vyCheckoutSessionId": fresh.widget.ref if fresh.widget else None,
    }


def list_payment_methods(work: Work, house: House, id_: str) -> Json:
    with work(read=True) as uow:
        session = uow.sessions.get(id_)
        if session is None:
            raise SessionNotFound
        price = session.price(uow.carts.get(session.cart_id) if session.cart_id else None)
        is_open = session.status is SessionStatus.OPEN and not session.is_over(uow.now)
        connections = uow.connections.list_active()
    if not is_open or price is None:
        return {"methods": []}
    offers = house.cascade.offers(connections, currency=price.currency)
    return {"methods": methods_out(offers, session.allowed_methods)}


def calculate_session(work: Work, caller: Caller, house: House, id_: str, body: Json | None) -> Json:
    whole = calculate(work, house.quoting, id_, session_wanted(body or {}, caller), rendered)
    return session_calculation_out(id_, whole)


def complete_session(work: Work, caller: Caller, house: House, id_: str, body: Json) -> Reply:
    method = PROXY_METHOD if body["paymentMethod"] == PROXY_ALIAS else body["paymentMethod"]
    completion = Completion(
        payment_method=method,
        digest=hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        return_url=house.links.comeback(id_),
        payment_token=body.get("paymentToken"),
        provider_transaction_id=_transaction_id(body) if method == PROXY_METHOD else None,
        email=body.get("email"),
        shipping_address=body.get("shippingAddress"),
        billing_address=body.get("billingAddress"),
        expected_amount=body.get("expectedAmount"),
    )
    completed = complete(work, house.cascade, house.clock, caller=caller, session_id=id_, completion=completion)
    return Reply(completed_out(completed), 202 if completed.is_open else 200)


def _transaction_id(body: Json) -> str | None:
    """Return the id of a provider's transaction, under whichever of its names it came."""
    given = [body[name] for name in ("gr4vyTransactionId", "providerTransactionId") if name in body]
    if len(given) > 1:
        raise ValidationError(
            Fault("/providerTransactionId", "repeated", "is the same as gr4vyTransactionId; give one of them")
        )
    return given[0] if given else None


def _with_token(house: House, caller: Caller, fresh: Refreshed) -> Json:
    """Return the provider's own token where it has a widget, and ours otherwise."""
    session, price = fresh.session, fresh.price
    if fresh.widget is not None:
        token, expires_at = fresh.widget.token, fresh.widget.expires_at
    else:
        token, expires_at = house.tokens.mint_embed(
            session.id,
            environment=caller.environment_slug,
            amount=price.amount if price else None,
            currency=price.currency if price else None,
        )
    return {"checkoutSessionId": session.id, "embedToken": token, "embedTokenExpiresAt": rfc3339(expires_at)}
