"""Captures, voids and refunds: which verb of a connector is meant, and whether it may be asked for."""

from collections.abc import Callable

from penstock.connector import PaymentConnector
from penstock.outcome import FollowUp
from penstock.request import CaptureRequest, FollowUpRequest, RefundRequest, VoidRequest


def verb_for(connector: PaymentConnector, request: FollowUpRequest) -> Callable[[], FollowUp]:
    """Return the call of the connector's verb that this request is for."""
    match request:
        case CaptureRequest():
            return lambda: connector.capture(request)
        case VoidRequest():
            return lambda: connector.void(request)
        case RefundRequest():
            return lambda: connector.refund(request)


def can_follow_up(connector: PaymentConnector, request: FollowUpRequest) -> bool:
    """Whether the connector claims the verb that this request is for."""
    claims = connector.capabilities
    return claims.refund if isinstance(request, RefundRequest) else claims.manual_capture
