"""Between the wire's JSON and the objects of shipping and tax, and nothing else."""

import re
from collections.abc import Callable, Iterable
from typing import Final

from handlers.wire import Json, Reply, totals_out
from penstock.calculation import Calculation, Goods, Kind, Note
from penstock.caller import Caller
from penstock.clock import rfc3339
from penstock.exemption import read_exemption
from penstock.explanation import explain
from penstock.flows.calculate_cart import Wanted
from penstock.flows.replace_list import tag_of
from penstock.flows.take_snapshot import Handed
from penstock.quote_token import QuoteToken
from penstock.shipping_tax import ConfigHead, ConfigVersion
from penstock.snapshot import Snapshot
from penstock.totals import MILLION, SHIPPING, Part, TaxPart, Totals
from penstock.zone_rates import Offer

_ADDRESS: Final = re.compile(r"^addresses\.(\w+)")


def config_out(head: ConfigHead, published: ConfigVersion | None) -> Json:
    return {
        "draft": _draft_out(head),
        "published": version_out(published) if published else None,
    }


def head_out(head: ConfigHead) -> Reply:
    return Reply(_draft_out(head), 200, {"ETag": tag_of(head.revision)})


def version_out(version: ConfigVersion) -> Json:
    return {
        "id": version.id,
        "version": version.number,
        "restoredFrom": version.restored_from,
        "publishedAt": rfc3339(version.created_at),
        "publishedBy": version.created_by,
        **version.body,
    }


def _draft_out(head: ConfigHead) -> Json | None:
    if head.draft is None:
        return None
    return {
        "basedOn": head.number,
        "updatedAt": rfc3339(head.drafted_at) if head.drafted_at else None,
        "updatedBy": head.drafted_by,
        **head.draft,
    }


def token_out(token: QuoteToken) -> Json:
    return {
        "id": token.id,
        "name": token.name,
        "tokenPrefix": token.prefix,
        "last4": token.last4,
        "createdAt": rfc3339(token.created_at),
        "createdBy": token.created_by,
        "expiresAt": rfc3339(token.expires_at) if token.expires_at else None,
    }


def calculation_out(calculation: Calculation, *, snapshot_id: str | None = None, cart_id: str | None = None) -> Json:
    basket, config, priced = calculation.basket, calculation.config, calculation.breakdown
    shipped, taxed = calculation.shipped, calculation.taxed
    goods = {each.line.id: each for each in basket.goods}
    return {
        "kind": calculation.kind,
        "status": calculation.status,
        "snapshotId": snapshot_id,
        "cartId": cart_id,
        "currency": basket.currency,
        "configVersion": config.version or None,
        "shipping": {
            "mode": config.shipping.mode,
            "source": shipped.source,
            "isKnown": shipped.is_known,
            "methods": [offer_out(offer) for offer in shipped.offers],
            "selectedMethod": offer_out(shipped.selected) if shipped.selected else None,
        },
        "tax": {
            "mode": config.tax.mode,
            "source": taxed.source,
            "isKnown": taxed.is_known,
            "pricesIncludeTax": config.tax.are_prices_gross,
            "taxTotal": priced.tax_total,
            "includedTaxTotal": priced.included_tax_total,
            "lines": [_tax_out(part, tax, goods) for part in priced.parts for tax in part.taxes],
        },
        "totals": totals_out(priced.totals),
        "prompts": _notes_out(calculation.prompts, calculation.kind),
        "warnings": _notes_out(calculation.warnings, calculation.kind),
        "errors": _notes_out(calculation.errors, calculation.kind),
        "explanation": explain(calculation),
    }


def _notes_out(notes: Iterable[Note], kind: Kind) -> list[Json]:
    """Return notes that name their fields as the request did: a quote's addresses stand together, a cart's do not."""
    shapes = [note.shape() for note in notes]
    for shape in shapes if kind != "quote" else ():
        if shape["field"]:
            shape["field"] = _ADDRESS.sub(r"\1Address", shape["field"])
    return shapes


def offer_out(offer: Offer) -> Json:
    return {
        "id": offer.id,
        "displayName": offer.name,
        "type": offer.type,
        "rateAmount": offer.amount,
        "currency": offer.currency,
        "carrier": offer.carrier,
        "serviceCode": offer.service_code,
        "estimatedDeliveryDays": offer.estimated_days,
        "zoneId": offer.zone_id,
        "source": offer.source,
    }


def rendered(cart_id: str | None) -> Callable[[Calculation, str | None], Json]:
    """Return what makes the answer of a calculation for a cart."""
    return lambda calculation, snapshot_id: calculation_out(calculation, snapshot_id=snapshot_id, cart_id=cart_id)


def wanted_in(body: Json, caller: Caller) -> Wanted:
    names = {"shippingAddress": "shipping_address", "billingAddress": "billing_address"}
    kind = body.get("kind", "cart_estimate")
    return Wanted(
        kind=kind,
        is_kept=body.get("persist", kind == "checkout_final"),
        selected_id=body.get("selectedShippingMethodId"),
        exemption={"tax_exemption": read_exemption(body["taxExemption"])} if "taxExemption" in body else {},
        addresses={snake: body[name] for name, snake in names.items() if body.get(name)},
        principal_id=caller.principal_id,
    )


def session_wanted(body: Json, caller: Caller) -> Wanted:
    """Return what a buyer's page asks for: always the final calculation."""
    return wanted_in({**body, "kind": "checkout_final"}, caller)


def session_calculation_out(session_id: str, whole: Json) -> Json:
    """Return a buyer's answer: the choices and the totals, without the merchant's rules behind them."""
    names = ("status", "currency", "shipping", "tax", "totals", "prompts", "errors")
    return {"sessionId": session_id, **{name: whole[name] for name in names}}


def handed_in(body: Json, caller: Caller) -> Handed:
    totals = body["totals"]
    return Handed(
        application_id=body["applicationId"],
        totals=Totals(totals["subtotal"], totals["discountTotal"], totals["shippingTotal"], totals["taxTotal"]),
        total=totals["total"],
        currency=body.get("currency"),
        cart_id=body.get("cartId"),
        session_ref=body.get("checkoutSessionId"),
        order_id=body.get("orderId"),
        shipping=body.get("selectedShipping"),
        tax_lines=body.get("taxLines"),
        source=body.get("source", "external"),
        principal_id=caller.principal_id,
    )


def snapshot_out(snapshot: Snapshot) -> Json:
    return {**snapshot.body, "createdAt": rfc3339(snapshot.created_at), "createdBy": snapshot.created_by}


def _tax_out(part: Part, tax: TaxPart, goods: dict[str, Goods]) -> Json:
    is_shipping = part.id == SHIPPING
    return {
        "lineItemId": None if is_shipping else goods[part.id].ref,
        "appliesTo": "shipping" if is_shipping else "item",
        "rateId": tax.rate.id,
        "jurisdictionCode": tax.rate.jurisdiction,
        "jurisdictionName": tax.rate.name,
        "taxType": tax.rate.tax_type,
        "rate": tax.rate.ppm / MILLION,
        "amount": tax.amount,
        "isIncluded": part.is_included,
    }
