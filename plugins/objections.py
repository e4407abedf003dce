"""Why a connector cannot take a charge, before anybody is asked."""

import structlog

from penstock.connector import PaymentConnector
from penstock.request import ChargeRequest

_log = structlog.get_logger(__name__)


def objection(connector: PaymentConnector, request: ChargeRequest, *, is_imagined: bool) -> str:
    """Return why a connector cannot take a charge, or "" where it can.

    An imagined charge has no token, so that nobody's token can be the wrong one.
    """
    claims = connector.capabilities
    if request.method not in claims.methods:
        return "method_not_taken"
    if not takes(connector, request.money.currency):
        return "currency_not_taken"
    if request.capture == "manual" and not claims.manual_capture:
        return "cannot_hold_money"
    if not is_imagined and not _takes_token(connector, request):
        return "token_not_taken"
    return ""


def takes(connector: PaymentConnector, currency: str) -> bool:
    """Tell whether a connector takes a currency."""
    currencies = connector.capabilities.currencies
    return currencies is None or currency in currencies


def _takes_token(connector: PaymentConnector, request: ChargeRequest) -> bool:
    if not request.method_token:
        return request.method in connector.capabilities.redirect_methods
    try:
        return connector.takes_token(request.method_token) is True
    except Exception as exc:  # noqa: BLE001  a connector that cannot say is not asked
        _log.warning("token_not_recognized", connector=connector.name, error=type(exc).__name__)
        return False
